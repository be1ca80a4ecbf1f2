"""`retry`: a run that has ended is repeated: from where it failed, with the stored results of the tasks that were done; or from its start."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any

from penstock_operator.api import trackers
from penstock_operator.api.constants import OWN_PREFIX

from .creating import fixed, numbered, start, start_first_free
from .errors import CliError
from .kinds import FLOWRUN
from .runs import find
from .starting import find_flow
from .terminal import say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .api import Api, Json
    from .creating import Wish
    from .exits import Exit
    from .runs import Run

__all__ = ["retry"]

# What a run is made of; not what was wanted of it while it lived (desiredState, inputs, scheduledTime).
_COPIED = (
    "flowRef", "flowSpec", "parameters", "context", "template", "env", "resources", "image", "runPolicy", "priority",
    "displayName", "managedBy",
)  # fmt: skip


def retry(api: Api, name: str, wish: Wish, *, everything: bool, new_name: str | None) -> Exit:
    """Create a run that repeats another; returns the exit code.

    Args:
        api: the API server.
        name: the run that has ended.
        wish: how to make and tell it.
        everything: from the start, without the results of the other.
        new_name: what to call it; None: the other's name and the next number that is free.

    Raises:
        CliError: there is no such run, it has not ended, or it has no point of failure.
    """
    old = find(api, api.namespace, name)
    kind = old.state[0]
    if not old.finished:
        raise CliError(
            f"error: {FLOWRUN.label(name)} is {kind or 'not seen by the operator yet'}, it has not ended: "
            f"wait for it ({wish.program} wait {name}) or end it ({wish.program} cancel {name}) first"
        )
    if old.completed and not everything:
        raise CliError(
            f"error: {FLOWRUN.label(name)} is Completed, so there is no point of failure to go on from; "
            f"{wish.program} retry {name} --all runs it again from the start"
        )
    _tell_changes(api, old)
    spec: dict[str, Any] = {key: old.body["spec"][key] for key in _COPIED if key in old.body["spec"]}
    from penstock_operator.core.inherited import given_to

    if given := given_to(old.status.get("parameters"), old.body["spec"].get("parameters")):
        spec["parameters"] = given  # also those that it took from the run which it repeats
    if not everything:
        spec["rerunOf"] = {"name": name}
    metadata: Json = {"labels": labels} if (labels := _labels(old)) else {}
    if new_name is not None:
        return start(api, {"metadata": metadata | fixed(new_name), "spec": spec}, wish)
    return start_first_free(api, {"metadata": metadata, "spec": spec}, _names(old), wish)


def _tell_changes(api: Api, old: Run) -> None:
    """Say that the Flow is another than the one which failed; without a Flow there is nothing to repeat."""
    name = (old.body["spec"].get("flowRef") or {}).get("name")
    if not name:
        return
    now = ((find_flow(api, name).get("status") or {}).get("revision")) or ""
    then = (old.status.get("flow") or {}).get("revision") or ""
    if now and then and now != then:
        say(f"note: flow {name} has changed since ({then} is now {now}); the new run takes it as it is now", error=True)


def _names(old: Run) -> Iterator[str]:
    """Yield `x-2`, `x-3`, ... for `x`; for `x-2`, which repeats another itself, `x-3`, ..."""
    repeated = re.fullmatch(r"(.+)-(\d{1,4})", old.name) if old.body["spec"].get("rerunOf") else None
    base, first = (repeated[1], int(repeated[2]) + 1) if repeated else (old.name, 2)
    return (numbered(base, number) for number in itertools.count(first))


def _labels(old: Run) -> dict[str, str]:
    """Return the labels that the user gave: a tool would take a run with its own marks for one of its objects, and delete it."""
    labels: dict[str, str] = old.body["metadata"].get("labels") or {}
    return {
        key: value
        for key, value in labels.items()
        if not key.startswith(OWN_PREFIX) and trackers.tracked_by({key: value}, {}) is None
    }
