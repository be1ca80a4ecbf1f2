"""What a run is to its Flow and to other runs, of the run as it was read, or of its JSON where it has ended.

Neighbours: `gist` keeps it with the run, `core.flows.history` says what comes of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from penstock_operator.api.constants import GROUP, LABEL_REVISION
from penstock_operator.api.flowrun import FlowRun, StateType
from penstock_operator.api.metadata import ObjectMeta, OwnerReference
from penstock_operator.api.times import read_time
from penstock_operator.api.trackers import tracked_by
from penstock_operator.core.flows.history import Kin


def kin_of_run(run: FlowRun) -> Kin | None:
    """Return what a run is to others; None: nothing."""
    repeats = run.spec.rerun_of.name if run.spec.rerun_of is not None else ""
    if not repeats and not run.metadata.owner_references:
        return None
    state = run.status.state
    return _kin(run.metadata, repeats, state.type.value if state is not None else "", run.status.completion_time)


def kin_of(raw: Mapping[str, Any]) -> Kin | None:
    """Return what a raw run is to others that has ended; None: nothing.

    Raises:
        ValueError, TypeError, AttributeError: it can't be read.
    """
    repeats = ((raw.get("spec") or {}).get("rerunOf") or {}).get("name") or ""
    if not repeats and not raw["metadata"].get("ownerReferences"):
        return None
    status = raw["status"]
    ended = status.get("completionTime")
    moment = read_time(ended) if isinstance(ended, str) else None
    return _kin(ObjectMeta.model_validate(raw["metadata"]), str(repeats), status["state"]["type"], moment)


def _kin(meta: ObjectMeta, repeats: str, state: str, ended: datetime | None) -> Kin | None:
    owner = meta.controller
    flow = owner if owner is not None and _ours(owner, "Flow") else None
    parent = next((o for o in meta.owner_references if _ours(o, "FlowRun")), None)
    if flow is None and parent is None and not repeats:
        return None
    made_by = (owner.api_version, owner.kind) if owner is not None else None
    finished = state and StateType(state).terminal
    return Kin(
        uid=meta.uid,
        flow=flow.uid if flow is not None else "",
        flow_name=flow.name if flow is not None else "",
        parent=parent.uid if parent is not None else "",
        rerun_of=repeats,
        revision=meta.labels.get(LABEL_REVISION, "") if flow is not None else "",
        outcome=None if not finished else "completed" if state == StateType.COMPLETED else "failed",
        ended=ended if finished else None,
        stays=meta.deletion_timestamp is not None
        or tracked_by(meta.labels, meta.annotations, meta.managers, made_by) is not None,
    )


def _ours(owner: OwnerReference, kind: str) -> bool:
    return owner.kind == kind and owner.api_version.partition("/")[0] == GROUP
