"""The result store used by hand, its records, serializers with options, file systems and locks."""

from __future__ import annotations

import asyncio
import base64
import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import cloudpickle
import pydantic
import pytest

from penstock import flow, runtime, task
from penstock.cache_policies import DEFAULT, INPUTS, RUN_ID, CachePolicy, Inputs
from penstock.context import FlowRunContext
from penstock.exceptions import ConfigurationError, HashError, SerializationError
from penstock.filesystems import LocalFileSystem, NullFileSystem, RemoteFileSystem
from penstock.locking.filesystem import FileSystemLockManager
from penstock.locking.memory import MemoryLockManager
from penstock.results import (
    ResultRecord,
    ResultRecordMetadata,
    ResultStore,
    get_default_persist_setting_for_tasks,
    get_default_result_storage,
    get_result_store,
    resolve_result_storage,
)
from penstock.serializers import (
    CompressedSerializer,
    JSONSerializer,
    PickleSerializer,
    Serializer,
    prefect_json_object_decoder,
)
from penstock.settings import temporary_settings
from penstock.storage.headers import headers
from penstock.storage.keys import canonical
from penstock.utilities.hashing import file_hash, hash_objects, stable_hash


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    return ResultStore(result_storage=LocalFileSystem(tmp_path))


def test_write_read_exists(store: ResultStore, tmp_path: Path) -> None:
    store.write({"a": 1}, key="sub/k")
    record = store.read("sub/k")
    assert record.result == {"a": 1}
    assert record.is_persisted
    assert record.metadata.storage_key == str(tmp_path / "sub/k")
    assert (store.exists("sub/k"), store.exists("nothing")) == (True, False)
    with pytest.raises(ValueError, match="does not exist"):
        store.read("nothing")
    for outside in ("../k", "/somewhere/k"):
        with pytest.raises(ValueError, match="is outside of the base path"):
            store.write(1, key=outside)
    with pytest.raises(ValueError, match="sub already exists and is not a file"):
        store.write(1, key="sub")
    with pytest.raises(ValueError, match="sub is not a file"):
        store.read("sub")
    with pytest.raises(ValueError, match="sub/k/below does not exist"):
        store.read("sub/k/below")
    store.write(3)
    assert len(list(tmp_path.iterdir())) == 2


def test_sync_names_are_sync_in_async_code_too(store: ResultStore) -> None:
    async def use() -> list[Any]:
        store.write(1, key="a")
        await store.awrite(2, key="b")
        await store.apersist_result_record(store.create_result_record(3, key="c"))
        found = [store.read("a").result, (await store.aread("b")).result, store.read("c").result]
        return [*found, store.exists("a"), await store.aexists("b"), await store.aexists("d")]

    assert asyncio.run(use()) == [1, 2, 3, True, True, False]


def test_an_expired_record_does_not_exist(store: ResultStore) -> None:
    now = datetime.now(UTC)
    store.write(1, key="old", expiration=now - timedelta(seconds=1))
    store.write(1, key="new", expiration=now + timedelta(hours=1))
    assert (store.exists("old"), store.exists("new")) == (False, True)


def test_records_are_kept_in_memory_unless_asked_not_to(tmp_path: Path) -> None:
    keeping = ResultStore(result_storage=tmp_path / "a")
    keeping.write(1, key="k")
    (tmp_path / "a/k").unlink()
    assert keeping.read("k").result == 1
    assert len(keeping.cache) == 1
    plain = ResultStore(result_storage=tmp_path / "b", cache_result_in_memory=False)
    plain.write(1, key="k")
    assert not plain.cache
    (tmp_path / "b/k").unlink()
    with pytest.raises(ValueError, match="does not exist"):
        plain.read("k")


def test_the_memory_is_bounded_and_written_through(store: ResultStore) -> None:
    store.cache.maxsize = 3
    for number in range(5):
        store.write(number, key=str(number))
    assert len(store.cache) == 3
    store.write("new", key="4")
    assert store.read("4").result == "new"


