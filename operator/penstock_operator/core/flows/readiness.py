"""Whether runs can be made of a Flow: its source is there and may be copied, its spec can be read, its schema is one.

A pure function of the Flow as it is and of what its source holds. Neighbours: `..revisions` makes the definition that a run takes.
"""

from __future__ import annotations

from penstock_operator.api.flow import Flow

from ..faults import Need, Unusable
from ..model import UNKNOWN, Absence, Checked, ConfigMap, Look
from ..revisions import of_flow
from .model import Readiness


def readiness(flow: Flow, source: ConfigMap | Absence, checked: Checked | Absence) -> Readiness:
    """Return whether runs can be made of a Flow.

    Args:
        flow: as it is.
        source: the ConfigMap that `source.configMap` names; not looked at where it names none.

        checked: the Flow's own parameters against `parametersSchema`; not looked at where there is none.

    Raises:
        Need: the ConfigMap, or the check.
    """
    if flow.spec.parameters_schema is not None:
        if not isinstance(checked, Checked):
            raise Need(Look.PARAMETERS)
        # Of the parameters some may be left to the run: only what no run can mend counts here.
        if checked.unusable is not None:
            return Readiness("Unusable", checked.unusable)
    named = flow.spec.source.config_map if flow.spec.source is not None else None
    held: ConfigMap | None = None
    if named is not None:
        if source is UNKNOWN:
            raise Need(Look.SOURCE)
        if isinstance(source, Absence):
            # It may be applied a moment later, by the same hand: nothing to give up on.
            return Readiness("SourceMissing", f"source.configMap {named.name!r} does not exist", waits=True)
        held = source
    try:
        definition = of_flow(flow, held)
    except Unusable as why:
        return Readiness("Unusable", str(why))
    # A ConfigMap that the Flow names may change unseen; what was made of it is known only when a run starts.
    return Readiness("Usable", revision=definition.revision if named is None else None, definition=definition)
