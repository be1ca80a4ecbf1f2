"""What the core is told (`Observed`) and what it answers (`Decision`): plain values, no behaviour.

The runtime gathers an `Observed` from its store, calls `reconcile`, and carries out the `Decision`: first the looks (then it asks again),
then the status, then, only if that write succeeded, the effects in order. Nothing is concluded from absence: what is not in the store is
`UNKNOWN`; only a live GET that answered 404 makes it `MISSING`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum, StrEnum, auto
from typing import Any, Final

from penstock_operator.api.execution import Template
from penstock_operator.api.flow import Flow
from penstock_operator.api.flowrun import FlowRun, FlowRunStatus

from .concurrency import UNCONTENDED, Contention
from .observe import Pod, PodEvent


class Absence(Enum):
    """Why a fact is not there."""

    UNKNOWN = auto()  # not in the store: it may exist
    MISSING = auto()  # a live GET answered 404


UNKNOWN: Final = Absence.UNKNOWN
MISSING: Final = Absence.MISSING


@dataclass(frozen=True, slots=True)
class ConfigMap:
    """A ConfigMap as a live GET showed it: what it holds, and whose it is.

    Attributes:
        binary: `binaryData`, in base64.
        owner_uid: of its controller.
    """

    name: str
    data: Mapping[str, str]
    binary: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    owner_uid: str = ""
    immutable: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that was no success: to the last POST of this attempt's pod or revision, or to a look. Kept by the runtime, in memory."""

    code: int  # 0: no answer (connection, time out)
    reason: str  # Status.reason
    message: str
    time: datetime
    count: int = 1  # consecutive refusals of the same
    retry_after: float | None = None  # seconds, from Retry-After
    what: str = "pod"  # what was refused, for a person

    def after(self, before: Refusal | None) -> Refusal:
        """Return this answer, counted: another one in between begins anew, for what is in the way is another thing."""
        if before is None or (before.what, before.code, before.reason) != (self.what, self.code, self.reason):
            return self
        return replace(self, count=before.count + 1)


@dataclass(frozen=True, slots=True)
class Checked:
    """The effective parameters against their flow's schema. Both None: nothing is wrong."""

    bad: str | None = None  # the path of a value, and what is wrong with it
    unusable: str | None = None  # the schema is at fault


class Look(StrEnum):
    """A fact that must be read live before the core decides."""

    RUN = "run"  # the FlowRun itself: "no report" is a conclusion from absence
    POD = "pod"  # the current attempt's pod
    PREVIOUS_POD = "previous-pod"  # the pod of the attempt before
    REVISION = "revision"  # the ConfigMap status.flow.revision (or the one that the Flow's spec makes now)
    SOURCE = "source"  # the ConfigMap source.configMap of the Flow, or of flowSpec
    FLOW = "flow"  # the Flow of spec.flowRef, where the store has none
    PARAMETERS = "parameters"  # whether the effective parameters fit `parametersSchema`: it may take long to know
    LIMITS = "limits"  # the ConfigMap penstock-concurrency: of limits, a minute's age does no harm
    POD_EVENTS = "pod-events"  # the pod's Events, newest last


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything a decision about one FlowRun may depend on."""

    run: FlowRun
    now: datetime  # the operator's clock, UTC
    engine_image: str  # the operator's --engine-image
    engine_template: Template | None = None  # --engine-template
    pod_security: bool = True  # --pod-security: False leaves security contexts to the template
    flow: Flow | Absence = UNKNOWN  # of spec.flowRef
    near: tuple[str, ...] = ()  # Flows of the namespace with a name like flowRef's, where there is no Flow of that name
    pod: Pod | Absence = UNKNOWN  # of that name, whoever owns it
    pod_is_live: bool = False  # `pod` came from a live GET for this decision
    last_pod: Pod | None = (
        None  # the last object seen of this attempt's pod, where `pod` is gone (what a DELETED event carried)
    )
    previous_pod: Pod | Absence = UNKNOWN
    previous_pod_is_live: bool = False  # `previous_pod` came from a live GET for this decision
    older_pods: tuple[Pod, ...] = ()  # this run's other pods in the store: only retention looks at them
    rerun_of: FlowRun | Absence = UNKNOWN  # of spec.rerunOf, from the store
    parent: FlowRun | Absence = UNKNOWN  # the run that is its controller, from the store
    revision: ConfigMap | Absence = UNKNOWN
    source: ConfigMap | Absence = UNKNOWN  # source.configMap, of the Flow or of flowSpec
    events: tuple[PodEvent, ...] | None = None  # None: not looked
    contention: Contention = UNCONTENDED  # about the slots that the Flow's runs share, as the store counts them
    checked: Checked | Absence = UNKNOWN
    limits: Mapping[str, str] | Absence = UNKNOWN  # data of the ConfigMap penstock-concurrency
    run_is_live: bool = False  # `run` came from a live GET, or from the answer of a write, for this decision
    refusal: Refusal | None = None
    refused: Mapping[Look, Refusal] = field(
        default_factory=dict
    )  # looks that the API server did not allow, kept in memory
    ahead: float = (
        0.0  # seconds by which the run's recorded moments were ahead of this operator's clock, at most (kept in memory)
    )
    pod_created: bool = False  # a POST of this attempt's pod was answered with success (kept in memory)
    pod_warnings: tuple[str, ...] | None = None  # what the API server warned of then (kept in memory); None: not known
    # Kept in memory by the runtime, None after its restart (the wait then begins anew):
    stopped_at: datetime | None = None  # when this operator first saw that the pod was asked to stop
    running_at: datetime | None = None  # when this operator first saw the engine's container running
    intent_at: datetime | None = None  # when this operator first saw the pod's present intent annotation
    jitter: float = 0.5  # 0..1, for backoff


# --- effects: what is to be done besides the status -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CreateRevision:
    """POST an immutable ConfigMap; 409 with the same content is success, another refusal becomes `Observed.refusal`."""

    manifest: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TidyRevisions:
    """DELETE a Flow's revisions that are old and not in use; best effort."""

    flow: str
    flow_uid: str


@dataclass(frozen=True, slots=True)
class CreatePod:
    """POST the pod; 409 with our run's UID is success; another refusal becomes `Observed.refusal`."""

    manifest: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PatchPod:
    """PATCH the pod (merge patch), only the one with this UID."""

    name: str
    uid: str
    patch: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class DeletePod:
    """DELETE the pod with a UID precondition; 404 and 409 (another UID) are success. grace None: the pod's own."""

    name: str
    uid: str
    grace_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class DeleteRun:
    """DELETE the FlowRun itself (retention), with UID and resourceVersion preconditions."""

    uid: str


@dataclass(frozen=True, slots=True)
class Emit:
    """A Kubernetes Event on the FlowRun; best effort, after the status was written."""

    type: str  # Normal or Warning
    reason: str  # state.name
    note: str
    action: str  # CamelCase, what the operator did


Effect = CreateRevision | TidyRevisions | CreatePod | PatchPod | DeletePod | DeleteRun | Emit


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done now.

    Attributes:
        status: the whole status wanted, without `report` unless it stays (None: as it is). The patch is its difference from what was read.
        drop_report: the patch removes `status.report` (an attempt was judged).
        effects: after the status was written, in order. If one fails, the rest is not done and the key is queued again.
        requeue_at: when to look again although nothing happened (None: never).
        looks: facts to read live first; if there are any, everything else is to be ignored.
    """

    status: FlowRunStatus | None = None
    drop_report: bool = False
    effects: tuple[Effect, ...] = ()
    requeue_at: datetime | None = None
    looks: frozenset[Look] = field(default_factory=frozenset)
