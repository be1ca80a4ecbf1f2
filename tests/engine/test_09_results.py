"""What is persisted, serializers, storage, keys, isolation, records, transactions."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import json
import sys
import threading
import time
import types
from pathlib import Path
from typing import Any

import pydantic
import pytest

from penstock import flow, task
from penstock.cache_policies import (
    DEFAULT,
    FLOW_PARAMETERS,
    INPUTS,
    NO_CACHE,
    NONE,
    RUN_ID,
    TASK_SOURCE,
    CachePolicy,
    CompoundCachePolicy,
)
from penstock.core.runs import FlowRun
from penstock.exceptions import ConfigurationError, MissingResult, SerializationError
from penstock.filesystems import LocalFileSystem, RemoteFileSystem
from penstock.locking.filesystem import FileSystemLockManager
from penstock.locking.memory import MemoryLockManager
from penstock.results import ResultRecord, ResultStore, resolve_result_storage, should_persist_result
from penstock.serializers import (
    CompressedSerializer,
    JSONSerializer,
    PickleSerializer,
    Serializer,
)
from penstock.settings import temporary_settings
from penstock.transactions import CommitMode, IsolationLevel, Transaction, atransaction, get_transaction, transaction


@dataclasses.dataclass
class Point:
    x: int


class Model(pydantic.BaseModel):
    x: int


@pytest.mark.parametrize("serializer", ["pickle", "json", "compressed/pickle", "compressed/json"])
@pytest.mark.parametrize("value", [1, "ü", [1, {"a": None}], Model(x=1), ValueError("e")], ids=repr)
def test_serializers_give_back_what_they_took(serializer: str, value: Any) -> None:
    made = Serializer(type=serializer)
    back = made.loads(made.dumps(value))
    assert (type(back), str(back)) == (type(value), str(value))


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Serializer(type="nope"), "known: .*json"),
        (lambda: PickleSerializer(picklelib="no_such_lib"), "import"),
        (lambda: PickleSerializer(picklelib="os"), "dumps"),
        (lambda: CompressedSerializer("json", compressionlib="os"), "compress"),
        (lambda: JSONSerializer(dumps_kwargs={"default": 1}), "object_encoder"),
        (lambda: JSONSerializer(loads_kwargs={"object_hook": 1}), "object_decoder"),
    ],
)
def test_serializers_that_are_refused(make: Any, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        make()


@pytest.mark.parametrize(
    ("options", "flow_options", "settings", "want"),
    [
        ({}, {}, {}, False),
        ({"persist_result": True}, {}, {}, True),
        ({"cache_policy": INPUTS}, {}, {}, True),
        ({"cache_policy": NO_CACHE}, {}, {}, False),
        ({"cache_key_fn": lambda c, p: "k"}, {}, {}, True),
        ({"result_storage_key": "k"}, {}, {}, True),
        ({"result_serializer": "json"}, {}, {}, True),
        ({}, {"persist_result": True}, {}, True),
        ({"persist_result": False}, {"persist_result": True}, {}, False),
        ({}, {"result_serializer": "json"}, {}, True),
        ({}, {}, {"PENSTOCK_TASKS_DEFAULT_PERSIST_RESULT": True}, True),
        ({}, {"persist_result": True}, {"PENSTOCK_TASKS_DEFAULT_PERSIST_RESULT": False}, False),
        ({}, {}, {"PENSTOCK_RESULTS_PERSIST_BY_DEFAULT": True}, True),
    ],
)
def test_what_is_persisted(options: Any, flow_options: Any, settings: Any, want: bool) -> None:
    @task(**options)
    def t() -> bool:
        return should_persist_result()

    @flow(**flow_options)
    def f() -> bool:
        return t()

    with temporary_settings(settings):
        assert f() is want


def test_results_that_are_not_persisted_pass_by_reference() -> None:
    thing = object()
    assert task(lambda: thing)() is thing


def test_conflicting_options_are_said(caplog: pytest.LogCaptureFixture) -> None:
    task(persist_result=False, cache_policy=INPUTS)(lambda: 1)
    assert "Ignoring `cache_policy` because `persist_result` is False" in caplog.text
    caplog.clear()
    task(cache_key_fn=lambda c, p: "k", cache_policy=INPUTS)(lambda: 1)
    assert "`cache_key_fn` will be used" in caplog.text


def counted(**options: Any) -> tuple[Any, list[Any]]:
    ran: list[Any] = []

    @task(**options)
    def t(x: Any = 1, y: Any = 1) -> Any:
        ran.append(x)
        return x

    return t, ran


HIT, MISS = 1, 2


@pytest.mark.parametrize(
    ("options", "first", "second", "runs"),
    [
        ({"persist_result": True}, (1,), (1,), HIT),
        ({"persist_result": True}, (1,), (2,), MISS),
        ({"cache_policy": INPUTS}, ({"a": 1, "b": 2},), ({"b": 2, "a": 1},), HIT),
        ({"cache_policy": INPUTS}, ({1, 2, 3},), ({3, 2, 1},), HIT),
        ({"cache_policy": INPUTS}, (1,), (1.0,), MISS),
        ({"cache_policy": INPUTS}, (True,), (1,), MISS),
        ({"cache_policy": INPUTS - "y"}, (1, 1), (1, 2), HIT),
        ({"cache_policy": INPUTS - "x"}, (1,), (2,), HIT),
        ({"cache_policy": INPUTS}, (Point(1),), (Point(1),), HIT),
        ({"cache_policy": INPUTS}, (Model(x=1),), (Model(x=2),), MISS),
        ({"cache_policy": TASK_SOURCE}, (1,), (2,), HIT),
        ({"cache_policy": RUN_ID}, (1,), (2,), HIT),
        ({"cache_policy": FLOW_PARAMETERS}, (1,), (2,), MISS),
        ({"cache_policy": NO_CACHE, "persist_result": True}, (1,), (1,), MISS),
        ({"cache_key_fn": lambda c, p: "fixed"}, (1,), (2,), HIT),
        ({"cache_key_fn": lambda c, p: None}, (1,), (1,), MISS),
        ({"result_storage_key": "key-{parameters[x]}"}, (1,), (1,), HIT),
        ({"result_storage_key": "key-{parameters[x]}"}, (1,), (2,), MISS),
        ({"result_storage_key": "{penstock.runtime.flow_run.flow_name}-{deployment.name}"}, (1,), (2,), HIT),
        ({"result_storage_key": "{prefect.runtime.task_run.parameters[x]}"}, (1,), (2,), MISS),
        ({"persist_result": True, "refresh_cache": True}, (1,), (1,), MISS),
        ({"persist_result": True, "cache_expiration": datetime.timedelta(0)}, (1,), (1,), MISS),
    ],
)
def test_hits(options: Any, first: Any, second: Any, runs: int) -> None:
    t, ran = counted(**options)

    @flow
    def f() -> Any:
        return t(*first, return_state=True).name, t(*second, return_state=True).name

    names = f()
    assert len(ran) == runs
    assert names == ("Completed", "Cached" if runs == HIT else "Completed")


def test_default_keys_are_of_one_lineage() -> None:
    t, ran = counted(persist_result=True)
    f = flow(lambda: t(), name="f")
    f()
    f()
    assert len(ran) == 2
    from penstock.client.schemas.objects import FlowRun

    for _ in range(2):
        f.run_engine(flow_run=FlowRun(lineage_id="one-lineage"))
    assert len(ran) == 3


def test_two_tasks_with_equal_arguments_do_not_share_an_entry() -> None:
    @task(cache_policy=INPUTS)
    def one(x: int) -> str:
        return "one"

    @task(cache_policy=INPUTS)
    def two(x: int) -> str:
        return "two"

    assert flow(lambda: (one(1), two(1)), name="f")() == ("one", "two")


def test_inputs_that_cannot_be_hashed_are_said_and_the_body_runs(caplog: pytest.LogCaptureFixture) -> None:
    t, ran = counted(cache_policy=INPUTS)
    lock = threading.Lock()
    assert flow(lambda: t(lock), name="f")() is lock
    assert ran == [lock]
    assert "'x'" in caplog.text
    assert "NO_CACHE" in caplog.text


def test_policies_add_and_subtract() -> None:
    both = INPUTS + TASK_SOURCE + (INPUTS - "a")
    assert isinstance(both, CompoundCachePolicy)
    assert [type(policy).__name__ for policy in both.policies] == ["TaskSource", "Inputs"]
    assert repr(both.policies[-1]) == "Inputs(exclude=['a'])"
    assert NO_CACHE + INPUTS is INPUTS
    assert INPUTS + NONE is INPUTS
    assert (TASK_SOURCE - "a") is TASK_SOURCE
    with pytest.raises(TypeError):
        INPUTS + 3  # type: ignore[operator]
    with pytest.raises(TypeError):
        INPUTS - 3  # type: ignore[operator]
    with pytest.raises(ValueError, match="different storage"):
        INPUTS.configure(key_storage="/a") + TASK_SOURCE.configure(key_storage="/b")
    with pytest.raises(ValueError, match="isolation"):
        INPUTS.configure(isolation_level=IsolationLevel.SERIALIZABLE) + TASK_SOURCE.configure(
            isolation_level=IsolationLevel.READ_COMMITTED
        )
    assert isinstance(DEFAULT, CompoundCachePolicy)
    assert CachePolicy.from_cache_key_fn(lambda c, p: "k").compute_key(None, {}, {}) == "k"


def test_storage_options(tmp_path: Path) -> None:
    assert resolve_result_storage(tmp_path) == LocalFileSystem(tmp_path)
    assert resolve_result_storage(f"file://{tmp_path}") == LocalFileSystem(tmp_path)
    with pytest.raises(ValueError, match="blocks do not exist"):
        resolve_result_storage("local-file-system/name")
    with pytest.raises(TypeError):
        resolve_result_storage(3)
    with pytest.raises(ValueError, match="outside"):
        LocalFileSystem(tmp_path).write_path("../escape", b"")


class AsyncStorage:
    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}

    async def read_path(self, path: str) -> bytes:
        await asyncio.sleep(0)
        return self.content[path]

    async def write_path(self, path: str, content: bytes) -> None:
        await asyncio.sleep(0)
        self.content[path] = content


def test_storage_of_ones_own_may_be_async() -> None:
    storage = AsyncStorage()
    t, ran = counted(cache_key_fn=lambda c, p: "k", result_storage=storage)
    f = flow(lambda: (t(), t()), name="f")
    assert f() == (1, 1)
    assert len(ran) == 1
    assert list(storage.content) == ["k"]


def test_the_file_of_a_record(tmp_path: Path) -> None:
    t, _ = counted(result_storage_key="k", result_storage=tmp_path, result_serializer="json")
    flow(lambda: t([1]), name="f")()
    header, payload = (tmp_path / "k").read_bytes().split(b"\n", 1)
    form = json.loads(header)
    assert set(form) == {
        "penstock", "kind", "key", "created", "expiration", "serializer", "length", "sha256", "run", "python", "version",
    }  # fmt: skip
    assert (form["kind"], form["key"], form["run"]["task"], form["run"]["address"]) == ("value", "k", "t", "t:0")
    assert json.loads(payload) == [1]


@pytest.mark.parametrize("damage", [b"", b"not a record", None])
def test_torn_records_count_as_absent(tmp_path: Path, damage: bytes | None) -> None:
    t, ran = counted(result_storage_key="k", result_storage=tmp_path)
    f = flow(lambda: t(), name="f")
    f()
    content = (tmp_path / "k").read_bytes()
    (tmp_path / "k").write_bytes(content[:-3] if damage is None else damage)
    f()
    assert len(ran) == 2
    f()
    assert len(ran) == 2


def test_records_of_a_newer_version_are_refused() -> None:
    store = ResultStore()
    content = store.create_result_record(1, "k").serialize().replace(b'"penstock": 1', b'"penstock": 9')
    with pytest.raises(SerializationError, match="newer"):
        ResultRecord.deserialize(content)


def test_stores_by_hand(tmp_path: Path) -> None:
    store = ResultStore(result_storage=tmp_path, lock_manager=MemoryLockManager())
    store.write(obj={"a": 1}, key="k")
    assert store.exists("k")
    assert store.read("k").result == {"a": 1}
    with pytest.raises(ValueError, match="nope"):
        store.read("nope")
    assert store.acquire_lock("k", "me")
    assert store.is_lock_holder("k", "me")
    with pytest.raises(RuntimeError, match="locked"):
        store.write(obj=2, key="k", holder="you")
    store.release_lock("k", "me")

    async def later() -> Any:
        await store.awrite(obj=3, key="a")
        return (await store.aread("a")).result, await store.aexists("a")

    assert asyncio.run(later()) == (3, True)


def test_results_dropped_from_memory_are_read_on_demand(tmp_path: Path) -> None:
    t, _ = counted(result_storage_key="k", result_storage=tmp_path, cache_result_in_memory=False)
    state = flow(lambda: t([5], return_state=True), name="f")()
    state = state if not isinstance(state, list) else state[0]
    assert state.result() == [5] if hasattr(state, "result") else True


def test_results_that_cannot_be_stored_leave_the_run_completed(caplog: pytest.LogCaptureFixture) -> None:
    thing = threading.Lock()

    @task(persist_result=True, cache_policy=NO_CACHE)
    def t() -> Any:
        return thing

    state = flow(lambda: t(return_state=True).name, name="f")
    assert state() == "Completed"
    assert "lock" in caplog.text
    assert "try result_serializer" in caplog.text


@pytest.mark.parametrize("kind", ["memory", "files"])
def test_locks(kind: str, tmp_path: Path) -> None:
    locks: Any = MemoryLockManager() if kind == "memory" else FileSystemLockManager(tmp_path)
    key = f"key-{kind}"
    assert locks.acquire_lock(key, "a")
    assert locks.acquire_lock(key, "a")
    assert locks.is_locked(key)
    assert not locks.acquire_lock(key, "b", acquire_timeout=0.01)
    with pytest.raises(ValueError, match="No lock held by b"):
        locks.release_lock(key, "b")
    assert not locks.wait_for_lock(key, timeout=0.01)
    locks.release_lock(key, "a")
    assert locks.wait_for_lock(key)
    assert locks.acquire_lock(key, "b", hold_timeout=0.05)
    assert locks.acquire_lock(key, "c", acquire_timeout=2)
    locks.release_lock(key, "c")


def test_serializable_runs_equal_calls_one_after_the_other() -> None:
    ran: list[int] = []

    @task(cache_policy=INPUTS.configure(isolation_level=IsolationLevel.SERIALIZABLE, lock_manager=MemoryLockManager()))
    def t(x: int) -> int:
        time.sleep(0.05)
        ran.append(x)
        return x

    assert flow(lambda: t.map([1, 1, 1]).result(), name="f")() == [1, 1, 1]
    assert ran == [1]


def test_serializable_needs_locks() -> None:
    t, _ = counted(cache_policy=INPUTS.configure(isolation_level=IsolationLevel.SERIALIZABLE))
    with pytest.raises(ConfigurationError, match="lock manager"):
        flow(lambda: t(), name="f")()


LOG: list[Any] = []


@pytest.fixture(autouse=True)
def _fresh_log() -> None:
    LOG.clear()


@task
def step(x: Any) -> Any:
    LOG.append(("ran", x))
    get_transaction().set("own", x)  # type: ignore[union-attr]
    return x


@step.on_rollback
def undo(txn: Transaction) -> None:
    LOG.append(("undone", txn.get("own")))


@step.on_commit
def confirm(txn: Transaction) -> None:
    LOG.append(("confirmed", txn.get("own")))


@task
def breaks() -> None:
    raise ValueError("broken")


@breaks.on_rollback
def never(txn: Transaction) -> None:
    pytest.fail("the failing task never staged")


def test_a_failure_that_leaves_the_block_rolls_back_in_reverse() -> None:
    @flow
    def f() -> None:
        with transaction():
            step(1)
            step(2)
            breaks()

    with pytest.raises(ValueError, match="broken"):
        f()
    assert LOG == [("ran", 1), ("ran", 2), ("undone", 2), ("undone", 1)]


def test_a_failure_caught_inside_decides_nothing() -> None:
    @flow
    def f() -> None:
        with transaction():
            step(1)
            breaks(return_state=True)
            step(2)

    f()
    assert LOG == [("ran", 1), ("ran", 2), ("confirmed", 1), ("confirmed", 2)]


def test_rolled_back_runs_are_completed_and_named_so() -> None:
    kept: list[Any] = []

    @flow
    def f() -> None:
        with transaction():
            kept.append(step.submit(1))
            kept[0].wait()
            raise ValueError

    with pytest.raises(ValueError):
        f()
    assert (kept[0].state.type, kept[0].state.name) == ("COMPLETED", "RolledBack")


def test_commit_modes_and_values() -> None:
    with transaction(commit_mode=CommitMode.OFF) as off:
        off.stage(1)
    assert off.is_rolled_back()
    with transaction() as outer:
        outer.set("v", [1])
        with transaction() as inner:
            assert inner.get("v") == [1]
            inner.get("v").append(2)
            assert inner.get("v") == [1]
            assert inner.get_parent() is outer
        assert not inner.is_committed()
        with transaction(commit_mode=CommitMode.EAGER) as eager:
            pass
        assert eager.is_committed()
        with pytest.raises(ValueError, match="unknown key"):
            outer.get("nope")
        assert outer.get("nope", None) is None
    assert inner.is_committed()


def test_keyed_transactions_skip_what_is_stored() -> None:
    with transaction(key="once") as first:
        assert not first.is_committed()
        first.stage({"a": 1})
    with transaction(key="once") as second:
        assert second.is_committed()
        assert second.read().result == {"a": 1}


def test_an_error_in_a_commit_hook_rolls_back() -> None:
    def bad(txn: Transaction) -> None:
        raise RuntimeError

    with transaction() as txn:
        txn.stage(1, on_rollback_hooks=[lambda txn: LOG.append("undone")], on_commit_hooks=[bad])
    assert txn.is_rolled_back()
    assert LOG == ["undone"]


class Full(LocalFileSystem):
    """A store that takes nothing."""

    def write_now(self, path: str | Path, content: bytes, fsync: bool = False) -> str:
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("required", [False, True])
def test_a_store_that_takes_nothing(required: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    @task(persist_result=True, result_storage=Full(tmp_path))
    def one() -> int:
        return 1

    @flow(persist_result=True, result_storage=Full(tmp_path))
    def main() -> Any:
        return one()

    @flow(persist_result=True, result_storage=Full(tmp_path))
    def alone() -> int:
        return 2

    @task(persist_result=True, result_storage=Full(tmp_path))
    async def aone() -> int:
        return 3

    with temporary_settings({"PENSTOCK_RESULTS_REQUIRED": required}):
        run = FlowRun()
        states = [main.run_engine(flow_run=run), alone(return_state=True)]
        states += [one(return_state=True), asyncio.run(aone(return_state=True))]  # by themselves
    assert [state.is_failed() for state in states] == [required] * 4
    assert caplog.text.count("not stored: ") >= 4
    assert run.unstored[0] == "one:0: [Errno 28] No space left on device"
    assert list(tmp_path.iterdir()) == []
    if required:
        assert "results.required" in (states[1].message or "")
    else:
        assert [state.result() for state in states] == [1, 2, 1, 3]
        assert not any(record.exc_info for record in caplog.records)


class Away(LocalFileSystem):
    """A store that does not answer."""

    def exists_now(self, path: str | Path) -> bool:
        raise ConnectionError("the store is away")

    def write_now(self, path: str | Path, content: bytes, fsync: bool = False) -> str:
        raise ConnectionError("the store is away")


@pytest.mark.parametrize("required", [False, True])
def test_a_store_that_cannot_be_asked(required: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Whether the result is there already is not known: the body runs, or is not begun where its result is required."""
    bodies: list[int] = []

    @task(persist_result=True)
    def one(x: int) -> int:
        bodies.append(x)
        return x

    @task(persist_result=True)
    async def two(x: int) -> int:
        bodies.append(x)
        return x

    @flow(result_storage=Away(tmp_path))
    def main() -> Any:
        return one(1) + one.submit(2).result()

    @flow(result_storage=Away(tmp_path))
    async def amain() -> Any:
        return await two(3) + two.submit(4).result()

    with temporary_settings({"PENSTOCK_RESULTS_REQUIRED": required}):
        states = [main(return_state=True), asyncio.run(amain(return_state=True))]
    if required:
        assert [state.is_failed() for state in states] == [True, True]
        assert "cannot say whether" in caplog.text
        assert bodies == []
    else:
        assert [state.result() for state in states] == [3, 7]
        assert bodies == [1, 2, 3, 4]
        assert caplog.text.count("so the body runs: the store is away") == 4


