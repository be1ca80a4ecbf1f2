"""What a transaction does, written once as steps. Neighbours: `transactions` performs them in sync and in async code."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from penstock.base.current import current_run, current_transaction
from penstock.base.exceptions import ConfigurationError
from penstock.core.changes import hook_name
from penstock.core.effects import Ask, Call
from penstock.core.outcome import Raised
from penstock.storage.failing import not_taken, noting, tell_failed_commit
from penstock.storage.levels import CommitMode, IsolationLevel, TransactionState
from penstock.storage.overriding import replaced
from penstock.storage.records import ResultRecord
from penstock.storage.steps import value_of
from penstock.storage.transaction_values import TransactionValues

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from penstock.core.effects import Effect
    from penstock.storage.store import ResultStore

    Steps = Generator[Effect, Any, Any]


class BaseTransaction(TransactionValues):
    """What both forms have in common.

    Args:
        key: under which the staged value is stored; None: it is not, but for a task run, which gets a random one.
        store: where; None: nothing is stored.
        commit_mode: default: the parent's, else LAZY.
        isolation_level: None: the parent's, else READ_COMMITTED.
        overwrite: do not look whether the key is stored already.
        write_on_commit: store the staged value at commit.
        logger: default: the run's, outside runs that of this module.
        state: for one that does not begin pending.
    """

    is_async = False

    def __init__(
        self,
        key: str | None = None,
        store: ResultStore | None = None,
        commit_mode: CommitMode | None = None,
        isolation_level: IsolationLevel | None = IsolationLevel.READ_COMMITTED,
        overwrite: bool = False,
        write_on_commit: bool = True,
        logger: Any = None,
        state: TransactionState = TransactionState.PENDING,
    ) -> None:
        self._key = key
        self._store = store
        self.commit_mode = None if commit_mode is None else CommitMode(commit_mode)
        known = isolation_level is None or type(isolation_level) is IsolationLevel
        self.isolation_level = isolation_level if known else IsolationLevel(isolation_level)
        self.overwrite = overwrite
        self.write_on_commit = write_on_commit
        self._logger = logger
        self.state = state if type(state) is TransactionState else TransactionState(state)
        self.children: list[BaseTransaction] = []
        self.on_commit_hooks: list[Callable[..., Any]] = []
        self.on_rollback_hooks: list[Callable[..., Any]] = []
        self._staged_value: Any = None
        self._stored_values: dict[str, Any] = {}
        self._parent: BaseTransaction | None = None
        self._token: Any = None
        self._locked: str | None = None
        self._written = False
        self._undone = False
        self.unstored: Exception | None = None
        self._by_hand = False  # rolled back by a call in the block: those above are, too
        self._leaving = False
        self.run: Any = None  # of the task run whose transaction this is
        self.on_rolled_back: Callable[[], None] | None = None

    @property
    def logger(self) -> Any:
        """What its lines go to."""
        if self._logger is None:
            run = self.run or current_run.get()
            if run is None:
                return logging.getLogger("penstock.transactions")
            from penstock.logging.adapters import logger_of_run

            self._logger = logger_of_run(run)
        return self._logger

    @property
    def store(self) -> ResultStore | None:
        """Where it stores; for a task run that stores nothing, where it would."""
        if self._store is None and self.run is not None:
            from penstock.storage.persisting import store_within

            return store_within(self.run, self._parent)
        return self._store

    @store.setter
    def store(self, value: ResultStore | None) -> None:
        self._store = value

    @property
    def key(self) -> Any:
        """Under which the staged value is stored; None: it is not."""
        if self._key is None and self.run is not None:
            from uuid import uuid4

            self._key = uuid4().hex
        return self._key

    @key.setter
    def key(self, value: str) -> None:
        self._key = value

    @classmethod
    def get_active(cls) -> BaseTransaction | None:
        """The active transaction, or None."""
        return get_transaction()

    def get_parent(self) -> BaseTransaction | None:
        """The transaction that this one is a child of."""
        return self._parent

    def add_child(self, transaction: BaseTransaction) -> None:
        """Commit and roll back another together with this one."""
        self.children.append(transaction)

    def prepare_transaction(self, parent: BaseTransaction | None) -> None:
        """Take from the parent what was not given, and join it."""
        if self.commit_mode is None:
            self.commit_mode = parent.commit_mode if parent is not None else CommitMode.LAZY
        if self.isolation_level is None:
            self.isolation_level = parent.isolation_level if parent is not None else IsolationLevel.READ_COMMITTED
        self._parent = parent
        if (
            self.isolation_level is IsolationLevel.SERIALIZABLE
            and self._store is not None
            and not self._store.supports_isolation_level(self.isolation_level)
        ):
            raise ConfigurationError(
                "Isolation level SERIALIZABLE is not supported by provided configuration: it needs a lock manager or "
                "lock directory, as in "
                "`cache_policy.configure(isolation_level=IsolationLevel.SERIALIZABLE, lock_manager=MemoryLockManager())`."
            )

    def begin_steps(self) -> Steps:
        """Take the lock if the level asks for it, and see whether the key is stored already."""
        yield from self.lock_steps()
        yield from self.look_steps()

    def lock_steps(self) -> Steps:
        """Begin: take the lock of the key if the level asks for it."""
        self.state = TransactionState.ACTIVE
        store = self._store
        if store is not None and self._key is not None and self.isolation_level is IsolationLevel.SERIALIZABLE:
            from penstock.base.asyncutils import in_async_run

            holder = f"{store.generate_default_holder()}:{id(self)}"
            acquire = store.aacquire_lock if in_async_run() else store.acquire_lock
            taken = yield Ask(acquire, (self.key, holder))
            if isinstance(taken, Raised):
                raise not_taken(store, self.key, holder, taken.exc)
            self._locked = holder

    def look_steps(self) -> Steps:
        """See whether the key is stored already; then it is committed."""
        store = self._store
        if store is not None and self._key is not None and not self.overwrite:
            # A task run looks at what it reads itself; for a block, an expired record counts as absent.
            look = store._exists_steps if self.run is None else store._stored_steps
            own = replaced(store, *self._forms("exists"))
            if value_of((yield Call(own, (self.key,)))) if own is not None else (yield from look(self.key)):
                self.state = TransactionState.COMMITTED

    def _unlock(self) -> None:
        if self._locked is not None and self._store is not None:
            holder, self._locked = self._locked, None
            try:
                self._store.release_lock(self.key, holder)
            except ValueError as exc:  # it expired, and somebody else has it
                self.logger.warning("The lock of %r was lost: %s", self.key, exc)

    def read_steps(self, *, missing: bool = False) -> Steps:
        """The stored record of the key, or None.

        With `missing`, as by hand: another's lock is waited for, and the storage's error is raised when there is none.
        """
        store = self._store
        if store is None or self._key is None:
            return None
        if missing and store.lock_manager is not None and not store.is_lock_holder(self._key, self._locked):
            value_of((yield Ask(getattr(store, self._forms("wait_for_lock")[0]), (self._key,))))
        own = replaced(store, *self._forms("read"))
        if own is not None:
            return value_of((yield Call(own, (self._key, self._locked))))
        return (yield from store._read_steps(self._key, missing=missing))

    def stage(self, value: Any, on_rollback_hooks: Any = None, on_commit_hooks: Any = None) -> None:
        """Take a value to be stored at commit, and the hooks of both ends."""
        if self.is_committed():
            return
        self._staged_value = value
        self.on_rollback_hooks += list(on_rollback_hooks or [])
        self.on_commit_hooks += list(on_commit_hooks or [])
        self.state = TransactionState.STAGED

    def commit_steps(self) -> Steps:
        """Commit children, run hooks, store; an error rolls back. True when it is committed by this call."""
        if self._undone or self.state in (TransactionState.ROLLED_BACK, TransactionState.COMMITTED):
            self._unlock()
            return False
        try:
            for child in self.children:
                own = replaced(child, "commit")
                if own is not None:
                    value_of((yield Call(own)))
                else:
                    yield from child.commit_steps()
            for hook in self.on_commit_hooks:
                yield from self._hook_steps(hook, "commit")
            if self._store is not None and self.write_on_commit:
                yield from noting(self, self._write_steps())
        except Exception as exc:  # noqa: BLE001  (whatever it is, nothing is committed)
            tell_failed_commit(self, exc)
            yield from self.rollback_steps()
            return False
        self.state = TransactionState.COMMITTED
        self._unlock()
        return True

    def _write_steps(self) -> Steps:
        if self._store is None or self.key is None or (self.run is not None and not self.is_staged()):
            return
        record = self._staged_value
        own = replaced(self._store, *self._forms("write"), *self._forms("persist_result_record"))
        if own is not None:
            whole = isinstance(record, ResultRecord)
            name = self._forms("persist_result_record" if whole else "write")[0]
            args = {"result_record": record} if whole else {"obj": record, "key": self.key}
            value_of((yield Call(getattr(self._store, name), (), {**args, "holder": self._locked})))
            self._written = True
            return
        if not isinstance(record, ResultRecord):
            record = self._store.create_result_record(record, self.key)
        yield from self._store._write_steps(record)
        self._written = True

    def rollback_steps(self) -> Steps:
        """Run the hooks of staged members, last first; what was written is removed.

        A hook sees the state that is undone; one that fails ends the hooks of its transaction, which then keeps that
        state, and stops no other.
        """
        if self._undone or (
            self.state in (TransactionState.ROLLED_BACK, TransactionState.COMMITTED) and not self._undoable()
        ):
            self._unlock()
            return False
        self._undone = True
        staged = self.state in (TransactionState.STAGED, TransactionState.COMMITTED)
        clean = True
        for hook in reversed(self.on_rollback_hooks):
            try:
                yield from self._hook_steps(hook, "rollback")
            except Exception:
                self.logger.exception("An error was encountered while rolling back transaction %r", self.key)
                clean = False
                break
        if clean:
            self.state = TransactionState.ROLLED_BACK
        if self._written and self._store is not None:
            yield from self._store._delete_steps(self.key)
            self._written = False
        for child in reversed(self.children):
            own = replaced(child, "rollback")
            if own is not None:
                value_of((yield Call(own)))
            else:
                yield from child.rollback_steps()
        self._unlock()
        if staged and self.on_rolled_back is not None:
            self.on_rolled_back()
        return clean

    @property
    def undone(self) -> bool:
        """Whether it was rolled back, whatever its hooks did."""
        return self._undone

    def _undoable(self) -> bool:
        """Whether a committed member can still be undone: it was written with a parent whose commit failed."""
        return (
            self.state is TransactionState.COMMITTED
            and self._written
            and self.commit_mode is not CommitMode.EAGER
            and self._parent is not None
            and not self._parent.is_committed()
        )

    def _forms(self, name: str) -> tuple[str, ...]:
        """The names of a store's method, the one for the code that this is used in first."""
        return (f"a{name}", name) if self.is_async else (name,)

    def _hook_steps(self, hook: Callable[..., Any], kind: str) -> Steps:
        own = replaced(self, "run_hook")
        if own is not None:
            value_of((yield Call(own, (hook, kind))))
        else:
            yield from self._called_hook_steps(hook, kind)

    def _called_hook_steps(self, hook: Callable[..., Any], kind: str) -> Steps:
        name = hook_name(hook)
        if getattr(hook, "log_on_run", True):
            self.logger.info("Running %s hook %r", kind, name)
        out = yield Call(hook, (self,))
        if isinstance(out, Raised):
            self.logger.error("An error was encountered while running %s hook %r", kind, name)
            raise out.exc
        if getattr(hook, "log_on_run", True):
            self.logger.info("%s hook %r finished running successfully", kind.capitalize(), name)

    def exit_steps(self, exc: BaseException | None) -> Steps:
        """Leave the block: roll back on an exception, else commit as the mode says.

        One that was rolled back by hand takes those above along.
        """
        self._leaving = True
        if exc is not None:
            yield from self._ended_steps("rollback")
            return
        if self._by_hand and self._parent is not None:
            self._parent._by_hand = True
            yield from self._parent.rollback_steps()
        if self.commit_mode is CommitMode.EAGER:
            yield from self._ended_steps("commit")
        if self._parent is not None:
            if self.run is not None:
                self._parent.add_child(self)
            return
        if self.commit_mode is CommitMode.OFF:
            yield from self._ended_steps("rollback")
        elif self.commit_mode is CommitMode.LAZY:
            yield from self._ended_steps("commit")

    def _ended_steps(self, how: str) -> Steps:
        own = replaced(self, how)
        if own is not None:
            value_of((yield Call(own)))
        else:
            yield from self.commit_steps() if how == "commit" else self.rollback_steps()

    def _rolled_back_by_hand(self) -> None:
        """Note that a call in the block rolled it back, if it was not the end of the block that called."""
        if not self._leaving:
            self._by_hand = True

    def _enter(self) -> None:
        if self._token is not None:
            raise RuntimeError("Context already entered. Context enter calls cannot be nested.")
        self.prepare_transaction(get_transaction())
        self._token = current_transaction.set((self, current_run.get()))

    def _leave(self) -> None:
        if self._token is not None:
            current_transaction.reset(self._token)
            self._token = None
            if self._parent is not None:
                self._parent.add_child(self)

    def _check_entered(self) -> None:
        if self._token is None:
            raise RuntimeError("Asymmetric use of context. Context exit called without an enter.")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BaseTransaction):
            return False
        mine, theirs = ({n: v for n, v in vars(txn).items() if not n.startswith("_")} for txn in (self, other))
        return self is other or (self._key == other._key and self._store == other._store and mine == theirs)

    __hash__ = object.__hash__


def get_transaction() -> BaseTransaction | None:
    """The active transaction: that of the innermost block, else of the current task run; None outside both."""
    entry = current_transaction.get()
    run = current_run.get()
    if run is not None and not run.is_flow and (entry is None or entry[1] is not run):
        if run.transaction is None and run.call is not None:
            from penstock.core.reuse import lone_transaction

            lone_transaction(run)
        if run.transaction is not None:
            own: BaseTransaction = run.transaction
            return own
    return entry[0] if entry is not None else None
