"""The switch to the next attempt, and the end of a run: what a verdict makes of the status.

Judging an attempt *is* the switch: one patch counts it, takes its report away and names the next attempt's pod. From then on no process of
the old attempt can claim or report, and the attempt is never counted again. Neighbours: `waiting` starts the next attempt when it is due.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from penstock_operator.api.constants import ENGINE_CONTAINER
from penstock_operator.api.flowrun import Attempt, FinishedAttempt, StateType, Used
from penstock_operator.api.report import Pause
from penstock_operator.api.times import later, rfc3339, seconds_between

from .asking import waits_for
from .budgets import LAST_ATTEMPT, backoff, budget_limit, budget_used, count_loss, forgiven
from .cause import INTERRUPTED, finished_attempts, used_retries
from .limits import cut, goes_on
from .model import Effect
from .plan import Plan
from .pod import pod_name
from .restarts import restarting
from .situation import Situation
from .stopping import leave_nothing
from .verdict import Budget, Verdict

KEPT_ATTEMPTS = 10


def settle(s: Situation, verdict: Verdict) -> Plan:
    """Return what a verdict makes of the run: its end, or the next attempt."""
    if s.cancelled:
        return finish(s, _when_cancelled(verdict))
    if s.overdue:
        return finish(s, timed_out(s) if _interrupted(verdict) or not verdict.type.terminal else verdict)
    if _interrupted(verdict) and s.suspended:
        return _suspend(s, Verdict(StateType.PAUSED, "Suspended", verdict.message))
    if verdict.type is StateType.PAUSED:
        return _suspend(s, verdict)
    if verdict.type is StateType.SCHEDULED:
        due = _resumed_at(s, verdict) or s.now
        # The time stands at the end: what is waited for must leave it room.
        message = f"{cut(verdict.message, 512)}; until {_clock(due)}"
        return _switch(s, verdict, StateType.SCHEDULED, "AwaitingRetry", message, due)
    if verdict.requeued:
        return _requeue(s, verdict)
    if verdict.budget is not None and s.attempt.number < LAST_ATTEMPT:
        used = forgiven(used_retries(s), _ran(s))
        if budget_used(used, verdict.budget) < budget_limit(s.policy, verdict.budget):
            return _again(s, verdict, verdict.budget, count_loss(used, verdict.budget))
    return finish(s, verdict)


def timed_out(s: Situation) -> Verdict:
    """Return the end by the run's own deadline."""
    return Verdict(
        StateType.FAILED,
        "TimedOut",
        f"the run took longer than its activeDeadlineSeconds ({s.policy.active_deadline} s)",
    )


def _interrupted(verdict: Verdict) -> bool:
    """Whether the engine was stopped from outside: who asked for it decides what it comes to."""
    return verdict.type is StateType.CRASHED and verdict.name == INTERRUPTED


def _when_cancelled(verdict: Verdict) -> Verdict:
    """No attempt begins once cancellation is asked; what the flow came to before stays what it is."""
    if verdict.type is StateType.COMPLETED:
        return replace(verdict, message="finished before it could be cancelled")
    if _interrupted(verdict) or not verdict.type.terminal:
        return Verdict(StateType.CANCELLED, "Cancelled", f"cancelled: {verdict.message}")
    return verdict


def finish(s: Situation, verdict: Verdict) -> Plan:
    """Return the end of the run. A terminal state never leaves a pod behind that may still start user code."""
    if verdict.type is StateType.CANCELLED and s.displaced is not None:
        verdict = replace(verdict, name="Replaced", message=f"{s.displaced}; {verdict.message}")
    elif verdict.type is StateType.CANCELLED and s.with_parent is not None:
        verdict = replace(verdict, message=f"{s.with_parent}; {verdict.message}")
    changes: dict[str, Any] = {
        "completion_time": s.status.completion_time or s.now,
        "pause": None,
        "result": verdict.result,
        "error": verdict.error,
        **claimed_at(s),
    }
    return Plan(
        verdict.type,
        verdict.name,
        verdict.message,
        changes=changes,
        effects=_leave_nothing(s),
    )


def _leave_nothing(s: Situation) -> tuple[Effect, ...]:
    if s.pod is None or s.gone:
        return ()
    facts = s.facts(s.pod)
    runs_again = facts.crash_loops or restarting(facts) is not None
    return leave_nothing(s.pod, s.own_now, claimed=s.report is not None, runs_again=runs_again)