def test_a_lock_that_cannot_be_taken_fails_the_task(tmp_path: Path) -> None:
    """Unlocked the body must not run; the task has a state that says why."""

    class Broken(FileSystemLockManager):
        def acquire_lock(self, *args: Any, **kwargs: Any) -> bool:
            raise PermissionError("locks are forbidden")

    @task(
        cache_policy=INPUTS.configure(isolation_level=IsolationLevel.SERIALIZABLE, lock_manager=Broken(tmp_path)),
        result_storage=tmp_path,
    )
    def one(x: int) -> int:
        raise AssertionError

    @flow
    def main() -> Any:
        return one(1, return_state=True)

    state = main(return_state=True).data
    assert state.is_failed()
    assert "The lock of the result could not be taken: PermissionError: locks are forbidden" in (state.message or "")


def test_a_record_of_a_store_that_is_refused_is_not_taken_for_absent(tmp_path: Path) -> None:
    """By hand it is told: what cannot be looked at is neither there nor not there."""

    class Forbidden(LocalFileSystem):
        def read_now(self, path: str | Path) -> bytes:
            raise PermissionError("no")

    store = ResultStore(result_storage=Forbidden(tmp_path))
    for ask in (store.exists, store.read_now):
        with pytest.raises(PermissionError):
            ask("k")


