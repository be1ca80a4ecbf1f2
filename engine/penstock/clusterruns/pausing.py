"""Pausing, suspending and resuming: the run around the call, one of this process, or another of the cluster.

Prefect's functions of these names serve the own run; given another one, they ask the cluster. Neighbours: `inside.pausing` is the own
run's side, `changing` the other's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock.base.asyncutils import in_async_run
from penstock.base.both_forms import takes_sync
from penstock.base.exceptions import ObjectNotFound
from penstock.clusterruns.surroundings import is_own, is_view
from penstock.inside import pausing as own

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from uuid import UUID


def _names_a_run(value: Any) -> bool:
    from uuid import UUID

    return isinstance(value, str | UUID) or is_view(value)


@takes_sync
def pause_flow_run(
    wait_for_input: Any = None,
    timeout: float | None = 3600,
    poll_interval: float = 10,
    key: str | None = None,
    *,
    flow_run_id: Any = None,
    namespace: str | None = None,
) -> Any:
    """Hold the flow run here until it is resumed; or hold another run of the cluster.

    Other task runs go on; the clocks of timeouts stand still.

    Args:
        wait_for_input: a model or a type: what resuming must bring; the value is returned. The name, the id or a view of
            another run is taken for `flow_run_id`.
        timeout: seconds after which the pause fails.
        poll_interval: upper bound for inputs that come from elsewhere; resuming here wakes at once.
        key: a key met again in the same run returns at once; default: the ordinal of the pause.
        flow_run_id: another run: it is held before its next task, and this function gives a view of it at once.
        namespace: of the other run.

    Raises:
        RuntimeError: outside a flow run, or the run is not RUNNING.
        ValueError: the timeout is negative.
        FlowPauseTimeout: it was not resumed in time.
        ObjectNotFound: there is no such other run.
    """
    if _names_a_run(wait_for_input):
        wait_for_input, flow_run_id = None, wait_for_input
    if is_own(flow_run_id, namespace):
        return own.pause_flow_run(wait_for_input, timeout, poll_interval, key)
    from penstock.clusterruns.functions import pause_other

    return pause_other(flow_run_id, namespace=namespace)


async def apause_flow_run(
    wait_for_input: Any = None,
    timeout: float | None = 3600,
    poll_interval: float = 10,
    key: str | None = None,
    *,
    flow_run_id: Any = None,
    namespace: str | None = None,
) -> Any:
    """`pause_flow_run` as a coroutine."""
    if _names_a_run(wait_for_input):
        wait_for_input, flow_run_id = None, wait_for_input
    if is_own(flow_run_id, namespace):
        return await own.apause_flow_run(wait_for_input, timeout, poll_interval, key)
    from penstock.clusterruns.functions import apause_other

    return await apause_other(flow_run_id, namespace=namespace)


@takes_sync
def suspend_flow_run(
    wait_for_input: Any = None,
    flow_run_id: UUID | str | None = None,
    timeout: float | None = None,
    key: str | None = None,
    *,
    namespace: str | None = None,
) -> Any:
    """Give up the pod of this flow run until it is resumed; or have another run of the cluster give up its own.

    Args:
        wait_for_input: a model or a type: what resuming must bring.
        flow_run_id: None, or the id of this run: this run. Another run: it is asked, and this function gives a view of it.
        timeout: seconds after which the suspension fails.
        key: tells one suspension of a run from another.
        namespace: of the other run.

    Raises:
        RuntimeError: not in the root flow run of a pod, or results are not durable.
        ObjectNotFound: there is no such other run.
    """
    if is_own(flow_run_id, namespace):
        return own.suspend_flow_run(wait_for_input, None, timeout, key)
    from penstock.clusterruns.functions import suspend_other

    return suspend_other(flow_run_id, namespace=namespace)


async def asuspend_flow_run(
    wait_for_input: Any = None,
    flow_run_id: UUID | str | None = None,
    timeout: float | None = None,
    key: str | None = None,
    *,
    namespace: str | None = None,
) -> Any:
    """`suspend_flow_run` as a coroutine."""
    if is_own(flow_run_id, namespace):
        return await own.asuspend_flow_run(wait_for_input, None, timeout, key)
    from penstock.clusterruns.functions import asuspend_other

    return await asuspend_other(flow_run_id, namespace=namespace)


@takes_sync
def resume_flow_run(flow_run_id: UUID | str | None, run_input: Any = None, *, namespace: str | None = None) -> Any:
    """Resume a paused or suspended flow run: one of this process, from whatever thread, or one of the cluster.

    Args:
        flow_run_id: which.
        run_input: what the pause asked for: a mapping of fields, or the plain value.
        namespace: of a run of the cluster.

    Raises:
        ObjectNotFound: there is no such run.
        NotPausedError: it is not paused.
        RuntimeError: the input is invalid; the run stays paused.
    """
    if in_async_run():
        return aresume_flow_run(flow_run_id, run_input, namespace=namespace)
    return _here_or(
        flow_run_id,
        run_input,
        lambda other: other.resume_other(flow_run_id, run_input, namespace=namespace, _sync=True),
    )


async def aresume_flow_run(
    flow_run_id: UUID | str | None, run_input: Any = None, *, namespace: str | None = None
) -> Any:
    """`resume_flow_run` as a coroutine."""
    try:
        return await own.aresume_flow_run(flow_run_id, run_input)
    except ObjectNotFound as error:
        coroutine: Awaitable[Any] = _elsewhere(
            error, flow_run_id, lambda other: other.aresume_other(flow_run_id, run_input, namespace=namespace)
        )
    return await coroutine


def _here_or(flow_run_id: Any, run_input: Any, ask: Callable[[Any], Any]) -> Any:
    try:
        return own._resume(flow_run_id, run_input)
    except ObjectNotFound as error:
        return _elsewhere(error, flow_run_id, ask)


def _elsewhere(error: ObjectNotFound, flow_run_id: Any, ask: Callable[[Any], Any]) -> Any:
    """Ask the cluster for a run that is none of this process; where there is no cluster, it is not found."""
    if flow_run_id is None:
        raise error
    from penstock.clusterruns import functions
    from penstock.clusterruns.connection import connection
    from penstock.kube.errors import NoAccessError

    try:
        connection()
    except NoAccessError:
        raise error from None
    return ask(functions)
