"""Maps over futures and states; what a task run says about where its inputs came from; records made by hand."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest

from penstock import allow_failure, flow, task
from penstock.client.schemas.objects import FlowRun, TaskRun, TaskRunResult
from penstock.context import TaskRunContext
from penstock.exceptions import ObjectAlreadyExists, ObjectNotFound, UnfinishedRun, UpstreamTaskError
from penstock.futures import resolve_futures_to_results
from penstock.states import Completed, Failed, Running
from penstock.task_runners import ThreadPoolTaskRunner
from penstock.utilities.annotations import quote

if TYPE_CHECKING:
    from collections.abc import Callable


@task
def give(x: Any = 1, y: Any = 0) -> tuple[Any, Any]:
    return x, y


@task
def values() -> list[int]:
    return [1, 2]


@task
def broken() -> None:
    raise ValueError("broken")


@pytest.mark.parametrize(
    "source",
    [
        lambda: values.submit(),
        lambda: values(return_state=True),
        lambda: Completed(data=[1, 2]),
        lambda: allow_failure(values.submit()),
    ],
    ids=["future", "state of a run", "state made by hand", "allowed to fail"],
)
def test_futures_and_states_of_collections_are_unpacked(source: Callable[[], Any]) -> None:
    @flow
    def f() -> Any:
        return give.map(source()).result()

    assert f() == [(1, 0), (2, 0)]


def test_a_sequence_of_the_old_protocol_is_mapped() -> None:
    class Sequence:
        def __len__(self) -> int:
            return 2

        def __getitem__(self, index: int) -> int:
            return [5, 6][index]

    @flow
    def f() -> Any:
        return give.map(Sequence()).result()

    assert f() == [(5, 0), (6, 0)]


@pytest.mark.parametrize(
    "source", [lambda: broken.submit(), lambda: broken(return_state=True), lambda: Failed(message="no")]
)
def test_a_failed_source_of_a_map_is_refused(source: Callable[[], Any]) -> None:
    @flow
    def f() -> None:
        with pytest.raises(UpstreamTaskError, match="did not reach a 'COMPLETED' state"):
            give.map(source())

    f()


@pytest.mark.parametrize("source", [lambda: broken.submit(), lambda: broken(return_state=True)])
def test_an_allowed_failure_goes_to_every_child(source: Callable[[], Any]) -> None:
    @flow
    def f() -> list[tuple[BaseException, int]]:
        found: list[tuple[BaseException, int]] = give.map(allow_failure(source()), [1, 2]).result()
        return found

    assert [(str(exc), y) for exc, y in f()] == [("broken", 1), ("broken", 2)]


def test_a_quoted_future_is_neither_awaited_nor_mapped() -> None:
    @flow
    def f() -> None:
        source = values.submit()
        assert give.map(quote(source), [1]).result() == [(source, 1)]

    f()


def test_what_takes_the_place_of_futures_is_a_plain_list() -> None:
    @task
    def kind_of(x: Any) -> type:
        return type(x)

    @flow
    def f() -> Any:
        assert kind_of(give.map([1])) is list
        return give.map([1, 2])

    assert type(f()) is list
    assert [state.name for state in f()] == ["Completed", "Completed"]


def test_results_that_are_missing_are_told() -> None:
    @flow
    def f() -> None:
        with pytest.raises(UnfinishedRun, match="At least one result did not complete successfully"):
            resolve_futures_to_results([values.submit(), broken.submit()])

    f()


def test_a_runner_is_started_once() -> None:
    with ThreadPoolTaskRunner() as runner, pytest.raises(RuntimeError, match="already started"):
        runner.__enter__()


@task
def sources(x: Any, y: Any = None) -> dict[str, list[Any]]:
    run = TaskRunContext.get().task_run  # type: ignore[union-attr]
    inputs: dict[str, list[Any]] = run.task_inputs
    return inputs


def test_inputs_name_the_task_runs_they_came_from() -> None:
    @flow
    def f() -> None:
        first, second = values.submit(), values(return_state=True)
        one = TaskRunResult(first.task_run_id)
        other = TaskRunResult(second.state_details.task_run_id)
        assert sources(first, [second, first]) == {"x": [one], "y": [other, one]}
        assert sources.submit(1, wait_for=[first]).result() == {"x": [], "y": [], "wait_for": [one]}
        assert sources(1) == {"x": [], "y": []}
        assert one.input_type == "task_run"

    f()


def test_records_made_by_hand_keep_what_they_were_given() -> None:
    flow_run_id = uuid.uuid4()
    run = TaskRun(task_key="k", dynamic_key="0", name="n", flow_run_id=flow_run_id, tags=["t"], state=Running())
    assert (run.task_key, run.dynamic_key, run.name, run.flow_run_id) == ("k", "0", "n", flow_run_id)
    assert (run.tags, run.state_name) == (["t"], "Running")
    assert FlowRun(flow_id=uuid.uuid4(), tags=["t"], state=Running()).tags == ["t"]


def test_what_exists_already_is_not_what_is_missing() -> None:
    assert not issubclass(ObjectAlreadyExists, ObjectNotFound)
    assert str(ObjectAlreadyExists(help_message="there")) == "there"