def test_metadata_of_its_own_storage(tmp_path: Path) -> None:
    split = ResultStore(result_storage=tmp_path / "results", metadata_storage=tmp_path / "keys")
    split.write([1], key="k")
    assert (tmp_path / "keys/k").exists()
    assert (tmp_path / "results/k").read_bytes() == PickleSerializer().dumps([1])
    other = split.model_copy(update={"cache": None})
    assert other.read("k").result == [1]
    (tmp_path / "keys/k").unlink()
    assert not other.exists("k")
    assert not ResultStore(result_storage=tmp_path / "results", metadata_storage=NullFileSystem()).exists("k")


def test_a_cache_policy_may_keep_keys_elsewhere(tmp_path: Path) -> None:
    policy = INPUTS.configure(key_storage=tmp_path / "keys")

    @task(cache_policy=policy, result_storage=tmp_path / "results")
    def t(x: int) -> int:
        return x

    assert [t(1, return_state=True).name for _ in range(2)] == ["Completed", "Cached"]
    assert [p.name for p in (tmp_path / "keys").iterdir()] == [p.name for p in (tmp_path / "results").iterdir()]
    for key in (tmp_path / "keys").iterdir():
        key.unlink()
    assert t(1, return_state=True).name == "Completed"


def test_records_and_their_parts(store: ResultStore) -> None:
    record = store.create_result_record([1, 2], key="k")
    assert ResultRecord.deserialize(record.serialize()) == record
    parts = record.serialize_result(), record.serialize_metadata()
    assert ResultRecord.deserialize_from_result_and_metadata(*parts) == record
    assert ResultRecordMetadata.load_bytes(parts[1]) == record.metadata
    assert not record.is_persisted
    bare = ResultRecord.deserialize(JSONSerializer().dumps({"a": 1}), backup_serializer=JSONSerializer())
    assert bare.result == {"a": 1}
    with pytest.raises(SerializationError, match="Failed to serialize object of type 'lock' with serializer 'pickle'"):
        store.write(threading.Lock(), key="k")


def test_locks_of_a_store(store: ResultStore) -> None:
    with pytest.raises(ConfigurationError, match="not configured with a lock manager"):
        store.acquire_lock("k")
    store.lock_manager = MemoryLockManager()
    assert store.acquire_lock("k", holder="me")
    assert store.is_lock_holder("k", holder="me")
    with pytest.raises(RuntimeError, match="locked by another holder"):
        store.write(1, key="k", holder="you")
    store.write(1, key="k", holder="me")
    assert store.read("k", holder="me").result == 1
    store.release_lock("k", holder="me")
    assert ResultStore.generate_default_holder().count(":") == 3


def test_stores_are_equal_by_what_they_do(tmp_path: Path) -> None:
    assert ResultStore(result_storage=tmp_path) == ResultStore(result_storage=LocalFileSystem(tmp_path))
    assert ResultStore(result_storage=tmp_path) != ResultStore(result_storage=tmp_path, serializer="json")
    with pytest.raises(ValueError, match="read_path and write_path"):
        ResultStore(result_storage=5)

    @flow
    def f() -> bool:
        return bool(get_result_store() == FlowRunContext.get().result_store)  # type: ignore[union-attr]

    assert f()


def test_a_store_takes_the_options_of_flows_and_tasks(tmp_path: Path) -> None:
    f = flow(lambda: 1, name="f", result_storage=tmp_path, result_serializer="json", cache_result_in_memory=False)
    of_flow = ResultStore().update_for_flow(f)
    assert (of_flow.result_storage, of_flow.serializer.type, of_flow.cache_result_in_memory) == (
        LocalFileSystem(tmp_path), "json", False,
    )  # fmt: skip
    locks = MemoryLockManager()
    t = task(lambda: 1, cache_policy=INPUTS.configure(lock_manager=locks), result_serializer="pickle")
    of_task = asyncio.run(of_flow.aupdate_for_task(t))
    assert (of_task.result_storage, of_task.serializer.type, of_task.lock_manager) == (
        LocalFileSystem(tmp_path), "pickle", locks,
    )  # fmt: skip


