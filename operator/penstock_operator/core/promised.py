"""A run that a Flow has started for a change: it executes the revision that it is named after, also when the Flow has changed again since.

The Flow's status says so, which nobody but the operator writes; the revision's ConfigMap was made before the run, and proves itself by its
digest. Neighbours: `flows.onchange` makes the promise, `revisions` keeps it.
"""

from __future__ import annotations

from penstock_operator.api.flow import Change, Flow

from .model import Observed


def promised(seen: Observed) -> Change | None:
    """Return the change that a run was started for; None: it takes its Flow as it is."""
    flow, meta = seen.flow, seen.run.metadata
    if not isinstance(flow, Flow) or meta.controller is None or meta.controller.uid != flow.metadata.uid:
        return None
    changes = (change for change in flow.status.changes or () if change.digest is not None)
    return next((change for change in changes if change.run_name == meta.name), None)
