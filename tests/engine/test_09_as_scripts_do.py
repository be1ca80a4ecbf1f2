"""What scripts written for Prefect do to transactions, stores and file systems, and rely on."""

from __future__ import annotations

import asyncio
import pickle
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from penstock import flow, task
from penstock.context import TaskRunContext
from penstock.exceptions import FailedRun
from penstock.filesystems import LocalFileSystem, NullFileSystem, RemoteFileSystem
from penstock.locking.memory import MemoryLockManager
from penstock.results import ResultRecord, ResultRecordMetadata, ResultStore
from penstock.settings import temporary_settings
from penstock.states import (
    Completed,
    Failed,
    exception_to_crashed_state,
    exception_to_failed_state,
    get_state_exception,
    raise_state_exception,
    return_value_to_state,
)
from penstock.transactions import (
    AsyncTransaction,
    IsolationLevel,
    Transaction,
    TransactionState,
    get_transaction,
    transaction,
)

if TYPE_CHECKING:
    from collections.abc import Callable


def in_flow(fn: Callable[[], Any]) -> Any:
    """What a function gives as a flow."""
    return flow(fn, name="script")()


# Transactions and stores


def test_a_rollback_by_hand_takes_the_parents_along() -> None:
    undone: list[str] = []
    with transaction(key=uuid4().hex) as outer:
        outer.stage(1, on_rollback_hooks=[lambda _: undone.append("outer")])
        with transaction(key=uuid4().hex) as middle:
            with transaction(key=uuid4().hex) as inner:
                inner.stage(1, on_rollback_hooks=[lambda _: undone.append("inner")])
                inner.rollback()
            assert middle.is_rolled_back()
    assert outer.is_rolled_back()
    assert undone == ["inner", "outer"]


def test_methods_of_subclasses_are_called(tmp_path: Path) -> None:
    called: list[str] = []

    def noting(name: str, base: type) -> Any:
        def method(self: Any, *args: Any, **kwargs: Any) -> Any:
            called.append(name)
            return getattr(base, name)(self, *args, **kwargs)

        return method

    own = {name: noting(name, ResultStore) for name in ("exists", "read", "write", "persist_result_record")}
    store = type("Own", (ResultStore,), own)(result_storage=LocalFileSystem(tmp_path))
    with transaction(key="k", store=store) as txn:
        txn.stage(3)
    with transaction(key="k", store=store) as txn:
        assert txn.read().result == 3
    assert called == ["exists", "write", "persist_result_record", "exists", "read"]

    called.clear()
    names = ("begin", "stage", "commit", "rollback", "run_hook", "reset")
    kind = type("OwnTransaction", (Transaction,), {name: noting(name, Transaction) for name in names})
    with kind(key=uuid4().hex) as txn:
        txn.stage(3, on_commit_hooks=[lambda _: None])
    assert called == ["begin", "stage", "commit", "run_hook", "reset"]
    called.clear()

    def broken() -> None:
        with kind() as txn:
            txn.stage(3, on_rollback_hooks=[lambda _: None])
            raise KeyError

    with pytest.raises(KeyError):
        broken()
    assert called == ["begin", "stage", "rollback", "run_hook", "reset"]


def test_methods_of_an_async_subclass_are_called() -> None:
    called: list[str] = []

    class Own(AsyncTransaction):
        async def commit(self) -> bool:
            called.append("commit")
            return await super().commit()

    async def block() -> Own:
        async with Own() as txn:
            txn.stage(1)
        return txn

    assert asyncio.run(block()).is_committed()
    assert called == ["commit"]


def test_reading_waits_for_the_lock_of_another(tmp_path: Path) -> None:
    store = ResultStore(lock_manager=MemoryLockManager(), result_storage=LocalFileSystem(tmp_path))
    store.acquire_lock("waited", holder="other")
    begun = threading.Event()

    def other() -> None:
        begun.wait()
        store.write(9, "waited", holder="other")
        store.release_lock("waited", holder="other")

    thread = threading.Thread(target=other)
    thread.start()
    with transaction(key="waited", store=store) as txn:
        begun.set()
        assert txn.read().result == 9
    thread.join()


