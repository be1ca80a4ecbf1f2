"""Waiting for a run's end: by a watch, for as long as is wanted, whatever happens to the connection.

Absence is looked at live before it means anything, and an older sight never replaces a newer. Neighbours: `kube.watching` brings
the news; `creating` is what `run_flow_run` does first.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from penstock.base.exceptions import ClusterError, FlowRunWaitTimeout, ObjectNotFound
from penstock.clusterruns import arguments
from penstock.clusterruns.connection import Connection, connection
from penstock.clusterruns.creating import Order, order, placed
from penstock.clusterruns.names import LABEL_PARENT
from penstock.clusterruns.reading import Place, located, read
from penstock.clusterruns.refusals import told, worded
from penstock.clusterruns.steps import Steps, Wait
from penstock.clusterruns.surroundings import is_own, parent
from penstock.clusterruns.telling import DRAIN_SECONDS, Lines, States, teller
from penstock.clusterruns.view import FlowRunView
from penstock.core.state import State
from penstock.core.state_result import raise_now
from penstock.kube.watching import Follower, Seen

LOOK_SECONDS = 180.0  # a run of which nothing was heard for so long is looked at, whatever its watch says


def wait_for_flow_run(
    flow_run_id: Any,
    timeout: float | timedelta | None = None,
    stream_states: bool = False,
    stream_logs: bool = False,
    raise_final_state: bool = False,
    *,
    poll_interval: float | None = None,
    log_states: bool = False,
    namespace: str | None = None,
) -> Steps[FlowRunView]:
    """Wait until a run of the cluster has ended.

    Args:
        flow_run_id: Its name, `namespace/name`, its id, or a view of it.
        timeout: Seconds to wait at most, or a timedelta; None: as long as it takes.
        stream_states: Log each of its states.
        stream_logs: Log the lines of its pods, through all attempts.
        raise_final_state: Raise what the state stands for, unless it is Completed.
        poll_interval: Taken, and not needed: a watch tells.
        log_states: As `stream_states`, Prefect's word for it.
        namespace: Where a name is looked for; default: this pod's, or the kubeconfig's.

    Returns:
        A view of it in its final state; `view.states` are those seen on the way.

    Raises:
        FlowRunWaitTimeout: It did not end in time; it runs on.
        ObjectNotFound: There is no such run, or it was deleted before it ended.
        ValueError: It is the run that asks.
        ClusterError: The cluster refuses.
        CancelledRun, CrashedRun, FailedRun: With `raise_final_state`.
    """
    del poll_interval
    timeout = arguments.seconds(timeout)
    if flow_run_id is not None and is_own(flow_run_id, namespace):
        raise ValueError(
            "wait_for_flow_run was given the run that asks: it does not end before this call does. Inside a flow use what its "
            "tasks return."
        )
    began = time.monotonic()
    place = yield from located(flow_run_id, namespace)
    watched = _Waiting(place, stream_states or log_states, stream_logs)
    view = yield from watched.to_the_end(_left(timeout, began))
    if not view.finished:
        raise FlowRunWaitTimeout(
            f"the flow run {view.name} did not end within {timeout:g} s; it is {view.state}, and runs on"
        )
    if raise_final_state:
        raise_now(view.state)
    return view


def run_flow_run(
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
    timeout: float | timedelta | None = None,
    stream_states: bool = False,
    stream_logs: bool = False,
    raise_final_state: bool = False,
    namespace: str | None = None,
) -> Steps[State]:
    """Start a run of a Flow in the cluster and wait for its end.

    Args:
        flow: As for `create_flow_run`.
        parameters: As for `create_flow_run`.
        name: As for `create_flow_run`.
        idempotency_key: As for `create_flow_run`.
        scheduled_time: As for `create_flow_run`.
        display_name: As for `create_flow_run`.
        template: As for `create_flow_run`.
        run_policy: As for `create_flow_run`.
        labels: As for `create_flow_run`.
        context: As for `create_flow_run`.
        as_subflow: As for `create_flow_run`.
        namespace: As for `create_flow_run`.
        timeout: Seconds to wait at most, or a timedelta; None: as long as it takes.
        stream_states: Log each of its states.
        stream_logs: Log the lines of its pods, through all attempts.
        raise_final_state: Raise what the state stands for, unless it is Completed.

    Returns:
        The state in which it ended; `state.result()` is its result, or raises its failure.

    Raises:
        FlowRunWaitTimeout: It did not end in time; it runs on.
        ObjectNotFound, ObjectAlreadyExists, ClusterError: As for `create_flow_run`.
    """
    timeout = arguments.seconds(timeout)
    began = time.monotonic()
    what = order(
        flow, parameters, name, idempotency_key, scheduled_time, display_name, template, run_policy, labels, context,
        as_subflow=as_subflow, namespace=namespace,
    )  # fmt: skip
    view = yield from started_and_ended(what, timeout, began, stream_states, stream_logs)
    if not view.finished:
        raise FlowRunWaitTimeout(
            f"the flow run {view.name} did not end within {timeout:g} s; it is {view.state}, and runs on"
        )
    if raise_final_state:
        raise_now(view.state)
    return view.state


def started_and_ended(
    what: Order, timeout: float | None, began: float, stream_states: bool = False, stream_logs: bool = False
) -> Steps[FlowRunView]:
    """Send an order and wait for the run's end; what it is then, or when time is up."""
    watched = _Waiting(Place(what.namespace, what.name), stream_states, stream_logs)
    if timeout == 0:
        return (yield from placed(what))
    if what.second is not None:
        # Which run it will be is only known when it is there.
        view = yield from placed(what)
        watched = _Waiting(Place(view.namespace, view.name, str(view.id)), stream_states, stream_logs)
        return (yield from watched.to_the_end(_left(timeout, began)))
    with told(f"start a run of the Flow {what.flow}"):
        # Followed before it is there: its answer is all that has to be read of it.
        watched.follow(connection(), what.parent.uid if what.parent is not None else None)
    try:
        view = yield from placed(what)
    except BaseException:
        watched.leave()
        raise
    return (yield from watched.to_the_end(_left(timeout, began), view))


