"""Hooks, logging, runtime, progress, observers, heartbeats, settings."""

from __future__ import annotations

import asyncio
import functools
import logging
import logging.config
import threading
from typing import Any

import pytest

from penstock import flow, get_run_logger, runtime, tags, task
from penstock.context import FlowRunContext, TagsContext, TaskRunContext, get_run_context
from penstock.exceptions import MissingContextError
from penstock.flow_engine import FlowRunEngine, send_heartbeats_sync
from penstock.logging.loggers import LogEavesdropper, disable_run_logger, get_logger, patch_print
from penstock.observers import subscribe, subscribe_heartbeat
from penstock.settings import PENSTOCK_HOME, get_current_settings, temporary_settings
from penstock.states import Cancelled, Cancelling, Completed, Crashed, Failed, State

SEEN: list[Any] = []


@pytest.fixture(autouse=True)
def _fresh() -> None:
    SEEN.clear()


def hook(name: str) -> Any:
    def note(definition: Any, run: Any, state: State) -> None:
        SEEN.append(name)

    note.__name__ = name
    return note


ALL = ("on_running", "on_completion", "on_failure", "on_cancellation", "on_crashed")


@pytest.mark.parametrize(
    ("value", "want"),
    [
        (1, ["on_running", "on_completion"]),
        (Completed(), ["on_running", "on_completion"]),
        (Failed(), ["on_running", "on_failure"]),
        (Cancelling(), ["on_running", "on_cancellation"]),
        (Cancelled(), ["on_running"]),
        (Crashed(), ["on_running", "on_crashed"]),
    ],
    ids=str,
)
def test_which_flow_hooks_run(value: Any, want: list[str]) -> None:
    flow(**{name: [hook(name)] for name in ALL})(lambda: value)(return_state=True)
    assert want == SEEN


def test_task_hooks() -> None:
    @task(retries=1, **{name: [hook(name)] for name in ALL[:3]})
    def t() -> None:
        raise ValueError

    t(return_state=True)
    assert SEEN == ["on_running", "on_running", "on_failure"]


def test_hooks_are_called_positionally_in_order_inside_the_run(caplog: pytest.LogCaptureFixture) -> None:
    def first(some: Any, other: Any, names: Any) -> None:
        SEEN.append((some.name, other.name, names.name, runtime.flow_run.name))
        get_run_logger().warning("from the hook")

    async def second(flow: Any, run: Any, state: Any) -> None:
        await asyncio.sleep(0)
        SEEN.append("async")

    def raising(flow: Any, run: Any, state: Any) -> None:
        raise RuntimeError("in a hook")

    class Callable_:  # noqa: N801
        def __call__(self, flow: Any, run: Any, state: Any) -> None:
            SEEN.append("object")

    def with_more(flow: Any, run: Any, state: Any, extra: int) -> None:
        SEEN.append(extra)

    @flow(
        on_completion=[first, raising, second, functools.partial(with_more, extra=5), Callable_()], flow_run_name="run"
    )
    def f() -> int:
        return 1

    state = f(return_state=True)
    assert state.is_completed()
    assert SEEN == [("f", "run", "Completed", "run"), "async", 5, "object"]
    assert "Hook 'with_more' finished running successfully" in caplog.text
    assert "An error was encountered while running hook 'raising'" in caplog.text
    assert "from the hook" in caplog.text


def test_hooks_may_be_added_by_decorator() -> None:
    @flow
    def f() -> int:
        return 1

    def added(flow: Any, run: Any, state: Any) -> None:
        SEEN.append("added")

    assert f.on_completion(added) is added

    f()
    assert SEEN == ["added"]
    assert added in f.on_completion_hooks


def test_run_count_counts_the_first_running_already() -> None:
    flow(on_running=[lambda flow, run, state: SEEN.append(run.run_count)])(lambda: 1)()
    assert SEEN == [1]


def test_records_carry_their_run(caplog: pytest.LogCaptureFixture) -> None:
    @task
    def t() -> None:
        get_run_logger(extra_member="x").info("in the task")

    @flow(flow_run_name="r")
    def f() -> None:
        get_run_logger().info("in the flow")
        t()

    with caplog.at_level("INFO"):
        f()
    of_task = next(record for record in caplog.records if record.message == "in the task")
    of_flow = next(record for record in caplog.records if record.message == "in the flow")
    assert (of_task.name, of_flow.name) == ("penstock.task_runs", "penstock.flow_runs")
    assert vars(of_task)["task_name"] == "t"
    assert vars(of_task)["flow_run_name"] == "r"
    assert vars(of_task)["extra_member"] == "x"
    assert "task_run_id" not in vars(of_flow)
    lines = [record.getMessage() for record in caplog.records]
    assert "Finished in state Completed()" in lines
    assert "Beginning flow run 'r' for flow 'f'" in lines


def test_loggers_outside_runs() -> None:
    with pytest.raises(MissingContextError):
        get_run_logger()
    assert get_logger().name == "penstock"
    assert get_logger("x").name == "penstock.x"
    with LogEavesdropper("penstock.eaves", level=logging.INFO) as heard:
        logging.getLogger("penstock.eaves").info("psst")
    assert heard.text() == "[INFO]: psst"