def test_a_lock_is_held_until_the_outermost_commits(tmp_path: Path) -> None:
    locks = MemoryLockManager()
    store = ResultStore(lock_manager=locks, result_storage=LocalFileSystem(tmp_path))
    with transaction():
        with transaction(key="held", store=store, isolation_level=IsolationLevel.SERIALIZABLE) as inner:
            inner.stage(1)
        assert locks.is_locked("held")
    assert not locks.is_locked("held")


def test_what_transactions_are_made_with_and_know() -> None:
    assert Transaction(state=TransactionState.STAGED).is_staged()

    @task
    def body() -> Any:
        return get_transaction()

    txn = in_flow(body)
    assert isinstance(txn.store, ResultStore)
    assert not txn.write_on_commit


def test_a_metadata_storage_that_keeps_nothing(tmp_path: Path) -> None:
    def store() -> ResultStore:
        return ResultStore(metadata_storage=NullFileSystem(), result_storage=LocalFileSystem(tmp_path))

    store().write(3, "k")
    assert store().exists("k")
    assert store().read("k").result == 3


def test_the_forms_of_a_records_metadata() -> None:
    record = ResultStore().create_result_record(3, "k")
    meta = record.metadata
    assert ResultRecordMetadata.model_validate(meta.model_dump()) == meta
    assert ResultRecordMetadata.model_validate_json(meta.model_dump_json()) == meta
    assert meta.model_copy(update={"storage_key": "z"}).storage_key == "z"
    assert ResultRecord.model_validate(record.model_dump()) == record
    for kind in (ResultRecord, ResultRecordMetadata):
        with pytest.raises(ValueError, match="was expected"):
            kind.model_validate(3)


def test_states_with_a_store() -> None:
    store = ResultStore()
    failed = asyncio.run(exception_to_failed_state(ValueError("q"), result_store=store, write_result=True))
    assert (failed.message, isinstance(failed.data, ResultRecord)) == ("ValueError: q", True)
    assert store.exists(failed.data.metadata.key)
    done = asyncio.run(return_value_to_state(3, store, key="kk", write_result=True))
    assert store.read("kk").result == done.result() == 3
    unwritten = asyncio.run(return_value_to_state(3, store, key="none"))
    assert (unwritten.data.result, store.exists("none")) == (3, False)
    assert unwritten.data.metadata.storage_block_id is None
    crashed = asyncio.run(exception_to_crashed_state(ValueError("z"), store))
    assert (type(crashed.data), crashed.result(raise_on_failure=False).args) == (ResultRecord, ("z",))
    assert not store.exists(crashed.data.metadata.key)
    assert failed.state_details.retriable is False


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        (Completed(), ValueError, "Expected failed or crashed state got"),
        ([Completed()], ValueError, "Failed state result was an iterable of states but none were failed"),
        ([Completed(), Failed(message="second")], FailedRun, "second"),
    ],
)
def test_a_failed_state_of_states(data: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        Failed(data=data).result()


def test_a_lock_manager_with_locks_says_that_they_stay(caplog: pytest.LogCaptureFixture) -> None:
    locks = MemoryLockManager()
    assert locks.acquire_lock("pickled", holder="me")
    try:
        assert pickle.loads(pickle.dumps(locks)) is locks
    finally:
        locks.release_lock("pickled", holder="me")
    assert "Lock information will not be available" in caplog.text


# File systems


def test_paths_as_objects(tmp_path: Path) -> None:
    files = LocalFileSystem(basepath=tmp_path)
    files.write_path(Path("a") / "b", b"1")
    assert files.read_path(tmp_path / "a" / "b") == b"1"
    assert files.basepath == str(tmp_path)
    assert LocalFileSystem("~/x")._resolve_path("k") == Path.home() / "x" / "k"
    with pytest.raises(ValueError, match="outside"):
        files.read_path(tmp_path.parent / "elsewhere")


def test_saving_under_a_name() -> None:
    assert LocalFileSystem("/one").save("mine") == "mine"
    assert LocalFileSystem.load("mine").basepath == "/one"
    with pytest.raises(ValueError, match="already in use"):
        LocalFileSystem("/two").save("mine")
    LocalFileSystem("/two").save("mine", overwrite=True)
    assert LocalFileSystem.load("mine").basepath == "/two"
    with pytest.raises(ValueError, match="Unable to find"):
        RemoteFileSystem.load("mine")


@pytest.mark.parametrize(
    ("patterns", "kept"),
    [
        (["*.log"], {"a.txt", "sub/d.txt", "sub/[x]"}),
        (["*.log", "!b.log"], {"a.txt", "b.log", "sub/d.txt", "sub/[x]"}),
        (["/b.log"], {"a.txt", "sub/c.log", "sub/d.txt", "sub/[x]"}),
        (["sub/", "# a.txt", ""], {"a.txt", "b.log"}),
        (["sub/[cd].*"], {"a.txt", "b.log", "sub/[x]"}),
        (["**/?.txt", r"\[x\]"], {"b.log", "sub/c.log"}),
    ],
)
def test_what_an_ignore_file_leaves_out(tmp_path: Path, patterns: list[str], kept: set[str]) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "sub").mkdir(parents=True)
    for name in ("a.txt", "b.log", "sub/c.log", "sub/d.txt", "sub/[x]"):
        (source / name).write_text(name)
    ignore = tmp_path / "ignore"
    ignore.write_text("\n".join(patterns))
    LocalFileSystem(target).put_directory(source, "copy", ignore_file=ignore)
    copied = target / "copy"
    assert {str(path.relative_to(copied)) for path in copied.rglob("*") if path.is_file()} == kept


