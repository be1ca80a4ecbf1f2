"""Revisions: the immutable ConfigMaps that hold a Flow as a run uses it, and the definition that a run takes from one.

A Flow may change while a run is between attempts; the run goes on with the revision that it recorded with attempt 1. A flowSpec has none.
A revision is known by its content: the digest of it stands in the run's status, and its beginning in the ConfigMap's name. What holds
something else is never used, whoever put it there. Neighbours: `waiting` takes the Flow's revision of now for a first attempt, everybody else
the recorded one; the engine compares the digest with what is mounted.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

from pydantic import ValidationError

from penstock_operator.api import constants as k
from penstock_operator.api.execution import Execution
from penstock_operator.api.flow import Change, Flow, FlowSpec
from penstock_operator.api.flowrun import FlowInfo
from penstock_operator.api.metadata import ObjectMeta

from .canonical import DEEPEST, canonical_json, digest_files, too_deep
from .faults import Need, SourceMissing, Superseded, Unusable
from .inherited import inherited
from .model import MISSING, UNKNOWN, Absence, ConfigMap, Look, Observed
from .naming import misnamed_source
from .policy import effective_parameters
from .promised import promised
from .spec_hash import deep_fields

# etcd refuses objects beyond 1.5 MB, the API server ConfigMaps beyond 1 MiB; a revision is copied whole by every GET of it.
SOURCE_MAXIMUM = 900_000
KEPT = 10  # of a Flow's revisions, besides those in use
_SHOWN = 10  # digits of the digest in a revision's name
_MADE: Final = "definition"


@dataclass(frozen=True, slots=True)
class Definition:
    """What a run executes.

    Attributes:
        execution: the execution fields.
        revision: name of the ConfigMap that holds them (None: a flowSpec).
        digest: of that ConfigMap's content.
        manifest: that ConfigMap, where the Flow as it is now makes this very revision (None: it can't be made again).
    """

    execution: Execution
    revision: str | None = None
    digest: str | None = None
    manifest: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class _Made:
    """A Flow's definition, and what it was made of."""

    metadata: ObjectMeta
    spec: FlowSpec
    definition: Definition


def parse_config_map(raw: Mapping[str, Any]) -> ConfigMap:
    """Return a ConfigMap as the core sees it."""
    meta = raw["metadata"]
    owner: Mapping[str, Any] = next((o for o in meta.get("ownerReferences") or () if o.get("controller")), {})
    return ConfigMap(
        name=meta["name"],
        data=raw.get("data") or {},
        binary=raw.get("binaryData") or {},
        labels=meta.get("labels") or {},
        owner_uid=owner.get("uid", ""),
        immutable=raw.get("immutable") is True,
    )


def of_flow(flow: Flow, source: ConfigMap | None) -> Definition:
    """Return the definition that a Flow makes now.

    Args:
        flow: the Flow.
        source: its `source.configMap`, None where it names none.

    Raises:
        Unusable: it is nested too deep, or the source's ConfigMap can't be copied into a revision.
    """
    if flow.unreadable:
        raise Unusable(f"this operator can't read {'; '.join(flow.unreadable)}")
    if source is not None:
        return _definition(flow, source)
    # Each decision about each of its runs asks for it.
    kept = flow.made.get(_MADE)
    if kept is None or kept.metadata is not flow.metadata or kept.spec is not flow.spec:
        kept = flow.made[_MADE] = _Made(flow.metadata, flow.spec, _definition(flow, None))
    return cast("_Made", kept).definition


def _definition(flow: Flow, source: ConfigMap | None) -> Definition:
    deep = next((name for name, value in deep_fields(flow.spec).items() if too_deep(value)), None)
    if deep is not None:
        raise Unusable(f"{deep} is nested deeper than {DEEPEST} levels")
    execution = flow.spec.execution
    # The source is the files beside it: a ConfigMap of another name with the same files makes the same revision.
    fields = {name: value for name, value in flow.spec.execution_json.items() if name != "source"}
    data: dict[str, str] = {k.FLOW_JSON: canonical_json(fields)}
    binary: Mapping[str, str] = {}
    if execution.source is not None and execution.source.inline is not None:
        data[f"{execution.entrypoint.partition('.py:')[0]}.py"] = execution.source.inline
    elif source is not None:
        _check_source(source)
        data |= source.data
        binary = source.binary
    content = content_digest(data, binary)
    name = f"{flow.metadata.name}-{content[:_SHOWN]}"
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
        "data": data,
        **({"binaryData": dict(binary)} if binary else {}),
    }
    return Definition(execution, name, content, manifest)