def test_names_with_a_twin_are_awaitable_in_async_code(tmp_path: Path) -> None:
    f = flow(lambda: 1, name="f", result_serializer="json")

    async def use() -> list[Any]:
        store = await ResultStore().update_for_flow(f)
        of_task = await store.update_for_task(task(lambda: 1))
        return [
            of_task.serializer.type, await get_default_result_storage(), await resolve_result_storage(tmp_path),
            resolve_result_storage(tmp_path, _sync=True),
        ]  # fmt: skip

    default, here = get_default_result_storage(), LocalFileSystem(tmp_path)
    assert asyncio.run(use()) == ["json", default, here, here]


def test_the_persist_setting_of_tasks() -> None:
    assert get_default_persist_setting_for_tasks() is False
    with temporary_settings({"results.persist_by_default": True}):
        assert get_default_persist_setting_for_tasks() is True
        with temporary_settings({"tasks.default_persist_result": False}):
            assert get_default_persist_setting_for_tasks() is False


class Scaled(Serializer):
    type: str = "scaled-for-tests"
    factor: int = 2

    def dumps(self, obj: Any) -> bytes:
        return str(obj * self.factor).encode()

    def loads(self, blob: bytes) -> Any:
        return int(blob) // self.factor


class Lettered(Serializer):
    type: Literal["lettered-for-tests"] = "lettered-for-tests"

    def dumps(self, obj: Any) -> bytes:
        return b"L"

    def loads(self, blob: bytes) -> Any:
        return blob.decode()


def test_serializers_of_ones_own_take_options(tmp_path: Path) -> None:
    assert (Scaled().factor, Scaled(factor="7").factor) == (2, 7)
    assert Serializer(type="scaled-for-tests", factor=9) == Scaled(factor=9)
    assert Serializer(type="lettered-for-tests").loads(b"x") == "x"

    @task(
        persist_result=True, result_serializer=Scaled(factor=3), result_storage=tmp_path, cache_result_in_memory=False
    )
    def t() -> int:
        return 14

    state = t(return_state=True)
    assert state.result() == 14
    assert state.data.metadata.serializer == Scaled(factor=3)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Scaled(nope=1), "Extra inputs"),
        (lambda: Scaled(factor="x"), "valid integer"),
        (lambda: Serializer(type="nope"), "no serializer 'nope'"),
        (lambda: CompressedSerializer(), "Field required"),
        (lambda: JSONSerializer(dumps_kwargs={"default": 1}), "object_encoder"),
        (lambda: PickleSerializer(picklelib="no_such_module"), "Failed to import"),
    ],
)
def test_bad_options_of_serializers(make: Callable[[], Any], match: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=match):
        make()


def test_serializers_as_values() -> None:
    serializer = JSONSerializer(jsonlib="json")
    assert serializer.model_copy(update={"dumps_kwargs": {"indent": 1}}).dumps([1]) == b"[\n 1\n]"
    assert Serializer.model_validate({"type": "json"}) == serializer
    assert '"type":"json"' in serializer.model_dump_json()
    assert JSONSerializer().dumps(ValueError("x")) == b'{"__exc_type__": "builtins.ValueError", "message": "x"}'
    assert repr(JSONSerializer().loads(JSONSerializer().dumps(KeyError("a", 1)))) == "KeyError('a', 1)"


@pytest.mark.parametrize("kind", ["builtins.int", "no_such_module.Error"])
def test_only_exceptions_are_made_of_exceptions(kind: str) -> None:
    with pytest.raises(ValueError, match="Invalid exception type"):
        prefect_json_object_decoder({"__exc_type__": kind, "message": "m"})


def test_a_class_that_is_not_here_stays_a_description() -> None:
    described = {"__class__": "no_such_module.Thing", "data": 1}
    assert prefect_json_object_decoder(described) == described


def test_directories_go_in_and_out(tmp_path: Path) -> None:
    (tmp_path / "from/deep").mkdir(parents=True)
    (tmp_path / "from/deep/file").write_text("1")
    for system in (LocalFileSystem(tmp_path / "base"), RemoteFileSystem("memory://directories")):
        system.put_directory(str(tmp_path / "from"), "up")
        assert system.read_path("up/deep/file") == b"1"
        target = tmp_path / type(system).__name__
        system.get_directory("up", str(target))
        assert (target / "deep/file").read_text() == "1"


