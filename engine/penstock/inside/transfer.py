"""Carrying the context of a run to another thread or process.

Neighbours: `views` are the contexts; `carrying` knows the forms of runs.
"""

from __future__ import annotations

import contextvars
import functools
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from penstock.base.current import current_run
from penstock.base.current import current_tags as tags_variable
from penstock.base.managers import contextmanager

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager


def serialize_context(asset_ctx_kwargs: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What another thread or process needs to go on in this context; given back to `hydrated_context`."""
    from penstock.inside.views import FlowRunContext, SettingsContext, TaskRunContext

    flow, task = FlowRunContext.get(), TaskRunContext.get()
    current = tags_variable.get()
    return {
        "flow_run_context": flow.serialize() if flow is not None else {},
        "task_run_context": task.serialize() if task is not None else {},
        "tags_context": {"current_tags": set(current)} if current else {},
        "settings_context": SettingsContext.get().serialize(),
    }


@contextmanager
def hydrated_context(serialized_context: Mapping[str, Any] | None = None, client: Any = None) -> Iterator[None]:
    """Go on in a serialized context for the block; a runner that was given to the flow run by hand is started for it."""
    if not serialized_context:
        yield
        return
    from penstock.base.settings import temporary_settings
    from penstock.inside.carrying import flow_of, task_of

    run: Any = None
    if serialized_context.get("flow_run_context"):
        run = flow_of(serialized_context["flow_run_context"])
    if serialized_context.get("task_run_context"):
        run = task_of(serialized_context["task_run_context"], run)
    current = (serialized_context.get("tags_context") or {}).get("current_tags") or ()
    run_token = current_run.set(run)
    tags_token = tags_variable.set(frozenset(current))
    try:
        with temporary_settings(serialized_context.get("settings_context") or {}), _runner_of(run):
            yield
    finally:
        tags_variable.reset(tags_token)
        current_run.reset(run_token)


def _runner_of(run: Any) -> AbstractContextManager[Any]:
    runner = run.flow.runner if run is not None and run.flow is not None else None
    return nullcontext() if runner is None or runner._started else runner


class _WithContext:
    """A function bound to a context: the very one in this process, a copy of it where it is sent to."""

    def __init__(self, fn: Callable[..., Any]) -> None:
        self.fn = fn
        self._context: contextvars.Context | None = contextvars.copy_context()
        self._sent: bytes | None = None
        functools.update_wrapper(self, fn)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._context is not None:
            return self._context.copy().run(self.fn, *args, **kwargs)
        import cloudpickle

        with hydrated_context(cloudpickle.loads(self._sent)):
            return self.fn(*args, **kwargs)

    def __getstate__(self) -> dict[str, Any]:
        import cloudpickle

        sent = self._sent
        if self._context is not None:
            sent = cloudpickle.dumps(self._context.copy().run(serialize_context))
        return {"fn": self.fn, "_context": None, "_sent": sent}


def with_context(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Bind a function to the context of this place: run, tags, settings; call it in whatever thread or process."""
    return _WithContext(fn)