# _sync


def test_sync_chooses_the_kind_of_code(tmp_path: Path) -> None:
    local, remote, store = LocalFileSystem(tmp_path), RemoteFileSystem("memory://sync"), ResultStore()
    failed = Failed(data=KeyError(1))
    calls: list[tuple[Any, tuple[Any, ...]]] = [
        (Completed(data=1).result, ()),
        (get_state_exception, (failed,)),
        (local.write_path, ("k", b"1")),
        (local.read_path, ("k",)),
        (local.put_directory, (tmp_path, "copy")),
        (remote.write_path, ("k", b"1")),
        (remote.read_path, ("k",)),
        (store.write, (1, "k")),
        (store.exists, ("k",)),
        (store.update_for_task, (task(lambda: 1),)),
        (local.save, ("name",)),
        (LocalFileSystem.load, ("name",)),
    ]

    async def plain() -> list[Any]:
        return [call(*args, _sync=True) for call, args in calls]

    async def awaited() -> list[Any]:
        return [await call(*args, _sync=False) for call, args in calls]

    assert asyncio.run(plain())[:4] == [1, failed.data, str(tmp_path / "k"), b"1"]
    assert asyncio.run(awaited())[3] == b"1"

    async def raises() -> None:
        raise_state_exception(failed, _sync=True)

    with pytest.raises(KeyError):
        asyncio.run(raises())


def test_a_path_in_somebodys_home_is_outside_of_the_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    storage = LocalFileSystem(tmp_path / "base")
    for path in ("~/key", Path("~/key")):
        with pytest.raises(ValueError, match="is outside of the base path"):
            storage.write_path(path, b"1")
    inside = LocalFileSystem("~/base")
    inside.write_path("~/base/key", b"1")
    assert (tmp_path / "home" / "base" / "key").read_bytes() == b"1"


def test_directories_of_a_file_system_that_keeps_nothing(tmp_path: Path) -> None:
    nothing = NullFileSystem()
    nothing.put_directory(str(tmp_path), "to", ignore_file=None)
    nothing.get_directory("to", str(tmp_path / "back"))
    asyncio.run(nothing.get_directory("to", str(tmp_path / "back"), _sync=False))
    assert list(tmp_path.iterdir()) == []


def test_a_store_keeps_the_settings_that_held_when_it_was_asked_for() -> None:
    @task
    def body() -> Any:
        context = TaskRunContext.get()
        assert context is not None
        return context.result_store

    with temporary_settings({"PENSTOCK_RESULTS_DEFAULT_SERIALIZER": "json"}):
        alone, within = body(), in_flow(body)
    assert (alone.serializer.type, within.serializer.type) == ("json", "json")


def test_a_directory_is_put_beside_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("new")
    (tmp_path / "b").write_text("new")
    remote = RemoteFileSystem("memory://beside")
    remote.write_path("to/a", b"old")
    assert remote.put_directory(tmp_path, "to", overwrite=False) == 1
    assert (remote.read_path("to/a"), remote.read_path("to/b")) == (b"old", b"new")
    assert remote.put_directory(tmp_path, "to") == 2
    assert remote.read_path("to/a") == b"new"
