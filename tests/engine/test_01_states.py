"""Types, names, transitions, constructors, results, aggregation."""

from __future__ import annotations

import asyncio
import pickle
import uuid
from datetime import UTC, datetime
from types import GeneratorType
from typing import TYPE_CHECKING, Any

import pytest

from penstock import flow, states, task
from penstock.core import changes as transitions
from penstock.core.state import StateDetails
from penstock.exceptions import (
    CancelledRun,
    CrashedRun,
    FailedRun,
    InvalidTransition,
    MissingResult,
    PausedRun,
    UnfinishedRun,
)
from penstock.states import (
    Cancelled,
    Completed,
    Crashed,
    Failed,
    Paused,
    Pending,
    Running,
    Scheduled,
    State,
    StateGroup,
    StateType,
)
from penstock.utilities.annotations import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.mark.parametrize(
    ("make", "kind", "name"),
    [
        (states.Scheduled, "SCHEDULED", "Scheduled"),
        (states.Late, "SCHEDULED", "Late"),
        (states.AwaitingRetry, "SCHEDULED", "AwaitingRetry"),
        (states.AwaitingConcurrencySlot, "SCHEDULED", "AwaitingConcurrencySlot"),
        (states.Pending, "PENDING", "Pending"),
        (states.Submitting, "PENDING", "Submitting"),
        (states.InfrastructurePending, "PENDING", "InfrastructurePending"),
        (states.Running, "RUNNING", "Running"),
        (states.Retrying, "RUNNING", "Retrying"),
        (states.Completed, "COMPLETED", "Completed"),
        (states.Failed, "FAILED", "Failed"),
        (states.Crashed, "CRASHED", "Crashed"),
        (states.Cancelling, "CANCELLING", "Cancelling"),
        (states.Cancelled, "CANCELLED", "Cancelled"),
        (states.Paused, "PAUSED", "Paused"),
        (states.Suspended, "PAUSED", "Suspended"),
    ],
)
def test_constructors(make: Callable[..., State], kind: str, name: str) -> None:
    state = make(message="m", data=1)
    assert (state.type, state.name, state.message, state.data) == (kind, name, "m", 1)
    assert state.type is StateType(kind)
    assert make(name="Other").name == "Other"


def test_a_type_may_be_given_as_text_and_naive_times_are_utc() -> None:
    state = State("COMPLETED", timestamp=datetime(2026, 1, 1))
    assert state.type is StateType.COMPLETED
    assert state.timestamp == datetime(2026, 1, 1, tzinfo=UTC)


def test_scheduled_has_a_time_and_refuses_two() -> None:
    when = datetime(2030, 1, 1, tzinfo=UTC)
    assert Scheduled(scheduled_time=when).state_details.scheduled_time == when
    assert Scheduled().state_details.scheduled_time is not None
    with pytest.raises(ValueError, match="extra scheduled_time"):
        Scheduled(scheduled_time=when, state_details=StateDetails(scheduled_time=when))


def test_paused_refuses_two_times() -> None:
    with pytest.raises(ValueError, match="both"):
        Paused(timeout_seconds=1, pause_expiration_time=datetime.now(UTC))
    assert states.Suspended().state_details.pause_reschedule is True


def test_identity_copies_and_text() -> None:
    state = Completed(message="m", data=3)
    assert state == state.model_copy()
    assert state != Completed(message="m", data=3)
    assert hash(state) == hash(state.model_copy())
    fresh = state.fresh_copy()
    assert fresh.id != state.id
    assert fresh.data == 3
    assert state.model_copy(update={"name": "N"}).name == "N"
    assert repr(state) == "Completed(message='m', type=COMPLETED, result=3)"
    assert str(Completed()) == "Completed()"
    assert str(Failed(message="message")) == "Failed('message')"
    assert str(Completed(name="Cached")) == "Cached(type=COMPLETED)"
    assert pickle.loads(pickle.dumps(state)) == state


def test_details_exist_only_once_something_is_set() -> None:
    state = Completed()
    assert state._details is None
    assert state.state_details.cache_key is None
    with pytest.raises(TypeError, match="no member"):
        StateDetails(nonsense=1)


