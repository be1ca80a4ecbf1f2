"""What is said of a Flow itself: whether runs can be made of it, for kubectl, kstatus and the tools that wait.

A pure function of the Flow as it is and of what its source holds. Neighbours: `revisions` makes the definition that a run takes,
`runtime.flows` reads and writes.
"""

from __future__ import annotations

from datetime import datetime

from penstock_operator.api.flow import Flow, FlowStatus

from ..conditions import Value, condition
from ..faults import Unusable
from ..limits import MESSAGE, cut
from ..model import Absence, ConfigMap
from ..revisions import of_flow


def flow_status(flow: Flow, source: ConfigMap | Absence | None, now: datetime) -> FlowStatus:
    """Return the status of a Flow; the same value where nothing changed.

    Args:
        flow: as it is.
        source: the ConfigMap that `source.configMap` names; an absence: there is none (yet); None: it names none.
        now: the operator's clock.
    """
    if isinstance(source, Absence):
        # It may be applied a moment later, by the same hand: nothing to give up on.
        assert flow.spec.source is not None
        assert flow.spec.source.config_map is not None
        reason, message = "SourceMissing", f"source.configMap {flow.spec.source.config_map.name!r} does not exist"
        rows: dict[str, Value] = {"Ready": "False", "Reconciling": "True", "Stalled": "False"}
        revision = None
    else:
        try:
            revision = of_flow(flow, source).revision
        except Unusable as why:
            reason, message, revision = "Unusable", str(why), None
            rows = {"Ready": "False", "Reconciling": "False", "Stalled": "True"}
        else:
            reason, message = "Usable", ""
            rows = {"Ready": "True", "Reconciling": "False", "Stalled": "False"}
    before = {c.type: c for c in flow.status.conditions or ()}
    known = tuple(
        condition(
            before.get(type_),
            type_,
            value,
            reason,
            cut(message, MESSAGE) or "",
            generation=flow.metadata.generation,
            now=now,
        )
        for type_, value in rows.items()
    )
    # A ConfigMap that the Flow names may change unseen; what was made of it is known only when a run starts.
    changes = {
        "observed_generation": flow.metadata.generation,
        "conditions": known,
        "revision": revision if source is None else None,
    }
    return flow.status.model_copy(update=changes)