def test_an_object_store_that_is_away_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []

    class GenericError(Exception):
        """What the library raises where nobody answers."""

    class Store:
        def __init__(self, patient: bool) -> None:
            self.patient = patient

        def put(self, key: str, content: bytes) -> None:
            tried.append(self.patient)
            if content == b"in vain":
                raise GenericError('HTTP error\n\nDebug source:\nGeneric {\n  HttpError: "refused",\n}')

    def from_url(url: str, **settings: Any) -> Store:
        asked.append(settings)
        return Store(settings["retry_config"].get("max_retries") != 0)

    fake = types.ModuleType("obstore.store")
    fake.from_url = from_url  # type: ignore[attr-defined]
    package = types.ModuleType("obstore")
    package.store = fake  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "obstore", package)
    monkeypatch.setitem(sys.modules, "obstore.store", fake)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://minio:9000")
    fs, tried = RemoteFileSystem("s3://bucket/x"), []  # type: ignore[var-annotated]
    with pytest.raises(OSError, match=r"^s3://bucket/x does not do what it was asked: HTTP error: refused$"):
        fs.write_path("k", b"in vain")
    fs.write_path("k", b"")
    fs.write_path("k", b"")
    assert tried == [True, False, True], "with patience, briefly once that was in vain, and with patience again"
    assert asked[0]["retry_config"]["retry_timeout"] == datetime.timedelta(seconds=30)
    assert asked[0]["client_options"] == {"allow_http": True}
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://minio:9000")
    RemoteFileSystem("s3://bucket/x", {"retry_config": {"max_retries": 1}}).store  # noqa: B018
    assert asked[2]["retry_config"] == asked[3]["retry_config"] == {"max_retries": 1}
    assert asked[2]["client_options"] == {}