class _Waiting:
    """One wait."""

    def __init__(self, place: Place, stream_states: bool, stream_logs: bool) -> None:
        self._place = place
        logger = teller() if stream_states or stream_logs else None
        self._states = States(logger if stream_states else None)
        self._logger = logger if stream_logs else None
        self._lines: Lines | None = None
        self._reach: Connection | None = None
        self._follower: Follower | None = None
        self._scope: str | None = None
        self._history: list[State] = []

    def follow(self, reach: Connection, parent_uid: str | None) -> None:
        """Be told of the run from now on."""
        self._reach, self._scope = reach, parent_uid
        self._follower = reach.follow(self._place.namespace, self._place.name, parent_uid)

    def leave(self) -> None:
        """End the wait, wherever it is."""
        if self._reach is not None and self._follower is not None:
            self._reach.leave(self._follower)
        if self._lines is not None:
            self._lines.close()

    def to_the_end(self, seconds: float | None, first: FlowRunView | None = None) -> Steps[FlowRunView]:
        """Wait until the run has ended or time is up, and give it as it is then."""
        until = None if seconds is None else time.monotonic() + seconds
        try:
            with told(f"wait for the flow run {self._place.name}"):
                view = yield from self._begin(first)
                uid = str(view.id)
                self._show(view)
                while not view.finished:
                    newer = yield from self._newer(view, uid, until)
                    if newer is None:
                        break
                    view = newer
                    self._show(view)
            if view.finished:
                yield from self._last_lines()
            return FlowRunView(view.body, tuple(self._history))
        finally:
            self.leave()

    def _last_lines(self) -> Steps[None]:
        """Wait for what its pods still have to say, as long as they go on saying it."""
        lines, told = self._lines, -1
        while lines is not None and not lines.drained.done() and told != lines.told:
            told = lines.told
            yield Wait(lines.drained, DRAIN_SECONDS)

    def _begin(self, first: FlowRunView | None) -> Steps[FlowRunView]:
        """Follow it, and know what it is at that moment at the earliest."""
        if self._follower is None:
            above = parent()
            self.follow(connection(), above.uid if above is not None else None)
        view = first if first is not None else (yield from read(self._place))
        if self._scope is not None and view.labels.get(LABEL_PARENT) != self._scope:
            # It is no child of this run: that watch would never show it.
            assert self._reach is not None
            assert self._follower is not None
            self._reach.leave(self._follower)
            self.follow(self._reach, None)
            view = yield from read(Place(view.namespace, view.name, str(view.id)))
        if self._logger is not None:
            assert self._reach is not None
            self._lines = Lines(self._reach, self._logger)
        return view

    def _newer(self, view: FlowRunView, uid: str, until: float | None) -> Steps[FlowRunView | None]:
        """The next sight of the run; None: time is up."""
        assert self._follower is not None
        while True:
            seen = self._follower.news()
            if seen is not None:
                newer = yield from self._judged(seen, view, uid)
                if newer is not None:
                    return newer
                continue
            left = None if until is None else until - time.monotonic()
            if left is not None and left <= 0:
                return None
            yield Wait(self._follower.told, LOOK_SECONDS if left is None else min(left, LOOK_SECONDS))
            if not self._follower.told.done() and (until is None or time.monotonic() < until):
                looked = yield from self._look(view, uid)
                if looked is not None:
                    return looked

    def _look(self, view: FlowRunView, uid: str) -> Steps[FlowRunView | None]:
        """The run by itself; None: the server is away, and nothing can be told.

        Raises:
            ObjectNotFound: It is gone.
        """
        try:
            return (yield from read(Place(view.namespace, view.name, uid)))
        except ClusterError as error:
            if error.code in (0, 429) or error.code >= 500:
                return None
            raise

    def _judged(self, seen: Seen, view: FlowRunView, uid: str) -> Steps[FlowRunView | None]:
        """What news mean for this run; None: nothing.

        Raises:
            ObjectNotFound: It is gone.
        """
        if seen.error is not None:
            raise worded(seen.error, f"wait for the flow run {view.name}")
        if seen.body is None:
            # A list lacks it; that is no evidence. Of one from before the run was there it is nothing: a look would stand behind
            # the requests of all its siblings.
            if 0 < _number(seen.listed) < _version(view):
                return None
            return (yield from self._look(view, uid))
        newer = FlowRunView(seen.body)
        if str(newer.id) != uid:
            # A predecessor of its name, told late, or a successor: only a look can say.
            return (yield from self._look(view, uid))
        if seen.gone:
            if newer.finished:
                return newer
            raise ObjectNotFound(
                help_message=f"the flow run {view.name} was deleted before it ended; it was {newer.state}"
            )
        return newer if _version(newer) > _version(view) else None

    def _show(self, view: FlowRunView) -> None:
        state = view.state
        if not self._history or (self._history[-1].type, self._history[-1].name) != (state.type, state.name):
            self._history.append(state)
        self._states.tell(view)
        if self._lines is not None:
            self._lines.see(view)


def _version(view: FlowRunView) -> int:
    return _number(view.body["metadata"].get("resourceVersion"))


def _number(version: str | None) -> int:
    try:
        return int(version or 0)
    except ValueError:
        return 0


def _left(timeout: float | None, began: float) -> float | None:
    return None if timeout is None else max(0.0, timeout - (time.monotonic() - began))
