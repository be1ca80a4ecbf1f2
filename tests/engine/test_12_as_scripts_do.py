"""What scripts written for Prefect do to flows, tasks, runs and futures, and rely on."""

from __future__ import annotations

import asyncio
import concurrent.futures
import inspect
import linecache
import sys
import threading
import time
import uuid
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import AsyncMock, Mock, call
from uuid import UUID

import anyio
import cloudpickle
import pydantic
import pytest

from penstock import Task, flow, runtime, task
from penstock.cache_policies import TASK_SOURCE, Inputs
from penstock.client.schemas.objects import TaskRun
from penstock.context import FlowRunContext, TaskRunContext
from penstock.exceptions import Abort, MappingLengthMismatch, MissingFlowError, ParameterTypeError
from penstock.flow_engine import AsyncFlowRunEngine, FlowRunEngine
from penstock.flows import load_flow_from_entrypoint, load_function_and_convert_to_flow
from penstock.futures import PrefectFutureList, PrefectWrappedFuture
from penstock.input import RunInput, send_input
from penstock.logging.loggers import task_run_logger
from penstock.results import ResultRecord, ResultStore
from penstock.serializers import Serializer
from penstock.states import Completed, Failed, State
from penstock.task_engine import AsyncTaskRunEngine, SyncTaskRunEngine
from penstock.task_runners import TaskRunner, ThreadPoolTaskRunner
from penstock.tasks import TaskOptions
from penstock.utilities.annotations import freeze
from penstock.utilities.callables import call_with_parameters, parameter_schema, parameters_to_args_kwargs
from penstock.utilities.collections import quote, visit_collection

if TYPE_CHECKING:
    from collections.abc import Callable


def in_flow(fn: Callable[[], Any]) -> Any:
    """What a function gives as a flow."""
    return flow(fn, name="script")()


# Options that are changed after decoration


@pytest.mark.parametrize("kind", [flow, task])
def test_retries_changed_later_count_at_the_next_call(kind: Any) -> None:
    tries = []

    def failing() -> None:
        tries.append(1)
        raise ValueError

    body = kind(failing, retry_delay_seconds=9)
    body(return_state=True)
    body.retries, body.retry_delay_seconds = 2, 0
    body(return_state=True)
    assert (len(tries), body.retries, body.retry_delay_seconds) == (4, 2, 0)
    assert body.with_options(name="copy").retries == 2


@pytest.mark.parametrize("kind", [flow, task])
@pytest.mark.parametrize(
    ("option", "bad", "error"),
    [
        ("retries", "2", TypeError),
        ("retries", 1.5, TypeError),
        ("retries", -1, ValueError),
        ("retry_delay_seconds", "soon", TypeError),
        ("timeout_seconds", "soon", TypeError),
        ("timeout_seconds", -1, ValueError),
    ],
)
def test_bad_options_are_refused_where_they_are_set(kind: Any, option: str, bad: Any, error: type[Exception]) -> None:
    body = kind(lambda: 1, name="body", retries=1)
    with pytest.raises(error):
        setattr(body, option, bad)
    assert body.retries == 1


def test_other_options_of_a_task_changed_later() -> None:
    @task
    def body() -> tuple[str, list[str]]:
        return runtime.task_run.name, runtime.task_run.tags

    body.task_run_name, body.tags = "named", {"a"}
    body.tags.add("b")
    assert in_flow(body) == ("named", ["a", "b"])
    with pytest.raises(TypeError, match="retry_condition_fn"):
        body.retry_condition_fn = 3
    with pytest.raises(ValueError, match="retry_jitter_factor"):
        body.retry_jitter_factor = -1
    with pytest.raises(TypeError, match="cache_policy"):
        body.cache_policy = "inputs"


def test_other_options_of_a_flow_changed_later() -> None:
    @flow
    def body() -> str:
        return str(runtime.flow_run.name)

    body.version, body.flow_run_name, body.timeout_seconds = "v2", "named", 0
    assert (body.version, body()) == ("v2", "named")
    no_limit: Any = body.timeout_seconds
    assert no_limit is None


