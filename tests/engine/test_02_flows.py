"""Options, binding, validation, retries, names, timeouts, generators, async rules, subflows, loading."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
import time
import traceback
from typing import TYPE_CHECKING, Any

import pydantic
import pytest

from penstock import Flow, flow, runtime, tags, task
from penstock.exceptions import (
    InvalidNameError,
    MissingFlowError,
    ParameterBindError,
    ParameterTypeError,
    PausedRun,
    ReservedArgumentError,
    ScriptError,
    UnfinishedRun,
    UnspecifiedFlowError,
)
from penstock.flow_engine import FlowRunTimeoutError
from penstock.flows import load_flow_from_entrypoint
from penstock.states import Failed, Paused, State
from penstock.task_runners import ThreadPoolTaskRunner

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path


def nothing() -> None:
    pass


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"retries": -1}, ValueError, "retries"),
        ({"retries": 1.5}, ValueError, "retries"),
        ({"timeout_seconds": -1}, ValueError, "timeout_seconds"),
        ({"task_runner": object()}, TypeError, "TaskRunner"),
        ({"name": "a/b"}, InvalidNameError, "invalid character"),
        ({"name": 3}, TypeError, "name"),
        ({"flow_run_name": 3}, TypeError, "flow_run_name"),
        ({"on_failure": nothing}, TypeError, "Expected iterable for 'on_failure'"),
        ({"on_failure": ["x"]}, TypeError, "Expected callables in 'on_failure'"),
        ({"nonsense": 1}, TypeError, "nonsense"),
    ],
)
def test_options_that_are_refused(options: dict[str, Any], error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        flow(**options)(nothing)


def test_what_cannot_be_a_flow() -> None:
    with pytest.raises(TypeError, match="callable"):
        Flow(3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="flow already"):
        flow(flow(nothing))
    with pytest.raises(ReservedArgumentError, match="wait_for"):

        @flow
        def f(wait_for: int) -> None:
            pass


def test_names_and_descriptions() -> None:
    @flow
    def my_flow() -> None:
        """Says what it does."""

    assert (my_flow.name, my_flow.description) == ("my-flow", "Says what it does.")
    assert flow(lambda: 1).name == "unknown-lambda"
    assert my_flow.version == my_flow.version
    assert my_flow.with_options(name="other").name == "other"
    assert my_flow.with_options(retries=3).retries == 3
    assert my_flow.retries == 0


def test_options_survive_copies() -> None:
    f = flow(nothing, persist_result=True, log_prints=True, task_runner=ThreadPoolTaskRunner(2))
    assert f.with_options(name="x").persist_result is True
    assert f.with_options(persist_result=None).persist_result is None
    assert f.with_options(log_prints=None).log_prints is None
    assert isinstance(f.with_options(retries=2).task_runner, ThreadPoolTaskRunner)


def test_binding_fails_before_a_run_exists() -> None:
    @flow
    def f(a: int, *, b: int = 1) -> None:
        pass

    calls: list[Callable[[], Any]] = [lambda: f(), lambda: f(1, 2), lambda: f(1, c=3), lambda: f(1, a=2)]
    for call in calls:
        with pytest.raises(ParameterBindError, match=r"Function 'f' has signature 'a: ") as caught:
            call()
        assert isinstance(caught.value, TypeError)


def test_every_kind_of_parameter_is_bound() -> None:
    @flow
    def f(a: int, /, b: int = 2, *rest: int, c: int = 3, **more: int) -> Any:
        return a, b, rest, c, more

    assert f(1) == (1, 2, (), 3, {})
    assert f(1, 4, 5, 6, c=7, d=8) == (1, 4, (5, 6), 7, {"d": 8})


class Model(pydantic.BaseModel):
    x: int


class Plain:
    pass


@pytest.mark.parametrize(
    ("annotation", "given", "want"),
    [
        (int, "3", 3),
        (float, 1, 1.0),
        (Model, {"x": "4"}, Model(x=4)),
        (list[int], ["1"], [1]),
        (int | None, None, None),
        (str, "s", "s"),
    ],
)
def test_parameters_are_coerced(annotation: Any, given: Any, want: Any) -> None:
    def f(value: Any) -> Any:
        return value

    f.__annotations__["value"] = annotation
    assert flow(f)(given) == want


def test_arbitrary_types_are_checked_by_isinstance() -> None:
    @flow
    def f(value: Plain) -> Any:
        return value

    plain = Plain()
    assert f(plain) is plain
    with pytest.raises(ParameterTypeError, match="value"):
        f(3)


def test_bad_parameters_fail_the_run_without_running_it() -> None:
    seen: list[str] = []

    @flow(
        retries=2,
        on_failure=[lambda flow, run, state: seen.append("failure")],
        on_running=[lambda flow, run, state: seen.append("running")],
    )
    def f(value: int, other: int = 1) -> None:
        seen.append("body")

    with pytest.raises(ParameterTypeError, match="value: "):
        f("x")
    assert seen == ["failure"]
    state = f("x", return_state=True)
    assert state.is_failed()
    assert f.with_options(validate_parameters=False)("x") is None


def test_names_that_pydantic_reserves_work() -> None:
    @flow
    def f(json: int, copy: str, schema: int = 1, model_x: int = 2, _y: int = 3) -> Any:
        return json, copy, schema, model_x, _y

    assert f("1", "c") == (1, "c", 1, 2, 3)


def test_validate_and_serialize() -> None:
    @flow
    def f(value: int, thing: Any = None) -> None:
        pass

    assert f.validate_parameters({"value": "3", "thing": None}) == {"value": 3, "thing": None}
    assert f.serialize_parameters({"value": 3, "thing": Plain(), "m": Model(x=1)}) == {
        "value": 3,
        "thing": "<Plain>",
        "m": {"x": 1},
    }
    assert f.parameters.properties["value"]["type"] == "integer"


def test_stored_parameters_are_the_objects_themselves() -> None:
    thing = {"a": [1]}
    seen: list[Any] = []

    @flow(on_completion=[lambda flow, run, state: seen.append(run.parameters["thing"])])
    def f(thing: Any) -> Any:
        return runtime.flow_run.parameters["thing"]

    assert f(thing) is thing
    assert seen[0] is thing


def test_retries_repeat_the_whole_body() -> None:
    names: list[str | None] = []
    counts: list[int] = []

    @flow(retries=2)
    def f() -> int:
        names.append(runtime.flow_run.name)
        counts.append(runtime.flow_run.run_count)
        if len(counts) < 3:
            raise ValueError("again")
        return 5

    assert f() == 5
    assert counts == [1, 2, 3]
    assert len(set(names)) == 1


def test_a_returned_failure_is_retried_and_a_returned_cancellation_is_not() -> None:
    tries: list[int] = []

    @flow(retries=1)
    def f(kind: str) -> State:
        tries.append(1)
        return State(kind)

    f("FAILED", return_state=True)
    assert len(tries) == 2
    f("CANCELLED", return_state=True)
    assert len(tries) == 3


@pytest.mark.parametrize(("template", "want"), [("run-{a}", "run-1"), ("{b[k]}-{a}", "v-1")])
def test_run_names_from_templates(template: str, want: str) -> None:
    @flow(flow_run_name=template)
    def f(a: int, b: dict[str, str]) -> Any:
        return runtime.flow_run.name

    assert f(1, {"k": "v"}) == want


def test_run_names_from_callables() -> None:
    calls: list[int] = []

    def name() -> str:
        calls.append(1)
        return f"named-{runtime.flow_run.flow_name}"

    @flow(flow_run_name=name, retries=2)
    def f() -> Any:
        if runtime.flow_run.run_count < 3:
            raise ValueError
        return runtime.flow_run.name

    assert f() == "named-f"
    assert calls == [1]

    def bad() -> Any:
        return 3

    with pytest.raises(TypeError, match=r"bad.*returned type int"):
        flow(flow_run_name=bad)(nothing)()
    with pytest.raises(KeyError):
        flow(flow_run_name="{nope}")(nothing)()


def test_a_timeout_interrupts_a_sleep_and_the_code_after_it_never_runs() -> None:
    after: list[int] = []

    @flow(timeout_seconds=0.1)
    def f() -> None:
        time.sleep(60)
        after.append(1)

    state = f(return_state=True)
    assert after == []
    assert (state.type, state.name) == ("FAILED", "TimedOut")
    assert state.message == "Flow run exceeded timeout of 0.1 second(s)"
    with pytest.raises(FlowRunTimeoutError):
        f()
    assert after == []


def test_an_async_timeout() -> None:
    @flow(timeout_seconds=0.1)
    async def f() -> None:
        await asyncio.sleep(5)

    state = asyncio.run(f(return_state=True))
    assert state.name == "TimedOut"


def test_a_timeout_in_another_thread() -> None:
    @flow(timeout_seconds=0.1)
    def f() -> None:
        until = time.monotonic() + 5
        while time.monotonic() < until:
            pass

    found: list[State] = []
    thread = threading.Thread(target=lambda: found.append(f(return_state=True)))
    thread.start()
    thread.join(3)
    assert found[0].name == "TimedOut"


def test_nested_timeouts_share_the_timer() -> None:
    @task(timeout_seconds=5)
    def inner() -> None:
        time.sleep(10)

    @flow(timeout_seconds=0.1)
    def outer() -> None:
        inner()

    @task(timeout_seconds=0.1)
    def quick() -> None:
        time.sleep(10)

    @flow(timeout_seconds=5)
    def patient() -> Any:
        return quick(return_state=True).name

    assert outer(return_state=True).name == "TimedOut"
    assert patient() == "TimedOut"


def test_a_subflows_timeout_starts_after_its_wait_for() -> None:
    @task
    def slow() -> None:
        time.sleep(0.3)

    @flow(timeout_seconds=0.25)
    def child() -> int:
        return 1

    @flow
    def parent() -> Any:
        return child(wait_for=[slow.submit()])

    assert parent() == 1


@flow
def numbers(n: int) -> Iterator[int]:
    yield from range(n)
    return "end"  # type: ignore[return-value]


@flow
async def anumbers(n: int) -> AsyncIterator[int]:
    for number in range(n):
        yield number


def test_generator_flows() -> None:
    pulled = numbers(3)
    assert [next(pulled) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(StopIteration) as stop:
        next(pulled)
    assert stop.value.value == "end"

    async def collect() -> list[int]:
        return [item async for item in anumbers(3)]

    assert asyncio.run(collect()) == [0, 1, 2]


def test_the_context_of_a_generator_is_active_only_during_pulls() -> None:
    @flow
    def f() -> Iterator[Any]:
        yield runtime.flow_run.flow_name

    pulled = f()
    assert next(pulled) == "f"
    assert runtime.flow_run.flow_name is None
    pulled.close()  # type: ignore[attr-defined]


def test_an_exception_in_a_generator_is_raised_at_the_pull() -> None:
    seen: list[str] = []

    @flow(on_failure=[lambda flow, run, state: seen.append(state.name)])
    def f() -> Iterator[int]:
        yield 1
        raise ValueError("late")

    pulled = f()
    assert next(pulled) == 1
    with pytest.raises(ValueError, match="late"):
        next(pulled)
    assert seen == ["Failed"]


def test_closing_a_generator_early_completes_its_run() -> None:
    seen: list[str] = []

    @flow(on_completion=[lambda flow, run, state: seen.append(state.name)])
    def f() -> Iterator[int]:
        yield 1
        yield 2

    pulled = f()
    next(pulled)
    pulled.close()  # type: ignore[attr-defined]
    assert seen == ["Completed"]


def test_async_callee_in_a_sync_run_gives_its_value() -> None:
    @task
    async def value() -> int:
        await asyncio.sleep(0)
        return 3

    @flow
    async def sub() -> int:
        return await value()

    @flow
    def f() -> Any:
        return value(), sub()

    assert f() == (3, 3)


def test_async_callee_in_a_sync_task_of_an_async_flow() -> None:
    @task
    async def value() -> int:
        await asyncio.sleep(0)
        return 3

    @task
    def inline() -> Any:
        return value()

    @flow
    async def f() -> Any:
        return inline()

    assert asyncio.run(f()) == 3


def test_a_coroutine_that_is_never_awaited_creates_no_run() -> None:
    ran: list[int] = []

    @flow
    async def f() -> None:
        ran.append(1)

    coroutine = f()
    coroutine.close()
    assert ran == []


def test_subflows_nest_inherit_and_fail_their_parents() -> None:
    @flow
    def child() -> Any:
        return runtime.flow_run.parent_flow_run_id, runtime.flow_run.root_flow_run_id, runtime.flow_run.tags

    @flow
    def parent() -> Any:
        with tags("x"):
            return runtime.flow_run.id, child()

    own, (above, root, seen) = parent()
    assert own == above == root
    assert seen == ["x"]

    @flow
    def failing() -> None:
        raise ValueError("child")

    @flow
    def around() -> None:
        failing()

    with pytest.raises(ValueError, match="child"):
        around()


def test_a_failed_upstream_holds_a_subflow_back() -> None:
    @task
    def fails() -> None:
        raise ValueError

    @flow
    def child(x: Any) -> None:
        pytest.fail("the body must not run")

    @flow
    def parent() -> None:
        child(fails.submit())

    with pytest.raises(UnfinishedRun):
        parent()


def test_results_and_failures_of_a_call() -> None:
    error = ValueError("mine")

    @flow
    def f() -> None:
        raise error

    with pytest.raises(ValueError, match="mine") as caught:
        f()
    assert caught.value is error
    ours = [
        frame for frame in traceback.extract_tb(caught.value.__traceback__) if "/engine/penstock/" in frame.filename
    ]
    assert len(ours) <= 2

    @flow
    def paused() -> State:
        return Paused()

    with pytest.raises(PausedRun):
        paused()
    assert paused(return_state=True).is_paused()


def test_a_single_returned_future_gives_its_state() -> None:
    @task
    def one() -> int:
        return 1

    @flow
    def f() -> Any:
        return one.submit()

    assert f().result() == 1


class Counter:
    start = 3

    @flow
    def method(self, x: int) -> Any:
        return self.start + x

    @flow
    @classmethod
    def of_class(cls, x: int) -> Any:
        return cls.start + x

    @classmethod
    @flow
    def other_order(cls, x: int) -> Any:
        return cls.start + x

    @flow
    @staticmethod
    def static(x: int) -> Any:
        return x

    @task
    def doubled(self, x: int) -> int:
        return x * 2


def test_methods() -> None:
    counter = Counter()
    assert counter.method(1) == 4
    assert counter.method.ismethod
    assert Counter.of_class(1) == 4
    assert counter.of_class(1) == 4
    assert Counter.static(5) == 5
    assert counter.static(5) == 5
    assert Counter.other_order(1) == 4
    assert counter.doubled(4) == 8


def test_binding_a_method_keeps_nothing_alive() -> None:
    import gc
    import weakref

    counter = Counter()
    gone = weakref.ref(counter)
    counter.method(1)
    del counter
    gc.collect()
    assert gone() is None


SOURCE = """
from penstock import flow
@flow
def one(): return 1
def plain(): return 2
class C:
    @flow
    @staticmethod
    def inner(): return 3
