"""Why an engine was stopped that reported Interrupted: its report says that, but only the pod, or an Event, says by what.

The report still decides (type and budget: it comes first, whatever the pod does later); the cause gives name and words. It is looked for live
when the attempt is judged. What a kubelet tells only after its containers have ended (it withholds the end's reason until then) amends the
attempt's entry, once, while the run is not finished; a retry that a queue turns out to have cost is given back. Neighbours: `fates` and
`exits` hold the rows; `attempts` and `conclude` ask here.
"""

from __future__ import annotations

import re
from dataclasses import replace

from penstock_operator.api.flowrun import FinishedAttempt, Used

from .budgets import given_back
from .exits import own_deadline, told_by_events
from .fates import told_by_pod
from .faults import Need
from .limits import cut, goes_on
from .model import Look
from .observe import Pod
from .plan import Plan
from .retention import earlier_pods
from .situation import Situation
from .verdict import Budget, Verdict

INTERRUPTED = "Interrupted"
_ATTEMPT_MESSAGE = 512
_NUMBERS = "; attempt "  # what follows in AwaitingRetry's message is about the next attempt
_OF_HOW_MANY = re.compile(r" of \d+")


def explain(s: Situation, verdict: Verdict) -> Verdict:
    """Return an interruption with its cause; anything else, and what was asked for by the run's own spec, as it is.

    Raises:
        Need: the pod and its events, where the pod in the store tells no cause.
    """
    if verdict.name != INTERRUPTED or s.cancelled or s.overdue or s.suspended or s.pod is None:
        return verdict
    facts = s.facts(s.pod)
    cause = told_by_pod(facts)
    if cause is not None:
        return _because(verdict, cause)
    if s.pod.deletion_timestamp is not None or s.gone:
        return _said(verdict, f"the pod was deleted{facts.where}")
    if s.seen.events is None:
        raise Need(Look.POD, Look.POD_EVENTS)
    cause = told_by_events(facts)
    if cause is not None:
        return _because(verdict, cause)
    if any(event.reason == "DeadlineExceeded" for event in s.seen.events):
        return _said(verdict, own_deadline(facts))
    return verdict


def _because(verdict: Verdict, cause: Verdict) -> Verdict:
    """The report's budget stands, but for what a queue takes back: that is counted in none."""
    found = replace(_said(verdict, cause.message), name=cause.name)
    return replace(found, budget=None, requeued=True) if cause.requeued else found


def _said(verdict: Verdict, words: str) -> Verdict:
    return replace(verdict, message=f"{goes_on(words)}; {verdict.message}")


def finished_attempts(s: Situation) -> tuple[FinishedAttempt, ...]:
    """Return the judged attempts, with the causes that became known after their judgement."""
    attempts = s.status.attempts or ()
    if all(attempt.reason != INTERRUPTED for attempt in attempts):
        return attempts
    pods = {pod.name: pod for pod in earlier_pods(s.seen)}
    return tuple(
        _amended(s, attempt, pods.get(attempt.pod_name or ""), newest=attempt is attempts[-1]) for attempt in attempts
    )


def used_retries(s: Situation) -> Used | None:
    """Return the counters without the retry that the attempt before this one cost, where it turned out that its queue had taken it back."""
    attempts = s.status.attempts or ()
    if not attempts or attempts[-1].budget != Budget.INFRASTRUCTURE or finished_attempts(s)[-1].budget is not None:
        return s.status.retries
    return given_back(s.status.retries, Budget.INFRASTRUCTURE)


def _amended(s: Situation, attempt: FinishedAttempt, pod: Pod | None, *, newest: bool) -> FinishedAttempt:
    if attempt.reason != INTERRUPTED or pod is None:
        return attempt
    # What runs there now is younger than the claim, or it is the process that has claimed.
    cause = told_by_pod(replace(s.facts(pod), said_at=attempt.start_time))
    if cause is None or cause.name == INTERRUPTED:
        return attempt
    message = cut(
        f"{goes_on(cause.message)}; {attempt.message}" if attempt.message else cause.message, _ATTEMPT_MESSAGE
    )
    # The counters may have begun anew since an older one was judged: it stands as what it was counted as.
    budget = None if cause.requeued and newest else attempt.budget
    return attempt.model_copy(update={"reason": cause.name, "message": message, "budget": budget})


def with_causes(s: Situation, plan: Plan) -> Plan:
    """Return the plan with the attempts as they are known now, told in the wait for the next one, too."""
    known = finished_attempts(s)
    if "attempts" in plan.changes or known == (s.status.attempts or ()):
        return plan
    before, now = s.status.attempts[-1] if s.status.attempts else None, known[-1]
    message = plan.message
    head, found, numbers = message.rpartition(_NUMBERS)
    if plan.name == "AwaitingRetry" and found and before != now and head.startswith(f"{INTERRUPTED}: "):
        if now.budget is None:
            numbers = _OF_HOW_MANY.sub("", numbers, count=1)
        message = f"{now.reason}: {goes_on(now.message or '')}{found}{numbers}"
    changes = {"retries": used_retries(s), **plan.changes, "attempts": known}
    return replace(plan, message=message, changes=changes)
