"""Contexts entered by hand and carried elsewhere, loggers and settings around them, annotations as values."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import pickle
import threading
from contextvars import ContextVar
from typing import Any, ClassVar

import cloudpickle
import pydantic
import pytest

from penstock import allow_failure, flow, get_run_logger, runtime, tags, task, unmapped
from penstock.cache_policies import TASK_SOURCE
from penstock.client.schemas.objects import FlowRun, TaskRun
from penstock.context import (
    ContextModel,
    FlowRunContext,
    TagsContext,
    TaskRunContext,
    get_run_context,
    hydrated_context,
    serialize_context,
    with_context,
)
from penstock.exceptions import MissingContextError
from penstock.logging.loggers import disable_run_logger, flow_run_logger
from penstock.settings import (
    PENSTOCK_TASKS_DEFAULT_RETRIES,
    PREFECT_TASKS_DEFAULT_RETRIES,
    get_current_settings,
    temporary_settings,
)
from penstock.task_runners import ProcessPoolTaskRunner, ThreadPoolTaskRunner
from penstock.utilities.annotations import BaseAnnotation, Quote, freeze, opaque, quote


class Mine(ContextModel):
    __var__: ClassVar[ContextVar[Any]] = ContextVar("mine")
    x: int
    y: str = "d"


def test_contexts_of_ones_own_are_typed() -> None:
    assert (Mine(x="5").x, Mine(x=1).serialize()) == (5, {"x": 1, "y": "d"})
    assert Mine(x=1) == Mine(x=1) != Mine(x=2)
    for bad in ({"x": "a"}, {}, {"x": 1, "z": 2}):
        with pytest.raises(pydantic.ValidationError):
            Mine(**bad)
    with Mine(x=1) as outer:
        with outer.model_copy(update={"x": 2}):
            assert Mine.get().x == 2
        assert Mine.get() is outer


def test_run_contexts_entered_by_hand_are_found() -> None:
    f, t = flow(lambda: 1, name="f"), task(lambda: 2)
    with FlowRunContext(flow=f, flow_run=FlowRun(name="run"), parameters={"x": "y"}) as outer:
        assert FlowRunContext.get() is outer
        assert get_run_context() is outer
        assert (outer.flow, outer.flow_run.name, outer.parameters, outer.client) == (f, "run", {"x": "y"}, None)
        with TaskRunContext(task=t, task_run=TaskRun(), parameters={}) as inner:
            assert get_run_context() is inner
            assert FlowRunContext.get() == outer
            assert inner.task_run.flow_run_id == outer.flow_run.id
        assert runtime.flow_run.name == "run"
    assert FlowRunContext.get() is None
    assert outer.start_time == outer.start_time is not None
    client = object()
    assert FlowRunContext(flow_run=FlowRun(), client=client).client is client


def test_runtime_reads_records_made_by_hand() -> None:
    made = FlowRun.model_construct(id="foo", name="run", tags=["b", "a"], run_count=10)
    with FlowRunContext.model_construct(flow_run=made, parameters={"x": 1}):
        found = runtime.flow_run
        assert (found.id, found.name, found.tags, found.run_count, found.parameters) == (
            "foo", "run", ["b", "a"], 10, {"x": 1},
        )  # fmt: skip
    with TaskRunContext.model_construct(task_run=TaskRun.model_construct(id="bar", run_count=2, tags={"z", "a"})):
        assert (runtime.task_run.id, runtime.task_run.run_count, runtime.task_run.tags) == ("bar", 2, ["a", "z"])
    with tags("around"):
        assert (runtime.flow_run.tags, runtime.task_run.tags) == ([], [])


def test_contexts_without_a_record_serve_policies() -> None:
    @task
    def t() -> int:
        return 1

    key = TASK_SOURCE.compute_key(TaskRunContext.model_construct(task=t), {}, {})
    assert key == TASK_SOURCE.compute_key(TaskRunContext.model_construct(task=t), {"x": 1}, {}) is not None


def test_a_serialized_context_goes_on_in_another_thread() -> None:
    seen: list[Any] = []

    @task
    def t() -> None:
        carried = serialize_context()
        assert sorted(carried) == ["flow_run_context", "settings_context", "tags_context", "task_run_context"]

        def other(form: Any) -> None:
            with pytest.raises(MissingContextError):
                get_run_context()
            with hydrated_context(form):
                context = FlowRunContext.get()
                assert context is not None
                seen.append((
                    runtime.task_run.name, runtime.flow_run.name, context.flow_run is flow_run,
                    sorted(TagsContext.get().current_tags), get_current_settings().tasks.default_retries,
                ))  # fmt: skip

        flow_run = FlowRunContext.get().flow_run  # type: ignore[union-attr]
        for form in (carried, cloudpickle.loads(cloudpickle.dumps(carried))):
            thread = threading.Thread(target=other, args=(form,))
            thread.start()
            thread.join()

    @flow(flow_run_name="f")
    def f() -> None:
        with tags("tag"), temporary_settings({"tasks.default_retries": 3}):
            t.with_options(task_run_name="t")()

    f()
    # In its process it is the very record; what was pickled is a copy of it.
    assert seen == [("t", "f", True, ["tag"], 3), ("t", "f", False, ["tag"], 3)]


def report(number: int) -> tuple[int, str, str]:
    get_run_logger().info("in another process")
    return number, runtime.flow_run.name, runtime.task_run.task_name


def test_a_bound_function_goes_to_another_process() -> None:
    @task
    def t() -> Any:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            found = pool.map(with_context(report), [1])
            pool.close()
            pool.join()
        return found

    assert flow(lambda: t(), name="f", flow_run_name="bound")() == [(1, "bound", "t")]


def test_process_pools_carry_tags_of_flows() -> None:
    @task
    def t() -> Any:
        return sorted(runtime.flow_run.tags), sorted(runtime.task_run.tags)

    with tags("around"):
        f = flow(lambda: t.submit().result(), name="f", task_runner=ProcessPoolTaskRunner(max_workers=1))
        assert f() == (["around"], ["around"])


def test_loggers_that_are_silent_or_need_no_run() -> None:
    with disable_run_logger():
        assert get_run_logger().disabled
    with pytest.raises(MissingContextError):
        get_run_logger()
    with pytest.raises(TypeError, match="unexpected type 'int' for context"):
        get_run_logger(context=5)
    assert flow_run_logger(flow_run_id="abc").extra == {
        "flow_run_id": "abc", "flow_run_name": "<unknown>", "flow_name": "<unknown>",
    }  # fmt: skip
    with pytest.raises(ValueError, match="must be provided"):
        flow_run_logger()


def test_prints_lose_their_last_blanks(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    flow(lambda: print("a\nb \n", 1, end="!\n\n"), name="f", log_prints=True)()
    assert "a\nb \n 1!" in [record.getMessage() for record in caplog.records]


def test_a_subflow_says_that_it_is_one(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    inner = flow(lambda: 1, name="inner", flow_run_name="in")
    flow(lambda: inner(), name="outer", flow_run_name="out")()
    lines = [record.getMessage() for record in caplog.records]
    assert "Beginning flow run 'out' for flow 'outer'" in lines
    assert "Beginning subflow run 'in' for flow 'inner'" in lines


def test_settings_by_either_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with temporary_settings({PREFECT_TASKS_DEFAULT_RETRIES: 4}):
        assert PENSTOCK_TASKS_DEFAULT_RETRIES.value() == 4
        assert PENSTOCK_TASKS_DEFAULT_RETRIES == 4
        assert PENSTOCK_TASKS_DEFAULT_RETRIES == PREFECT_TASKS_DEFAULT_RETRIES
        assert (str(PREFECT_TASKS_DEFAULT_RETRIES), bool(PREFECT_TASKS_DEFAULT_RETRIES)) == ("4", True)
    with temporary_settings({"PREFECT_TASK_DEFAULT_RETRIES": 5}):
        assert get_current_settings().tasks.default_retries == 5
        changed = get_current_settings().copy_with_update(updates={PREFECT_TASKS_DEFAULT_RETRIES: 7})
        assert (changed.tasks.default_retries, get_current_settings().tasks.default_retries) == (7, 5)
    with temporary_settings({"logging.level": "debug"}):
        assert get_current_settings().logging.level == "DEBUG"


@pytest.mark.parametrize("kind", [unmapped, allow_failure, quote, opaque, BaseAnnotation])
def test_annotations_are_tuples_of_their_value(kind: Any) -> None:
    made: Any = kind([1])
    assert issubclass(kind, tuple)
    assert (made.value, made.unwrap(), made[0], made.rewrap(2), len(made)) == ([1], [1], [1], kind(2), 1)
    assert made == kind([1])
    assert made != ([1],)
    assert (repr(made), pickle.loads(pickle.dumps(made))) == (f"{kind.__name__}([1])", made)


def test_annotations_with_a_way_of_their_own() -> None:
    any_place: Any = unmapped(4)
    assert any_place[99] == 4
    with pytest.warns(DeprecationWarning, match="older spelling"):
        assert Quote(1).unquote() == 1
    assert freeze({"a": 1}).unfreeze() == {"a": 1}
    with pytest.raises(ValueError, match="JSON serializable"):
        freeze(object())


def test_async_code_may_use_a_bound_function() -> None:
    @flow(flow_run_name="async")
    async def f() -> str:
        return str(await asyncio.to_thread(with_context(lambda: runtime.flow_run.name)))

    assert asyncio.run(f()) == "async"


def test_what_is_called_in_a_context_made_by_hand_is_part_of_its_run() -> None:
    @task
    def inner() -> Any:
        return runtime.flow_run.name

    @flow
    def body() -> Any:
        return runtime.flow_run.parent_flow_run_id

    record = FlowRun(name="by-hand")
    with FlowRunContext(flow=body, flow_run=record, parameters={"x": 1}):
        assert (inner(), body()) == ("by-hand", str(record.id))
    with TaskRunContext(task=inner, task_run=TaskRun()):
        assert (inner(), runtime.flow_run.id) == (None, None)
    with TaskRunContext(task=inner, task_run=TaskRun(flow_run_id=record.id)):
        assert runtime.flow_run.id == str(record.id)


def test_a_runner_given_by_hand_is_started_for_the_hydrated_context() -> None:
    submitted = task(lambda: 42)
    runner = ThreadPoolTaskRunner()
    context = FlowRunContext(flow=flow(lambda: None, name="empty"), flow_run=FlowRun(), task_runner=runner)
    with hydrated_context({"flow_run_context": context.serialize()}):
        inside: Any = FlowRunContext.get()
        assert inside.task_runner.submit(submitted, {}).result() == 42
        assert submitted.submit().result() == 42
    with pytest.raises(RuntimeError, match="not started"):
        runner.submit(submitted, {})
