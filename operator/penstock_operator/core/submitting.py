"""An attempt's beginning: its revision and its pod are created, and what refuses or stands in the way of either is told.

A revision proves itself each time before a pod is made for it: what holds something else is never used. What the API server refuses is met by
`refusals`: it waits with the server's words, or ends the run where it never heals. Neighbours: `waiting` comes here when nothing is left to
wait for; `reconcile` when a pod waits for a revision that is gone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from penstock_operator.api.execution import Retention
from penstock_operator.api.flow import Flow
from penstock_operator.api.flowrun import Attempt, FlowInfo, FlowRun, StateType
from penstock_operator.api.times import later, seconds_between

from .attempts import finish
from .concurrency import holds
from .deadlines import pending_deadline
from .faults import Need
from .limits import MESSAGE, cut
from .model import MISSING, UNKNOWN, ConfigMap, CreatePod, CreateRevision, Effect, Emit, Look, TidyRevisions
from .plan import Plan, earliest, shown
from .pod import pod_manifest, pod_name
from .policy import Policy, policy_of
from .refusals import judge_refusal
from .revisions import Definition, foreign, proven
from .situation import Situation
from .slot import await_slot
from .verdict import AWAITING_FLOW, CONFIG_ERROR, Degraded, Showing, Verdict

# What a person has to put right may be right later; nothing announces it to this run.
LOOK_AGAIN_SECONDS = 30
# A ConfigMap comes seconds behind the run that was applied with it, or when a person has read the message: the longer it is missing, the
# less often it is looked for.
_SOURCE_SECONDS, _SOURCE_PART = 2.0, 8


def submit(s: Situation, definition: Definition, number: int) -> Plan:
    """Write the attempt down and create its pod, and its revision where that is missing."""
    run, seen = s.run, s.seen
    held_up = await_slot(s) if not holds(run) else None
    if held_up is not None:
        return held_up
    direct = run.spec.flow_spec.source_config_map if run.spec.flow_spec is not None else None
    if direct is not None and seen.source is UNKNOWN:
        raise Need(Look.SOURCE)
    if direct is not None and seen.source is MISSING:
        # The kubelet would wait for it as well, with less to say, and be minutes late when it comes.
        return awaits_source(s, direct, {} if s.status.attempt is not None else _due(s))
    effects: list[Effect] = []
    after: tuple[Effect, ...] = ()
    if definition.revision is not None:
        in_the_way = _in_the_way(s, definition)
        if in_the_way is not None:
            return in_the_way
        if seen.revision is MISSING:
            if definition.manifest is None:
                return without_revision(s)
            effects.append(CreateRevision(definition.manifest))
            if isinstance(seen.flow, Flow):
                after = (TidyRevisions(seen.flow.metadata.name, seen.flow.metadata.uid),)
    policy = policy_of(definition.execution, run.spec)
    manifest = pod_manifest(
        run,
        definition,
        policy,
        number,
        engine_image=seen.engine_image,
        secure=seen.pod_security,
        base=seen.engine_template,
    )
    effects += (CreatePod(manifest), *after)
    changes: dict[str, Any] = {"pause": None}
    if s.fresh:
        changes |= _first_attempt(s, definition)
    showing = _refused(s) or Showing(StateType.PENDING, "Submitting", f"creating pod {pod_name(run, number)}")
    if isinstance(showing, Verdict):
        return finish(s, showing)
    if showing.again_at is not None and s.now < showing.again_at:
        effects = _told(s, showing)
    elif showing.again_at is not None:
        showing = replace(showing, again_at=None)
    plan = shown(showing, tuple(effects), **changes)
    return pending_deadline(_with_policy(s, policy), plan, hopeless=showing.hopeless)


def _in_the_way(s: Situation, definition: Definition) -> Plan | None:
    """Return what becomes of a run under whose revision's name something else stands; None: nothing does.

    Raises:
        Need: the revision is to be read.
    """
    found, flow, info = s.seen.revision, s.seen.flow, s.status.flow
    if found is MISSING:
        return None
    if not isinstance(found, ConfigMap) or found.name != definition.revision:
        raise Need(Look.REVISION)
    if not s.fresh:
        return None if info is not None and proven(found, info) else without_revision(s)
    assert isinstance(flow, Flow)
    why = foreign(found, flow, definition.digest)
    if why is None:
        return None
    text = (
        f"ConfigMap {found.name!r} is in the way of a revision of Flow {flow.metadata.name!r}: it {why};"
        " see who made it, and delete it"
    )
    return awaits(s, text, _due(s))


def without_revision(s: Situation) -> Plan:
    """Return the end of a run that needs a revision which is gone for good, or in whose place something else stands.

    Raises:
        Need: the Flow, which is not in the store.
    """
    if s.unread:
        raise Need(*s.unread)
    info = s.status.flow
    found = s.seen.revision
    if isinstance(found, ConfigMap) and info is not None and found.name == info.revision and not proven(found, info):
        text = (
            f"ConfigMap {found.name!r} does not hold what the run began with: another has taken its place since,"
            " and is not executed"
        )
        return finish(s, Verdict(StateType.CRASHED, "RevisionChanged", text))
    if s.seen.flow is UNKNOWN:
        raise Need(Look.FLOW)
    revision = info.revision if info is not None else None
    name = s.run.spec.flow_ref.name if s.run.spec.flow_ref is not None else "?"
    gone = not isinstance(s.seen.flow, Flow)
    if _nothing_ran(s):
        what = "deleted" if gone else "changed"
        return _begin_anew(s, f"Flow {name!r} was {what} before revision {revision} of it could be made")
    what = "was deleted" if gone else "has changed since"
    return finish(
        s,
        Verdict(StateType.CRASHED, "FlowDeleted", f"Flow {name!r} {what}, and its revision {revision} is gone with it"),
    )


def _nothing_ran(s: Situation) -> bool:
    """Whether the run has had no pod at all: nothing was done yet that a later attempt would have to fit.

    Raises:
        Need: the run or the pod; that there is none is a conclusion from absence.
    """
    attempt = s.status.attempt
    if attempt is None or attempt.number > 1 or attempt.pod_uid is not None:
        return False
    if s.pod is not None or s.gone or s.seen.pod_created:
        return False
    s.need_run()
    if s.seen.pod is UNKNOWN:
        raise Need(Look.POD)
    return s.report is None


def _begin_anew(s: Situation, why: str) -> Plan:
    """Return what a run shows that forgets the revision it has written down: what it executes is settled with its first pod."""
    info = FlowInfo(name=flow_name(s.run))
    text = f"{why}, and nothing of the run has begun: it takes the Flow as it is now"
    return Plan(StateType.SCHEDULED, "Scheduled", text, changes={"flow": info}, again_at=s.now)


def remade(s: Situation, plan: Plan) -> Plan:
    """Return the plan of a pod that waits for its revision's volume, where the revision is gone: it is made again, or the run ends.

    Raises:
        Need: the revision is to be read.
    """
    info, found = s.status.flow, s.seen.revision
    assert info is not None
    if found is UNKNOWN:
        raise Need(Look.REVISION)
    if isinstance(found, ConfigMap):
        return plan if proven(found, info) else without_revision(s)
    if s.definition is None or s.definition.manifest is None:
        return without_revision(s)
    refused = _refused(s)
    if isinstance(refused, Verdict):
        return finish(s, refused)
    if refused is not None and refused.again_at is not None and s.now < refused.again_at:
        waits = shown(refused, tuple(_told(s, refused)))
        return replace(waits, again_at=earliest(plan.again_at, refused.again_at))
    return replace(plan, effects=(CreateRevision(s.definition.manifest),))


def _told(s: Situation, showing: Showing) -> list[Effect]:
    """Return the Event of a refusal that the status does not tell yet: the type of the state stays, and the next one is hours away."""
    state = s.status.state
    if state is None or state.type is not showing.type or state.message == cut(showing.message, MESSAGE):
        return []
    return [Emit("Warning", showing.name, showing.message, "Submit")]


def _refused(s: Situation) -> Showing | Verdict | None:
    """Return what the last refusal of this attempt's pod or revision means; a new attempt has none."""
    state = s.status.state
    if s.seen.refusal is None or state is None or state.type is not StateType.PENDING:
        return None
    return judge_refusal(s.seen.refusal)


