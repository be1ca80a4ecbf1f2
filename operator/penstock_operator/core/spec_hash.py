"""The hash of what must not change in a FlowRun's spec: without the admission policies the operator notices a change by it."""

from __future__ import annotations

from penstock_operator.api.flowrun import FlowRunSpec

from .canonical import digest

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
    """Return the SHA-256 of all immutable fields of a spec, `runPolicy` without its retention among them."""
    fixed = spec.model_dump(mode="json", by_alias=True, exclude_none=True, include=set(_FIXED))
    if spec.run_policy is not None:
        fixed["runPolicy"] = spec.run_policy.model_dump(
            mode="json", by_alias=True, exclude_none=True, exclude={"retention"}
        )
    return digest(fixed)