def test_async_transactions_do_not_mix() -> None:
    async def body() -> None:
        async with atransaction() as txn:
            assert get_transaction() is txn
            with pytest.raises(NotImplementedError):
                txn.__enter__()

    asyncio.run(body())
    assert get_transaction() is None


def test_missing_results_are_said() -> None:
    store = ResultStore()
    record = store.create_result_record(1, "never-written")
    record.forget()
    with pytest.raises(MissingResult):
        record.result  # noqa: B018


@pytest.mark.parametrize(
    "key", ["{parameters[absent]}", "{absent}", "{flow_run.absent}", "{parameters[x].absent}", "../absent", "/absent"]
)
def test_a_storage_key_that_cannot_be_made_fails_the_run(key: str, tmp_path: Path) -> None:
    """Whoever names the place of a result finds it there, or hears that it is not."""
    ran: list[int] = []

    @task(persist_result=True, result_storage_key=key, result_storage=LocalFileSystem(basepath=str(tmp_path)))
    def work(x: int) -> None:
        ran.append(x)

    @flow
    def main() -> None:
        work(3)

    state = main(return_state=True)
    assert state.is_failed()
    assert "absent" in (state.message or "")
    assert ran == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("inside", [True, False], ids=["in a flow", "alone"])
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"result_serializer": "nope"}, "no serializer 'nope'; known: compressed"),
        ({"result_storage": "block/name"}, "blocks do not exist here"),
    ],
    ids=["serializer", "storage"],
)
def test_options_that_mean_nothing_end_the_run_before_its_body(
    options: dict[str, Any], words: str, *, inside: bool
) -> None:
    ran: list[int] = []
    work = task(lambda: ran.append(1), name="work", persist_result=True, **options)
    with pytest.raises(ValueError, match=words):
        (flow(lambda: work(), name="main") if inside else work)()
    assert ran == []


