"""The parameters that a run takes from the run which it repeats: those of the same flow that it is not given itself.

They stand in the status, written once and with the lineage: the engine reads them there, and the other run may be deleted. As JSON text: in
a merge patch a null would not be a value. Neighbours: `waiting` writes them, `revisions` checks what they come to, the engine lays the run's own
over them; `penstock retry --all`, which repeats without `rerunOf`, copies by the same rule.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from penstock_operator.api.flowrun import INHERITED_CHARACTERS, FlowRun, FlowRunSpec

from .canonical import DEEPEST, too_deep


def inherited(run: FlowRun, repeats: object) -> dict[str, Any]:
    """Return the parameters that a run takes over.

    Args:
        run: the run.
        repeats: the run that it names in `rerunOf`, as it is; whatever else: it is not known. Looked at until it is written down.
    """
    if run.status.lineage is not None:
        return read(run.status.parameters)
    if run.spec.rerun_of is None or not isinstance(repeats, FlowRun) or not _same_flow(run.spec, repeats.spec):
        return {}
    theirs = given_to(repeats.status.parameters, repeats.spec.parameters)
    return {name: value for name, value in theirs.items() if name not in (run.spec.parameters or {})}


def given_to(taken_over: str | None, own: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what a run was given, without what its flow adds: its own parameters over those that it took over.

    Args:
        taken_over: `status.parameters`.
        own: `spec.parameters`.
    """
    return {**read(taken_over), **(own or {})}


def read(text: str | None) -> dict[str, Any]:
    """Return parameters from their text; none, where it is no object: nobody but the operator writes it."""
    try:
        found = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def written(parameters: Mapping[str, Any]) -> str | None:
    """Return the text of parameters, None where there are none."""
    return json.dumps(parameters, sort_keys=True, separators=(",", ":")) if parameters else None


def too_much(parameters: Mapping[str, Any], name: str) -> str | None:
    """Return why parameters can't be taken over, None if they can.

    Args:
        parameters: which.
        name: of the run that has them.
    """
    cure = "give them in spec.parameters of a new run"
    if too_deep(parameters):
        return f"the parameters of FlowRun {name!r} (rerunOf) are nested deeper than {DEEPEST} levels"
    length = len(written(parameters) or "")
    if length <= INHERITED_CHARACTERS:
        return None
    return (
        f"the parameters to be taken from FlowRun {name!r} (rerunOf) are {length:,} characters of JSON, and a status"
        f" holds {INHERITED_CHARACTERS:,}: {cure}"
    )


def _same_flow(one: FlowRunSpec, other: FlowRunSpec) -> bool:
    """Whether two runs are of one flow; another's parameters may mean something else."""
    if one.flow_ref is not None or other.flow_ref is not None:
        return one.flow_ref == other.flow_ref
    return (
        one.flow_spec is not None
        and other.flow_spec is not None
        and one.flow_spec.entrypoint == other.flow_spec.entrypoint
    )
