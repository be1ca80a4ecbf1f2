"""The context of runs, for user code: what run is this, with which parameters, tags, settings.

The classes are views of the one context variable that holds the current run. Neighbours: `runtime` offers single
values; `_current` holds the variables.
"""

from __future__ import annotations

import contextvars
import functools
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from penstock._current import current_run, current_tags
from penstock.exceptions import MissingContextError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime
    from typing import Self

    from penstock.core.runs import FlowRun, Run, TaskRun
    from penstock.settings import Settings

__all__ = [
    "ContextModel",
    "EngineContext",
    "FlowRunContext",
    "RunContext",
    "SettingsContext",
    "TagsContext",
    "TaskRunContext",
    "get_run_context",
    "get_settings_context",
    "hydrated_context",
    "serialize_context",
    "tags",
    "with_context",
]


class ContextModel:
    """Base class; `get()` gives the context that holds here, or None."""

    @classmethod
    def get(cls) -> Self | None:
        """The context that holds here, or None."""
        raise NotImplementedError(f"{cls.__name__}.get")


class RunContext(ContextModel):
    """The context of a run."""

    def __init__(self, run: Run) -> None:
        self._run = run

    @property
    def start_time(self) -> datetime | None:
        """When the run began."""
        return self._run.start_time

    @property
    def parameters(self) -> dict[str, Any]:
        """Values by name."""
        return self._run.parameters or {}

    @property
    def persist_result(self) -> bool:
        """Whether results made here are stored."""
        from penstock._persisting import persists

        return persists(self._run)

    @property
    def result_store(self) -> Any:
        """Where results made here are stored."""
        from penstock._persisting import store_of

        return store_of(self._run)

    @property
    def log_prints(self) -> bool:
        """Whether `print` becomes log lines here."""
        from penstock.logging.prints import wants_prints

        return wants_prints(self._run)

    def serialize(self) -> dict[str, Any]:
        """What a child process needs of it."""
        return {"parameters": self.parameters}

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._run is other._run

    def __hash__(self) -> int:
        return hash(self._run)


class FlowRunContext(RunContext):
    """The context of the nearest enclosing flow run."""

    @classmethod
    def get(cls) -> FlowRunContext | None:
        """The context of the nearest enclosing flow run, or None."""
        run = current_run.get()
        return None if run is None or run.flow is None else cls(run.flow)

    @property
    def flow(self) -> Any:
        """The flow."""
        return self._run.definition

    @property
    def flow_run(self) -> FlowRun:
        """The record of the run."""
        return self._run  # type: ignore[return-value]

    @property
    def task_runner(self) -> Any:
        """The runner of the flow run."""
        return self.flow_run.runner or self._run.definition.task_runner


EngineContext = FlowRunContext


class TaskRunContext(RunContext):
    """The context of the current task run."""

    @classmethod
    def get(cls) -> TaskRunContext | None:
        """The context of the nearest enclosing task run inside the same flow run, or None."""
        run = current_run.get()
        return None if run is None or run.is_flow else cls(run)

    @property
    def task(self) -> Any:
        """The task."""
        return self._run.definition

    @property
    def task_run(self) -> TaskRun:
        """The record of the run."""
        return self._run  # type: ignore[return-value]


class TagsContext(ContextModel):
    """The tags that runs made here get."""

    def __init__(self, current_tags: set[str] | frozenset[str] = frozenset()) -> None:
        self.current_tags = set(current_tags)

    @classmethod
    def get(cls) -> TagsContext:
        """The tags that hold here."""
        return cls(current_tags.get())


class SettingsContext(ContextModel):
    """The settings that hold here."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @classmethod
    def get(cls) -> SettingsContext:
        """The settings that hold here."""
        from penstock.settings import get_current_settings

        return cls(get_current_settings())


def get_settings_context() -> SettingsContext:
    """The settings that hold here."""
    return SettingsContext.get()


def get_run_context() -> FlowRunContext | TaskRunContext:
    """The context of the current run.

    Raises:
        MissingContextError: no run is active here.
    """
    run = current_run.get()
    if run is None:
        raise MissingContextError("No run context available. You are not in a flow or task run context.")
    return FlowRunContext(run) if run.is_flow else TaskRunContext(run)


@contextmanager
def tags(*new_tags: str) -> Iterator[set[str]]:
    """Give the runs made in the block these tags, besides those around it."""
    united = current_tags.get() | frozenset(new_tags)
    token = current_tags.set(united)
    try:
        yield set(united)
    finally:
        current_tags.reset(token)


def serialize_context(asset_ctx_kwargs: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What another thread or process needs to go on in this context; given back to `hydrated_context`."""
    return {"run": current_run.get(), "tags": current_tags.get(), "settings": SettingsContext.get().settings}


@contextmanager
def hydrated_context(serialized_context: Mapping[str, Any] | None = None, client: Any = None) -> Iterator[None]:
    """Go on in a serialized context for the block."""
    if not serialized_context:
        yield
        return
    from penstock.settings import _current as current_settings

    run_token = current_run.set(serialized_context.get("run"))
    tags_token = current_tags.set(frozenset(serialized_context.get("tags") or ()))
    settings_token = current_settings.set(serialized_context.get("settings"))
    try:
        yield
    finally:
        current_settings.reset(settings_token)
        current_tags.reset(tags_token)
        current_run.reset(run_token)


def with_context(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Bind a function to the context of this place: run, tags, settings; call it in whatever thread."""
    context = contextvars.copy_context()

    @functools.wraps(fn)
    def inside(*args: Any, **kwargs: Any) -> Any:
        return context.copy().run(fn, *args, **kwargs)

    return inside