def test_a_remote_file_system_in_memory() -> None:
    system = RemoteFileSystem("memory://bucket/")
    assert system.write_path("a/b", b"12") == "memory://bucket/a/b"
    same = RemoteFileSystem("memory://bucket")
    assert (same.read_path("a/b"), same.read_path("memory://bucket/a/b"), same.exists("c")) == (b"12", b"12", False)
    with pytest.raises(ValueError, match="does not exist"):
        same.read_path("c")
    for path in ("memory://other/x", "../x", "/x"):
        with pytest.raises(ValueError, match="outside of the base path"):
            same.read_path(path)
    same.delete("a/b")
    assert not system.exists("a/b")

    async def use() -> bytes:
        await system.awrite_path("k", b"1")
        return await system.aread_path("k")

    assert asyncio.run(use()) == b"1"
    assert pickle.loads(pickle.dumps(system)) == system


@pytest.mark.parametrize("name", ["local", "remote"])
def test_headers_of_a_store(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each record's header is found without its value; what is no record, or was written before, is passed over."""
    system: Any = LocalFileSystem(tmp_path) if name == "local" else RemoteFileSystem("memory://headers")
    store = ResultStore(result_storage=system, serializer=JSONSerializer())
    store.write("x" * 10_000, key="a/large")
    store.write(1, key="small")
    store.write(
        2, key="k" * 250 if name == "local" else "k" * 9000
    )  # its header alone is longer than what is asked for first
    system.write_path("none", b"no record")
    system.write_path("empty", b"")
    whole = type(system).read_now
    monkeypatch.setattr(type(system), "read_now", lambda self, path: pytest.fail(f"all of {path[:9]} was read")
                        if path.endswith("large") else whole(self, path))  # fmt: skip
    found = dict(headers(system))
    assert sorted(key[:9] for key in found) == ["a/large", "k" * 9, "small"]
    assert all(header["kind"] == "value" for header in found.values())
    assert dict(headers(system, time.time() + 60)) == {}
    assert dict(headers(system, time.time() - 60)) == found


@pytest.mark.parametrize(
    ("path", "match"),
    [
        ("memory://bucket/in/%2e%2e/x", "outside of the base path"),
        ("memory://bucket/in/.%2E/x", "outside of the base path"),
        ("memory://bucket/in/a\\..\\..\\x", "outside of the base path"),
        ("memory://bucket/in%2f../x", "outside of the base path"),
        ("memory://bucket/inside/x", "outside of the base path"),
        ("a%2f..%2f..%2fx", "outside of the base path"),
        ("file://bucket/in/x", "scheme 'file' must use the same scheme as the base path 'memory'"),
    ],
)
def test_keys_that_lead_out_of_a_remote_file_system(path: str, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        RemoteFileSystem("memory://bucket/in").write_path(path, b"1")


def test_names_of_a_remote_base() -> None:
    system = RemoteFileSystem("memory://bucket/in/")
    assert system.write_path("MEMORY://bucket/in/a", b"1") == "memory://bucket/in/a"
    assert system._resolve_path("memory://bucket/in") == "memory://bucket/in/"
    with pytest.raises(FileNotFoundError, match="does not exist"):
        system.read_path("b")


@pytest.mark.parametrize("make", [LocalFileSystem, lambda base: RemoteFileSystem(f"memory://async{base}")])
def test_file_systems_are_awaited_in_async_code(make: Callable[[Path], Any], tmp_path: Path) -> None:
    (tmp_path / "from").mkdir()
    for name in ("a.txt", "b.log", "ignored"):
        (tmp_path / "from" / name).write_text(name)
    (tmp_path / "from" / "ignored").write_text("*.log\nignored")

    async def use() -> Any:
        system = make(tmp_path / "base")
        await system.save("awaited", overwrite=True)
        await system.write_path("k", b"1")
        await system.put_directory(tmp_path / "from", "up", ignore_file=tmp_path / "from" / "ignored")
        await system.get_directory("up", tmp_path / "got")
        await system.aput_directory(tmp_path / "from", "more")
        await system.aget_directory("more", tmp_path / "got")
        return await (await type(system).load("awaited")).read_path("k"), system.exists("up/b.log")

    assert asyncio.run(use()) == (b"1", False)
    assert {path.name for path in (tmp_path / "got").iterdir()} == {"a.txt", "b.log", "ignored"}

    @flow
    async def stores() -> Any:
        t = task(lambda x: x, cache_policy=INPUTS, result_storage=make(tmp_path / "base"))
        return [t(1, return_state=True).name for _ in range(2)]

    assert asyncio.run(stores()) == ["Completed", "Cached"]


@pytest.mark.parametrize(("url", "match"), [("foo", "scheme"), ("s3://", "location"), ("file:///x", "location")])
def test_urls_that_are_refused(url: str, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        RemoteFileSystem(url)


def test_results_in_a_remote_file_system() -> None:
    @task(cache_policy=INPUTS, result_storage=RemoteFileSystem("memory://results"))
    def t(x: int) -> int:
        return x

    assert [t(5, return_state=True).name for _ in range(2)] == ["Completed", "Cached"]


def test_a_local_file_system_without_a_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    system = LocalFileSystem()
    assert system.basepath is None
    system.write_path("k", b"1")
    assert (tmp_path / "k").read_bytes() == b"1"
    assert LocalFileSystem(tmp_path)._resolve_path("a/b") == tmp_path / "a/b"


class Counted(MemoryLockManager):
    """Counts who takes a lock."""

    taken = 0

    def acquire_lock(self, *args: Any, **kwargs: Any) -> bool:
        self.taken += 1
        return super().acquire_lock(*args, **kwargs)


def test_a_subclass_of_the_memory_locks_is_itself_and_has_the_same_locks() -> None:
    plain, counted = MemoryLockManager(), Counted()
    assert (type(plain), type(counted)) == (MemoryLockManager, Counted)
    assert (MemoryLockManager(), Counted(), pickle.loads(pickle.dumps(counted))) == (plain, counted, counted)
    assert counted.acquire_lock("of both", holder="me")
    assert counted.taken == 1
    assert not plain.acquire_lock("of both", holder="you", acquire_timeout=0)
    counted.release_lock("of both", "me")
    assert not plain.is_locked("of both")


def test_lock_managers_can_be_sent(tmp_path: Path) -> None:
    files = FileSystemLockManager(tmp_path)
    files.acquire_lock("k", holder="me")
    assert cloudpickle.loads(cloudpickle.dumps(files)).is_lock_holder("k", "me")
    assert pickle.loads(pickle.dumps(MemoryLockManager())) is MemoryLockManager()
    files.release_lock("k", "me")


def test_hashes() -> None:
    assert stable_hash("a", b"b") == stable_hash("ab") == "187ef4436122d1cc2f40dc2b92f0eba0"
    assert file_hash(__file__) == stable_hash(Path(__file__).read_bytes())
    assert hash_objects(threading.Lock()) is None
    with pytest.raises(HashError, match="Unable to create hash"):
        hash_objects(threading.Lock(), raise_on_failure=True)


def test_excluding_the_only_input_makes_one_entry(tmp_path: Path) -> None:
    @task(cache_policy=INPUTS - "x", result_storage=tmp_path)
    def t(x: int) -> int:
        return x

    assert [t(x) for x in (1, 2, 3)] == [1, 1, 1]
    assert INPUTS.compute_key(None, {}, {}) is None
    assert Inputs(exclude=["x"]).compute_key(None, {"x": 1}, {}) is not None


def test_policies_are_dataclasses() -> None:
    from dataclasses import dataclass

    @dataclass
    class Salted(CachePolicy):
        salt: str = "a"

        def compute_key(self, task_ctx: Any, inputs: Any, flow_parameters: Any, **kwargs: Any) -> str:
            return self.salt

    assert Salted(salt="z", key_storage="/x").compute_key(None, {}, {}) == "z"
    assert Salted() == Salted()
    assert Salted() != Salted(salt="b")
    assert (Salted() + INPUTS).policies[0] == Salted()  # type: ignore[attr-defined]
    assert INPUTS + RUN_ID == INPUTS + RUN_ID != DEFAULT


def test_a_key_that_is_no_text_is_said_and_the_body_runs(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    t = task(lambda: 1, cache_key_fn=lambda context, parameters: 5, result_storage=tmp_path)
    assert t() == 1
    assert "A key must be a str; int was given" in caplog.text


def test_a_generator_is_pulled_again_not_cached(tmp_path: Path) -> None:
    @task(cache_policy=INPUTS, result_storage=tmp_path)
    def count(n: int) -> Any:
        yield from range(n)

    assert [list(count(2)), list(count(2))] == [[0, 1], [0, 1]]

    @flow
    def f() -> list[Any]:
        return [count.submit(3).result(), count.submit(3).result()]

    assert f() == [[0, 1, 2], [0, 1, 2]]


class Counter:
    def __init__(self, step: int) -> None:
        self.step = step

    def __iter__(self) -> Any:
        """An instance that can be iterated is not mapped over."""
        return iter("abc")

    @task(cache_policy=INPUTS)
    def add(self, number: int) -> int:
        return number + self.step

    @flow(flow_run_name="by-{self.step}")
    def run(self, number: int) -> tuple[str, list[str]]:
        return runtime.flow_run.name, sorted(runtime.flow_run.parameters)

    @task
    def each(self, number: int) -> list[str]:
        return sorted(runtime.task_run.parameters)


def test_results_of_one_instance_are_not_those_of_another(tmp_path: Path) -> None:
    with temporary_settings({"results.local_storage_path": str(tmp_path)}):
        one, ten = Counter(1), Counter(10)
        assert [state.name for state in (one.add(1, return_state=True), one.add(1, return_state=True))] == [
            "Completed", "Cached",
        ]  # fmt: skip
        assert (ten.add(1), Counter(1).add(1, return_state=True).name) == (11, "Cached")


def test_the_instance_is_a_parameter_of_its_methods() -> None:
    counter = Counter(3)
    assert counter.run("4") == ("by-3", ["number", "self"])
    assert counter.run.validate_parameters({"number": "4"}) == {"number": 4}
    assert flow(lambda: counter.each.map([1, 2]).result(), name="f")() == [["number", "self"]] * 2


def test_keys_of_objects_are_made_of_their_members() -> None:
    key = INPUTS.compute_key(None, {"x": Counter(1)}, {})
    assert key == INPUTS.compute_key(None, {"x": Counter(1)}, {})
    assert key != INPUTS.compute_key(None, {"x": Counter(2)}, {})
    # No pickle of the class is in it: that of a script's class differs from process to process.
    assert canonical(Counter(1)) == f"{Counter.__module__}.Counter:".encode() + canonical(([], {"step": 1}))
    holder = Counter(1)
    holder.step = threading.Lock()  # type: ignore[assignment]
    with pytest.raises(ValueError, match="argument 'x' of type Counter"):
        INPUTS.compute_key(None, {"x": holder}, {})


def test_keys_are_equal_in_every_process_wherever_the_source_is(tmp_path: Path) -> None:
    source = """if True:
        import enum
        from dataclasses import dataclass
        from penstock import flow
        from penstock.cache_policies import INPUTS

        class Color(enum.Enum):
            RED = 1

        @dataclass
        class Point:
            x: int

        class Plain:
            def __init__(self):
                self.colors = {Color.RED, "blue"}

        @flow
        def main():
            return INPUTS.compute_key(None, {"a": Color.RED, "b": Point(1), "c": Plain()}, {})
    """
    keys = set()
    for seed in ("1", "2"):
        (tmp_path / seed).mkdir()
        (tmp_path / seed / "the_flow.py").write_text(source)
        done = subprocess.run(
            [sys.executable, "-c", "from penstock.flows import load_flow_from_entrypoint as load; print(load('the_flow.py:main')())"],
            cwd=tmp_path / seed, capture_output=True, text=True, check=True,
            env={**os.environ, "PYTHONHASHSEED": seed, "PENSTOCK_LOGGING_LEVEL": "CRITICAL"},
        )  # fmt: skip
        keys.add(done.stdout)
    assert len(keys) == 1, keys


@pytest.mark.parametrize("value", [None, True, 2**70, -0.5, 1j, "text \u20ac", b"\0" * 300, [1], "x" * 70_000])
def test_a_plain_value_is_pickled_to_the_same_bytes(value: Any) -> None:
    made = PickleSerializer().dumps(value)
    assert made == base64.encodebytes(cloudpickle.dumps(value))
    assert PickleSerializer().loads(made) == value
