"""Names in a spec that no object can have: an older CRD let them in. They are told, and never looked for.

A path that such a name is part of may lead to another object, in another namespace even. The client refuses them too (`api.paths`); here a
run whose Flow can't exist says so instead of waiting for it. Neighbour: `api.names` says what a name looks like.
"""

from __future__ import annotations

from penstock_operator.api.execution import Execution
from penstock_operator.api.flowrun import FlowRunSpec
from penstock_operator.api.names import LABEL, SUBDOMAIN, Naming


def misnamed(spec: FlowRunSpec) -> str | None:
    """Return which name in a run's spec is none, and why; None: all are."""
    names: list[tuple[str, Naming, str | None]] = [
        ("flowRef.name", LABEL, spec.flow_ref.name if spec.flow_ref is not None else None),
        ("rerunOf.name", LABEL, spec.rerun_of.name if spec.rerun_of is not None else None),
    ]
    for field, naming, name in names:
        fault = naming.fault(name) if name is not None else None
        if fault is not None:
            return f"{field} {fault}"
    inner = misnamed_source(spec.flow_spec) if spec.flow_spec is not None else None
    return f"flowSpec.{inner}" if inner is not None else None


def misnamed_source(flow: Execution) -> str | None:
    """Return what is wrong with the name of a flow's ConfigMap; None: nothing, or it has none."""
    name = flow.source_config_map
    fault = SUBDOMAIN.fault(name) if name is not None else None
    return f"source.configMap.name {fault}" if fault is not None else None
