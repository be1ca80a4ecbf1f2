"""A run and what is around it, gathered once for a decision: the policies read this instead of taking `Observed` apart, each in its way."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from penstock_operator.api.flow import Flow
from penstock_operator.api.flowrun import Attempt, DesiredState, FlowRun, FlowRunStatus, StateType
from penstock_operator.api.report import Report
from penstock_operator.api.times import later

from .blocked import still_refused
from .clock import own_clock
from .concurrency import holds, open_yet, replaced
from .conditions import degraded_by
from .facts import Facts
from .family import ended_with_parent, parent_of
from .faults import Need
from .intent import pod_intent
from .model import MISSING, UNKNOWN, Look, Observed
from .observe import Pod
from .policy import Policy, policy_of
from .reports import own_report
from .revisions import Definition, recorded_definition

# How the message begins while the run's own deadline is enforced: it is the record that it is.
DEADLINE_PASSED: Final = "activeDeadlineSeconds ("


@dataclass(frozen=True, slots=True)
class Situation:
    """What a decision is about.

    Attributes:
        seen: what the runtime gathered.
        definition: what the run's attempts execute; None: not recorded yet, or gone for good.
        policy: the run policy in force.
        pod: this attempt's pod, or the last object seen of one that is gone.
        gone: it existed and does not any more.
        foreign: who else owns a pod of that name.
        unread: the looks without which the definition can't be told, where they were refused.
    """

    seen: Observed
    definition: Definition | None
    policy: Policy
    pod: Pod | None = None
    gone: bool = False
    foreign: Pod | None = None
    unread: frozenset[Look] = frozenset()

    @property
    def run(self) -> FlowRun:
        """The run."""
        return self.seen.run

    @property
    def status(self) -> FlowRunStatus:
        """Its status as it is."""
        return self.seen.run.status

    @property
    def now(self) -> datetime:
        """Now, on the run's clock."""
        return self.seen.now

    @property
    def own_now(self) -> datetime:
        """Now, on the operator's own clock, for what a node counts."""
        return own_clock(self.seen)

    @property
    def attempt(self) -> Attempt:
        """The attempt under way; only to be asked for where there is one."""
        assert self.status.attempt is not None
        return self.status.attempt

    @property
    def fresh(self) -> bool:
        """Whether what the run executes is open yet."""
        return open_yet(self.run)

    @property
    def report(self) -> Report | None:
        """This attempt's report. What a pod of another owner said that stood under the attempt's name counts for nothing."""
        return own_report(self.run) if self.foreign is None else None

    @property
    def cancelled(self) -> bool:
        """Whether the run is to end: by its user, for whom deleting the FlowRun is asking, with its parent, or for a newer run."""
        return self._asked or self.displaced is not None or self.with_parent is not None

    @property
    def with_parent(self) -> str | None:
        """Why the run ends with the one that started it, if it does. What was begun is carried out, also where that one is gone by then."""
        if self._asked:
            return None
        state = self.status.state
        begun = state is not None and state.type is StateType.CANCELLING and parent_of(self.run) is not None
        return ended_with_parent(self.run, self.seen.parent) or ("cancelled with its parent" if begun else None)

    @property
    def _asked(self) -> bool:
        return self.run.spec.desired_state is DesiredState.CANCELLED or self.run.metadata.deletion_timestamp is not None

    @property
    def displaced(self) -> str | None:
        """Why the run goes for a newer one, if it does. What was begun is carried out: a cancellation that nobody asked for is one."""
        state, flow = self.status.state, self.seen.flow
        if self._asked or state is None or not holds(self.run) or self.with_parent is not None:
            return None
        if state.type is StateType.CANCELLING:
            return "replaced by a newer run of its Flow"
        return replaced(flow, self.seen.contention) if isinstance(flow, Flow) and self.run.spec.flow_ref else None

    @property
    def suspended(self) -> bool:
        """Whether suspension was asked, or was begun: what was begun is carried out."""
        return self.suspending or self.run.spec.desired_state is DesiredState.SUSPENDED

    @property
    def suspending(self) -> bool:
        """Whether suspending the attempt was begun: its status tells it, which outlasts the pod; or its pod, which an older operator told."""
        attempt = self.status.attempt
        told = self.pod is not None and pod_intent(self.pod).state is DesiredState.SUSPENDED
        return told or (attempt is not None and attempt.suspend_time is not None)

    @property
    def ended(self) -> bool:
        """Whether the attempt's engine has ended."""
        return self.gone or (self.pod is not None and self.facts(self.pod).ended)

    @property
    def deadline(self) -> datetime | None:
        """The moment at which the run's own deadline ends it."""
        if self.policy.active_deadline is None or self.status.start_time is None:
            return None
        return later(self.status.start_time, self.policy.active_deadline)

    @property
    def overdue(self) -> bool:
        """Whether the run's own deadline has passed. That it is enforced stands, whatever a clock says then."""
        state = self.status.state
        shown = state is not None and state.name == "Terminating" and (state.message or "").startswith(DEADLINE_PASSED)
        return self.deadline is not None and (shown or self.now >= self.deadline)

    def facts(self, pod: Pod) -> Facts:
        """Return what is known of a pod of this run's: its own events go with the present attempt's only."""
        present, attempt = self.pod is pod, self.status.attempt
        return Facts(
            pod=pod,
            now=self.now,
            gone=present and self.gone,
            claimed=not present or self.report is not None,
            said_at=self.report.time if present and self.report is not None else None,
            restarts=(attempt.restarts or 0) if present and attempt and attempt.start_time is not None else None,
            events=self.seen.events if present else None,
            state=self.status.state,
            degraded=degraded_by(self.status),
            running_at=self.seen.running_at,
            image_pull_grace=self.policy.image_pull_grace,
        )

    def need_run(self) -> None:
        """A missing report is a conclusion from absence.

        Raises:
            Need: the run was not read live for this decision.
        """
        if not self.seen.run_is_live:
            raise Need(Look.RUN)


