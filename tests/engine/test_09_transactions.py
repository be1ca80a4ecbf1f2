"""Transactions used by hand and below tasks: states, order, members, nesting, reading back."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from penstock import flow, task
from penstock.exceptions import ConfigurationError
from penstock.locking.memory import MemoryLockManager
from penstock.results import ResultStore
from penstock.states import Failed
from penstock.transactions import (
    CommitMode,
    IsolationLevel,
    Transaction,
    TransactionState,
    atransaction,
    get_transaction,
    transaction,
)


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    return ResultStore(result_storage=tmp_path)


def noting(log: list[Any], name: str) -> Callable[[Transaction], None]:
    def hook(txn: Transaction) -> None:
        log.append((name, txn.state.value))

    return hook


def test_a_transaction_before_in_and_after_its_block() -> None:
    fresh = Transaction()
    assert (fresh.is_pending(), fresh.key, fresh.commit_mode) == (True, None, None)
    with transaction() as txn:
        assert (txn.is_active(), txn.key, txn.store, txn.children) == (True, None, None, [])
        assert (txn.commit_mode, txn.isolation_level) == (CommitMode.LAZY, IsolationLevel.READ_COMMITTED)
        assert (get_transaction(), Transaction.get_active(), txn.get_parent()) == (txn, txn, None)
        with pytest.raises(RuntimeError, match="already entered"):
            txn.__enter__()
    assert txn.is_committed()
    assert get_transaction() is None
    with pytest.raises(RuntimeError, match="without an enter"):
        fresh.__exit__(None, None, None)
    assert Transaction(key="a") == Transaction(key="a") != Transaction(key="b")
    with pytest.raises(ValueError, match="NOPE"):
        Transaction(commit_mode="NOPE")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="nope"):
        Transaction(nope=1)  # type: ignore[call-arg]
    assert (repr(CommitMode.LAZY), CommitMode("LAZY"), CommitMode.LAZY.value) == (
        "CommitMode.LAZY", CommitMode.LAZY, "LAZY",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("mode", "state", "stored", "hooks"),
    [
        (None, "COMMITTED", True, ["commit"]),
        (CommitMode.LAZY, "COMMITTED", True, ["commit"]),
        (CommitMode.EAGER, "COMMITTED", True, ["commit"]),
        ("EAGER", "COMMITTED", True, ["commit"]),
        (CommitMode.OFF, "ROLLED_BACK", False, ["rollback"]),
    ],
)
def test_modes(store: ResultStore, mode: Any, state: str, stored: bool, hooks: list[str]) -> None:
    log: list[Any] = []
    with transaction(key="k", store=store, commit_mode=mode) as txn:
        txn.stage({"x": 1}, [lambda txn: log.append("rollback")], [lambda txn: log.append("commit")])
        assert txn.is_staged()
    assert (txn.state, store.exists("k"), log) == (TransactionState(state), stored, hooks)


def test_ending_by_hand(store: ResultStore) -> None:
    with transaction(key="a", store=store, commit_mode=CommitMode.OFF) as txn:
        txn.stage(5)
        assert (txn.commit(), txn.commit(), txn.rollback()) == (True, False, False)
    assert (txn.is_committed(), store.read("a").result) == (True, 5)
    with transaction(key="b", store=store) as txn:
        txn.stage(5)
        assert (txn.rollback(), txn.rollback(), txn.commit()) == (True, False, False)
    assert (txn.is_rolled_back(), store.exists("b")) == (True, False)
    with transaction(key="c", store=store, write_on_commit=False) as txn:
        txn.stage(5)
    assert (txn.is_committed(), store.exists("c")) == (True, False)


def test_a_key_that_is_stored_already(store: ResultStore) -> None:
    store.write(1, key="k")
    with transaction(key="k", store=store) as txn:
        assert txn.is_committed()
        assert txn.read().result == 1
        txn.stage(2)
    assert store.read("k").result == 1
    with transaction(key="k", store=store, overwrite=True) as txn:
        assert txn.is_active()
        txn.stage(3)
    assert store.read("k").result == 3
    store.write(1, key="old", expiration=datetime.now(UTC) - timedelta(seconds=1))
    with transaction(key="old", store=store) as txn:
        assert txn.is_active()
    with transaction(key="absent", store=store) as txn, pytest.raises(ValueError, match="does not exist"):
        txn.read()
    with transaction() as txn:
        assert txn.read() is None


def test_hooks_see_what_is_undone_and_members_join_at_their_end() -> None:
    log: list[Any] = []
    with contextlib.suppress(ValueError), transaction() as outer:
        with transaction() as first:
            first.stage(1, [noting(log, "a1"), noting(log, "a2")])
            assert outer.children == []
        with transaction() as second:
            second.stage(1, [noting(log, "b")])
        assert outer.children == [first, second]
        outer.stage(1, [noting(log, "outer")])
        raise ValueError("no")
    assert log == [("outer", "STAGED"), ("b", "STAGED"), ("a2", "STAGED"), ("a1", "STAGED")]
    assert [txn.is_rolled_back() for txn in (outer, first, second)] == [True] * 3


def test_a_rollback_hook_that_fails_stops_no_other_transaction(caplog: pytest.LogCaptureFixture) -> None:
    def fails(txn: Transaction) -> None:
        raise RuntimeError("hook")

    log: list[Any] = []
    with contextlib.suppress(ValueError), transaction() as outer:
        with transaction() as first:
            first.stage(1, [noting(log, "first")])
        with transaction() as second:
            second.stage(1, [noting(log, "second"), fails])
        raise ValueError("no")
    assert log == [("first", "STAGED")]
    assert (outer.is_rolled_back(), first.is_rolled_back(), second.is_staged()) == (True, True, True)
    assert "An error was encountered while rolling back" in caplog.text


def logged(log: list[str], name: str, fails: bool = False) -> Any:
    @task(name=name)
    def t() -> str:
        txn = get_transaction()
        assert txn is not None
        txn.set("name", name)
        if fails:
            raise ValueError(name)
        return name

    @t.on_rollback
    def back(txn: Transaction) -> None:
        log.append(f"rollback {txn.get('name')}")

    @t.on_commit
    def done(txn: Transaction) -> None:
        log.append(f"commit {txn.get('name')}")

    return t


def test_a_task_below_a_task_shares_its_fate() -> None:
    log: list[str] = []
    child = logged(log, "child")

    @task
    def fails() -> None:
        child()
        raise ValueError

    @task
    def ends() -> None:
        child()
        log.append("end of the body")

    fails(return_state=True)
    assert log == ["rollback child"]
    log.clear()
    ends()
    assert log == ["end of the body", "commit child"]
    log.clear()

    @task
    async def afails() -> None:
        child()
        raise ValueError

    asyncio.run(afails(return_state=True))
    assert log == ["rollback child"]


def test_a_block_in_a_body_ends_with_the_task(store: ResultStore) -> None:
    seen: list[bool] = []

    @task
    def t(fail: bool) -> None:
        with transaction(key="k", store=store) as txn:
            txn.stage(1)
        seen.append(store.exists("k"))
        if fail:
            raise ValueError

    t(True, return_state=True)
    assert (seen, store.exists("k")) == ([False], False)
    t(False)
    assert (seen, store.exists("k")) == ([False, False], True)


def test_a_crash_rolls_back_what_a_body_asked_for() -> None:
    log: list[str] = []
    child = logged(log, "child")

    @task
    def crashes() -> None:
        child()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        crashes()
    assert log == ["rollback child"]


def test_the_lines_of_hooks_go_to_the_run(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    def hook(txn: Transaction) -> None:
        """Nothing to do."""

    @flow
    def f() -> None:
        with transaction() as txn:
            txn.stage(1, [], [hook])

    f()
    with transaction() as txn:
        txn.stage(1, [], [hook])
    with transaction(logger=logging.getLogger("mine")) as txn:
        txn.stage(1, [], [hook])
    loggers = [record.name for record in caplog.records if record.getMessage() == "Running commit hook 'hook'"]
    assert loggers == ["penstock.flow_runs", "penstock.transactions", "mine"]


@pytest.mark.parametrize("level", [IsolationLevel.SERIALIZABLE, "SERIALIZABLE"])
def test_levels_may_be_texts(store: ResultStore, level: Any) -> None:
    with (
        pytest.raises(ConfigurationError, match="not supported by provided configuration"),
        transaction(key="k", store=store, isolation_level=level),
    ):
        pass
    store.lock_manager = MemoryLockManager()
    with transaction(key="k", store=store, isolation_level=level) as txn:
        assert store.is_locked("k")
        txn.stage(1)
    assert not store.is_locked("k")


def test_async_transactions(store: ResultStore) -> None:
    log: list[Any] = []

    async def hook(txn: Any) -> None:
        log.append("async commit")

    async def use() -> Any:
        async with atransaction(key="k", store=store) as txn:
            txn.stage({"a": 1}, [], [hook])
        async with atransaction(key="k", store=store) as again:
            found = (await again.read()).result
        async with atransaction(key="x", store=store, commit_mode=CommitMode.OFF) as third:
            third.stage(1)
        return txn.is_committed(), again.is_committed(), found, third.is_rolled_back()

    assert asyncio.run(use()) == (True, True, {"a": 1}, True)
    assert log == ["async commit"]


@pytest.mark.parametrize("kind", ["called", "submitted", "in a block", "async", "again"])
def test_what_a_body_has_done_is_undone_when_it_says_that_it_failed(kind: str) -> None:
    """Its own hook too: unlike one that raises, it came to its end."""
    log: list[str] = []

    def body() -> Any:
        log.append("done")
        return Failed(message="not enough rows")

    async def abody() -> Any:
        return body()

    work = task(abody if kind == "async" else body, name="work", retries=int(kind == "again"))
    work.on_rollback(lambda txn: log.append("undone"))
    work.on_commit(lambda txn: log.append("committed"))

    @flow
    def main() -> Any:
        if kind == "submitted":
            return work.submit()
        with transaction() if kind == "in a block" else contextlib.nullcontext():
            return work(return_state=True)

    assert main(return_state=True).type.value == "FAILED"
    assert log == ["done"] * (2 if kind == "again" else 1) + ["undone"]
    raising = task(lambda: 1 / 0, name="raising")
    raising.on_rollback(lambda txn: log.append("undone"))
    raising(return_state=True)
    assert log.count("undone") == 1
