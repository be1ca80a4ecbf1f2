"""Reading runs of the cluster: one by name, id or view; many by Flow, state and time.

Neighbours: `view` is what comes out; everything else here finds its run by `located`.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from penstock.base.exceptions import ObjectNotFound
from penstock.clusterruns import arguments
from penstock.clusterruns.connection import Connection, connection
from penstock.clusterruns.names import flow_name
from penstock.clusterruns.refusals import told
from penstock.clusterruns.steps import Steps, until
from penstock.clusterruns.view import FlowRunView
from penstock.core.state_parts import StateType
from penstock.kube import paths
from penstock.kube.cluster import Cluster, Object
from penstock.kube.errors import ApiError


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run is; `uid` where it is known which one under that name is meant."""

    namespace: str
    name: str
    uid: str | None = None

    @property
    def path(self) -> str:
        """Its path in the API."""
        return paths.flow_runs(self.namespace, self.name)


def own_namespace(given: str | None) -> str:
    """Give the namespace that is meant: the one given, else that of the pod or of the kubeconfig's context.

    Raises:
        TypeError: It is no text.
    """
    if given:
        return arguments.text(given, "namespace")
    with told("ask the cluster"):
        return connection().access.namespace


def located(run: Any, namespace: str | None = None) -> Steps[Place]:
    """Find out where a run is.

    Args:
        run: Its name, `namespace/name`, its id (UUID or text), or a view of it.
        namespace: Where a name is looked for.

    Raises:
        ObjectNotFound: No run has that id.
        TypeError: It is none of these.
    """
    if isinstance(run, FlowRunView):
        return Place(run.namespace, run.name, str(run.id))
    if not isinstance(run, str | uuid.UUID):
        raise TypeError(f"a flow run is given by its name, its id, or a FlowRunView; {type(run).__name__} was given.")
    text = str(run)
    uid = _as_uuid(text)
    if uid is None:
        where, _, name = text.rpartition("/")
        return _checked(Place(own_namespace(where or namespace), name))
    with told(f"find the flow run {uid}"):
        reach = connection()
        known = reach.named(uid)
        if known is not None:
            return Place(*known, uid)
        where = own_namespace(namespace)
        body = yield from until(reach.ask(lambda cluster: _by_uid(cluster, paths.flow_runs(where), uid)))
    if body is None:
        raise ObjectNotFound(help_message=f"no flow run of the namespace {where} has the id {uid}")
    reach.note(body)
    return Place(where, str(body["metadata"]["name"]), uid)


def _checked(place: Place) -> Place:
    try:
        _ = place.path
    except paths.NotANameError as error:
        raise ObjectNotFound(help_message=str(error)) from None
    return place


def _as_uuid(text: str) -> str | None:
    if len(text) != 36:
        return None
    try:
        return str(uuid.UUID(text))
    except ValueError:
        return None


def _by_uid(cluster: Cluster, path: str, uid: str) -> Object | None:
    """No API server finds an object by its UID: the namespace's are read page by page."""
    for page in cluster.list(path):
        for body in page.get("items") or ():
            if body["metadata"].get("uid") == uid:
                return body  # type: ignore[no-any-return]
    return None


def read(place: Place) -> Steps[FlowRunView]:
    """Read a run as it is now.

    Raises:
        ObjectNotFound: There is none, or another has taken its name.
    """
    with told(f"read the flow run {place.name}"):
        reach: Connection = connection()
        body = yield from until(reach.ask(lambda cluster: cluster.get(place.path)))
    view = FlowRunView(reach.note(body))
    if place.uid is not None and str(view.id) != place.uid:
        raise ObjectNotFound(
            help_message=f"the flow run {place.name} with the id {place.uid} is gone; another has its name"
        )
    return view


def read_flow_run(flow_run_id: Any, *, namespace: str | None = None) -> Steps[FlowRunView]:
    """Read a run of the cluster as it is now.

    Args:
        flow_run_id: Its name, `namespace/name`, its id, or a view of it.
        namespace: Where a name is looked for; default: this pod's, or the kubeconfig's.

    Returns:
        A view of it.

    Raises:
        ObjectNotFound: There is no such run.
        ClusterError: The cluster cannot be asked, or refuses.
    """
    place = yield from located(flow_run_id, namespace)
    return (yield from read(place))


def read_flow(flow: Any = None, *, uid: str | None = None, namespace: str | None = None) -> Steps[Object | None]:
    """Read a Flow by its name or its UID; None: there is none.

    Raises:
        ClusterError: The cluster cannot be asked, or refuses.
    """
    where = own_namespace(namespace)
    with told(f"read the Flow {flow or uid}"):
        reach = connection()
        if uid:
            return (yield from until(reach.ask(lambda cluster: _by_uid(cluster, paths.flows(where), uid))))
        path = paths.flows(where, flow_name(flow))
        try:
            return (yield from until(reach.ask(lambda cluster: cluster.get(path))))
        except ApiError as error:
            if error.code != 404:
                raise
            return None


def list_flow_runs(
    flow: Any = None,
    state: Any = None,
    since: datetime | timedelta | None = None,
    *,
    labels: dict[str, str] | None = None,
    namespace: str | None = None,
    limit: int | None = None,
) -> Steps[list[FlowRunView]]:
    """List runs of the cluster, the newest first.

    Args:
        flow: Only those of this Flow: its name, or a flow in code.
        state: Only those in this state: a StateType or its name, the name of a state ("TimedOut"), or several of them.
        since: Only those that were made at this time or later; a timedelta counts back from now.
        labels: Only those with these labels.
        namespace: Default: this pod's, or the kubeconfig's.
        limit: How many at most.

    Raises:
        TypeError, ValueError: An argument is of another kind.
        ClusterError: The cluster cannot be asked, or refuses.
    """
    wanted = _states(state)
    query = {"fieldSelector": f"spec.flowRef.name={flow_name(flow)}"} if flow is not None else {}
    if labels:
        query["labelSelector"] = arguments.selector(labels)
    if limit is not None and limit < 0:
        raise ValueError(f"limit must be 0 or more; {limit!r} was given.")
    after = arguments.moment(since, "since", back=True) if since is not None else None
    where = own_namespace(namespace)
    with told(f"list the flow runs of the namespace {where}"):
        reach = connection()
        bodies = yield from until(reach.ask(lambda cluster: _listed(cluster, where, query)))
    views = [FlowRunView(reach.note(body)) for body in bodies]
    found = [
        view
        for view in views
        if (wanted is None or view.state_type.value in wanted or view.state_name.upper() in wanted)
        and (after is None or (view.created is not None and view.created >= after))
    ]
    found.sort(key=lambda view: (view.created or datetime.min.replace(tzinfo=UTC), view.name), reverse=True)
    return found[:limit]


def _listed(cluster: Cluster, namespace: str, query: dict[str, str]) -> list[Object]:
    for _ in range(3):
        try:
            return [
                body for page in cluster.list(paths.flow_runs(namespace), query) for body in page.get("items") or ()
            ]
        except ApiError as error:
            if error.code != 410:
                raise
    return list(cluster.get(paths.flow_runs(namespace), query).get("items") or ())


def _states(state: Any) -> frozenset[str] | None:
    if state is None:
        return None
    several = [state] if isinstance(state, str | StateType) or not isinstance(state, Iterable) else list(state)
    return frozenset((each.value if isinstance(each, StateType) else str(each)).upper() for each in several)
