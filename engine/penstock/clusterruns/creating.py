"""Starting a run: the object that is sent, and whose it turns out to be.

A request that was sent may have been carried out although no answer came; so it is repeated, and what is there already is looked
at: the same key and the same request is the run that was made. Neighbours: `names` has the pure parts; `surroundings` says who asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from penstock.base.exceptions import ObjectAlreadyExists, ObjectNotFound
from penstock.base.jsonvalues import LARGEST_BYTES, check_size, parameters_to_json, to_json
from penstock.clusterruns import arguments, names
from penstock.clusterruns.connection import Connection, connection
from penstock.clusterruns.reading import own_namespace
from penstock.clusterruns.refusals import told
from penstock.clusterruns.steps import Steps, shared, until
from penstock.clusterruns.surroundings import Parent, default_key, parent
from penstock.clusterruns.view import FlowRunView
from penstock.kube import paths
from penstock.kube.cluster import Object
from penstock.kube.errors import ApiError

ROOM_BYTES = 200_000  # of a spec for all but its parameters; its status wants room, too


@dataclass(frozen=True, slots=True)
class Order:
    """A run that is to be started.

    Attributes:
        namespace: Where.
        flow: The name of its Flow.
        name: The name of the object.
        key: What tells it from other orders.
        second: The name and key to take where the first is a run that another one started, and that did not complete.
        body: The object.
        parent: Whose child it is, if anybody's.
        given: Whether the caller named the run or the key.
    """

    namespace: str
    flow: str
    name: str
    key: str
    body: Mapping[str, Any]
    parent: Parent | None = None
    second: tuple[str, str] | None = None
    given: bool = False

    def named(self, name: str, key: str) -> Order:
        """The same order under another name and key."""
        meta = dict(self.body["metadata"])
        meta["name"] = name
        meta["annotations"] = {**meta["annotations"], names.ANNOTATION_KEY: names.shown_key(key)}
        return replace(self, name=name, key=key, second=None, body={**self.body, "metadata": meta})


def order(
    flow: Any,
    parameters: Mapping[str, Any] | None = None,
    name: str | None = None,
    idempotency_key: str | None = None,
    scheduled_time: datetime | timedelta | None = None,
    display_name: str | None = None,
    template: Mapping[str, Any] | None = None,
    run_policy: Mapping[str, Any] | None = None,
    labels: Mapping[str, str] | None = None,
    context: Mapping[str, Any] | None = None,
    *,
    as_subflow: bool = True,
    namespace: str | None = None,
) -> Order:
    """Put together what is to be sent; nothing is sent yet.

    Raises:
        NotJsonError: A value would arrive as something else than it is.
        ValueError: A name is none.
        TypeError: A value is of the wrong kind.
    """
    flow = names.flow_name(flow)
    spec: dict[str, Any] = {"flowRef": {"name": flow}}
    if parameters:
        spec["parameters"] = parameters_to_json(arguments.mapping(parameters, "parameters"))
    for field, value in (("context", context), ("template", template), ("runPolicy", run_policy)):
        if value:
            spec[field] = to_json(arguments.mapping(value, field), field)
    if scheduled_time is not None:
        spec["scheduledTime"] = arguments.not_before(scheduled_time, "scheduled_time")
    if display_name is not None:
        spec["displayName"] = arguments.text(display_name, "display_name")
    check_size(spec, "spec", LARGEST_BYTES + ROOM_BYTES)
    where = own_namespace(namespace)
    above = parent() if as_subflow else None
    if above is not None and above.namespace != where:
        above = None  # an owner is always of the same namespace
    second = None
    if idempotency_key is not None:
        key = arguments.text(str(idempotency_key), "idempotency_key")
    else:
        default = default_key(flow)
        key = default.key
        if default.own is not None and name is None:
            second = (names.run_name(flow, default.own), default.own)
    chosen = names.checked_name(name, "a flow run") if name is not None else names.run_name(flow, key)
    metadata: dict[str, Any] = {
        "name": chosen,
        "namespace": where,
        "annotations": {
            names.ANNOTATION_KEY: names.shown_key(key),
            names.ANNOTATION_DIGEST: names.digest(spec),
        },
    }
    own = {names.LABEL_PARENT: above.uid} if above is not None else {}
    if labels or own:
        metadata["labels"] = {**arguments.labels(labels or {}), **own}
    if above is not None:
        metadata["ownerReferences"] = [names.owner_reference(above.name, above.uid)]
    body = {"apiVersion": paths.GROUP_VERSION, "kind": "FlowRun", "metadata": metadata, "spec": spec}
    given = name is not None or idempotency_key is not None
    return Order(where, flow, chosen, key, body, above, second, given)


def placed(what: Order) -> Steps[FlowRunView]:
    """Send an order, or find the run that it stands for.

    Raises:
        ObjectNotFound: There is no such Flow.
        ObjectAlreadyExists: A run of that name is somebody else's, or the key stands for another request.
        ClusterError: The cluster cannot be asked, or refuses.
    """
    with told(f"start a run of the Flow {what.flow}"):
        reach = connection()
        yield from _flow_exists(reach, what)
        while True:
            body, ours = yield from _created(reach, what)
            found = FlowRunView(reach.note(body))
            if ours or what.second is None or not _is_anothers_failure(found, what.parent):
                return found
            # A run that repeats another takes what that one's children completed, and starts the others again.
            what = what.named(*what.second)


def _created(reach: Connection, what: Order) -> Steps[tuple[Object, bool]]:
    path = paths.flow_runs(what.namespace)
    try:
        body = yield from until(reach.ask(lambda cluster: cluster.create(path, what.body)))
    except ApiError as error:
        if error.code != 409 or error.reason != "AlreadyExists":
            raise
    else:
        return body, True
    try:
        there = yield from until(reach.ask(lambda cluster: cluster.get(paths.flow_runs(what.namespace, what.name))))
    except ApiError as error:
        if error.code != 404:
            raise
        # Deleted in between: it is made again.
        return (yield from _created(reach, what))
    _same(there, what)
    return there, False


def _same(there: Object, what: Order) -> None:
    """Whether the object that has the name is the one that was asked for.

    Raises:
        ObjectAlreadyExists: It is not; says how it differs.
    """
    meta = there.get("metadata") or {}
    notes = meta.get("annotations") or {}
    mine = what.body["metadata"]["annotations"]
    if notes.get(names.ANNOTATION_KEY) != mine[names.ANNOTATION_KEY]:
        raise ObjectAlreadyExists(
            help_message=f"a flow run {what.name} exists already and was started by somebody else; give another name, or the "
            "idempotency_key under which it was started"
        )
    if notes.get(names.ANNOTATION_DIGEST) != mine[names.ANNOTATION_DIGEST]:
        before = there.get("spec") or {}
        after = what.body["spec"]
        differ = sorted(
            key
            for key in {*before, *after} - {"displayName", "scheduledTime", "desiredState", "priority", "inputs"}
            if before.get(key) != after.get(key)
        )
        raise ObjectAlreadyExists(
            help_message=f"the idempotency key {what.key!r} stands for the flow run {what.name}, which was started with other "
            f"values ({', '.join(differ) or 'the request differs'}); use another key for another run"
        )
    if meta.get("deletionTimestamp"):
        raise ObjectAlreadyExists(
            help_message=f"the flow run {what.name} is being deleted; start it again when it is gone"
        )


def _is_anothers_failure(found: FlowRunView, above: Parent | None) -> bool:
    if not found.finished or found.state.is_completed():
        return False
    owners = found.body["metadata"].get("ownerReferences") or ()
    return not any(above is not None and owner.get("uid") == above.uid for owner in owners)


def _flow_exists(reach: Connection, what: Order) -> Steps[None]:
    """A run of a Flow that does not exist would wait for it without a word to the caller.

    Raises:
        ObjectNotFound: There is none; names near ones.
    """
    path = paths.flows(what.namespace)
    try:
        yield from shared(reach.flow(f"{path}/{what.flow}"))
    except ApiError as error:
        if error.code == 403:
            return  # who may not read Flows is told by the run's status
        if error.code != 404 or error.details.get("kind") not in (None, "flows"):
            raise
        near = yield from _near(reach, path, what.flow)
        raise ObjectNotFound(error, f"there is no Flow {what.flow} in the namespace {what.namespace}{near}") from None


def _near(reach: Connection, path: str, name: str) -> Steps[str]:
    import difflib

    try:
        listed = yield from until(reach.ask(lambda cluster: cluster.get(path, {"limit": "500"})))
    except ApiError:
        return ""
    known = sorted(str(body["metadata"]["name"]) for body in listed.get("items") or ())
    near = difflib.get_close_matches(name, known, 3)
    if near:
        return f"; did you mean {' or '.join(near)}?"
    return f"; there are {', '.join(known[:10])}" if known else "; there is none at all"
