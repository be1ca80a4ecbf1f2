"""Running flows as a whole, by functions; stopping them; heartbeats.

Neighbours: `engines` runs them step by step; `drivers.calls` does the same for calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock.base.exceptions import Abort, ObjectNotFound, Pause
from penstock.base.managers import asynccontextmanager, contextmanager

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from uuid import UUID


def request_cancellation(flow_run_id: UUID | str | None = None, message: str | None = None) -> bool:
    """Ask a root flow run to stop as cancelled; thread-safe.

    CANCELLING, the body is interrupted, `on_cancellation`, CANCELLED; the call raises `CancelledRun`.

    Args:
        flow_run_id: which; None: the only one.
        message: for people.

    Returns:
        False when no such run is active.

    Raises:
        ValueError: no id was given and several are active.
    """
    from penstock.interruption.interrupt import Cause, interrupt

    return interrupt(Cause("cancelled", message=message or ""), flow_run_id)  # type: ignore[arg-type]


def run_flow(
    flow: Any,
    flow_run: Any = None,
    parameters: dict[str, Any] | None = None,
    wait_for: Any = None,
    return_type: str = "result",
    error_logger: Any = None,
    context: dict[str, Any] | None = None,
) -> Any:
    """Run a flow: its value, or its state; a coroutine or a generator where the flow is one.

    Args:
        flow: the flow.
        flow_run: a record to use.
        parameters: values by name; default: those of the record, else the defaults.
        wait_for: upstreams that must be completed first.
        return_type: "result" or "state".
        error_logger: told of what the call raises.
        context: serialized context to run in.
    """
    from penstock.inside.transfer import hydrated_context

    kwargs = {"flow": flow, "flow_run": flow_run, "parameters": parameters, "wait_for": wait_for, "context": context}
    try:
        with hydrated_context(context):
            if flow.isgenerator:
                return (run_generator_flow_async if flow.isasync else run_generator_flow_sync)(
                    **kwargs, return_type=return_type
                )
            if flow.isasync:
                return run_flow_async(**kwargs, return_type=return_type)
            return run_flow_sync(**kwargs, return_type=return_type)
    except (Abort, Pause):
        raise
    except BaseException as exc:
        if error_logger is not None:
            how = "exited with unexpected exception" if isinstance(exc, Exception) else "interrupted by base exception"
            error_logger.error(f"Engine execution {how}", exc_info=True)
        raise


def _values(parameters: dict[str, Any] | None, flow_run: Any) -> dict[str, Any]:
    return parameters or getattr(flow_run, "parameters", None) or {}


def run_flow_sync(
    flow: Any, flow_run: Any = None, parameters: dict[str, Any] | None = None, wait_for: Any = None,
    return_type: str = "result", context: dict[str, Any] | None = None,
) -> Any:  # fmt: skip
    """Run a sync flow; see `run_flow`."""
    from penstock.base.current import current_run
    from penstock.drivers.calls import live_flow
    from penstock.drivers.entry import Failure, conclude, new_flow_run
    from penstock.inside.transfer import hydrated_context

    bound = flow.binder.bind_mapping(_values(parameters, flow_run))
    with hydrated_context(context):
        run = new_flow_run(flow, bound, current_run.get(), wait_for, flow_run=flow_run)
        value = conclude(run, live_flow(run), return_type == "state")
    if value.__class__ is Failure:
        raise value.exc
    return value


async def run_flow_async(
    flow: Any, flow_run: Any = None, parameters: dict[str, Any] | None = None, wait_for: Any = None,
    return_type: str = "result", context: dict[str, Any] | None = None,
) -> Any:  # fmt: skip
    """Run an async flow; see `run_flow`."""
    from penstock.base.current import current_run
    from penstock.drivers.calls import live_flow_async
    from penstock.drivers.entry import Failure, conclude, new_flow_run
    from penstock.inside.transfer import hydrated_context

    bound = flow.binder.bind_mapping(_values(parameters, flow_run))
    with hydrated_context(context):
        run = new_flow_run(flow, bound, current_run.get(), wait_for, flow_run=flow_run)
        value = conclude(run, await live_flow_async(run), return_type == "state")
    if value.__class__ is Failure:
        raise value.exc
    return value


def run_generator_flow_sync(
    flow: Any, flow_run: Any = None, parameters: dict[str, Any] | None = None, wait_for: Any = None,
    return_type: str = "result", context: dict[str, Any] | None = None,
) -> Any:  # fmt: skip
    """Run a generator flow: the generator."""
    from penstock.base.current import current_run
    from penstock.drivers import calls

    bound = flow.binder.bind_mapping(_values(parameters, flow_run))
    return calls.generate_flow(flow, bound, current_run.get(), return_type == "state", wait_for)


def run_generator_flow_async(
    flow: Any, flow_run: Any = None, parameters: dict[str, Any] | None = None, wait_for: Any = None,
    return_type: str = "result", context: dict[str, Any] | None = None,
) -> Any:  # fmt: skip
    """Run an async generator flow: the async generator."""
    return run_generator_flow_sync(flow, flow_run, parameters, wait_for, return_type, context)


def load_flow_run(flow_run_id: Any) -> Any:
    """The active root flow run with that id: in a pod, the claimed run.

    Raises:
        ObjectNotFound: there is none.
    """
    from penstock.interruption.interrupt import find_control

    control = find_control(flow_run_id)
    if control is None or control.root is None:
        raise ObjectNotFound(help_message=f"No flow run {flow_run_id} is active in this process.")
    return control.root


def load_flow(flow_run: Any, **_: Any) -> Any:
    """The flow of a run that is active here.

    Raises:
        ObjectNotFound: its flow is not known here.
    """
    if getattr(flow_run, "definition", None) is None:
        raise ObjectNotFound(help_message="The flow of this run is not known in this process.")
    return flow_run.definition


def load_flow_and_flow_run(flow_run_id: Any) -> tuple[Any, Any]:
    """The active root flow run with that id, and its flow.

    Raises:
        ObjectNotFound: there is none.
    """
    flow_run = load_flow_run(flow_run_id)
    return flow_run, load_flow(flow_run)


@contextmanager
def send_heartbeats_sync(engine: Any) -> Iterator[None]:
    """Tell the heartbeat subscribers of the engine's flow run, at once and each period while it is RUNNING."""
    from penstock.drivers.heartbeats import Heart

    heart = Heart.of(engine)
    try:
        yield
    finally:
        if heart is not None:
            heart.stop()


@asynccontextmanager
async def send_heartbeats_async(engine: Any) -> AsyncIterator[None]:
    """`send_heartbeats_sync` for `async with`."""
    with send_heartbeats_sync(engine):
        yield
