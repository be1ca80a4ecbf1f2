"""Revisions: the immutable ConfigMaps that hold a Flow as a run uses it, and the definition that a run takes from one.

A Flow may change while a run is between attempts; the run goes on with the revision that it recorded with attempt 1. A flowSpec has none.
Neighbours: `waiting` takes the Flow's revision of now for a first attempt, everybody else the recorded one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from penstock_operator.api import constants as k
from penstock_operator.api.execution import Execution
from penstock_operator.api.flow import Flow

from .canonical import DEEPEST, canonical_json, digest, too_deep
from .faults import Need, Unusable
from .model import MISSING, UNKNOWN, Absence, Look, Observed, Revision
from .naming import misnamed_source
from .policy import effective_parameters
from .spec_hash import deep_fields

# etcd refuses objects beyond 1.5 MB; a revision is copied whole into every watch of ConfigMaps.
SOURCE_MAXIMUM = 900_000


@dataclass(frozen=True, slots=True)
class Definition:
    """What a run executes.

    Attributes:
        execution: the execution fields.
        revision: name of the ConfigMap that holds them (None: a flowSpec).
        manifest: that ConfigMap, where the Flow as it is now makes this very revision (None: it can't be made again).
    """

    execution: Execution
    revision: str | None = None
    manifest: Mapping[str, Any] | None = None


def of_flow(flow: Flow, source: Mapping[str, str] | None) -> Definition:
    """Return the definition that a Flow makes now.

    Args:
        flow: the Flow.
        source: the data of its `source.configMap`, None where it names none.

    Raises:
        Unusable: it is nested too deep, or the source's ConfigMap can't be copied into a revision.
    """
    if flow.unreadable:
        raise Unusable(f"this operator can't read {'; '.join(flow.unreadable)}")
    deep = next((name for name, value in deep_fields(flow.spec).items() if too_deep(value)), None)
    if deep is not None:
        raise Unusable(f"{deep} is nested deeper than {DEEPEST} levels")
    fields, execution = flow.spec.execution_json, flow.spec.execution
    files: dict[str, str] = {}
    hashed = fields
    if execution.source is not None and execution.source.inline is not None:
        files[f"{execution.entrypoint.partition('.py:')[0]}.py"] = execution.source.inline
    elif source is not None:
        files = _checked(source)
        hashed = {**fields, "source": {"configMap": files}}
    name = f"{flow.metadata.name}-{digest(hashed)[:10]}"
    stored = dict(fields)
    if "inline" in stored.get("source", {}):
        del stored["source"]
    manifest = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name,
            "namespace": flow.metadata.namespace,
            "labels": {k.LABEL_MANAGED_BY: k.MANAGED_BY, k.LABEL_FLOW: flow.metadata.name},
            "ownerReferences": [
                {
                    "apiVersion": k.API_VERSION,
                    "kind": "Flow",
                    "name": flow.metadata.name,
                    "uid": flow.metadata.uid,
                    "controller": True,
                    "blockOwnerDeletion": False,
                }
            ],
        },
        "immutable": True,
        "data": {k.FLOW_JSON: canonical_json(stored), **files},
    }
    return Definition(execution, name, manifest)


def _checked(source: Mapping[str, str]) -> dict[str, str]:
    if k.FLOW_JSON in source:
        raise Unusable(f"source.configMap has a key {k.FLOW_JSON!r}, which a revision needs for itself: rename it")
    size = sum(len(name) + len(text.encode("utf-8", "surrogatepass")) for name, text in source.items())
    if size > SOURCE_MAXIMUM:
        raise Unusable(f"source.configMap holds {size:,} bytes, a revision at most {SOURCE_MAXIMUM:,}: build an image")
    return dict(source)


def _source(seen: Observed, flow: Flow) -> Mapping[str, str] | Absence | None:
    """Return the data of the Flow's source ConfigMap, None where it names none."""
    if flow.spec.source is None or flow.spec.source.config_map is None:
        return None
    return seen.source


def current_definition(seen: Observed) -> Definition | None:
    """Return what a first attempt executes: the flowSpec, or the Flow as it is now. None: there is no such Flow (yet).

    Raises:
        Unusable: the Flow can't be run as it is; it may heal.
        Need: its source is to be read.
    """
    if seen.run.spec.flow_spec is not None:
        return Definition(seen.run.spec.flow_spec)
    if not isinstance(seen.flow, Flow):
        return None
    odd = misnamed_source(seen.flow.spec)
    if odd is not None:
        raise Unusable(odd)
    source = _source(seen, seen.flow)
    if source is UNKNOWN:
        raise Need(Look.SOURCE)
    if isinstance(source, Absence):
        assert seen.flow.spec.source is not None
        assert seen.flow.spec.source.config_map is not None
        raise Unusable(f"source.configMap {seen.flow.spec.source.config_map.name!r} does not exist")
    return of_flow(seen.flow, source)


def recorded_definition(seen: Observed) -> Definition | None:
    """Return what the run's attempts execute: the flowSpec, or the recorded revision. None: it is gone for good.

    Raises:
        Need: the revision is to be read.
    """
    if seen.run.spec.flow_spec is not None:
        return Definition(seen.run.spec.flow_spec)
    name = seen.run.status.flow.revision if seen.run.status.flow is not None else None
    if name is None:
        return None
    now = _made_now(seen, name)
    if now is not None:
        return now
    if isinstance(seen.revision, Revision) and seen.revision.name == name:
        execution = _read(seen.revision)
        return Definition(execution, name) if execution is not None else None
    if seen.revision is MISSING:
        return None
    raise Need(Look.REVISION)


def _made_now(seen: Observed, name: str) -> Definition | None:
    """Return the Flow's definition of now, if it is the one of that name."""
    if not isinstance(seen.flow, Flow):
        return None
    source = _source(seen, seen.flow)
    if isinstance(source, Absence):
        return None
    try:
        definition = of_flow(seen.flow, source)
    except Unusable:
        return None
    return definition if definition.revision == name else None


def _read(revision: Revision) -> Execution | None:
    try:
        return Execution.model_validate(json.loads(revision.data[k.FLOW_JSON]))
    except (KeyError, ValueError, ValidationError):
        return None


def revision_name(seen: Observed) -> str | None:
    """Return the name of the ConfigMap that `Look.REVISION` means: the recorded one, else the one that the Flow makes now."""
    if seen.run.status.flow is not None and seen.run.status.flow.revision is not None:
        return seen.run.status.flow.revision
    try:
        definition = current_definition(seen)
    except (Need, Unusable):
        return None
    return definition.revision if definition is not None else None


def to_check(seen: Observed) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Return what `Look.PARAMETERS` means: the schema of a first attempt, and the effective parameters. None: there is no schema."""
    try:
        definition = current_definition(seen)
    except (Need, Unusable):
        return None
    if definition is None or definition.execution.parameters_schema is None:
        return None
    execution = definition.execution
    return definition.execution.parameters_schema, effective_parameters(execution.parameters, seen.run.spec.parameters)