ALL = list(StateType)
FINAL = {"COMPLETED", "FAILED", "CANCELLED", "CRASHED"}
FORBIDDEN = [
    ("RUNNING", "PENDING"), ("CANCELLING", "RUNNING"), ("CANCELLING", "CRASHED"), ("COMPLETED", "COMPLETED"),
    ("SCHEDULED", "COMPLETED"), ("PAUSED", "COMPLETED"), ("FAILED", "RUNNING"), ("SCHEDULED", "PAUSED"),
]  # fmt: skip
PERMITTED = [
    ("PENDING", "RUNNING"), ("RUNNING", "RUNNING"), ("RUNNING", "SCHEDULED"), ("SCHEDULED", "RUNNING"),
    ("PENDING", "COMPLETED"), ("PAUSED", "RUNNING"), ("RUNNING", "CANCELLED"), ("CANCELLING", "CANCELLED"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new"), FORBIDDEN)
def test_forbidden_transitions(old: str, new: str) -> None:
    with pytest.raises(InvalidTransition):
        transitions.check(State(old), State(new))


@pytest.mark.parametrize(("old", "new"), PERMITTED)
def test_permitted_transitions(old: str, new: str) -> None:
    transitions.check(State(old), State(new))


def test_terminal_states_are_final_but_for_a_rollback() -> None:
    for old in FINAL:
        for new in ALL:
            assert not transitions.allows(State(old), State(new))
    assert transitions.allows(Completed(), Completed(name="RolledBack"))
    assert all(transitions.allows(None, State(kind)) for kind in ALL)


BOOM = ValueError("boom")


@pytest.mark.parametrize(
    ("state", "error", "match"),
    [
        (Completed(), MissingResult, "not known"),
        (Failed(data=BOOM), ValueError, "boom"),
        (Failed(data="text"), FailedRun, "text"),
        (Crashed(data="text"), CrashedRun, "text"),
        (Cancelled(data="text"), CancelledRun, "text"),
        (Failed(message="m"), FailedRun, "^m$"),
        (Failed(), FailedRun, "Run failed."),
        (Crashed(), CrashedRun, "Run crashed."),
        (Cancelled(), CancelledRun, "Run cancelled."),
        (Failed(data=[Completed(data=1), Failed(data=BOOM)]), ValueError, "boom"),
        (Failed(data=[Completed(data=1), Cancelled(message="c")]), CancelledRun, "c"),
        (Failed(data=[Completed(data=1), Pending()]), UnfinishedRun, "PENDING"),
        (Failed(data={"a": 1}), TypeError, "dict"),
        (Paused(), PausedRun, "paused"),
        (Running(), UnfinishedRun, "RUNNING"),
        (Scheduled(), UnfinishedRun, "SCHEDULED"),
    ],
)
def test_results_that_raise(state: State, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        state.result()


@pytest.mark.parametrize(
    ("state", "want"),
    [
        (Completed(data=0), 0),
        (Failed(data="text"), "text"),
        (Failed(data={"a": 1}), {"a": 1}),
        (Failed(data=BOOM), BOOM),
    ],
)
def test_results_without_raising(state: State, want: Any) -> None:
    assert state.result(raise_on_failure=False) == want


def test_no_data_gives_the_exception_object() -> None:
    assert isinstance(Failed(message="m").result(raise_on_failure=False), FailedRun)
    with pytest.raises(PausedRun):
        Paused().result(raise_on_failure=False)


def test_a_result_raised_twice_is_one_object_whose_traceback_does_not_grow() -> None:
    @task
    def fails() -> None:
        raise BOOM

    @flow
    def f() -> State:
        state: State = fails(return_state=True)
        lengths = []
        for _ in range(3):
            with pytest.raises(ValueError, match="boom") as caught:
                state.result()
            assert caught.value is BOOM
            lengths.append(len(caught.traceback))
        assert len(set(lengths)) == 1
        return Completed()

    f()


def test_a_result_is_plain_in_sync_code_and_awaitable_in_async_code() -> None:
    state = Completed(data=5)

    @task
    def inline() -> Any:
        return state.result()

    @flow
    async def f() -> Any:
        assert await state.result() == 5
        assert await state.aresult() == 5
        return inline()

    assert state.result() == 5
    assert asyncio.run(f()) == 5


def _gen() -> Iterator[int]:
    yield 1


def _states_of(*makers: Callable[..., State]) -> list[State]:
    return [make() for make in makers]


@pytest.mark.parametrize(
    ("value", "kind", "name", "message"),
    [
        (None, "COMPLETED", "Completed", None),
        (5, "COMPLETED", "Completed", None),
        ([], "COMPLETED", "Completed", None),
        ({"a": Failed()}, "COMPLETED", "Completed", None),
        ([Failed(), 1], "COMPLETED", "Completed", None),
        (quote(Failed()), "COMPLETED", "Completed", None),
        (Completed(name="Mine", message="x"), "COMPLETED", "Mine", "x"),
        (Failed(message="x"), "FAILED", "Failed", "x"),
        (Cancelled(), "CANCELLED", "Cancelled", None),
        (Crashed(message="x"), "CRASHED", "Crashed", "x"),
        (Paused(), "PAUSED", "Paused", None),
        (Running(), "FAILED", "Failed", "Flow returned the state 'Running' of type RUNNING"),
        (Pending(), "FAILED", "Failed", "Flow returned the state 'Pending' of type PENDING"),
        (_states_of(Completed, Completed), "COMPLETED", "Completed", "All states completed."),
        (_states_of(Completed, Failed), "FAILED", "Failed", "1/2 states failed."),
        (_states_of(Completed, Crashed), "FAILED", "Failed", "1/2 states failed."),
        (_states_of(Failed, Cancelled), "CANCELLED", "Cancelled", "1/2 states cancelled."),
        (_states_of(Failed, Paused), "PAUSED", "Paused", "1/2 states paused."),
        (_states_of(Completed, Pending), "FAILED", "Failed", "1/2 states are not final."),
        (tuple(_states_of(Completed, Failed)), "FAILED", "Failed", "1/2 states failed."),
        pytest.param(
            set(_states_of(Completed, Failed)), "FAILED", "Failed", "1/2 states failed.", id="a set, in whatever order"
        ),
    ],
    ids=str,
)
def test_from_a_returned_value_to_the_final_state(value: Any, kind: str, name: str, message: str | None) -> None:
    @flow
    def f() -> Any:
        return value

    state: State = f(return_state=True)
    assert (state.type, state.name) == (kind, name)
    assert message is None or (state.message or "").startswith(message)


def test_states_that_are_not_returned_do_not_count() -> None:
    @task
    def fails() -> None:
        raise BOOM

    @flow
    def f() -> None:
        fails(return_state=True)
        fails.submit()

    assert f(return_state=True).is_completed()


def test_futures_anywhere_in_a_returned_value_become_states() -> None:
    @task
    def one() -> int:
        return 1

    @flow
    def f() -> Any:
        return {"a": [one.submit()], one.submit(): 2}

    result = f()
    assert result["a"][0].is_completed()
    assert all(isinstance(key, str | State) for key in result)


def test_a_generator_object_is_passed_through_untouched() -> None:
    @flow
    def f() -> Any:
        return _gen()

    result = f()
    assert isinstance(result, GeneratorType)
    assert list(result) == [1]


def test_messages_of_failures() -> None:
    @task
    def t() -> None:
        raise BOOM

    @flow
    def f() -> Any:
        return t(return_state=True).message

    @flow
    def g() -> None:
        raise BOOM

    assert f() == "Task run encountered an exception ValueError: boom"
    assert g(return_state=True).message == "Flow run encountered an exception: ValueError: boom"
    assert g(return_state=True).data is BOOM


@pytest.mark.parametrize("error", [SystemExit(0), KeyboardInterrupt(), BaseException("b")])
def test_other_base_exceptions_crash_and_leave_the_call(error: BaseException) -> None:
    seen: list[State] = []

    @flow(on_crashed=[lambda flow, run, state: seen.append(state)])
    def f() -> None:
        raise error

    with pytest.raises(type(error)):
        f(return_state=True)
    assert [state.type for state in seen] == ["CRASHED"]
    assert seen[0].data is error


def test_types_are_shown_with_their_class_and_equal_their_values() -> None:
    assert (repr(StateType.FAILED), str(StateType.FAILED)) == ("StateType.FAILED", "StateType.FAILED")
    assert StateType.FAILED == "FAILED"


def test_fields_of_a_state_are_chosen_and_take_json_form() -> None:
    state = Completed(message="m", data={1})
    assert state.model_dump(include={"name", "type"}) == {"name": "Completed", "type": StateType.COMPLETED}
    assert "data" not in state.model_dump(exclude={"data"})
    dumped = state.model_dump(mode="json")
    assert (dumped["id"], dumped["type"], dumped["data"]) == (str(state.id), "COMPLETED", [1])


def test_details_are_copied_and_take_ids_as_texts() -> None:
    flow_run_id = uuid.uuid4()
    details = StateDetails(flow_run_id=str(flow_run_id), cache_key="a", scheduled_time="2020-01-01T00:00:00")
    copy = details.model_copy(update={"cache_key": "b"})
    assert (details.cache_key, copy.cache_key, copy.flow_run_id) == ("a", "b", flow_run_id)
    assert copy.scheduled_time == datetime(2020, 1, 1, tzinfo=UTC)


def test_a_group_counts_its_states() -> None:
    group = StateGroup([Completed(), Failed(), Pending(), Paused()])
    assert group.counts_message() == "total=4, not_final=2, 'PENDING'=1, 'COMPLETED'=1, 'FAILED'=1, 'PAUSED'=1"
    assert repr(group) == f"StateGroup<{group.counts_message()}>"