def situation(seen: Observed) -> Situation:
    """Gather what a decision is about.

    Raises:
        Need: the revision, or the pod where it is known to have existed and the store has none.
    """
    run = seen.run
    recorded = run.spec.flow_spec is not None or (run.status.flow is not None and run.status.flow.revision is not None)
    definition, unread = None, frozenset[Look]()
    try:
        definition = recorded_definition(seen) if recorded else None
    except Need as need:
        # An end that is asked for must not wait for what an attempt would execute.
        if not still_refused(seen, need.looks):
            raise
        unread = need.looks
    policy = policy_of(definition.execution if definition is not None else None, run.spec)
    gathered = Situation(seen, definition, policy, unread=unread)
    return gathered if run.status.attempt is None else _with_pod(gathered, run.status.attempt)


def _with_pod(gathered: Situation, attempt: Attempt) -> Situation:
    seen = gathered.seen
    pod = seen.pod if isinstance(seen.pod, Pod) else None
    if pod is not None and pod.owner_uid != seen.run.metadata.uid and not _orphaned(pod, attempt):
        return replace(gathered, foreign=pod)
    if pod is not None and attempt.pod_uid in (None, pod.uid):
        return replace(gathered, pod=pod)
    existed = attempt.pod_uid is not None or gathered.report is not None or seen.pod_created
    if not existed:
        return gathered
    # The pod that was recorded is not there: none at all, or another of that name. Only the API server can say so.
    if pod is None and seen.pod is UNKNOWN:
        raise Need(Look.POD)
    if pod is not None and not seen.pod_is_live:
        raise Need(Look.POD)
    assert pod is not None or seen.pod is MISSING
    return replace(gathered, pod=seen.last_pod, gone=True)


def _orphaned(pod: Pod, attempt: Attempt) -> bool:
    """Whether it is the attempt's pod all the same: deleting a run with `--cascade=orphan` takes the pod's owner away first."""
    return not pod.owner_uid and pod.uid == attempt.pod_uid
