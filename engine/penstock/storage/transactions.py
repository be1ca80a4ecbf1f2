"""Transactions: several tasks that commit, or roll back, together.

Each task run is a transaction; inside a block it is a child of the block's. What a transaction does is written once, as
steps; `Transaction` performs them in sync code, `AsyncTransaction` in async code, a run's life within its own steps.
A commit or rollback that has begun is not torn by an interruption: that waits for its end.
Neighbours: `core.reuse` opens and closes those of task runs; `results` stores.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock.base.managers import asynccontextmanager, contextmanager
from penstock.interruption.shielding import shield
from penstock.storage.steps import arun_steps, run_steps
from penstock.storage.transaction_steps import BaseTransaction

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from typing import Self

    from penstock.storage.levels import CommitMode, IsolationLevel
    from penstock.storage.store import ResultStore


class Transaction(BaseTransaction):
    """A transaction in sync code: `with transaction() as txn`."""

    def begin(self) -> None:
        """Begin; see `BaseTransaction.begin_steps`."""
        run_steps(self.begin_steps())

    def read(self) -> Any:
        """The stored record of the key; None without a key.

        Raises:
            ValueError: nothing is stored under it.
        """
        return run_steps(self.read_steps(missing=True))

    def commit(self) -> bool:
        """Commit; False when it was ended before, or an error rolled it back."""
        with shield():
            return bool(run_steps(self.commit_steps()))

    def rollback(self) -> bool:
        """Roll back; False when it was ended before, or a hook failed."""
        self._rolled_back_by_hand()
        with shield():
            return bool(run_steps(self.rollback_steps()))

    def run_hook(self, hook: Any, hook_type: str) -> None:
        """Call one hook of this transaction; a subclass may do so in its own way.

        Args:
            hook: is given the transaction.
            hook_type: "commit" or "rollback".
        """
        run_steps(self._called_hook_steps(hook, hook_type))

    def reset(self) -> None:
        """Leave the block without committing or rolling back; called at the end of each block."""
        self._leave()
        if not self._leaving:  # at the end of a block its lock is the parent's to give back
            self._unlock()

    def __enter__(self) -> Self:
        self._enter()
        try:
            self.begin()
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(self, exc_type: Any, exc: BaseException | None, tb: Any) -> None:
        self._check_entered()
        try:
            with shield():
                run_steps(self.exit_steps(exc))
        finally:
            self.reset()


class AsyncTransaction(BaseTransaction):
    """A transaction in async code: `async with atransaction() as txn`."""

    is_async = True

    async def begin(self) -> None:
        """Begin; see `BaseTransaction.begin_steps`."""
        await arun_steps(self.begin_steps())

    async def read(self) -> Any:
        """The stored record of the key; None without a key.

        Raises:
            ValueError: nothing is stored under it.
        """
        return await arun_steps(self.read_steps(missing=True))

    async def commit(self) -> bool:
        """Commit; False when it was ended before, or an error rolled it back."""
        with shield():
            return bool(await arun_steps(self.commit_steps()))

    async def rollback(self) -> bool:
        """Roll back; False when it was ended before, or a hook failed."""
        self._rolled_back_by_hand()
        with shield():
            return bool(await arun_steps(self.rollback_steps()))

    async def run_hook(self, hook: Any, hook_type: str) -> None:
        """Call one hook of this transaction; arguments as for `Transaction.run_hook`."""
        await arun_steps(self._called_hook_steps(hook, hook_type))

    async def reset(self) -> None:
        """Leave the block without committing or rolling back; called at the end of each block."""
        self._leave()
        if not self._leaving:  # at the end of a block its lock is the parent's to give back
            self._unlock()

    async def __aenter__(self) -> Self:
        self._enter()
        try:
            await self.begin()
        except BaseException:
            self._leave()
            raise
        return self

    async def __aexit__(self, exc_type: Any, exc: BaseException | None, tb: Any) -> None:
        self._check_entered()
        try:
            with shield():
                await arun_steps(self.exit_steps(exc))
        finally:
            await self.reset()

    def __enter__(self) -> Self:
        raise NotImplementedError(
            "AsyncTransaction does not support the `with` statement. Use the `async with` statement instead."
        )

    def __exit__(self, *_: object) -> None:
        raise NotImplementedError(
            "AsyncTransaction does not support the `with` statement. Use the `async with` statement instead."
        )


def _options(key: str | None, store: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
    if key is not None and store is None:
        from penstock.storage.persisting import get_result_store

        store = get_result_store()
    return {"key": key, "store": store, **kwargs}


@contextmanager
def transaction(
    key: str | None = None,
    store: ResultStore | None = None,
    commit_mode: CommitMode | None = None,
    isolation_level: IsolationLevel | None = None,
    overwrite: bool = False,
    write_on_commit: bool = True,
    logger: Any = None,
) -> Iterator[Transaction]:
    """Commit, or roll back, what happens in the block together.

    Args:
        key: under which a value staged by hand is stored.
        store: where; default with a key: that of the current run.
        commit_mode: default: the parent's, else LAZY.
        isolation_level: default: the parent's, else READ_COMMITTED.
        overwrite: do not look whether the key is stored already.
        write_on_commit: store a staged value at commit.
        logger: for the lines of hooks.

    Raises:
        ConfigurationError: the level needs locks and there are none.
    """
    options = _options(key, store, {
        "commit_mode": commit_mode, "isolation_level": isolation_level, "overwrite": overwrite,
        "write_on_commit": write_on_commit, "logger": logger,
    })  # fmt: skip
    with Transaction(**options) as txn:
        yield txn


@asynccontextmanager
async def atransaction(
    key: str | None = None,
    store: ResultStore | None = None,
    commit_mode: CommitMode | None = None,
    isolation_level: IsolationLevel | None = None,
    overwrite: bool = False,
    write_on_commit: bool = True,
    logger: Any = None,
) -> AsyncIterator[AsyncTransaction]:
    """`transaction` for `async with`."""
    options = _options(key, store, {
        "commit_mode": commit_mode, "isolation_level": isolation_level, "overwrite": overwrite,
        "write_on_commit": write_on_commit, "logger": logger,
    })  # fmt: skip
    async with AsyncTransaction(**options) as txn:
        yield txn