@pytest.mark.parametrize(("kind", "option"), [(flow, "flow_run_name"), (task, "task_run_name")])
def test_a_run_name_that_is_none_fails_the_call(kind: Any, option: str) -> None:
    class Name:
        def format(self, **_: Any) -> str:
            return "like a text"

    body = kind(lambda: 1, name="body")
    setattr(body, option, Name())
    with pytest.raises(TypeError, match=f"Expected string or callable for '{option}'; got Name instead"):
        body()


def test_tags_are_the_tasks_own() -> None:
    given = {"a"}
    tagged = task(lambda: 1, tags=given)
    tagged.tags.add("b")
    assert given == {"a"}
    assert tagged.with_options(name="copy").tags is not tagged.tags


@pytest.mark.parametrize("kind", [flow, task])
def test_a_replaced_function_is_called_by_its_own_signature(kind: Any) -> None:
    async def replacement(a: int, b: int = 2) -> Any:
        return a, b

    body = kind(lambda a: a, name="body")
    assert body(1) == 1
    body.fn = lambda a, b=2: (a, b)
    assert body(1, b=3) == (1, 3)
    body.fn = replacement
    assert in_flow(lambda: body(1)) == (1, 2)


def test_a_class_of_cache_policies_is_one_made_without_arguments() -> None:
    calls = []

    @task(cache_policy=Inputs)
    def body(a: int) -> None:
        calls.append(a)

    in_flow(lambda: [body(1), body(1)])
    assert calls == [1]


def test_the_source_of_a_task() -> None:
    @task
    def body() -> int:
        return 41

    assert body.source_code is not None
    assert "return 41" in body.source_code
    assert task(len).source_code is None


def test_a_coroutine_that_a_flow_returns_is_awaited() -> None:
    async def inner() -> int:
        return 5

    @flow
    def sync() -> Any:
        return inner()

    @flow
    async def other() -> Any:
        return inner()

    assert sync() == asyncio.run(other()) == 5


# Runs


