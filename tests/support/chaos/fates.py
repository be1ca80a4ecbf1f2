"""What becomes of a run, as data: what node and engine do with each attempt, what the user does meanwhile, and what must come of it.

A script is a line of steps, one word each, that `kubelet` plays: `bind start claim work report:Completed exit:0`. The last script of a fate
is played for every later attempt too. `ends` are the states that are right, `lost` the right lists of judged attempts ("reason/budget").
More than one is right where the fate leaves open who is first: a late report or its judgement, a cancellation or the end. Neighbours:
`kubelet` (the steps), `user` (the acts), `checker` (what must come of it).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

JSON = dict[str, Any]
Lost = tuple[str, ...]

GONE = "gone"  # the FlowRun was deleted
FINE = "bind start claim work report:Completed exit:0"
LONG = "bind start claim work:2-6 report:Completed exit:0"
HANG = "bind start claim hang"

# Steps that take the pod's object away.
TAKING = frozenset({"delete", "disrupt", "vanish", "lost", "requeue"})

COMPLETED = "Completed/Completed"
CANCELLED = "Cancelled/Cancelled"

QUICKLY: JSON = {"backoff": {"initialSeconds": 0, "maximumSeconds": 1}, "gracePeriodSeconds": 1}


@dataclass(frozen=True, slots=True)
class Act:
    """Something that a user does to the run: so many seconds after it was applied, drawn between two bounds.

    Attributes:
        what: a value of `desiredState`, or `delete`, `delete-foreground`, `flow` (the Flow that the run refers to is applied).
        after: the earliest moment, in seconds.
        before: the latest one.
    """

    what: str
    after: float
    before: float


@dataclass(frozen=True, slots=True)
class Fate:
    """One kind of run.

    Attributes:
        id: reads like a line of the contract, and names the runs of this fate.
        scripts: for each attempt.
        ends: type/name of the state, or `gone`.
        lost: the lists of judged attempts that are right, each "reason/budget"; with acts or `gone`, a beginning of one is right as well.
        policy: over a quick one.
        spec: more fields of the FlowRun's spec.
        acts: of the user.
        obeys: who does what it is told to: `engine` (it reports), `blind` (it does not see the intent, and reports that it was
            interrupted), `mute` (it dies of SIGTERM), `deaf` (it dies of SIGKILL),
            `nothing` (nor does the kubelet see to a pod's deadline), `never` (the pod outlives even its deletion).
        outlives: a process may outlive its attempt (it is fenced off, not ended).
        slow: takes more than 20 s.
    """

    id: str
    scripts: tuple[str, ...] = (FINE,)
    ends: frozenset[str] = frozenset({COMPLETED})
    lost: tuple[Lost, ...] = ((),)
    policy: JSON = field(default_factory=dict)
    spec: JSON = field(default_factory=dict)
    acts: tuple[Act, ...] = ()
    obeys: str = "engine"
    outlives: bool = False
    slow: bool = False

    def __str__(self) -> str:
        return self.id

    @property
    def loses_pods(self) -> bool:
        """Whether a pod may go while its attempt lasts. A POST of the same pod may be on its way by then, and arrive: the fence is for that."""
        steps = {step.partition(":")[0] for script in self.scripts for step in script.split()}
        return bool(self.acts or steps & TAKING or "retention" in self.policy)

    def script(self, attempt: int) -> tuple[str, ...]:
        """The steps of an attempt."""
        return tuple(self.scripts[min(attempt, len(self.scripts)) - 1].split())

    def run_policy(self) -> JSON:
        """The FlowRun's `runPolicy`."""
        return {**QUICKLY, **self.policy}


def _ends(*states: str) -> frozenset[str]:
    return frozenset(states)


def _retries(**budgets: int) -> JSON:
    return {"retries": budgets}


def _at(what: str, after: float, before: float) -> Act:
    return Act(what, after, before)


def _taken_back(*unseen: str) -> tuple[Lost, ...]:
    """Twice, in its queue's words where an operator has seen them before the pod was gone; what it counts as is checked of each."""
    return tuple(itertools.product(("Preempted/-", *unseen), repeat=2))


_SIDECAR: JSON = {
    "template": {"spec": {"initContainers": [{"name": "proxy", "image": "proxy", "restartPolicy": "Always"}]}}
}
_CANCEL = _at("Cancelled", 0, 6)
_ENDED_OR_CANCELLED = _ends(CANCELLED, COMPLETED)
_ONCE_SUSPENDED: tuple[Lost, ...] = ((), ("Suspended/-",))

FATES: tuple[Fate, ...] = (
    # --- the engine says how it ends ------------------------------------------------------------------------------------------------
    Fate("completes"),
    Fate("report overtakes status", ("bind claim report:Completed hold:0-2 start exit:0",)),
    Fate("start never shown", ("bind claim work report:Completed exit:0",)),
    Fate("report undelivered", ("bind start claim work message:Completed exit:0",)),
    Fate("ends busy with hooks", ("bind start claim work ending:Completed hold:1-2 report:Completed exit:0",)),
    Fate("fails", ("bind start claim work report:Failed exit:1",), _ends("Failed/Failed")),
    Fate("fails once", ("bind start claim work report:Failed exit:1", FINE),
         lost=(("Failed/application",),), policy=_retries(application=1)),
    Fate("fails twice", ("bind start claim work report:Failed exit:1",), _ends("Failed/Failed"),
         (("Failed/application",),), _retries(application=1)),
    Fate("cancels itself", ("bind start claim work report:Cancelled exit:0",), _ends(CANCELLED)),
    Fate("load error reported", ("bind start claim report:Crashed/LoadError exit:66",), _ends("Crashed/LoadError")),
    Fate("waits for its retry", ("bind start claim work report:AwaitingRetry exit:0", FINE), lost=(("AwaitingRetry/-",),)),
    Fate("suspends itself", ("bind start claim work report:Suspended exit:0", FINE), lost=(("Suspended/-",),)),
    Fate("interrupted", ("bind start claim work delete hang", FINE), lost=(("Interrupted/infrastructure",),)),
    Fate("interrupted too often", ("bind start claim work delete hang",), _ends("Crashed/Interrupted"),
         (("Interrupted/infrastructure",),), _retries(infrastructure=1)),
    # --- it says nothing ------------------------------------------------------------------------------------------------------------
    Fate("oom", ("bind start claim work oom",), _ends("Crashed/OOMKilled")),
    Fate("oom twice", ("bind start claim work oom", "bind start claim work oom", FINE),
         lost=(("OOMKilled/application", "OOMKilled/application"),), policy=_retries(application=2)),
    Fate("segfault", ("bind start claim work exit:139",), _ends("Crashed/Signal")),
    Fate("exit code", ("bind start claim work exit:3", FINE), lost=(("ExitCode/application",),), policy=_retries(application=1)),
    Fate("exit 0 once", ("bind start claim work exit:0", FINE), lost=(("NoReport/infrastructure",),)),
    Fate("exit 0 again", ("bind start claim work exit:0",), _ends("Crashed/NoReport"),
         (("NoReport/infrastructure",),), _retries(infrastructure=1)),
    Fate("exit 0 unclaimed", ("bind start exit:0", FINE), lost=(("NoReport/infrastructure",),)),
    Fate("killed", ("bind start claim work exit:137", FINE), lost=(("Killed/infrastructure",),)),
    Fate("refused", ("bind start exit:77", FINE), lost=(("Refused/infrastructure",),)),
    Fate("load error", ("bind start claim exit:66",), _ends("Crashed/LoadError")),
    Fate("container lost", ("bind start claim work unknown", FINE), lost=(("ContainerLost/infrastructure",),)),
    Fate("start error", ("bind unstartable",), _ends("Crashed/StartError")),
    # --- nodes ----------------------------------------------------------------------------------------------------------------------
    Fate("evicted", ("bind start claim work evict", FINE), lost=(("Evicted/infrastructure",),)),
    Fate("evicted twice", ("bind start claim work evict", "bind start evict", FINE),
         lost=(("Evicted/infrastructure", "Evicted/infrastructure"),), policy=_retries(infrastructure=2)),
    Fate("evicted too often", ("bind start claim work evict",), _ends("Crashed/Evicted"),
         (("Evicted/infrastructure",),), _retries(infrastructure=1)),
    Fate("drained", ("bind start claim work disrupt:EvictionByEvictionAPI hang", FINE), obeys="mute",
         lost=(("Evicted/infrastructure",), ("PodDeleted/infrastructure",))),
    Fate("drained and reported", ("bind start claim work disrupt:EvictionByEvictionAPI hang", FINE),
         lost=(("Evicted/infrastructure",), ("Interrupted/infrastructure",))),
    Fate("rejected twice", ("bind reject:OutOfcpu", "bind reject:OutOfpods", FINE),
         lost=(("NodeRejected/neverStarted", "NodeRejected/neverStarted"),)),
    Fate("rejected too often", ("bind reject:OutOfcpu",), _ends("Crashed/NodeRejected"),
         (("NodeRejected/neverStarted",) * 2,), _retries(neverStarted=2)),
    Fate("node lost", ("bind start claim work lost", FINE), lost=(("NodeLost/infrastructure",), ("PodDeleted/infrastructure",))),
    Fate("node comes back", ("bind start claim silent work report:Completed exit:0",)),
    # --- other people's containers and queues ---------------------------------------------------------------------------------------
    Fate("exits after a sidecar's oom", ("bind sidecar:oom start claim work exit:3",), _ends("Crashed/ExitCode"), spec=_SIDECAR),
    Fate("killed after a sidecar's oom", ("bind sidecar:oom start claim work exit:137", FINE), lost=(("Killed/infrastructure",),),
         spec=_SIDECAR),
    Fate("sidecar comes late", ("bind sidecar:loops hold:0-2 sidecar:oom start claim work report:Completed exit:0",), spec=_SIDECAR),
    Fate("taken back by its queue", ("bind start claim work requeue hang", "bind requeue hang", FINE),
         lost=_taken_back("PodDeleted/infrastructure", "PodDeleted/neverStarted"), policy=_retries(neverStarted=2, infrastructure=2), obeys="mute"),
    Fate("taken back and reported", ("bind start claim work requeue hang",) * 2 + (FINE,), policy=_retries(infrastructure=2),
         lost=_taken_back("Interrupted/infrastructure", "PodDeleted/infrastructure")),
    Fate("restarted in place", ("bind start claim work restart", FINE), lost=(("ContainerRestarted/infrastructure",),)),
    # --- not running yet ------------------------------------------------------------------------------------------------------------
    Fate("image never pulls", ("bind pull hang",), _ends("Crashed/ImagePullFailed"), policy={"imagePullGraceSeconds": 2}),
    Fate("image pulls late", ("bind pull hold:1-2 start claim work report:Completed exit:0",)),
    Fate("unschedulable", ("unschedulable hang",), _ends("Crashed/Unschedulable", "Crashed/Submitting", "Crashed/QuotaExceeded"),
         policy={"pendingDeadlineSeconds": 6}),
    Fate("schedulable late", ("unschedulable hold:1-3 bind start claim work report:Completed exit:0",)),
    Fate("due later", spec={"scheduledTime": "+3"}),
    Fate("flow comes late", spec={"flowRef": {"name": "*"}}, acts=(_at("flow", 1, 3),)),
    Fate("too late", (HANG,), _ends("Failed/TimedOut"), policy={"activeDeadlineSeconds": 2}),
    Fate("too late and blind", (HANG,), _ends("Failed/TimedOut"), policy={"activeDeadlineSeconds": 2}, obeys="blind"),
    Fate("too late and mute", (HANG,), _ends("Failed/TimedOut"), policy={"activeDeadlineSeconds": 2}, obeys="mute"),
    # --- pods that are taken away ---------------------------------------------------------------------------------------------------
    Fate("deleted before it ran", ("bind delete hold:0-1", FINE), lost=(("PodDeleted/neverStarted",),)),
    Fate("unbound and deleted", ("delete", FINE), lost=(("PodDeleted/neverStarted",),)),
    Fate("forced away, reports late", ("bind start claim work vanish hold:1-3 report:Completed", FINE),
         lost=((), ("PodDeleted/infrastructure",)), outlives=True),
    Fate("forced away, claims late", ("bind start hold:0-1 vanish hold:1-3 claim work report:Completed", FINE),
         lost=((), ("PodDeleted/infrastructure",), ("PodDeleted/neverStarted",)), outlives=True),
    Fate("claimed twice", ("bind start claim ghost work ghost report:Completed exit:0",)),
    Fate("not kept", policy={"retention": {"podSeconds": 0}}),
    Fate("run not kept", ends=_ends(GONE), policy={"retention": {"runSeconds": 1}}),
    # --- cancelled ------------------------------------------------------------------------------------------------------------------
    Fate("cancelled", (LONG,), _ENDED_OR_CANCELLED, acts=(_CANCEL,)),
    Fate("cancelled at its end", ("bind start claim work:1-2 report:Completed exit:0",), _ENDED_OR_CANCELLED,
         acts=(_at("Cancelled", 1, 3),)),
    Fate("cancelled at once", (HANG,), _ends(CANCELLED), acts=(_at("Cancelled", 0, 0.2),)),
    Fate("cancelled, blind", (HANG,), _ends(CANCELLED), acts=(_CANCEL,), obeys="blind"),
    Fate("cancelled while it fails", ("bind start claim work:1-3 report:Failed exit:1",), _ends(CANCELLED, "Failed/Failed"),
         (("Failed/application",) * 9,), _retries(application=9), acts=(_at("Cancelled", 1, 4),)),
    Fate("cancelled, mute", (HANG,), _ends(CANCELLED), acts=(_CANCEL,), obeys="mute"),
    Fate("cancelled, hung", (HANG,), _ends(CANCELLED), acts=(_CANCEL,), obeys="deaf"),
    Fate("cancelled, deaf node", (HANG,), _ends(CANCELLED), acts=(_at("Cancelled", 1, 3),), obeys="nothing"),
    Fate("cancelled, stuck", (HANG,), _ends(CANCELLED), acts=(_at("Cancelled", 1, 3),), obeys="never", slow=True, outlives=True),
    Fate("cancelled while it waits", ("bind start claim work oom",), _ends(CANCELLED, "Crashed/OOMKilled"), (("OOMKilled/application",),),
         {**_retries(application=3), "backoff": {"initialSeconds": 300}}, acts=(_at("Cancelled", 2, 6),)),
    Fate("cancelled while pulling", ("bind pull hang",), _ends(CANCELLED), acts=(_at("Cancelled", 0, 4),)),
    Fate("cancelled and evicted", ("bind start claim work:1-3 evict",), _ends(CANCELLED, "Crashed/Evicted"),
         (("Evicted/infrastructure",) * 9,), _retries(infrastructure=9), acts=(_at("Cancelled", 1, 4),)),
    # --- suspended, deleted ---------------------------------------------------------------------------------------------------------
    Fate("suspended and resumed", (LONG,), lost=_ONCE_SUSPENDED, acts=(_at("Suspended", 0, 4), _at("Running", 5, 7))),
    Fate("suspended, blind", ("bind start claim work:30-35 report:Completed exit:0", FINE),
         lost=_ONCE_SUSPENDED, acts=(_at("Suspended", 1, 3), _at("Running", 20, 22)), obeys="blind", slow=True),
    Fate("suspended, mute", (LONG,), lost=_ONCE_SUSPENDED, acts=(_at("Suspended", 0, 4), _at("Running", 5, 7)), obeys="mute"),
    Fate("suspended before it ran", ("hold:0-2 bind hold:2-4 start claim work report:Completed exit:0", FINE), lost=_ONCE_SUSPENDED,
         acts=(_at("Suspended", 0, 3), _at("Running", 3, 4))),
    Fate("suspended and cancelled", (LONG,), _ENDED_OR_CANCELLED, _ONCE_SUSPENDED,
         acts=(_at("Suspended", 0, 3), _at("Cancelled", 3, 5))),
    Fate("paused and resumed", (LONG,), acts=(_at("Paused", 0, 4), _at("Running", 5, 7))),
    Fate("paused and cancelled", (LONG,), _ENDED_OR_CANCELLED, acts=(_at("Paused", 0, 3), _at("Cancelled", 3, 5))),
    Fate("run deleted", (LONG,), _ends(GONE), acts=(_at("delete", 0, 5),)),
    Fate("run deleted, foreground", (LONG,), _ends(GONE), acts=(_at("delete-foreground", 0, 5),)),
)  # fmt: skip


def fates(*, slow: bool) -> tuple[Fate, ...]:
    """All fates, or those that take less than 20 s."""
    return tuple(fate for fate in FATES if slow or not fate.slow)
