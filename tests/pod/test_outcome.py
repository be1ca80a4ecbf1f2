"""From the last state of a flow run to the report and the exit code; errors as users should see them."""

from __future__ import annotations

import importlib
import signal
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from penstock.base import exceptions
from penstock.client.schemas.objects import State, StateDetails
from penstock.exceptions import ParameterTypeError, TerminationSignal
from penstock.pod.errors import describe, in_one_line
from penstock.pod.outcome import CauseKind, Outcome, exit_code, from_state, provisional
from penstock.pod.report import ErrorPart, ReportType, ResultPart
from penstock.pod.results import Stored

WHEN = datetime(2026, 11, 21, tzinfo=UTC)


@dataclass(frozen=True)
class Case:
    id: str
    state: State
    want: Outcome
    cause: CauseKind | None = None
    interrupted: bool = False
    previews: bool = True
    details: dict[str, Any] = field(default_factory=dict)


def shown(error: BaseException) -> ErrorPart:
    return ErrorPart(type(error).__name__, str(error))


def plain(data: object) -> Stored:
    return Stored(data)


R = ReportType
CASES = [
    Case(
        "completed",
        State("COMPLETED", data=3),
        Outcome(R.COMPLETED, "Completed", result=ResultPart("3", "int", kept=True)),
    ),
    Case("completed without a value", State("COMPLETED"), Outcome(R.COMPLETED, "Completed")),
    Case(
        "previews off",
        State("COMPLETED", data=3),
        Outcome(R.COMPLETED, "Completed", result=ResultPart(None, "int", size="5 B", kept=False)),
        previews=False,
    ),
    Case("a name of the user's", State("COMPLETED", name="Skipped"), Outcome(R.COMPLETED, "Skipped")),
    Case(
        "completed before it could be cancelled",
        State("COMPLETED", message="all well"),
        Outcome(R.COMPLETED, "Completed", "finished before cancellation; all well"),
        cause="cancelled",
    ),
    Case(
        "completed in spite of a signal",
        State("COMPLETED", message="all well"),
        Outcome(R.COMPLETED, "Completed", "all well"),
        cause="terminated",
    ),
    Case(
        "failed",
        State("FAILED", message="m", data=ValueError("x")),
        Outcome(R.FAILED, "Failed", "m", ErrorPart("ValueError", "x")),
    ),
    Case("failed without an exception", State("FAILED", message="m"), Outcome(R.FAILED, "Failed", "m")),
    Case("timed out", State("FAILED", name="TimedOut", message="m"), Outcome(R.FAILED, "TimedOut", "m")),
    Case(
        "parameters do not fit",
        State("FAILED", message="m", data=ParameterTypeError("day: no")),
        Outcome(R.FAILED, "InvalidParameters", "m", ErrorPart("ParameterTypeError", "day: no")),
    ),
    Case("cancelled", State("CANCELLED", message="m"), Outcome(R.CANCELLED, "Cancelled", "m"), cause="cancelled"),
    Case("returned cancelled", State("CANCELLED", name="NotToday"), Outcome(R.CANCELLED, "NotToday")),
    Case(
        "crashed by itself",
        State("CRASHED", message="m", data=SystemExit(0)),
        Outcome(R.CRASHED, "Crashed", "m", ErrorPart("SystemExit", "0")),
    ),
    Case(
        "interrupted",
        State("CRASHED", message="m", data=TerminationSignal()),
        Outcome(R.INTERRUPTED, "Interrupted", "m"),
        cause="terminated",
        interrupted=True,
    ),
    Case(
        "crashed by itself although a signal came",
        State("CRASHED", message="m", data=SystemExit(0)),
        Outcome(R.CRASHED, "Crashed", "m", ErrorPart("SystemExit", "0")),
        cause="terminated",
    ),
    Case(
        "superseded",
        State("CRASHED", message="m", data=TerminationSignal()),
        Outcome(R.SUPERSEDED, "Superseded", "m"),
        cause="superseded",
        interrupted=True,
    ),
    Case(
        "suspended from outside",
        State("PAUSED", name="Suspended", message="m"),
        Outcome(R.SUSPENDED, "Suspended", "m"),
        cause="suspended",
    ),
    Case(
        "suspended by code",
        State("PAUSED", name="Suspended", state_details=StateDetails(pause_reschedule=True)),
        Outcome(R.SUSPENDED, "Suspended"),
    ),
    Case(
        "the wait is too long for the process",
        State("SCHEDULED", name="AwaitingRetry", message="m", state_details=StateDetails(scheduled_time=WHEN)),
        Outcome(R.AWAITING_RETRY, "AwaitingRetry", "m", resume_time=WHEN),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_from_state(case: Case) -> None:
    assert (
        from_state(case.state, case.cause, case.interrupted, previews=case.previews, describe=shown, stored=plain)
        == case.want
    )


@pytest.mark.parametrize(
    ("kind", "name", "says"), [("PAUSED", None, "pause_flow_run"), ("PENDING", "NotReady", "NotReady")]
)
def test_a_state_that_is_no_end_is_a_failure(kind: str, name: str | None, says: str) -> None:
    outcome = from_state(State(kind, name=name), None, False, previews=True, describe=shown, stored=plain)
    assert (outcome.type, outcome.name) == (R.FAILED, "Failed")
    assert says in (outcome.message or "")


@pytest.mark.parametrize(
    ("kind", "name", "number", "want"),
    [
        (R.COMPLETED, "Completed", None, 0),
        (R.COMPLETED, "Completed", signal.SIGTERM, 0),
        (R.CANCELLED, "Cancelled", signal.SIGTERM, 0),
        (R.SUSPENDED, "Suspended", None, 0),
        (R.AWAITING_RETRY, "AwaitingRetry", None, 0),
        (R.FAILED, "Failed", None, 1),
        (R.FAILED, "LoadError", None, 1),
        (R.CRASHED, "LoadError", None, 66),
        (R.CRASHED, "Crashed", None, 70),
        (R.CRASHED, "ApiUnreachable", None, 70),
        (R.REFUSED, "Refused", None, 77),
        (R.SUPERSEDED, "Superseded", signal.SIGTERM, 77),
        (R.INTERRUPTED, "Interrupted", signal.SIGTERM, 143),
        (R.INTERRUPTED, "Interrupted", signal.SIGINT, 130),
        (R.INTERRUPTED, "Interrupted", None, 143),
        (R.RUNNING, "Running", None, 70),
    ],
)
def test_exit_code(kind: ReportType, name: str, number: int | None, want: int) -> None:
    assert exit_code(kind, name, number) == want


@pytest.mark.parametrize(
    ("kind", "want"),
    [
        ("cancelled", R.CANCELLED),
        ("suspended", R.SUSPENDED),
        ("superseded", R.SUPERSEDED),
        ("terminated", R.INTERRUPTED),
    ],
)
def test_provisional(kind: CauseKind, want: ReportType) -> None:
    outcome = provisional(kind, " in between")
    assert outcome.type is want
    assert outcome.name == want.value
    assert (" in between." in (outcome.message or "")) == (kind != "superseded")


# -- errors ----------------------------------------------------------------------------------------------------------


def user_code(depth: int) -> None:
    if depth:
        user_code(depth - 1)
    raise KeyError("day")


def test_an_error_has_its_type_words_place_and_frames() -> None:
    try:
        user_code(1)
    except KeyError as error:
        part = describe(error, __file__.rpartition("/")[0])
    assert (part.type, part.message) == ("KeyError", "'day'")
    assert part.location.startswith("test_outcome.py:")
    assert part.location.endswith(" in user_code")
    assert part.traceback.startswith("Traceback")
    assert in_one_line(part) == f"KeyError: 'day' ({part.location})"


def test_a_syntax_error_has_the_place_of_the_line() -> None:
    try:
        compile("def main(:\n", "/src/flow.py", "exec")
    except SyntaxError as error:
        part = describe(error, "/src")
    assert part.location == "flow.py:1"
    assert in_one_line(part) == f"SyntaxError: {part.message} (flow.py:1)"


def test_what_is_wrong_at_a_modules_level_has_the_place_of_its_line() -> None:
    try:
        exec(compile("import no_such_module\n", "/src/flow.py", "exec"), {})
    except ModuleNotFoundError as error:
        part = describe(error, "/src")
    assert in_one_line(part) == "ModuleNotFoundError: No module named 'no_such_module' (flow.py:1)"


def test_causes_are_shown_without_our_frames() -> None:
    from penstock.pod.assignment import NoEntrypointError, assign

    try:
        try:
            assign({}, None, None)
        except NoEntrypointError as cause:
            raise RuntimeError("outer") from cause
    except RuntimeError as error:
        part = describe(error)
    assert "NoEntrypointError" in part.traceback
    assert "The above exception was the direct cause" in part.traceback
    assert "assignment.py" not in part.traceback


def test_an_exception_that_cannot_be_told_is_told_all_the_same() -> None:
    class BrokenError(Exception):
        def __str__(self) -> str:
            raise ValueError

    assert "__str__" in describe(BrokenError()).message


def test_types_of_users_have_their_module() -> None:
    class MineError(Exception):
        pass

    assert describe(MineError()).type.endswith("test_types_of_users_have_their_module.<locals>.MineError")
    assert describe(MineError()).type.startswith(MineError.__module__)


def test_types_of_the_engine_have_the_name_that_users_import() -> None:
    kind, _, name = describe(exceptions.MissingFlowError("m")).type.rpartition(".")
    assert getattr(importlib.import_module(kind), name) is exceptions.MissingFlowError
    assert kind == "penstock.exceptions"


@pytest.mark.parametrize("source", ["def p(: pass", "if x:\npass", "x = 'a"])
def test_the_place_of_a_syntax_error_is_told_once(source: str) -> None:
    with pytest.raises(SyntaxError) as raised:
        compile(source, "/src/p.py", "exec")
    line = in_one_line(describe(raised.value, "/src"))
    assert line == f"{raised.type.__name__}: {raised.value.msg} (p.py:{raised.value.lineno})"
    assert in_one_line(describe(SyntaxError("of the user's"))).startswith("SyntaxError: of the user's")