def claimed_at(s: Situation) -> dict[str, Any]:
    """Return the times that the first sight of a claim sets, nothing if they are set or there is none."""
    if s.status.attempt is None or s.report is None or s.attempt.start_time is not None:
        return {}
    container = s.pod.container(ENGINE_CONTAINER) if s.pod is not None else None
    restarts = (container.restarts if container is not None else 0) or None
    attempt = s.attempt.model_copy(update={"start_time": s.now, "restarts": restarts})
    return {"attempt": attempt, "start_time": s.status.start_time or s.now}


def _ran(s: Situation) -> float | None:
    return seconds_between(s.attempt.start_time, s.now) if s.attempt.start_time is not None else None


def _exit_code(s: Situation) -> int | None:
    return s.facts(s.pod).exit_code if s.pod is not None else None


def _again(s: Situation, verdict: Verdict, budget: Budget, used: Used) -> Plan:
    losses = budget_used(used, budget)
    due = later(s.now, backoff(s.policy, losses, s.seen.jitter))
    number = s.attempt.number + 1
    last = number + budget_limit(s.policy, budget) - losses
    # The next attempt's number and time stand at the end: the cause must leave them room.
    message = f"{verdict.name}: {goes_on(cut(verdict.message, 512))}; attempt {number} of {last} at {_clock(due)}"
    plan = _switch(s, verdict, StateType.SCHEDULED, "AwaitingRetry", message, due)
    return replace(plan, changes={**plan.changes, "retries": used})


def _requeue(s: Situation, verdict: Verdict) -> Plan:
    """Its queue decides when the next attempt's pod may start, and how often: nothing is counted."""
    due = later(s.now, backoff(s.policy, 1, s.seen.jitter))
    number = s.attempt.number + 1
    message = f"{verdict.name}: {goes_on(cut(verdict.message, 512))}; attempt {number} at {_clock(due)}"
    return _switch(s, verdict, StateType.SCHEDULED, "AwaitingRetry", message, due)


def _resumed_at(s: Situation, verdict: Verdict) -> datetime | None:
    """Return when an attempt goes on that the engine gave up. A node's clock that is ahead makes no wait longer than was asked for."""
    if verdict.resume_at is None:
        return None
    return min(verdict.resume_at, later(s.now, verdict.resume_in)) if verdict.resume_in else verdict.resume_at


def _suspend(s: Situation, verdict: Verdict) -> Plan:
    pause, until = verdict.pause, _resumed_at(s, verdict)
    plan = _switch(s, verdict, StateType.PAUSED, "Suspended", waits_for(s.run, pause, verdict.message), None)
    if until is not None:
        pause = (pause or Pause()).model_copy(update={"deadline": until})
    return replace(plan, changes={**plan.changes, "pause": pause})


def _switch(s: Situation, verdict: Verdict, type_: StateType, name: str, message: str, due: datetime | None) -> Plan:
    """Return the one patch that counts this attempt and names the next."""
    number = s.attempt.number + 1
    done = FinishedAttempt(
        number=s.attempt.number,
        pod_name=s.attempt.pod_name,
        state=verdict.type.value,
        reason=verdict.name,
        message=cut(verdict.message, 512),
        start_time=s.attempt.start_time or (s.now if s.report is not None else None),
        end_time=s.now,
        exit_code=verdict.exit_code if verdict.exit_code is not None else _exit_code(s),
        budget=verdict.budget.value if verdict.budget is not None else None,
    )
    changes: dict[str, Any] = {
        "attempts": (*finished_attempts(s), done)[-KEPT_ATTEMPTS:],
        "attempt": Attempt(number=number, pod_name=pod_name(s.run, number)),
        "retries": used_retries(s),
        "scheduled_time": due,
        "pause": None,
        "result": None,
        "error": None,
    }
    if s.status.start_time is None and s.report is not None:
        changes["start_time"] = s.now
    return Plan(
        type_,
        name,
        message,
        changes=changes,
        effects=_leave_nothing(s),
        again_at=due,
        drop_report=True,
    )


def _clock(moment: datetime) -> str:
    return rfc3339(moment.replace(microsecond=0))
