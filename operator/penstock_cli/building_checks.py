"""Whether an API server and the operator will take what was built: held against the CRD's schema and the operator's rules before it is written."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from pydantic import ValidationError

from penstock.base.jsonvalues import NotJsonError, check_json
from penstock_operator.api.crd import FLOW, crd
from penstock_operator.api.flow import Flow
from penstock_operator.core.faults import Unusable
from penstock_operator.core.flows.recurrence import recurrence
from penstock_operator.core.parameters import bad_parameter
from penstock_operator.core.policy import effective_parameters

from .nearness import near

if TYPE_CHECKING:
    from .api import Json

__all__ = ["fault_of"]


def fault_of(flow: Json) -> str | None:
    """Return what is wrong with a Flow's manifest, led by the field; None: nothing."""
    return _shape(flow["spec"]) or _values(flow) or _meaning(flow)


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
def _validator() -> Draft202012Validator:
    schema = crd(FLOW)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return Draft202012Validator(_closed(schema))


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
