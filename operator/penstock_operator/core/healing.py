"""A status that no operator has written: somebody with the right to has patched it. What can be told is put right, the rest is said.

Nothing here guesses what the run came to: that is decided from what is there, as ever. It mends what would make decisions go in circles: a pod
under another name than the one that is created, a report that nobody can take back, attempts that are counted and not over, moments that are
missing or that no clock has shown. Idempotent, and nothing for a status of the operator's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from penstock_operator.api.flowrun import Attempt, FlowRun, State

from .budgets import LAST_ATTEMPT
from .clock import believed
from .pod import pod_name


@dataclass(frozen=True, slots=True)
class Healed:
    """A run whose status makes sense.

    Attributes:
        run: the run.
        notes: what was put right, for people.
        drop_report: its report is of no attempt under way, and would keep every engine from claiming.
    """

    run: FlowRun
    notes: tuple[str, ...] = ()
    drop_report: bool = False


def heal(run: FlowRun, now: datetime) -> Healed:
    """Return the run with a status that decisions can be made from.

    Args:
        run: as it was read.
        now: the operator's own clock.
    """
    status = run.status
    if status.state is not None and status.state.type.terminal:
        if status.completion_time is not None:
            return Healed(run)
        changes: dict[str, Any] = {"completion_time": now}
        return Healed(_with(run, changes), ("completionTime was missing",))
    changes, notes = {}, []
    state = _state(status.state, now)
    if state != status.state:
        changes["state"] = state
        notes.append("state.since or state.time was missing, or lay in a far future")
    attempt = _attempt(run, now)
    if attempt != status.attempt:
        changes["attempt"] = attempt
        notes.append("attempt was not the one that its number or status.attempts names")
    if status.start_time is not None and not believed(status.start_time, now):
        changes["start_time"] = now
        notes.append("startTime lay in a far future")
    number = attempt.number if attempt is not None else 1
    over = tuple(a for a in status.attempts or () if a.number < number)
    if len(over) != len(status.attempts or ()):
        changes["attempts"] = over or None
        notes.append("attempts held one that is not over")
    drop = status.report is not None and (attempt is None or status.report.attempt != number)
    if drop:
        changes["report"] = None
        notes.append("the report was of no attempt under way")
    if not notes:
        return Healed(run)
    return Healed(_with(run, changes), tuple(notes), drop_report=drop)


def _with(run: FlowRun, changes: dict[str, Any]) -> FlowRun:
    return run.model_copy(update={"status": run.status.model_copy(update=changes)})


def _state(state: State | None, now: datetime) -> State | None:
    if state is None:
        return None
    times = {"time": state.time, "since": state.since}
    wrong = {name: now for name, moment in times.items() if moment is None or not believed(moment, now)}
    return state.model_copy(update=wrong) if wrong else state


def _attempt(run: FlowRun, now: datetime) -> Attempt | None:
    attempt, attempts = run.status.attempt, run.status.attempts
    if attempt is None:
        # What was begun and judged is never begun again.
        number = min(max((a.number for a in attempts or ()), default=0) + 1, LAST_ATTEMPT)
        return Attempt(number=number, pod_name=pod_name(run, number)) if number > 1 else None
    changes: dict[str, Any] = {}
    if attempt.pod_name != pod_name(run, attempt.number):
        changes["pod_name"] = pod_name(run, attempt.number)
    if attempt.start_time is not None and not believed(attempt.start_time, now):
        changes["start_time"] = now
    return attempt.model_copy(update=changes) if changes else attempt