def test_run_loggers_can_be_silenced(caplog: pytest.LogCaptureFixture) -> None:
    with disable_run_logger():
        flow(lambda: get_run_logger().error("hush"))()
    assert "hush" not in caplog.text


def test_prints_become_lines_only_where_they_are_wanted(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    import sys

    @task
    def inherits() -> None:
        print("from", "task", sep="-")

    @task(log_prints=False)
    def refuses() -> None:
        print("plain")

    @flow(log_prints=True)
    def f() -> None:
        print("hello")
        print("aside", file=sys.stderr)
        inherits()
        refuses()

    before = print
    with caplog.at_level("INFO"):
        f()
    assert print is before
    record = next(record for record in caplog.records if record.getMessage() == "hello")
    assert record.filename == "test_10_surroundings.py"
    assert record.funcName == "f"
    assert any(r.getMessage() == "from-task" and r.name == "penstock.task_runs" for r in caplog.records)
    out = capsys.readouterr()
    assert "plain" in out.out
    assert "hello" not in out.out
    assert "aside" in out.err
    with patch_print():
        print("outside any run")
    assert "outside any run" in capsys.readouterr().out


def test_contexts() -> None:
    @task
    def t(x: int) -> Any:
        flow_context, task_context = FlowRunContext.get(), TaskRunContext.get()
        assert flow_context is not None
        assert task_context is not None
        return flow_context.flow.name, task_context.task.name, task_context.parameters, type(get_run_context()).__name__

    @flow
    def f() -> Any:
        assert TaskRunContext.get() is None
        assert isinstance(get_run_context(), FlowRunContext)
        return t(1)

    assert f() == ("f", "t", {"x": 1}, "TaskRunContext")
    with tags("a"):
        assert TagsContext.get().current_tags == {"a"}
    assert FlowRunContext.get() is None
    with pytest.raises(MissingContextError):
        get_run_context()


def test_runtime_outside_and_overridden(monkeypatch: pytest.MonkeyPatch) -> None:
    assert runtime.flow_run.id is None
    assert runtime.flow_run.tags == []
    assert runtime.flow_run.parameters == {}
    assert runtime.task_run.run_count == 0
    assert runtime.deployment.id is None
    with pytest.raises(AttributeError, match="no attribute"):
        runtime.flow_run.nonsense  # noqa: B018
    monkeypatch.setenv("PENSTOCK__RUNTIME__FLOW_RUN__NAME", "by env")
    monkeypatch.setenv("PENSTOCK__RUNTIME__TASK_RUN__RUN_COUNT", "7")
    assert runtime.flow_run.name == "by env"
    assert runtime.task_run.run_count == 7


def test_progress() -> None:
    @task
    def ok() -> None:
        pass

    @task
    def bad() -> None:
        raise ValueError

    @flow
    def child() -> None:
        ok()

    @flow
    def f() -> Any:
        ok()
        child()
        bad(return_state=True)
        progress = get_run_context().flow_run.progress  # type: ignore[union-attr]
        return progress.total, progress.completed, progress.failed, progress.running, progress.summary

    assert f() == (3, 2, 1, 0, "2 done")


def test_observers(caplog: pytest.LogCaptureFixture) -> None:
    changes: list[tuple[str, Any, str]] = []

    def broken(run: Any, old: Any, new: Any) -> None:
        raise RuntimeError("observer")

    subscribe(broken)
    end = subscribe(lambda run, old, new: changes.append((run.kind, old and old.name, new.name)))
    only_flows: list[str] = []
    subscribe(lambda run, old, new: only_flows.append(run.kind), runs="flow")

    @task
    def t() -> None:
        pass

    @flow
    def f() -> None:
        t()

    f()
    assert changes == [
        ("Flow", None, "Pending"), ("Flow", "Pending", "Running"),
        ("Task", None, "Pending"), ("Task", "Pending", "Running"), ("Task", "Running", "Completed"),
        ("Flow", "Running", "Completed"),
    ]  # fmt: skip
    assert set(only_flows) == {"Flow"}
    assert caplog.text.count("is said once") == 1
    end()
    f()
    assert len(changes) == 6
    with pytest.raises(ValueError, match="runs"):
        subscribe(broken, runs="x")  # type: ignore[arg-type]


def test_heartbeats() -> None:
    beaten = threading.Event()
    unsubscribe = subscribe_heartbeat(lambda run: beaten.set())
    f = flow(lambda: 1)
    with temporary_settings({"PENSTOCK_FLOWS_HEARTBEAT_FREQUENCY": "1"}):
        engine = FlowRunEngine(flow=f)
        assert engine.heartbeat_seconds == 30
        with engine.start(), send_heartbeats_sync(engine):
            assert beaten.wait(2)
            engine.call_flow_fn()
    unsubscribe()
    assert FlowRunEngine(flow=f).heartbeat_seconds is None


@pytest.mark.parametrize(
    ("name", "text", "path", "want"),
    [
        ("PENSTOCK_TASKS_DEFAULT_RETRIES", "3", "tasks.default_retries", 3),
        ("PENSTOCK_RESULTS_PERSIST_BY_DEFAULT", "true", "results.persist_by_default", True),
        ("PENSTOCK_LOGGING_LEVEL", "WARNING", "logging.level", "WARNING"),
        ("PENSTOCK_TASKS_RUNNER_THREAD_POOL_MAX_WORKERS", "5", "tasks.runner.thread_pool_max_workers", 5),
    ],
)
def test_settings(name: str, text: str, path: str, want: Any) -> None:
    with temporary_settings({name: text}) as settings:
        value: Any = settings
        for part in path.split("."):
            value = getattr(value, part)
        assert value == want


def test_settings_that_are_refused() -> None:
    with (
        temporary_settings({"PENSTOCK_TASKS_DEFAULT_RETRIES": "many"}),
        pytest.raises(ValueError, match="PENSTOCK_TASKS_DEFAULT_RETRIES='many'"),
    ):
        get_current_settings().tasks.default_retries  # noqa: B018
    with pytest.raises(ValueError, match="no setting"):
        temporary_settings({"PENSTOCK_NOPE": 1}).__enter__()
    with temporary_settings({PENSTOCK_HOME: "/somewhere"}):
        assert str(PENSTOCK_HOME.value()) == "/somewhere"


def test_settings_reach_runs() -> None:
    tries: list[int] = []

    @task
    def t() -> None:
        tries.append(1)
        raise ValueError

    with temporary_settings({"PENSTOCK_TASKS_DEFAULT_RETRIES": 2}):
        t(return_state=True)
    assert len(tries) == 3


def test_contexts_of_ones_own() -> None:
    from contextvars import ContextVar

    from penstock.context import ContextModel

    class Mine(ContextModel):
        __var__ = ContextVar("mine")
        x: int
        y: int = 2

    assert Mine.get() is None
    with Mine(x=1) as context:
        assert Mine.get() is context
        assert (context.x, context.y) == (1, 2)
        with pytest.raises(RuntimeError, match="already entered"):
            context.__enter__()
        with context.model_copy(update={"x": 5}):
            assert Mine.get().x == 5
    assert Mine.get() is None
    with pytest.raises(ValueError, match="missing"):
        Mine()


def test_contexts_entered_by_hand() -> None:
    from penstock.client.schemas.objects import FlowRun
    from penstock.settings import Settings

    f = flow(lambda: 1, name="f")
    with FlowRunContext(flow=f, flow_run=FlowRun(name="by-hand"), parameters={"x": 1}) as context:
        assert runtime.flow_run.name == "by-hand"
        assert runtime.flow_run.flow_name == "f"
        assert FlowRunContext.get() == context
    with TagsContext(current_tags={"a", "b"}):
        assert TagsContext.get().current_tags == {"a", "b"}
    from penstock.context import SettingsContext

    with SettingsContext(Settings({"tasks.default_retries": 7})):
        assert get_current_settings().tasks.default_retries == 7


CONFIGURED = {
    "dictConfig": lambda: logging.config.dictConfig({"version": 1}),
    "dictConfig with a root": lambda: logging.config.dictConfig({"version": 1, "root": {"level": "ERROR"}}),
    "basicConfig": lambda: logging.basicConfig(force=True, level="ERROR"),
    "shutdown": logging.shutdown,
}


@pytest.mark.parametrize("configure", CONFIGURED.values(), ids=CONFIGURED.keys())
def test_a_configuration_of_users_does_not_silence_the_run(configure: Any) -> None:
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    others = [logger for logger in root.manager.loggerDict.values() if isinstance(logger, logging.Logger)]
    disabled = [logger.disabled for logger in others]

    @flow(log_prints=True)
    def main() -> None:
        configure()
        get_run_logger().info("said")
        print("printed")

    try:
        with LogEavesdropper("penstock.flow_runs", logging.INFO) as heard:
            main()
    finally:
        root.setLevel(level)
        root.handlers[:] = handlers
        for logger, before in zip(others, disabled, strict=True):
            logger.disabled = before
    assert "[INFO]: said\n[INFO]: printed" in heard.text()
    assert "Finished in state Completed()" in heard.text()


def test_whoever_means_a_logger_of_the_run_may_silence_it() -> None:
    logger = logging.getLogger("penstock.flow_runs")
    with LogEavesdropper("penstock.flow_runs", logging.INFO) as heard:
        logger.disabled = True
        try:
            flow(lambda: 1, name="f")()
        finally:
            logger.disabled = False
    assert heard.text() == ""


def test_prints_are_not_lost_where_logging_is_switched_off(capsys: pytest.CaptureFixture[str]) -> None:
    logging.disable(logging.CRITICAL)
    try:
        flow(lambda: print("printed"), name="f", log_prints=True)()
    finally:
        logging.disable(logging.NOTSET)
    assert capsys.readouterr().out == "printed\n"
