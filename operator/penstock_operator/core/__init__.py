"""The operator's decisions: pure functions of what is there now.

`reconcile(Observed) -> Decision` is the only door. One policy a file; no I/O, no clock, no randomness but what `Observed` brings.
"""

from .model import (
    MISSING,
    UNKNOWN,
    Absence,
    Checked,
    ConfigMap,
    CreatePod,
    CreateRevision,
    Decision,
    DeletePod,
    DeleteRun,
    Effect,
    Emit,
    Look,
    Observed,
    PatchPod,
    Refusal,
    TidyRevisions,
)
from .pod import pod_name
from .reconcile import reconcile
from .revisions import revision_name

__all__ = [
    "MISSING",
    "UNKNOWN",
    "Absence",
    "Checked",
    "ConfigMap",
    "CreatePod",
    "CreateRevision",
    "Decision",
    "DeletePod",
    "DeleteRun",
    "Effect",
    "Emit",
    "Look",
    "Observed",
    "PatchPod",
    "Refusal",
    "TidyRevisions",
    "pod_name",
    "reconcile",
    "revision_name",
]