"""


def test_loading(tmp_path: Path) -> None:
    file = tmp_path / "flows.py"
    file.write_text(SOURCE)
    assert load_flow_from_entrypoint(f"{file}:one")() == 1
    assert load_flow_from_entrypoint(f"{file}:plain")() == 2
    assert load_flow_from_entrypoint(f"{file}:C.inner")() == 3
    assert load_flow_from_entrypoint(str(file))() == 1
    assert load_flow_from_entrypoint("flows.py:one", source_dir=tmp_path)() == 1
    with pytest.raises(MissingFlowError, match="nope"):
        load_flow_from_entrypoint(f"{file}:nope")
    with pytest.raises(MissingFlowError):
        load_flow_from_entrypoint(f"{tmp_path}/absent.py:one")
    file.write_text(SOURCE + "\n@flow\ndef two(): pass\n")
    with pytest.raises(UnspecifiedFlowError, match="two"):
        load_flow_from_entrypoint(str(file))


@pytest.mark.parametrize("body", ["raise ValueError('at import')", "syntax error here", "import no_such_module_at_all"])
def test_scripts_that_cannot_be_loaded(tmp_path: Path, body: str) -> None:
    file = tmp_path / "broken.py"
    file.write_text(body)
    with pytest.raises(ScriptError) as caught:
        load_flow_from_entrypoint(f"{file}:one")
    assert caught.value.__cause__ is caught.value.user_exc


def test_a_flow_called_at_module_level_is_refused_while_loading(tmp_path: Path) -> None:
    file = tmp_path / "eager.py"
    file.write_text(SOURCE + "\none()\n")
    with pytest.raises(ScriptError, match="__main__"):
        load_flow_from_entrypoint(f"{file}:one")


def test_compiling_executes_nothing(tmp_path: Path) -> None:
    from penstock.definitions.loading import compile_entrypoint

    file = tmp_path / "effects.py"
    file.write_text(f"import pathlib; pathlib.Path({str(tmp_path / 'touched')!r}).touch()\n" + SOURCE)
    entry = compile_entrypoint(f"{file}:one")
    assert not (tmp_path / "touched").exists()
    assert entry.load().name == "one"
    assert (tmp_path / "touched").exists()


@dataclasses.dataclass
class Holder:
    items: list[Any]


def test_upstreams_inside_parameters_are_resolved_before_validation() -> None:
    @task
    def text() -> str:
        return "4"

    @flow
    def child(n: int, holder: Holder) -> Any:
        return n, holder.items

    @flow
    def parent() -> Any:
        return child(text.submit(), Holder([text.submit()]))

    assert parent() == (4, ["4"])


def test_failed_states_raise_with_return_state_false() -> None:
    @flow
    def f() -> State:
        return Failed(message="by hand")

    with pytest.raises(Exception, match="by hand"):
        f()
