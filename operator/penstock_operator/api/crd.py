"""The two CustomResourceDefinitions, made from the models. `make generate` writes them; a test makes them again and compares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel

from . import flow, flowrun
from .constants import API_VERSION, FLOW_PLURAL, FLOWRUN_PLURAL, GROUP, VERSION
from .schema import structural

_LABEL = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"


# What has no status yet would count as done for kstatus, Helm and Flux. So each object has one from its creation on, of no generation.
UNSEEN: Final = {"observedGeneration": -1}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of `kubectl get`; wide ones show with `-o wide` only."""

    name: str
    path: str
    type: str = "string"
    wide: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the CRD's form."""
        column = {"name": self.name, "type": self.type, "jsonPath": self.path}
        return {**column, "priority": 1} if self.wide else column


@dataclass(frozen=True, slots=True)
class Kind:
    """What a CRD says besides its schema."""

    kind: str
    plural: str
    short: str
    text: str
    spec: type[BaseModel]
    status: type[BaseModel]
    selectable: tuple[str, ...]
    columns: tuple[Column, ...]
    longest_name: int
    why: str


FLOW_RUN = Kind(
    kind="FlowRun",
    plural=FLOWRUN_PLURAL,
    short="fr",
    text="One execution of a flow, in one pod at a time. You write spec; Penstock's operator writes status, the run's own process status.report.",
    spec=flowrun.FlowRunSpec,
    status=flowrun.FlowRunStatus,
    selectable=(".status.state.type", ".spec.flowRef.name"),
    columns=(
        Column("Flow", ".status.flow.name"),
        Column("State", ".status.state.name"),
        Column("Progress", ".status.report.progress.summary"),
        Column("Attempt", ".status.attempt.number", "integer"),
        Column("Duration", ".status.duration"),
        Column("Age", ".metadata.creationTimestamp", "date"),
        Column("Display", ".spec.displayName", wide=True),
        Column("Type", ".status.state.type", wide=True),
        Column("Started", ".status.startTime", "date", wide=True),
        Column("Finished", ".status.completionTime", "date", wide=True),
        Column("Pod", ".status.pod", wide=True),
        Column("Kept", ".status.result.kept", "boolean", wide=True),
        Column("Result", ".status.result.location", wide=True),
        Column("Message", ".status.state.message", wide=True),
    ),
    longest_name=52,
    why="it becomes part of the pod's name",
)

FLOW = Kind(
    kind="Flow",
    plural=FLOW_PLURAL,
    short="fl",
    text="A definition of a flow that FlowRuns refer to. You write spec; Penstock's operator writes status.",
    spec=flow.FlowSpec,
    status=flow.FlowStatus,
    selectable=(".spec.suspend",),
    columns=(
        Column("Entrypoint", ".spec.entrypoint"),
        Column("Ready", ".status.conditions[?(@.type=='Ready')].status"),
        Column("Active", ".status.activeRuns", "integer"),
        Column("Outcome", ".status.lastOutcome.state"),
        Column("Last", ".status.lastScheduledTime", "date"),
        # Of a date servers show the age, and of the future "<invalid>".
        Column("Next", ".status.nextScheduledTime"),
        Column("Suspended", ".spec.suspend", "boolean"),
        Column("Age", ".metadata.creationTimestamp", "date"),
        Column("Message", ".status.conditions[?(@.type=='Ready')].message"),
        Column("Queued", ".status.queuedRuns", "integer", wide=True),
        Column("Revision", ".status.revision", wide=True),
    ),
    longest_name=41,
    why="a run's name adds a suffix to it",
)


def _name(kind: Kind) -> dict[str, Any]:
    """Return the schema of the name. Its rule stands here and not at the root: there each write, also of a status, would take the object apart."""
    rule = f"self.size() <= {kind.longest_name} && self.matches('{_LABEL}')"
    message = f"metadata.name must be a DNS label of at most {kind.longest_name} characters ({kind.why})"
    text = f"Name of the {kind.kind}: a DNS label of at most {kind.longest_name} characters."
    return {"type": "string", "description": text, "x-kubernetes-validations": [{"rule": rule, "message": message}]}


def crd(kind: Kind) -> dict[str, Any]:
    """Return the CustomResourceDefinition of a kind."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": kind.kind,
                "listKind": f"{kind.kind}List",
                "plural": kind.plural,
                "singular": kind.kind.lower(),
                "shortNames": [kind.short],
                "categories": ["penstock"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "selectableFields": [{"jsonPath": path} for path in kind.selectable],
                    "additionalPrinterColumns": [column.to_json() for column in kind.columns],
                    "schema": {
                        "openAPIV3Schema": {
                            "description": kind.text,
                            "type": "object",
                            "required": ["spec"],
                            "properties": {
                                "apiVersion": {"type": "string", "description": f"{API_VERSION}."},
                                "kind": {"type": "string", "description": f"{kind.kind}."},
                                "metadata": {"type": "object", "properties": {"name": _name(kind)}},
                                "spec": structural(kind.spec),
                                "status": {**structural(kind.status), "default": UNSEEN},
                            },
                        }
                    },
                }
            ],
        },
    }


def crds() -> list[dict[str, Any]]:
    """Return both CustomResourceDefinitions, FlowRun's first."""
    return [crd(FLOW_RUN), crd(FLOW)]