@pytest.mark.parametrize("module", [asyncio, anyio])
def test_a_patched_sleep_skips_the_wait_of_async_code(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    tries = []

    @flow(retries=1, retry_delay_seconds=50)
    async def body() -> None:
        tries.append(1)
        raise ValueError

    async def run() -> Any:
        monkeypatch.setattr(module, "sleep", sleep := AsyncMock())
        return await body(return_state=True), sleep

    state, sleep = asyncio.run(run())
    assert (state.name, len(tries), sleep.call_args_list) == ("Failed", 2, [call(50)])


@pytest.mark.parametrize("kind", [flow, task])
def test_a_patched_sleep_skips_the_wait_of_sync_code(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    tries = []

    def body() -> None:
        tries.append(1)
        raise ValueError

    monkeypatch.setattr(time, "sleep", sleep := Mock())
    assert kind(body, retries=2, retry_delay_seconds=50)(return_state=True).name == "Failed"
    assert (len(tries), sleep.call_args_list) == (3, [call(50)] * 2)


def test_what_records_of_runs_tell() -> None:
    @task(version="7")
    def inner(x: Any) -> Any:
        context = TaskRunContext.get()
        assert context is not None
        return context.task_run

    @task
    def outer() -> Any:
        return inner(1)

    def body() -> Any:
        future = inner.submit(1)
        state = inner(future, return_state=True)
        return future.result(), state.result(), outer(), runtime.flow_run.id

    first, second, third, _ = in_flow(body)
    assert (first.state_id, first.task_version) == (first.state.id, "7")
    assert first.total_run_time == first.end_time - first.start_time
    assert [each.id for each in second.task_inputs["x"]] == [first.id]
    assert "__parents__" not in second.task_inputs
    assert [each.input_type for each in third.task_inputs["__parents__"]] == ["task_run"]


def test_sources_of_inputs_are_told_when_the_values_are_gone() -> None:
    @task
    def takes(x: Any, *rest: Any, k: int = 1, **others: Any) -> Any:
        context = TaskRunContext.get()
        assert context is not None
        return context.task_run

    @flow
    def child(x: Any) -> Any:
        context = FlowRunContext.get()
        assert context is not None
        return context.flow_run

    def body() -> Any:
        future = takes.submit(1)
        state = child(future, return_state=True)
        return future.result(), state, takes(state)

    first, state, last = in_flow(body)
    tracking = state.result().parent_task_run
    assert first.task_inputs == {"x": [], "rest": [], "k": [], "others": []}
    assert [each.id for each in tracking.task_inputs["x"]] == [first.id]
    assert state.state_details.task_run_id == tracking.id
    assert state.state_details.flow_run_id == state.result().id
    assert [each.id for each in last.task_inputs["x"]] == [tracking.id]


@pytest.mark.parametrize("make", [flow, task])
def test_a_generator_gives_results_alone(make: Any) -> None:
    @make  # type: ignore[untyped-decorator]
    def pieces() -> Any:
        yield 1

    with pytest.raises(ValueError, match=f"return_type for a generator {pieces.kind} must be 'result'"):
        pieces(return_state=True)


@pytest.mark.parametrize("options", [{}, {"retries": 1}, {"retries": 1, "retry_condition_fn": lambda *_: False}])
def test_a_failure_that_is_final_is_not_retriable(options: dict[str, Any]) -> None:
    @task(**options)
    def body() -> None:
        raise ValueError

    assert body(return_state=True).state_details.retriable is False
    assert Failed().state_details.retriable is None


def test_contexts_begin_with_their_try() -> None:
    began: list[Any] = []

    @flow(retries=1)
    def body() -> None:
        context = FlowRunContext.get()
        assert context is not None
        began.append((context.start_time, context.flow_run.start_time))
        if len(began) == 1:
            raise ValueError

    body()
    (first, start), (second, same) = began
    assert first == start == same
    assert second > first


@pytest.mark.parametrize("group", ["flow_run", "task_run", "deployment"])
def test_runtime_values_that_only_the_environment_knows(group: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AttributeError, match="has no attribute 'made_up'"):
        getattr(runtime, group).made_up  # noqa: B018
    monkeypatch.setenv(f"PENSTOCK__RUNTIME__{group.upper()}__MADE_UP", "text")
    assert getattr(runtime, group).made_up == "text"
    monkeypatch.setenv(f"PENSTOCK__RUNTIME__{group.upper()}__PARAMETERS", "{}")
    with pytest.raises(ValueError, match="cannot be mocked using an environment variable"):
        getattr(runtime, group).parameters  # noqa: B018


@pytest.mark.parametrize("group", ["flow_run", "task_run", "deployment"])
@pytest.mark.parametrize(
    ("real", "text", "value"), [(True, "False", False), (10, "20", 20), (1.5, "2.5", 2.5), ("foo", "bar", "bar")]
)
def test_runtime_values_that_a_users_test_patches(
    group: str, real: Any, text: str, value: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = getattr(runtime, group)
    monkeypatch.setitem(module.FIELDS, "made_up", lambda: real)
    monkeypatch.setitem(module.FIELDS, "id", lambda: "patched")
    assert (module.made_up, module.id, "made_up" in dir(module)) == (real, "patched", True)
    monkeypatch.setenv(f"PENSTOCK__RUNTIME__{group.upper()}__MADE_UP", text)
    assert (module.made_up, type(module.made_up)) == (value, type(value))
    assert set(module.__all__) <= set(module.FIELDS)


# Futures and inputs


def test_attributes_on_futures() -> None:
    def body() -> Any:
        future = task(lambda: 1, name="t").submit()
        future.mine = 3
        return future.mine, future.result()

    assert in_flow(body) == (3, 1)


def test_a_future_of_ones_own_names_two_types() -> None:
    from concurrent.futures import Future

    class Own(PrefectWrappedFuture[int, Future[int]]):
        def result(self, timeout: float | None = None, raise_on_failure: bool = True) -> int:
            return 1

    assert Own(UUID(int=1), Future()).result() == 1


def test_a_list_that_is_late() -> None:
    go = threading.Event()

    def body() -> Any:
        with ThreadPoolTaskRunner(max_workers=2):
            late: PrefectFutureList[Any] = task(lambda _: go.wait(), name="t").map([1, 2])
            for raising in (True, False):
                with pytest.raises(TimeoutError, match=r"for all futures to complete within 0\.01 sec"):
                    late.result(timeout=0.01, raise_on_failure=raising)
            go.set()
            return late.result()

    assert in_flow(body) == [True, True]


def test_what_wait_for_held_at_the_call() -> None:
    go = threading.Event()

    @task
    def bad() -> None:
        raise ValueError

    def body() -> Any:
        upstreams = [task(go.wait, name="slow").submit()]
        future = task(lambda: 1, name="t").submit(wait_for=upstreams)
        failed = bad.submit()
        upstreams.append(failed)
        failed.wait()
        go.set()
        return future.result()

    assert flow(body, name="script")(return_state=True).is_completed()


def test_one_object_at_two_places() -> None:
    same = task(lambda x: x[0] is x[1], name="same")

    def body() -> Any:
        one, future = [1], task(lambda: [1], name="up").submit()
        return same([one, one]), same([future, future]), same.submit({0: one, 1: one}).result()

    assert in_flow(body) == (True, True, True)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: flow(lambda: 1, name=len), TypeError, "Perhaps you meant to call it"),
        (lambda: in_flow(lambda: task(lambda a, b: 1, name="t").map([1, 2], [1])), MappingLengthMismatch,
         "Received iterable parameters with different lengths"),
        (lambda: PrefectFutureList([]).wait(timeout=-1), ValueError, "'timeout' must be a non-negative number, got -1"),
    ],
)  # fmt: skip
def test_words_that_scripts_match(call: Callable[[], Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        call()


# Utilities


def test_entrypoints_with_dots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "package_with_dots"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "mod.py").write_text("from penstock import flow\n@flow\ndef only(): return 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    for entrypoint in ("mod.only", "mod:only", "mod"):
        assert load_flow_from_entrypoint(f"package_with_dots.{entrypoint}").name == "only"
    with pytest.raises(MissingFlowError, match="nope"):
        load_flow_from_entrypoint("package_with_dots.mod.nope")


def test_frozen_parameters_in_schemas() -> None:
    def body(x: freeze[int]) -> None: ...

    assert parameter_schema(body).model_dump_for_openapi()["properties"] == {"x": {"title": "x", "position": 0}}


def test_frozen_fields_of_models() -> None:
    class Model(pydantic.BaseModel):
        x: freeze[int]

    assert Model(x=freeze(3)).x == Model(x=3).x == freeze(3)
    assert (Model(x=3).model_dump_json(), Model(x=3).model_dump()) == ('{"x":3}', {"x": 3})
    assert pydantic.TypeAdapter(freeze).dump_python(freeze([1])) == [1]
    assert visit_collection(quote([1]), lambda x: x, return_data=True) == quote([1])


def test_one_object_at_two_places_stays_one_when_visited() -> None:
    def doubled(item: Any, *context: Any) -> Any:
        return item * 2 if isinstance(item, int) else item

    shared = [1, {"x": 2}]
    found = visit_collection({"a": shared, "b": (shared, [shared[1]])}, doubled, return_data=True)
    assert found == {"a": [2, {"x": 4}], "b": ([2, {"x": 4}], [{"x": 4}])}
    assert found["a"] is found["b"][0]
    assert found["a"][1] is found["b"][1][0]
    shallow = visit_collection([[[shared]], [shared]], doubled, return_data=True, max_depth=3)
    assert shallow == [[[[1, {"x": 2}]]], [[2, {"x": 2}]]]  # the place decides how deep it is gone into


def test_schemas_as_openapi_wants_them() -> None:
    assert "required" not in parameter_schema(lambda x=1: x).model_dump_for_openapi()
    assert parameter_schema(lambda x: x).model_dump_for_openapi()["required"] == ["x"]
    assert parameter_schema(lambda x=1: x).model_dump()["required"] == []


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="pydantic.v1 does not work on Python 3.14")
def test_models_of_pydantic_v1_in_schemas() -> None:
    from pydantic import v1

    class Old(v1.BaseModel):
        q: int

    def takes(one: Old, many: list[Old], secret: v1.SecretStr) -> None: ...

    takes.__annotations__ = {"one": Old, "many": list[Old], "secret": v1.SecretStr}
    schema = parameter_schema(takes)
    assert schema.properties["one"] == {"title": "one", "position": 0, "allOf": [{"$ref": "#/definitions/Old"}]}
    assert schema.properties["many"]["items"] == {"$ref": "#/definitions/Old"}
    assert schema.properties["secret"]["format"] == "password"
    assert schema.definitions["Old"]["required"] == ["q"]


def test_an_argument_given_twice() -> None:
    def takes(a: int, /, b: int, **others: Any) -> Any:
        return a, b, others

    with pytest.raises(TypeError, match=r"takes\(\) got multiple values for argument\(s\): b"):
        parameters_to_args_kwargs(takes, {"a": 1, "b": 2, "others": {"b": 3}})
    assert call_with_parameters(takes, {"a": 1, "b": 2, "others": {"a": 3}}) == (1, 2, {"a": 3})


# Types


def test_types_that_are_written_with_what_they_are_of() -> None:
    class Own(TaskRunner[PrefectWrappedFuture[int, Any]]):
        pass

    class Plain(Serializer[bytes]):
        type = "written-with-what-it-is-of"

    @flow
    def f(record: ResultRecord[str]) -> State[str]:
        return Completed(data=record.result)

    assert f(ResultStore().create_result_record("kept")) == "kept"
    with pytest.raises(ParameterTypeError):
        f(5)
    assert issubclass(Own, TaskRunner)
    assert Plain().type == "written-with-what-it-is-of"
    for engine in (SyncTaskRunEngine, AsyncTaskRunEngine, FlowRunEngine, AsyncFlowRunEngine):
        assert engine[[int], str].__origin__ is engine  # type: ignore[index]


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_flow_runs_in_the_context_that_is_given(kind: str) -> None:
    from penstock.context import TagsContext
    from penstock.flow_engine import run_flow, run_flow_async, run_flow_sync

    context = {"tags_context": TagsContext(current_tags={"a", "b"}).serialize()}

    @flow
    def plain() -> set[str]:
        return TagsContext.get().current_tags

    @flow
    async def later() -> set[str]:
        return TagsContext.get().current_tags

    if kind == "sync":
        assert run_flow_sync(plain, context=context) == run_flow(plain, context=context) == {"a", "b"}
    else:
        assert asyncio.run(run_flow_async(later, context=context)) == {"a", "b"}
        assert asyncio.run(run_flow(later, context=context)) == {"a", "b"}
    assert TagsContext.get().current_tags == set()


def test_a_run_with_bad_parameters_began_and_ended_with_its_failure() -> None:
    runs: list[Any] = []
    from penstock.observers import subscribe

    @flow
    def f(x: int) -> None: ...

    end = subscribe(lambda run, _old, _new: runs.append(run))
    assert f("no number", return_state=True).is_failed()
    end()
    assert runs[-1].start_time == runs[-1].end_time is not None


def test_inputs_of_models_and_of_types() -> None:
    from penstock.input import RunInput, asend_input, receive_input, run_input_subclass_from_type
    from penstock.inside.run_input import AutomaticRunInput

    class Person(pydantic.BaseModel):
        name: str

    made: Any = run_input_subclass_from_type(Person)
    assert issubclass(made, RunInput)
    assert issubclass(made, Person)
    assert made(name="Bo").name == "Bo"
    wrapped: Any = run_input_subclass_from_type(str)
    assert issubclass(wrapped, AutomaticRunInput)
    assert wrapped(value="hey").value == "hey"

    @flow
    def sends() -> list[int]:
        from penstock import runtime

        asyncio.run(asend_input(4, flow_run_id=runtime.flow_run.id))
        return list(receive_input(int, timeout=0))

    assert sends() == [4]


def test_a_task_has_the_locks_of_the_transaction_around() -> None:
    from penstock.locking.memory import MemoryLockManager
    from penstock.results import ResultStore
    from penstock.transactions import IsolationLevel, get_transaction, transaction

    inner = task(lambda: get_transaction())
    with transaction(isolation_level=IsolationLevel.SERIALIZABLE, store=ResultStore(lock_manager=MemoryLockManager())):
        txn: Any = inner()
    assert txn.store.lock_manager is MemoryLockManager()
    assert txn.isolation_level is IsolationLevel.SERIALIZABLE


def test_the_source_of_a_task_goes_with_its_pickle(tmp_path: Path) -> None:
    file = tmp_path / "made_elsewhere.py"
    file.write_text("from penstock import task\ndef make():\n    @task\n    def inner(): return 5\n    return inner\n")
    from penstock.base.importtools import load_script_as_module

    made = load_script_as_module(str(file)).make()
    pickled = cloudpickle.dumps(made)
    source, key = made.source_code, TASK_SOURCE.compute_key(SimpleNamespace(task=made), None, None)
    file.unlink()
    linecache.checkcache()
    again = cloudpickle.loads(pickled)
    assert again.source_code == source
    assert TASK_SOURCE.compute_key(SimpleNamespace(task=again), None, None) == key
    assert "return 5" in source
    again.fn = len
    assert again.source_code is None


def test_the_time_of_a_list_counts_while_results_are_read() -> None:
    class Slow(PrefectWrappedFuture[int, Any]):
        def result(self, timeout: float | None = None, raise_on_failure: bool = True) -> Any:
            time.sleep(20)

    def done(kind: Any, state: State) -> Any:
        wrapped: concurrent.futures.Future[State] = concurrent.futures.Future()
        wrapped.set_result(state)
        return kind(uuid.uuid4(), wrapped)

    futures = PrefectFutureList([done(PrefectWrappedFuture, Completed(data=1)), done(Slow, Completed(data=2))])
    with pytest.raises(TimeoutError, match=r"within 0\.05 seconds: [12] \(of 2\)"):
        flow(lambda: futures.result(timeout=0.05))()
    failed = PrefectFutureList([done(PrefectWrappedFuture, Failed(data=TimeoutError("own")))])
    with pytest.raises(TimeoutError, match="own"):
        failed.result(timeout=5)


def test_the_logger_of_a_record_made_by_hand_has_all_members() -> None:
    record = TaskRun(name="by-hand", flow_run_id=UUID(int=1))
    assert task_run_logger(record).extra == {
        "task_run_id": str(record.id), "task_run_name": "by-hand", "task_name": "<unknown>",
        "flow_run_id": str(UUID(int=1)), "flow_run_name": "<unknown>", "flow_name": "<unknown>",
    }  # fmt: skip
    named = task_run_logger(record, task=task(lambda: None, name="t"), flow=flow(lambda: None, name="f"), mine=1).extra
    assert named is not None
    assert (named["task_name"], named["flow_name"], named["mine"]) == ("t", "f", 1)
    around = flow(lambda: task_run_logger(record).extra, name="f", flow_run_name="around")()
    assert around is not None
    assert [around[name] for name in ("flow_run_id", "flow_run_name", "flow_name", "task_name")] == [
        str(UUID(int=1)), "around", "f", "<unknown>",
    ]  # fmt: skip


def test_a_function_that_is_made_a_flow_logs_its_prints(tmp_path: Path) -> None:
    file = tmp_path / "plain.py"
    file.write_text("from penstock import flow\ndef plain(): return 1\n@flow\ndef made(): return 2\n")
    plain, made = (load_function_and_convert_to_flow(f"{file}:{name}") for name in ("plain", "made"))
    assert (plain.name, plain.log_prints, plain()) == ("plain", True, 1)
    assert (made.log_prints, made()) == (None, 2)
    assert load_flow_from_entrypoint(f"{file}:plain").log_prints is None


@pytest.mark.parametrize(
    ("retries", "gives_state", "words"),
    [
        (0, False, "Task run failed with exception: ValueError('no')"),
        (1, False, "Task run failed with exception: ValueError('no') - Retries are exhausted"),
        (0, True, "Task run failed with state: 'said so'"),
    ],
)
def test_what_the_log_says_of_a_failure(
    retries: int, gives_state: bool, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    @task(retries=retries)
    def failing() -> State:
        if gives_state:
            return Failed(message="said so")
        raise ValueError("no")

    with caplog.at_level("ERROR"):
        in_flow(lambda: failing(return_state=True).name)
    assert words in [record.getMessage() for record in caplog.records]


def test_options_of_a_task_by_their_places() -> None:
    names = list(inspect.signature(Task.__init__).parameters)
    assert (
        names.index("result_storage") + 1 == names.index("result_serializer") == names.index("result_storage_key") - 1
    )
    options = TaskOptions.__annotations__
    assert set(names) - {"self", "fn"} == set(options)


def test_what_is_received_by_class_comes_with_its_metadata() -> None:
    class Answer(RunInput):
        text: str

    @flow
    def asks() -> list[tuple[str, Any]]:
        send_input(Answer(text="yes"), runtime.flow_run.id)
        return [(each.text, each.metadata.key) for each in Answer.receive(timeout=0, with_metadata=True)]

    ((text, key),) = asks()
    assert text == "yes"
    assert key.startswith("answer-")


@pytest.mark.parametrize(
    ("exc", "line"),
    [(ValueError(), "exited with unexpected exception"), (KeyboardInterrupt(), "interrupted by base exception")],
)
def test_an_error_logger_is_told_what_a_run_raises(exc: BaseException, line: str) -> None:
    def body() -> None:
        raise exc

    from penstock.flow_engine import run_flow

    told = Mock()
    with pytest.raises(type(exc)):
        run_flow(flow(body), error_logger=told)
    told.error.assert_called_once_with(f"Engine execution {line}", exc_info=True)
    with pytest.raises(Abort):
        run_flow(flow(lambda: (_ for _ in ()).throw(Abort("no")), name="f"), error_logger=told)
    assert told.error.call_count == 1


def test_coroutines_that_a_sync_run_has_awaited_are_async_code() -> None:
    """Hooks and conditions may be async whatever the run is; there a state's result is awaited."""
    seen: list[Any] = []

    async def hook(definition: Any, run: Any, state: State) -> None:
        seen.append(await state.result(raise_on_failure=False))
        seen.append(state.result(raise_on_failure=False, _sync=True))

    async def wanted(definition: Any, run: Any, state: State) -> bool:
        return isinstance(await state.result(raise_on_failure=False), ValueError)

    @task(retries=1, retry_condition_fn=lambda *given: wanted(*given), on_failure=[hook])
    def t() -> None:
        raise ValueError("mine")

    @flow(on_completion=[hook])
    def f() -> int:
        assert isinstance(t(return_state=True).result(raise_on_failure=False), ValueError)
        return 3

    assert f() == 3
    assert [repr(each) for each in seen] == ["ValueError('mine')"] * 2 + ["3"] * 2