def content_digest(data: Mapping[str, str], binary: Mapping[str, str]) -> str:
    """Return the digest of a ConfigMap's content: of the files that it becomes when it is mounted."""
    files = {name: text.encode("utf-8", "surrogatepass") for name, text in data.items()}
    files |= {name: base64.b64decode(text) for name, text in binary.items()}
    return digest_files(files)


def _check_source(source: ConfigMap) -> None:
    if k.FLOW_JSON in source.data or k.FLOW_JSON in source.binary:
        raise Unusable(f"source.configMap has a key {k.FLOW_JSON!r}, which a revision needs for itself: rename it")
    size = sum(len(name) + len(text.encode("utf-8", "surrogatepass")) for name, text in source.data.items())
    size += sum(len(name) + len(text) * 3 // 4 for name, text in source.binary.items())
    if size > SOURCE_MAXIMUM:
        raise Unusable(f"source.configMap holds {size:,} bytes, a revision at most {SOURCE_MAXIMUM:,}: build an image")


def _source(seen: Observed, flow: Flow) -> ConfigMap | Absence | None:
    """Return the Flow's source ConfigMap, None where it names none."""
    return seen.source if flow.spec.source_config_map is not None else None


def current_definition(seen: Observed) -> Definition | None:
    """Return what a first attempt executes: the flowSpec, the revision that the run was started for, or the Flow as it is now.

    None: there is no such Flow (yet).

    Raises:
        Unusable: the Flow can't be run as it is; it may heal (SourceMissing: when its ConfigMap comes).
        Superseded: the revision that the run was started for is gone.
        Need: its source, or that revision, is to be read.
    """
    change = promised(seen)
    if change is None:
        return _definition_of_now(seen)
    try:
        now = _definition_of_now(seen)
    except Unusable:
        now = None
    return now if now is not None and now.digest == change.digest else _as_promised(seen, change)


def _as_promised(seen: Observed, change: Change) -> Definition:
    """Return an earlier revision than the Flow's of now."""
    found, name = seen.revision, change.revision
    if found is MISSING:
        raise Superseded(
            f"the Flow has changed since this run was started for it, and revision {name} is not kept any more"
        )
    if not isinstance(found, ConfigMap) or found.name != name:
        raise Need(Look.REVISION)
    execution = _read(found) if content_digest(found.data, found.binary) == change.digest else None
    if execution is None:
        raise Unusable(f"ConfigMap {name!r} does not hold the revision that this run was started for")
    return Definition(execution, name, change.digest)


def _definition_of_now(seen: Observed) -> Definition | None:
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
        raise SourceMissing(seen.flow.spec.source_config_map or "")
    return of_flow(seen.flow, source)


def recorded_definition(seen: Observed) -> Definition | None:
    """Return what the run's attempts execute: the flowSpec, or the recorded revision.

    None: it is gone and can't be made again, or something else stands under its name.

    Raises:
        Need: the revision, or the source that it could be made of, is to be read.
    """
    if seen.run.spec.flow_spec is not None:
        return Definition(seen.run.spec.flow_spec)
    info = seen.run.status.flow
    if info is None or info.revision is None:
        return None
    now = _made_now(seen, info)
    if now is not None:
        return now
    if isinstance(seen.revision, ConfigMap) and seen.revision.name == info.revision:
        if not proven(seen.revision, info):
            return None
        execution = _read(seen.revision)
        return Definition(execution, info.revision, info.revision_digest) if execution is not None else None
    if seen.revision is not MISSING:
        raise Need(Look.REVISION)
    # Gone, and not to be made of what is known: of a source that nobody looked at nothing is concluded.
    if isinstance(seen.flow, Flow) and _source(seen, seen.flow) is UNKNOWN:
        raise Need(Look.SOURCE)
    return None


def _made_now(seen: Observed, info: FlowInfo) -> Definition | None:
    """Return the Flow's definition of now, if it is the recorded one."""
    if not isinstance(seen.flow, Flow):
        return None
    source = _source(seen, seen.flow)
    if isinstance(source, Absence) or misnamed_source(seen.flow.spec) is not None:
        return None
    try:
        definition = of_flow(seen.flow, source)
    except Unusable:
        return None
    same = definition.revision == info.revision and info.revision_digest in (None, definition.digest)
    return definition if same else None


def proven(found: ConfigMap, info: FlowInfo) -> bool:
    """Whether a ConfigMap holds what a run recorded; an older status has no more of the digest than the name."""
    content = content_digest(found.data, found.binary)
    if info.revision_digest is not None:
        return content == info.revision_digest
    return found.name.endswith(f"-{content[:_SHOWN]}")


def foreign(found: ConfigMap, flow: Flow, digest: str | None) -> str | None:
    """Return why a ConfigMap under the name of a Flow's revision is not that revision; None: it is."""
    if content_digest(found.data, found.binary) != digest:
        return "holds something else"
    if found.owner_uid != flow.metadata.uid or found.labels.get(k.LABEL_FLOW) != flow.metadata.name:
        return "is not the Flow's"
    return None if found.immutable else "could be changed"


def _read(revision: ConfigMap) -> Execution | None:
    try:
        return Execution.model_validate(json.loads(revision.data[k.FLOW_JSON]))
    except (KeyError, ValueError, ValidationError):
        return None


def revision_name(seen: Observed) -> str | None:
    """Return the name of the ConfigMap that `Look.REVISION` means: the recorded one, else the one that the Flow makes now."""
    if seen.run.status.flow is not None and seen.run.status.flow.revision is not None:
        return seen.run.status.flow.revision
    change = promised(seen)
    if change is not None:
        return change.revision
    try:
        definition = current_definition(seen)
    except (Need, Unusable):
        return None
    return definition.revision if definition is not None else None


@dataclass(frozen=True, slots=True)
class Stored:
    """A ConfigMap with a Flow's label, as a listing shows it."""

    name: str
    uid: str
    owner_uid: str
    created: datetime | None


def superseded(stored: Iterable[Stored], flow: str, flow_uid: str, in_use: Collection[str]) -> list[Stored]:
    """Return a Flow's revisions that are to go: all but the newest ten and those that live runs use.

    Args:
        stored: what bears the Flow's label.
        flow: the Flow's name.
        flow_uid: its UID; what another owns is not touched.
        in_use: names of revisions that are in use.
    """
    own = [s for s in stored if s.owner_uid == flow_uid and _is_revision(s.name, flow) and s.created is not None]
    own.sort(key=lambda s: (s.created, s.name), reverse=True)
    return [s for s in own[KEPT:] if s.name not in in_use]


def _is_revision(name: str, flow: str) -> bool:
    tail = name.removeprefix(f"{flow}-")
    return tail != name and len(tail) == _SHOWN and all(c in "0123456789abcdef" for c in tail)


def to_check(seen: Observed) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Return what `Look.PARAMETERS` means: the schema of a first attempt, and the effective parameters. None: there is no schema."""
    try:
        definition = current_definition(seen)
    except (Need, Unusable, Superseded):
        return None
    if definition is None or definition.execution.parameters_schema is None:
        return None
    execution = definition.execution
    given = {**inherited(seen.run, seen.rerun_of), **(seen.run.spec.parameters or {})}
    return definition.execution.parameters_schema, effective_parameters(execution.parameters, given)
