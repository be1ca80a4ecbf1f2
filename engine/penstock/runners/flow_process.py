"""`run_flow_in_subprocess`: a flow run of its own in a process of its own.

Neighbours: `flow_engine` of the faces offers it. The parent owns cancellation and hooks; the result comes only through storage.
"""

from __future__ import annotations

import multiprocessing
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess


def run_flow_in_subprocess(
    flow: Any,
    flow_run: Any = None,
    parameters: dict[str, Any] | None = None,
    wait_for: Any = None,
    context: dict[str, Any] | None = None,
    env: dict[str, str | None] | None = None,
) -> SpawnProcess:
    """Run a flow in a fresh process.

    Args:
        flow: sent by cloudpickle.
        flow_run: a record whose id, name, lineage and attempt are used.
        parameters: values by name; sent by cloudpickle.
        wait_for: upstreams; waited for here, before the process starts.
        context: mapping for `runtime.flow_run.context`; or what `serialize_context` gives, whose tags and settings hold.
        env: variables to set (None: to remove) in the process.

    Returns:
        The process, started. Its exit code: 0 completed, 1 failed, 70 crashed; negative: ended by a signal.
    """
    import cloudpickle

    from penstock.base.current import current_run, current_tags
    from penstock.base.settings import get_current_settings
    from penstock.runners.futures import PrefectFuture

    for upstream in wait_for or ():
        if isinstance(upstream, PrefectFuture):
            upstream.wait()
    parent = current_run.get()
    given = dict(context or {})
    carried = {name: given.pop(name) or {} for name in _SERIALIZED if name in given}
    form = {
        "flow": flow,
        "parameters": dict(parameters or {}),
        "context": given,
        "tags": carried.get("tags_context", {"current_tags": current_tags.get()}).get("current_tags", ()),
        "settings": {**get_current_settings()._flat(), **carried.get("settings_context", {})},
        "id": flow_run.id if flow_run is not None else None,
        "name": flow_run.name if flow_run is not None else None,
        "lineage": _lineage(flow_run, parent),
        "attempt": flow_run.attempt if flow_run is not None else 1,
    }
    payload = cloudpickle.dumps(form)
    process = multiprocessing.get_context("spawn").Process(
        target=main, args=(payload, env or {}), name=f"penstock {flow.name}"
    )
    process.start()
    if parent is not None and parent.control is not None:
        parent.control.stoppers.append(lambda: process.terminate() if process.is_alive() else None)
    return process


_SERIALIZED = ("tags_context", "settings_context", "flow_run_context", "task_run_context")


def _lineage(flow_run: Any, parent: Any) -> Any:
    if flow_run is not None:
        return flow_run.lineage_id
    return parent.flow.lineage_id if parent is not None and parent.flow is not None else None


def main(payload: bytes, env: dict[str, str | None]) -> None:
    """The process: run the flow, and leave with a code that tells how it ended."""
    for name, value in env.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    import cloudpickle

    from penstock.base.current import current_tags
    from penstock.base.loops import run_coro_as_sync
    from penstock.base.settings import temporary_settings
    from penstock.core.runs import FlowRun

    form = cloudpickle.loads(payload)
    current_tags.set(frozenset(form["tags"]))
    record = FlowRun(id=form["id"], name=form["name"], lineage_id=form["lineage"], attempt=form["attempt"])
    with temporary_settings(form["settings"]):
        try:
            state = form["flow"].run_engine(
                parameters=form["parameters"], context=form["context"], flow_run=record, retry_wait_limit=None
            )
            if form["flow"].isasync:
                state = run_coro_as_sync(state)
        except Exception:  # noqa: BLE001  (told by the exit code)
            import traceback

            traceback.print_exc()
            raise SystemExit(70) from None
    raise SystemExit({"COMPLETED": 0, "CRASHED": 70}.get(state.type.value, 1))
