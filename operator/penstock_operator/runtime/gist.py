"""What is asked of a run, a Flow or a pod, without reading the whole: how urgent it is, what it refers to, what of it is kept, and of use to whom.

Pure. Neighbours: `store` keeps a gist with each run, `app` chooses the queue's lane by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final

from penstock_operator.api.constants import KUEUE_PREFIX, LABEL_FLOW_RUN, LABEL_FLOW_RUN_UID, OWN_PREFIX
from penstock_operator.api.flow import Flow
from penstock_operator.api.flowrun import DesiredState, FlowRun, StateType
from penstock_operator.core.family import parent_of
from penstock_operator.core.flows.history import Kin
from penstock_operator.core.observe import Pod
from penstock_operator.core.reports import final_report, own_report

from .kin import kin_of, kin_of_run
from .lanes import Urgency
from .resources import FLOWRUNS, FLOWS, Key, Resource

NEW: Final = "New"
_TERMINAL: Final = frozenset(kind.value for kind in StateType if kind.terminal)


@dataclass(frozen=True, slots=True)
class Gist:
    """Of a run.

    Attributes:
        state: its state's type; New: none yet.
        finished: it has ended; only its retention is left.
        urgency: its lane in the queue.
        large: so large that few of its kind are to be in memory at the same time.
        refers: the objects that it waits for by name; none where it has what it needs.
        kin: what it is to its Flow and to other runs; None: nothing.
        parent: the run that it ends with.
    """

    state: str
    finished: bool = False
    urgency: Urgency = Urgency.USUAL
    large: bool = False
    refers: tuple[tuple[Resource, Key], ...] = ()
    kin: Kin | None = None
    parent: Key | None = None


@cache
def _ended(state: str) -> Gist:
    return Gist(state, finished=True, urgency=Urgency.LATE)


def of_finished(raw: Mapping[str, Any]) -> Gist | None:
    """Return the gist of a raw run that has ended, None of any other."""
    state = ((raw.get("status") or {}).get("state") or {}).get("type")
    if not isinstance(state, str) or state not in _TERMINAL:
        return None
    kin = kin_of(raw)
    return _ended(state) if kin is None else Gist(state, finished=True, urgency=Urgency.LATE, kin=kin)


def of_run(key: Key, run: FlowRun, *, large: bool) -> Gist:
    """Return the gist of a run."""
    state = run.status.state
    if state is not None and state.type.terminal:
        kin = kin_of_run(run)
        ended = _ended(state.type.value)
        return ended if kin is None else replace(ended, kin=kin)
    return Gist(
        state.type.value if state is not None else NEW,
        urgency=_urgency(run),
        large=large,
        refers=tuple(_references(key, run)),
        kin=kin_of_run(run),
        parent=Key(key.namespace, parent) if (parent := parent_of(run)) is not None else None,
    )


def urgent(run: FlowRun) -> bool:
    """Whether the run is to end: its requests don't wait behind those of runs that begin."""
    state = run.status.state
    if state is not None and state.type.terminal:
        return False
    return run.spec.desired_state is DesiredState.CANCELLED or run.metadata.deletion_timestamp is not None


def _urgency(run: FlowRun) -> Urgency:
    """Return the lane of a run that lives."""
    state = run.status.state
    if urgent(run):
        return Urgency.URGENT
    if final_report(own_report(run)) is not None:
        return Urgency.ENDING
    begun = state is not None and state.type is StateType.PENDING and run.status.attempt is not None
    return Urgency.BEGUN if begun else Urgency.USUAL


def _references(key: Key, run: FlowRun) -> list[tuple[Resource, Key]]:
    """Return what the run depends on by name; one that has an attempt does not depend on its rerunOf any more."""
    found = []
    if run.spec.flow_ref is not None:
        found.append((FLOWS, Key(key.namespace, run.spec.flow_ref.name)))
    if run.spec.rerun_of is not None and run.status.attempt is None:
        found.append((FLOWRUNS, Key(key.namespace, run.spec.rerun_of.name)))
    return found


def to_runs(flow: Flow) -> tuple[Any, ...]:
    """Return what a decision about one of its runs may depend on of a Flow: of what the operator tells in its status, only the promised runs."""
    metadata = flow.metadata.model_copy(update={"resource_version": "", "managers": ()})
    return metadata, flow.spec, flow.status.changes, flow.unreadable


def watched(raw: Mapping[str, Any]) -> bool:
    """Whether the watch of pods selects a raw pod: of another no deletion would ever be told."""
    return LABEL_FLOW_RUN_UID in (raw["metadata"].get("labels") or {})


def trimmed(pod: Pod) -> Pod:
    """Return a pod without the labels and annotations that others put on it."""
    labels = {name: value for name, value in pod.labels.items() if name.startswith((OWN_PREFIX, KUEUE_PREFIX))}
    annotations = {name: value for name, value in pod.annotations.items() if name.startswith(OWN_PREFIX)}
    return replace(pod, labels=labels, annotations=annotations)


def spent(pod: Pod) -> Pod:
    """Return what is kept of a pod that has ended, and whose run has: its name, for retention."""
    return Pod(
        name=pod.name,
        uid=pod.uid,
        resource_version=pod.resource_version,
        labels={name: value for name, value in pod.labels.items() if name == LABEL_FLOW_RUN},
        annotations={},
        owner_uid=pod.owner_uid,
        phase=pod.phase,
        deletion_timestamp=pod.deletion_timestamp,
    )
