"""Asking another run to stop, to hold, to go on, or to be called otherwise: one change of its spec each.

What is asked for is what is wanted; the operator does it, and its state tells. Neighbours: `penstock.flow_runs` sends a pause of the
own run to `inside.pausing`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from penstock.base.exceptions import NotPausedError
from penstock.base.jsonvalues import check_size, to_json
from penstock.clusterruns import arguments
from penstock.clusterruns.connection import connection
from penstock.clusterruns.reading import Place, located, read
from penstock.clusterruns.refusals import told
from penstock.clusterruns.steps import Steps, until
from penstock.clusterruns.view import FlowRunView
from penstock.kube.specpatch import spec_patch

DISPLAY_NAME_LIMIT = 253


def cancel_flow_run(flow_run_id: Any, *, namespace: str | None = None) -> Steps[FlowRunView]:
    """Ask for the end of a run of the cluster: its hooks run, its children end.

    Args:
        flow_run_id: Its name, `namespace/name`, its id, or a view of it.
        namespace: Where a name is looked for; default: this pod's, or the kubeconfig's.

    Returns:
        A view of it as it is now; one that has ended stays as it is.

    Raises:
        ObjectNotFound: There is no such run.
        ClusterError: The cluster refuses.
    """
    place = yield from located(flow_run_id, namespace)
    return (yield from _wanted(place, "Cancelled", "cancel"))


def rename_flow_run(flow_run_id: Any, name: str | None, *, namespace: str | None = None) -> Steps[FlowRunView]:
    """Give a run of the cluster another name for people; its name in the cluster stays.

    Raises:
        TypeError: The name is no text.
        ValueError: The name is empty or longer than 253 characters.
        ObjectNotFound: There is no such run.
    """
    name = arguments.text("" if name is None else name, "the display name")
    if not name.strip() or len(name) > DISPLAY_NAME_LIMIT:
        raise ValueError(f"a display name has 1 to {DISPLAY_NAME_LIMIT} characters; {name!r} was given.")
    place = yield from located(flow_run_id, namespace)
    return (yield from _patched(place, {"displayName": name}, "rename"))


def pause_other(flow_run_id: Any, *, namespace: str | None = None) -> Steps[FlowRunView]:
    """Hold a run of the cluster before its next task; its pod stays."""
    place = yield from located(flow_run_id, namespace)
    return (yield from _wanted(place, "Paused", "pause"))


def suspend_other(flow_run_id: Any, *, namespace: str | None = None) -> Steps[FlowRunView]:
    """Take a run's pod away until it is resumed."""
    place = yield from located(flow_run_id, namespace)
    return (yield from _wanted(place, "Suspended", "suspend"))


def resume_other(flow_run_id: Any, run_input: Any = None, *, namespace: str | None = None) -> Steps[FlowRunView]:
    """Let a run of the cluster go on that is paused or suspended, by somebody or by its own code.

    Raises:
        NotPausedError: It is neither, nor asked to be.
        NotJsonError: The input would arrive as something else than it is.
        TooLargeError: It is larger than 1 MB as JSON.
    """
    place = yield from located(flow_run_id, namespace)
    view = yield from read(place)
    spec = view.body.get("spec") or {}
    answered: dict[str, Any] = {}
    pause = (view.body.get("status") or {}).get("pause") or {}
    if view.state.is_paused() and pause.get("key") and view.desired_state == "Running":
        value = True if run_input is None else to_json(run_input, "run_input")
        check_size({"run_input": value}, "inputs")
        if isinstance(value, Mapping) and not value:
            value = True
        answered = {"inputs": {str(pause["key"]): value}}
    elif view.desired_state not in ("Paused", "Suspended"):
        raise NotPausedError(f"the flow run {view.name} is {view.state}, it is not paused.")
    return (yield from _patched(place, {"desiredState": "Running", **answered}, "resume", spec))


def _wanted(place: Place, state: str, verb: str) -> Steps[FlowRunView]:
    view = yield from read(place)
    if view.finished or view.desired_state == state:
        return view
    return (yield from _patched(Place(view.namespace, view.name, str(view.id)), {"desiredState": state}, verb))


def _patched(
    place: Place, wanted: Mapping[str, Any], verb: str, known: Mapping[str, Any] = MappingProxyType({})
) -> Steps[FlowRunView]:
    operations = spec_patch(known, wanted)
    if place.uid is not None:
        # Another of its name is another run.
        operations += [{"op": "add", "path": "/metadata/uid", "value": place.uid}]
    with told(f"{verb} the flow run {place.name}"):
        reach = connection()
        answer = yield from until(reach.ask(lambda cluster: cluster.patch(place.path, operations)))
    return FlowRunView(reach.note(answer))
