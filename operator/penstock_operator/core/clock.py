"""The run's clock: no operator's decision about a run is made at an earlier moment than the last one that was written down.

Two operators whose clocks differ, or one whose clock was set back, would else undo what time alone had decided, each in its turn, and every
wait that was written down would last longer by the difference. So what the status shows to be ahead of an operator's own clock is added to
it, for this run: what was written stands, and a wait lasts what was asked for at most. All moments inside the core are the run's; only a
pod's deadline, which its node counts, and the time to look again are the operator's own.
Neighbours: `reconcile` puts a decision between `on_the_runs_clock` and `on_the_own_clock`; the runtime keeps `Observed.ahead` in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from penstock_operator.api.flowrun import FlowRunStatus
from penstock_operator.api.times import later, seconds_between

from .model import Decision, Observed, Refusal

# No clock is wrong by more, or its operator would not accept the API server's certificate: what lies further ahead is no record of ours.
BELIEVED_SECONDS = 366 * 86_400


def believed(moment: datetime, now: datetime) -> bool:
    """Whether an operator may have written this moment down."""
    return seconds_between(now, moment) <= BELIEVED_SECONDS


def ahead(status: FlowRunStatus, now: datetime, known: float = 0.0) -> float:
    """Return by how many seconds the run's clock is ahead of an operator's.

    Args:
        status: the run's.
        now: the operator's own clock.
        known: what it was found to be before.
    """
    return max(known, *(seconds_between(now, moment) for moment in _written(status) if believed(moment, now)), 0.0)


def _written(status: FlowRunStatus) -> Iterator[datetime]:
    """Yield the moments that an operator wrote down as its now; a due time or a deadline is none."""
    state, attempt = status.state, status.attempt
    moments = [status.start_time, status.completion_time]
    moments += [state.time, state.since] if state is not None else []
    moments += [attempt.start_time, attempt.suspend_time] if attempt is not None else []
    moments += [status.attempts[-1].end_time] if status.attempts else []
    moments += [condition.last_transition_time for condition in status.conditions or ()]
    return (moment for moment in moments if moment is not None)


def on_the_runs_clock(seen: Observed) -> Observed:
    """Return what was observed with all moments on the run's clock."""
    by = ahead(seen.run.status, seen.now, seen.ahead)
    if not by:
        return seen
    refusal = seen.refusal
    return replace(
        seen,
        ahead=by,
        now=later(seen.now, by),
        refusal=_shifted(refusal, by) if refusal is not None else None,
        refused={look: _shifted(answer, by) for look, answer in seen.refused.items()},
        stopped_at=_later(seen.stopped_at, by),
        running_at=_later(seen.running_at, by),
        intent_at=_later(seen.intent_at, by),
    )


def on_the_own_clock(decision: Decision, seen: Observed) -> Decision:
    """Return the decision with the time to look again on the operator's own clock."""
    if not seen.ahead or decision.requeue_at is None:
        return decision
    return replace(decision, requeue_at=later(decision.requeue_at, -seen.ahead))


def own_clock(seen: Observed) -> datetime:
    """Return the operator's own now: a node's clock knows nothing of a run's."""
    return later(seen.now, -seen.ahead) if seen.ahead else seen.now


def _shifted(refusal: Refusal, by: float) -> Refusal:
    return replace(refusal, time=later(refusal.time, by))


def _later(moment: datetime | None, by: float) -> datetime | None:
    return later(moment, by) if moment is not None else None