def test_a_key_that_is_no_place_of_the_store_leaves_the_run_completed(caplog: pytest.LogCaptureFixture) -> None:
    @task(persist_result=True, cache_key_fn=lambda *_: "../outside")
    def work() -> int:
        return 3

    @flow
    def main() -> Any:
        return work(return_state=True).name, work()

    assert main() == ("Completed", 3)
    assert "was not stored: Provided path" in caplog.text


@pytest.mark.parametrize(("after", "name"), [(datetime.timedelta.max, "Cached"), (datetime.timedelta.min, "Completed")])
def test_an_expiration_beyond_the_calendar(after: datetime.timedelta, name: str) -> None:
    work = task(lambda: 1, name="work", persist_result=True, cache_key_fn=lambda *_: "key", cache_expiration=after)
    assert [work(return_state=True).name for _ in range(2)] == ["Completed", name]


def test_a_killed_run_repeats_at_most_what_was_running(tmp_path: Path) -> None:
    """Of 100 persisted tasks the 61st never came to its end; a later attempt has the same lineage, and a process of its own."""
    ran: list[int] = []
    killed = [60]

    @task(persist_result=True)
    def step(n: int) -> int:
        ran.append(n)
        if n in killed:
            raise SystemExit(137)
        return n

    @flow(result_storage=tmp_path)
    def main() -> int:
        return sum(step(n) for n in range(100))

    lineage = "8a2d0c52-34e5-4c1c-8f0c-5b1d6e2f7a90"
    assert main.run_engine(flow_run=FlowRun(lineage_id=lineage, attempt=1)).is_crashed()
    assert ran == list(range(61))
    ran.clear()
    killed.clear()
    again = main.run_engine(flow_run=FlowRun(lineage_id=lineage, attempt=2))
    assert (again.is_completed(), again.result()) == (True, sum(range(100)))
    assert ran == list(range(60, 100))
    ran.clear()
    other = main.run_engine(flow_run=FlowRun(lineage_id="another", attempt=1))
    assert (other.is_completed(), len(ran)) == (True, 100), "nothing is taken of another lineage"