def _with_policy(s: Situation, policy: Policy) -> Situation:
    return replace(s, policy=policy)


def with_flows_policy(s: Situation) -> Situation:
    """Return the situation with what the Flow says of now, where nothing is recorded yet: its deadlines count before a pod is there, too."""
    if s.definition is not None or not isinstance(s.seen.flow, Flow):
        return s
    return _with_policy(s, policy_of(s.seen.flow.spec, s.run.spec))


def _first_attempt(s: Situation, definition: Definition) -> dict[str, Any]:
    """Return what is written once, with attempt 1."""
    uid = s.seen.flow.metadata.uid if isinstance(s.seen.flow, Flow) and s.run.spec.flow_ref is not None else None
    return {
        "attempt": Attempt(number=1, pod_name=pod_name(s.run, 1)),
        "flow": FlowInfo(
            name=flow_name(s.run),
            uid=uid,
            revision=definition.revision,
            revision_digest=definition.digest,
            retention=retention_of(definition),
        ),
        **_due(s),
    }


def _due(s: Situation) -> dict[str, Any]:
    return {"scheduled_time": s.run.spec.scheduled_time}


def retention_of(definition: Definition) -> Retention | None:
    """Return what a Flow says of the retention of its runs; a flowSpec's stands in the run itself."""
    policy = definition.execution.run_policy
    return policy.retention if definition.revision is not None and policy is not None else None


def flow_name(run: FlowRun) -> str:
    """Return the name under which a run's flow is shown: the Flow's, or the function's."""
    if run.spec.flow_ref is not None:
        return run.spec.flow_ref.name
    if run.spec.flow_spec is None:
        return "?"  # neither could be read
    return run.spec.flow_spec.entrypoint.rpartition(":")[2][:63]


def awaits(s: Situation, text: str, changes: dict[str, Any]) -> Plan:
    """A person has to put something right; then the run begins."""
    return Plan(
        StateType.SCHEDULED,
        AWAITING_FLOW,
        text,
        changes=changes,
        degraded=Degraded(AWAITING_FLOW, text),
        again_at=later(s.now, LOOK_AGAIN_SECONDS),
    )


def awaits_source(s: Situation, name: str, changes: dict[str, Any]) -> Plan:
    """The ConfigMap that holds the source is not there (yet): no pod is made that would wait for it."""
    flow = f"Flow {s.run.spec.flow_ref.name!r}" if s.run.spec.flow_ref is not None else "flowSpec"
    text = f"ConfigMap {name!r} does not exist in namespace {s.run.metadata.namespace!r} (yet): {flow} takes its source from it"
    state = s.status.state
    waited = (
        seconds_between(state.since, s.now) if state is not None and state.name == CONFIG_ERROR and state.since else 0.0
    )
    return Plan(
        StateType.PENDING,
        CONFIG_ERROR,
        text,
        changes=changes,
        degraded=Degraded(CONFIG_ERROR, text),
        again_at=later(s.now, min(LOOK_AGAIN_SECONDS, max(_SOURCE_SECONDS, waited / _SOURCE_PART))),
    )
