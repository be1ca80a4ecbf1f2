"""The hash of what must not change in a FlowRun's spec: without the admission policies the operator notices a change by it."""

from __future__ import annotations

from typing import Any

from penstock_operator.api.execution import Execution
from penstock_operator.api.flowrun import FlowRunSpec

from .canonical import digest, too_deep

_FIXED = (
    "flow_ref",
    "flow_spec",
    "parameters",
    "context",
    "template",
    "env",
    "resources",
    "image",
    "rerun_of",
    "managed_by",
)


def spec_hash(spec: FlowRunSpec) -> str:
    """Return the SHA-256 of all immutable fields of a spec, `runPolicy` without its retention among them.

    A spec that is nested too deep to be serialised has the hash of nothing: its run ends before it begins.
    """
    if deep_field(spec) is not None:
        return digest(None)
    fixed = spec.model_dump(mode="json", by_alias=True, exclude_none=True, include=set(_FIXED))
    if spec.run_policy is not None:
        fixed["runPolicy"] = spec.run_policy.model_dump(
            mode="json", by_alias=True, exclude_none=True, exclude={"retention"}
        )
    return digest(fixed)


def deep_field(spec: FlowRunSpec) -> str | None:
    """Return which free-form field of a spec is nested too deep to be handled, None if none is."""
    flow, template = spec.flow_spec, spec.template
    fields: dict[str, Any] = {
        "parameters": spec.parameters,
        "context": spec.context,
        "resources": spec.resources,
        "template.spec": template.spec if template is not None else None,
        "env": [v.model_extra for v in spec.env or ()],
    }
    if flow is not None:
        fields |= {f"flowSpec.{name}": value for name, value in deep_fields(flow).items()}
    return next((name for name, value in fields.items() if too_deep(value)), None)


def deep_fields(flow: Execution) -> dict[str, Any]:
    """Return the free-form fields of a flow."""
    return {
        "parameters": flow.parameters,
        "parametersSchema": flow.parameters_schema,
        "resources": flow.resources,
        "template.spec": flow.template.spec if flow.template is not None else None,
        "env": [v.model_extra for v in flow.env or ()],
    }
