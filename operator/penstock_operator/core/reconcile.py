"""The order of decisions: the first rule that applies decides. Each is a policy of its own beside this file.

A pure function of what is there now: no handler carries anything from one event to the next, and a decision that was carried out already
comes to nothing when it is made again.
"""

from __future__ import annotations

from dataclasses import replace

from penstock_operator.api.constants import ENGINE_CONTAINER
from penstock_operator.api.flowrun import StateType
from penstock_operator.api.report import ReportType

from .asking import waits_for
from .attempts import claimed_at, finish, settle
from .blocked import blocked, still_refused
from .cancel import cancel
from .cause import explain, finished_attempts
from .classify import classify
from .clock import on_the_own_clock, on_the_runs_clock
from .conclude import conclude, repaired
from .concurrency import holds
from .deadlines import enforce_deadline, pending_deadline
from .fates import judge_fate
from .faults import Need
from .healing import heal
from .model import Decision, Observed
from .observe import Pod
from .pause import suspend, telling, without_pod
from .plan import Plan, earliest, shown
from .policy import policy_of
from .reports import final_report, judge_report, last_words
from .retention import clean_up
from .situation import Situation, situation
from .submitting import remade, with_flows_policy
from .verdict import Budget, Showing, Verdict
from .waiting import begin_again, wait_or_begin


def reconcile(observed: Observed) -> Decision:
    """Decide what is to be done about one FlowRun now.

    Args:
        observed: everything that the decision may depend on.

    Returns:
        The status wanted, the effects, and when to look again; or, first, the facts that have to be read live.
    """
    # Another controller handles it.
    if observed.run.spec.managed_by is not None:
        return Decision()
    healed = heal(observed.run, observed.now)
    if healed.notes:
        return Decision(status=healed.run.status, drop_report=healed.drop_report, effects=(repaired(healed.notes),))
    seen = on_the_runs_clock(observed)
    return on_the_own_clock(_reconcile(seen), seen)


def _reconcile(seen: Observed) -> Decision:
    state = seen.run.status.state
    # 1. A terminal state is final: only clean-up is left.
    if state is not None and state.type.terminal:
        return clean_up(seen)
    s: Situation | None = None
    try:
        s = situation(seen)
        plan = _decide(s)
    except Need as need:
        if not still_refused(seen, need.looks):
            return Decision(looks=need.looks)
        plan = blocked(seen, need.looks)
        s = s or Situation(seen, None, policy_of(None, seen.run.spec), unread=need.looks)
        if s.fresh:
            plan = pending_deadline(with_flows_policy(s), plan)
    return conclude(s, plan)


def _decide(s: Situation) -> Plan:
    # Only an operator that ends a run writes this; it is final, and no engine can claim the run any more.
    if s.status.completion_time is not None:
        text = "status.completionTime was set while the run was not over: no engine can claim it any more"
        return finish(s, Verdict(StateType.CRASHED, "Crashed", text))
    # The attempt has no pod yet: it waits, or begins.
    if not holds(s.run):
        return wait_or_begin(s)
    return (
        # 2. An outcome that the engine left, whatever the pod does later.
        _reported(s)
        # 3. Cancellation goes over suspension; either is done when the engine is gone, or at the hard deadline.
        or cancel(s)
        or suspend(s)
        # 4. The run's own deadline.
        or enforce_deadline(s)
        # 5. to 9. The pod's fate, if it has ended or is gone.
        or _ended(s)
        # Its pod was never seen: it is created, again if need be.
        or _unborn(s)
        # It lives: how it shows, and what it is to be told.
        or _alive(s)
    )


def _reported(s: Situation) -> Plan | None:
    """The engine's last word; where it has ended without one, its termination message or what it had decided."""
    said, container = final_report(s.report), s.pod.container(ENGINE_CONTAINER) if s.pod is not None else None
    if said is None and s.ended:
        s.need_run()
        said = last_words(s.run, s.report, container)
    if said is None:
        return None
    return settle(s, explain(s, judge_report(said, container.image if container is not None else "")))


def _ended(s: Situation) -> Plan | None:
    if s.foreign is not None:
        text = f"a pod {s.foreign.name} of another owner is in the way: delete it, or name the run otherwise"
        return finish(s, Verdict(StateType.CRASHED, "PodNameConflict", text))
    if not s.ended:
        return None
    if s.pod is None:
        budget = Budget.INFRASTRUCTURE if s.report is not None else Budget.NEVER_STARTED
        text = "the pod was deleted; its process may run for some seconds yet, and can't report any more"
        return settle(s, Verdict(StateType.CRASHED, "PodDeleted", text, budget))
    return settle(s, judge_fate(s.facts(s.pod)))


def _unborn(s: Situation) -> Plan | None:
    if s.pod is not None:
        return None
    # Its pod may have come and gone unseen, and its engine may have claimed: a second pod of the attempt would be one too many.
    s.need_run()
    return without_pod(s) or begin_again(s)


def _alive(s: Situation) -> Plan:
    assert s.pod is not None
    plan = _showing(s, s.pod)
    if plan.type.terminal or plan.drop_report:
        return plan
    told = telling(s)
    changes = plan.changes
    if told.suspends:
        attempt = changes.get("attempt") or s.attempt
        changes = {**changes, "attempt": attempt.model_copy(update={"suspend_time": s.now})}
    again = earliest(plan.again_at, told.again_at)
    return replace(plan, changes=changes, effects=(*plan.effects, *told.effects), again_at=again)


def _showing(s: Situation, pod: Pod) -> Plan:
    """How an attempt shows that goes on."""
    report = s.report
    if report is not None and report.type.outcome:
        # Decided, and still busy with its hooks: not the last word.
        text = f"{report.name or report.type.value}: the engine finishes ({' '.join((report.message or '').split()) or 'hooks'})"
        return shown(Showing(StateType.RUNNING, "Terminating", text), **claimed_at(s))
    if report is not None and report.type is ReportType.PAUSED:
        text = " ".join((report.message or "").split()) or "paused"
        showing = Showing(StateType.PAUSED, "Paused", waits_for(s.run, report.pause, text))
        return shown(showing, pause=report.pause, **claimed_at(s))
    verdict = classify(s.facts(pod), _retrying(s))
    if isinstance(verdict, Verdict):
        return settle(s, verdict)
    if report is not None:
        return shown(verdict, pause=None, **claimed_at(s))
    return _mounted(s, pending_deadline(s, shown(verdict)))


def _mounted(s: Situation, plan: Plan) -> Plan:
    """A pod that waits for its revision's volume waits for ever if the revision is gone."""
    revision = s.status.flow.revision if s.status.flow is not None else None
    if plan.type is not StateType.PENDING or revision is None or f'"{revision}" not found' not in plan.message:
        return plan
    return remade(s, plan)


def _retrying(s: Situation) -> str:
    """The message of a later attempt: what became of the one before."""
    if s.attempt.number == 1:
        return ""
    attempts = finished_attempts(s)
    if not attempts:
        return f"attempt {s.attempt.number}"
    last = attempts[-1]
    return f"attempt {s.attempt.number}; attempt {last.number}: {last.reason}: {last.message}"
