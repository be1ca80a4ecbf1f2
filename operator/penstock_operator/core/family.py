"""Runs that another run has started, and is the owner of: they end with it.

The parent is told first, its children when what becomes of it is decided: so its code never takes their end for a failure of theirs,
and never starts others in their place. A parent that is deleted needs no rule here: the garbage collector deletes what it owns, and a
run that is deleted counts as cancelled. One that ends otherwise (Completed, Failed, Crashed) leaves its children alone: whoever is tried
again finds them. Neighbours: `situation` asks for each run; the runtime wakes the children by `ends_children`.
"""

from __future__ import annotations

from penstock_operator.api.flowrun import DesiredState, FlowRun, StateType

from .concurrency import holds
from .reports import own_report

KIND = "FlowRun"


def parent_of(run: FlowRun) -> str | None:
    """Return the name of the run that started this one and owns it; None: nobody's."""
    owner = run.metadata.controller
    return owner.name if owner is not None and owner.kind == KIND else None


def ends_children(parent: FlowRun) -> bool:
    """Whether a run was cancelled, and what becomes of it is decided: it has ended, has no pod, or its engine has said so."""
    asked = parent.spec.desired_state is DesiredState.CANCELLED or parent.metadata.deletion_timestamp is not None
    state = parent.status.state
    ended = state is not None and state.type.terminal
    if not asked:
        # By its operator: for a newer run of its Flow, or with a parent of its own.
        return ended and state is not None and state.type is StateType.CANCELLED
    report = own_report(parent)
    return ended or not holds(parent) or (report is not None and report.type.outcome)


def ended_with_parent(run: FlowRun, parent: object) -> str | None:
    """Return why a run ends with its parent; None: it does not.

    Args:
        run: the run.
        parent: what is known under its parent's name.
    """
    owner = run.metadata.controller
    if (
        owner is None
        or not isinstance(parent, FlowRun)
        or parent.metadata.uid != owner.uid
        or not ends_children(parent)
    ):
        return None
    return f"cancelled with its parent, the run {parent.metadata.name}"
