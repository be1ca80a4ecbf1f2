"""From the state that a flow run ended in to what the pod reports and exits with.

Pure: logic keys on the type of the state, never on its name. Neighbours: ``penstock.pod.body`` runs the flow and
brings its last state; ``penstock.pod.ending`` knows what came from outside.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from penstock.pod.report import ErrorPart, PausePart, ReportType, ResultPart
from penstock.pod.results import Stored, result_part

if TYPE_CHECKING:
    from collections.abc import Callable

CauseKind = Literal["terminated", "cancelled", "suspended", "waiting", "superseded"]

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_LOAD_ERROR = 66
EXIT_CRASHED = 70
EXIT_REFUSED = 77


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the attempt ended with."""

    type: ReportType
    name: str
    message: str | None = None
    error: ErrorPart | None = None
    result: ResultPart | None = None
    resume_time: datetime | None = None
    waiting: str | None = None
    pause: PausePart | None = None


def exit_code(kind: ReportType, name: str, signal_number: int | None = None) -> int:
    """Give the code that the process exits with.

    Args:
        kind: What is reported.
        name: Its name: a flow that could not be loaded, or must not be, has a code of its own.
        signal_number: What interrupted it.
    """
    match kind:
        case ReportType.FAILED:
            return EXIT_FAILED
        case ReportType.CRASHED:
            return EXIT_LOAD_ERROR if name in ("LoadError", "RevisionChanged") else EXIT_CRASHED
        case ReportType.REFUSED | ReportType.SUPERSEDED:
            return EXIT_REFUSED
        case ReportType.INTERRUPTED:
            return 128 + (signal_number if signal_number is not None else signal.SIGTERM)
        case ReportType.RUNNING | ReportType.PAUSED:
            # Never an end; whoever ends so has lost its outcome.
            return EXIT_CRASHED
    return EXIT_DONE


def signal_name(number: int) -> str:
    """Give a signal's name; those without one of their own count from SIGRTMIN, as in an image's STOPSIGNAL."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIGRTMIN+{number - signal.SIGRTMIN}"


def provisional(kind: CauseKind, where: str = "", note: str | None = None) -> Outcome:
    """Say what is about to happen, before the body was told: the first report of an ending.

    Args:
        kind: Why the run ends.
        where: How far it was, when it had not begun.
        note: What is to be known of a suspension.

    Returns:
        The outcome, in the words that the engine will find for the state: a last report that says no more is not sent.
    """
    match kind:
        case "cancelled":
            return Outcome(ReportType.CANCELLED, "Cancelled", f"Flow run was cancelled{where}.")
        case "suspended":
            return Outcome(ReportType.SUSPENDED, "Suspended", f"Flow run was suspended{where}." if where else note)
        case "superseded":
            return Outcome(ReportType.SUPERSEDED, "Superseded", "Another process has taken over this run.")
    return Outcome(ReportType.INTERRUPTED, "Interrupted", f"Flow run was aborted by a termination signal{where}.")


def from_state(
    state: Any,
    cause: CauseKind | None,
    interrupted: bool,
    *,
    previews: bool,
    describe: Callable[[BaseException], ErrorPart],
    stored: Callable[[Any], Stored],
) -> Outcome:
    """Say what a flow run ended with.

    Args:
        state: The last ``State`` of the root flow run.
        cause: Why the run was asked to stop, if it was.
        interrupted: Whether that reached the body; one that ended before keeps its own outcome.
        previews: Whether the value may be shown.
        describe: Makes the error part of an exception.
        stored: Gives the value behind the state's data, and where it is stored for good if it is.
    """
    kind, name, message = state.type.value, str(state.name), state.message
    found = stored(state.data)
    value = found.value
    if kind == "COMPLETED":
        if cause == "cancelled":
            message = f"finished before cancellation{f'; {message}' if message else ''}"
        return Outcome(ReportType.COMPLETED, name, message, result=result_part(found, previews=previews))
    if kind == "FAILED":
        return Outcome(ReportType.FAILED, _failure_name(value, name), message, error=_error(value, describe))
    if kind in ("CANCELLED", "CANCELLING"):
        return Outcome(ReportType.CANCELLED, name if kind == "CANCELLED" else "Cancelled", message)
    if kind == "CRASHED":
        if interrupted and cause == "superseded":
            return Outcome(ReportType.SUPERSEDED, "Superseded", message)
        if interrupted and cause == "terminated":
            return Outcome(ReportType.INTERRUPTED, "Interrupted", message)
        return Outcome(ReportType.CRASHED, name, message, error=_error(value, describe))
    if kind == "PAUSED":
        if cause == "suspended" or state.state_details.pause_reschedule:
            until = state.state_details.pause_timeout
            return Outcome(ReportType.SUSPENDED, "Suspended", message, resume_time=until)
        return Outcome(
            ReportType.FAILED,
            "Failed",
            "the flow returned a Paused state, which nothing can resume: call pause_flow_run() or suspend_flow_run() "
            f"instead{f' ({message})' if message else ''}",
        )
    if kind == "SCHEDULED":
        return Outcome(ReportType.AWAITING_RETRY, name, message, resume_time=state.state_details.scheduled_time)
    return Outcome(ReportType.FAILED, "Failed", f"the flow run ended as {name} ({kind}), which is no end: {message}")


def _failure_name(value: object, name: str) -> str:
    # Parameters that do not fit never reach the body; the operator spends no retry on them.
    kinds = {kind.__name__ for kind in type(value).__mro__}
    return "InvalidParameters" if kinds & {"ParameterTypeError", "ParameterBindError"} and name == "Failed" else name


def _error(data: object, describe: Callable[[BaseException], ErrorPart]) -> ErrorPart | None:
    return describe(data) if isinstance(data, BaseException) else None
