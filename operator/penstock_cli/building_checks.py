"""Whether an API server and the operator will take what was built: held against the CRD's schema and the operator's rules before it is written."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from pydantic import ValidationError

from penstock.base.jsonvalues import NotJsonError, check_json
from penstock_operator.api.crd import FLOW, crd
from penstock_operator.api.flow import Flow
from penstock_operator.api.names import SUBDOMAIN
from penstock_operator.core.faults import Unusable
from penstock_operator.core.flows.recurrence import recurrence
from penstock_operator.core.parameters import bad_parameter
from penstock_operator.core.policy import effective_parameters
from penstock_operator.core.quantities import parse_quantity

from .nearness import near

if TYPE_CHECKING:
    from .api import Json

__all__ = ["fault_of"]

_NAME_PART = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]")


def fault_of(flow: Json) -> str | None:
    """Return what is wrong with a Flow's manifest, led by the field; None: nothing."""
    spec = flow["spec"]
    wrong = _shape(spec) or _values(flow) or _meaning(flow) or _twice(_schema(), spec, "spec") or _quantities(spec)
    return wrong or _metadata(flow["metadata"])


def _metadata(metadata: Json) -> str | None:
    """Rules: apimachinery's `IsQualifiedName` and `IsValidLabelValue`."""
    for kind in ("labels", "annotations"):
        for key, value in (metadata.get(kind) or {}).items():
            prefix, slash, name = key.rpartition("/")
            if not _NAME_PART.fullmatch(name) or (slash and SUBDOMAIN.fault(prefix)):
                return f"metadata.{kind}: {key!r} is no key: letters, digits, dashes, underscores and dots, behind a DNS name and a slash if need be"
            if kind == "labels" and value and not _NAME_PART.fullmatch(value):
                return f"metadata.labels.{key}: {value!r} is no value of a label: letters, digits, dashes, underscores and dots, at most 63"
    return None


def _twice(schema: Json, value: Any, path: str) -> str | None:
    """What stands twice in a list whose items are told apart by their keys, or by what they are."""
    if isinstance(value, dict):
        below = schema.get("properties") or {}
        each = ((below.get(name, {}), item, f"{path}.{name}") for name, item in value.items())
        return next(filter(None, (_twice(*one) for one in each)), None)
    if not isinstance(value, list):
        return None
    kind = schema.get("x-kubernetes-list-type")
    seen: list[Any] = []
    for at, item in enumerate(value):
        key = [item.get(name) for name in schema["x-kubernetes-list-map-keys"]] if kind == "map" else item
        if kind in ("map", "set") and key in seen:
            return f"{path}[{at}]: {key if kind == 'set' else ', '.join(map(str, key))} stands there twice"
        seen.append(key)
        if wrong := _twice(schema.get("items") or {}, item, f"{path}[{at}]"):
            return wrong
    return None


def _quantities(spec: Json) -> str | None:
    for kind in ("requests", "limits"):
        given = (spec.get("resources") or {}).get(kind)
        for name, value in given.items() if isinstance(given, dict) else ():
            if parse_quantity(str(value)) is None:
                return f"spec.resources.{kind}.{name}: {value!r} is no quantity, like 500m or 1Gi"
    return None


def _values(flow: Json) -> str | None:
    try:
        check_json(flow["spec"], "spec")
    except NotJsonError as error:
        return str(error)
    return None


def _shape(spec: Json) -> str | None:
    error = best_match(_validator().iter_errors(spec))
    if error is None:
        return None
    path = "spec" + "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in error.absolute_path)
    if error.validator == "additionalProperties":
        known = list(error.schema["properties"])
        unknown = next(name for name in error.instance if name not in known)
        return f"{path} has no field {unknown!r}.{near(unknown, known)}"
    message = " ".join(error.message.split())
    return f"{path}: {message if len(message) < 400 else message[:397] + '…'}"


@cache
def _schema() -> Json:
    schema: Json = crd(FLOW)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return schema


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(_closed(_schema()))


def _closed(schema: Any) -> Any:
    """Return a schema that refuses fields which it does not name, as kubectl does."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    open_ended = schema.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in schema
    if schema.get("type") == "object" and isinstance(schema.get("properties"), dict) and not open_ended:
        closed["additionalProperties"] = False
    return closed


def _meaning(manifest: Json) -> str | None:
    """Return what the operator would say: of schedules, of the schema, of parameters that are given beforehand."""
    try:
        flow = Flow.model_validate(manifest)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    names = [schedule.name for schedule in flow.spec.schedules or ()]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        return f"two schedules are called {twice!r}: give each a slug of its own"
    # What nobody gives may come with the run; what is given must be right.
    schema = {**(flow.spec.parameters_schema or {}), "required": []}
    try:
        wrong = bad_parameter(schema, dict(flow.spec.parameters or {}))
        for schedule in flow.spec.schedules or ():
            recurrence(schedule)
            given = effective_parameters(flow.spec.parameters, schedule.parameters)
            wrong = wrong or bad_parameter(schema, given)
            missing = [name for name in (flow.spec.parameters_schema or {}).get("required", []) if name not in given]
            if missing:
                return (
                    f"the schedule {schedule.name!r} gives no value for {', '.join(missing)}, and nobody else does: say "
                    "parameters={...} in the schedule or in to_flow, or give the flow's parameter a default"
                )
    except Unusable as error:
        return str(error)
    return wrong
