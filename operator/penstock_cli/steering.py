"""What is asked of a run that lives: `cancel`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .kinds import FLOWRUN, run_names
from .runs import find
from .terminal import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .api import Api

__all__ = ["cancel"]


def cancel(api: Api, words: Sequence[str], namespace: str) -> None:
    """Ask for the end of runs."""
    for name in run_names(words):
        run = find(api, namespace, name)
        if run.finished:
            say(f"{FLOWRUN.label(name)} has already ended: {run.state[0]}")
            continue
        patch = {"spec": {"desiredState": "Cancelled"}}
        api.request("PATCH", run.path, body=patch, content_type="application/merge-patch+json")
        say(f"{FLOWRUN.label(name)} cancellation requested")
