"""The run policy in force, and what a run lays over its flow: field by field, the run's own first, then the flow's, then the default.

Neighbours: every module that knows a deadline or a budget reads it from `Policy`; `pod` uses the merge order of the execution fields.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from penstock_operator.api.execution import Backoff, Execution, Retention, Retries, RunPolicy, Template
from penstock_operator.api.flowrun import FlowRunSpec


@dataclass(frozen=True, slots=True)
class Policy:
    """A run policy without gaps. All times in seconds; None: no such deadline."""

    active_deadline: int | None = None
    pending_deadline: int | None = None
    image_pull_grace: int = 300
    grace: int = 30
    liveness: int | None = None
    infrastructure: int = 3
    never_started: int = 10
    application: int = 0
    backoff_initial: int = 10
    backoff_maximum: int = 300
    keep_pods: int = 86_400
    keep_run: int | None = None


DEFAULTS = Policy()
LONGEST_GRACE = 3600


def policy_of(flow: Execution | None, run: FlowRunSpec) -> Policy:
    """Return the policy of a run.

    Args:
        flow: what it executes (of the revision that it uses, or its flowSpec), None where that is not known (yet).
        run: its spec.
    """
    policy = effective_policy(flow.run_policy if flow is not None else None, run.run_policy)
    owners = (run, flow) if flow is not None else (run,)
    graces = (_grace(owner.run_policy, owner.template) for owner in owners)
    return replace(policy, grace=next((grace for grace in graces if grace is not None), DEFAULTS.grace))


def _grace(policy: RunPolicy | None, template: Template | None) -> int | None:
    """Return the grace period that a flow or a run asks for: by its policy, or as one does for any pod, in the template."""
    if policy is not None and policy.grace_period_seconds is not None:
        return policy.grace_period_seconds
    spec = template.spec if template is not None else None
    wanted = spec.get("terminationGracePeriodSeconds") if spec is not None else None
    # What is no grace period keeps the pod from being made.
    return wanted if isinstance(wanted, int) and not isinstance(wanted, bool) and 0 <= wanted <= LONGEST_GRACE else None


def effective_policy(flow: RunPolicy | None, run: RunPolicy | None) -> Policy:
    """Return the policy of a run: its own fields over its flow's over the defaults.

    Args:
        flow: the flow's `runPolicy` (of the revision that the run uses, or of its flowSpec).
        run: the run's own `spec.runPolicy`.
    """
    layers = [layer for layer in (run, flow) if layer is not None]
    retries = [layer.retries for layer in layers if layer.retries is not None]
    backoff = [layer.backoff for layer in layers if layer.backoff is not None]
    retention = [layer.retention for layer in layers if layer.retention is not None]
    return Policy(
        active_deadline=_first(layers, "active_deadline_seconds", DEFAULTS.active_deadline),
        pending_deadline=_first(layers, "pending_deadline_seconds", DEFAULTS.pending_deadline),
        image_pull_grace=_first(layers, "image_pull_grace_seconds", DEFAULTS.image_pull_grace),
        grace=_first(layers, "grace_period_seconds", DEFAULTS.grace),
        liveness=_first(layers, "liveness_seconds", DEFAULTS.liveness),
        infrastructure=_first(retries, "infrastructure", DEFAULTS.infrastructure),
        never_started=_first(retries, "never_started", DEFAULTS.never_started),
        application=_first(retries, "application", DEFAULTS.application),
        backoff_initial=_first(backoff, "initial_seconds", DEFAULTS.backoff_initial),
        backoff_maximum=_first(backoff, "maximum_seconds", DEFAULTS.backoff_maximum),
        keep_pods=_first(retention, "pod_seconds", DEFAULTS.keep_pods),
        keep_run=_first(retention, "run_seconds", DEFAULTS.keep_run),
    )


def _first(layers: list[RunPolicy] | list[Retries] | list[Backoff] | list[Retention], name: str, default: Any) -> Any:
    """Return the first layer's value that is set."""
    return next((value for layer in layers if (value := getattr(layer, name)) is not None), default)


def effective_parameters(flow: dict[str, Any] | None, run: dict[str, Any] | None) -> dict[str, Any]:
    """Return the run's parameters laid over the flow's: top level only, and a null is a value."""
    return {**(flow or {}), **(run or {})}
