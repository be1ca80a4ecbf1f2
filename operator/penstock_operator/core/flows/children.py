"""A run that a Flow starts by itself: what it looks like, and to whom it belongs.

It is owned by its Flow, as a Job by its CronJob: it goes when the Flow is deleted, unless that is done with `--cascade=orphan`. It does not
hold the deletion up (`blockOwnerDeletion: false`), for which the operator would need a right on Flows besides.
Neighbours: `names` names it, `schedules` decides when.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from penstock_operator.api import constants as k
from penstock_operator.api.flow import Flow, Schedule
from penstock_operator.api.times import rfc3339

from .model import CreateRun
from .names import scheduled_name


def scheduled_run(flow: Flow, schedule: Schedule, time: datetime) -> CreateRun:
    """Return the run of a schedule for one of its times."""
    name = scheduled_name(flow.metadata.name, schedule.name, time)
    spec: dict[str, Any] = {"scheduledTime": rfc3339(time), "displayName": f"{schedule.name} {rfc3339(time)}"}
    if schedule.parameters is not None:
        spec["parameters"] = dict(schedule.parameters)
    return CreateRun(name, manifest(flow, name, {k.LABEL_SCHEDULE: schedule.name}, spec), schedule.name, time)


def changed_run(flow: Flow, name: str, revision: str, holding: Mapping[str, Any] | None) -> CreateRun:
    """Return the run of a change.

    Args:
        flow: that was changed.
        name: of the run.
        revision: name of the revision that it is for.
        holding: the ConfigMap of that revision.
    """
    spec = {"displayName": f"change to {revision}"}
    return CreateRun(name, manifest(flow, name, {k.LABEL_REVISION: revision}, spec), revision=holding)


def manifest(flow: Flow, name: str, labels: dict[str, str], spec: dict[str, Any]) -> dict[str, Any]:
    """Return a run that a Flow owns.

    Args:
        flow: whose run it is.
        name: of the run.
        labels: besides the Flow's name.
        spec: besides the reference to the Flow.
    """
    meta = flow.metadata
    owner = {
        "apiVersion": k.API_VERSION,
        "kind": "Flow",
        "name": meta.name,
        "uid": meta.uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }
    return {
        "apiVersion": k.API_VERSION,
        "kind": "FlowRun",
        "metadata": {
            "name": name,
            "namespace": meta.namespace,
            "labels": {k.LABEL_FLOW: meta.name, **labels},
            "ownerReferences": [owner],
        },
        "spec": {"flowRef": {"name": meta.name}, **spec},
    }
