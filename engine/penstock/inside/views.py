"""The context of runs, for user code: what run is this, with which parameters, tags, settings.

The classes are views of the one context variable that holds the current run. Neighbours: `flow_run_values` and
`task_run_values` offer single values; `base.current` holds the variables; `transfer` sends contexts elsewhere.
"""

from __future__ import annotations

import contextvars
import copy
from typing import TYPE_CHECKING, Any, ClassVar

from penstock.base.current import current_run
from penstock.base.current import current_tags as tags_variable
from penstock.base.exceptions import MissingContextError
from penstock.base.fields import own_fields, settle
from penstock.base.managers import contextmanager
from penstock.base.subscripted import AS_FIELD
from penstock.core.state_parts import StateType

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime
    from typing import Self

    from penstock.base.settings import Settings
    from penstock.core.runs import FlowRun, Run, TaskRun

_entered: contextvars.ContextVar[Any] = contextvars.ContextVar("penstock_entered_context", default=None)


class ContextModel:
    """Base class of contexts: values by name, entered for a block, found by `get()` inside it.

    A subclass of one's own names its fields by annotations and its variable as `__var__ = ContextVar(...)`.
    """

    __var__: ClassVar[contextvars.ContextVar[Any]]
    _token: Any = None

    def __init__(self, **values: Any) -> None:
        settle(self, self._fields, values)

    _fields: ClassVar[dict[str, Any]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._fields = {**cls._fields, **own_fields(cls)}

    @classmethod
    def get(cls) -> Any:
        """The context that holds here, or None."""
        return cls.__var__.get(None)

    def _set(self) -> Any:
        return self.__var__.set(self)

    def _reset(self, token: Any) -> None:
        self.__var__.reset(token)

    def __enter__(self) -> Self:
        if self._token is not None:
            raise RuntimeError("Context already entered. Context enter calls cannot be nested.")
        self._token = self._set()
        return self

    def __exit__(self, *_: object) -> None:
        if self._token is None:
            raise RuntimeError("Asymmetric use of context. Context exit called without an enter.")
        token, self._token = self._token, None
        self._reset(token)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy with some values replaced, not entered."""
        new = copy.copy(self)
        new._token = None
        new.__dict__.update(update or {})
        return new

    def copy(self) -> Self:
        """A copy, not entered."""
        return self.model_copy()

    def serialize(self, include_secrets: bool = True) -> dict[str, Any]:
        """The values that were given, by name."""
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and self.serialize() == other.serialize()

    __hash__ = object.__hash__


class RunContext(ContextModel):
    """The context of a run.

    Args:
        run: the record; or it is given by name, as `flow_run` or `task_run`.
        values: `flow`, `task`, `parameters`, `task_runner`, `result_store`, `persist_result`, `log_prints`: set on the
            record; other members are derived from it.
    """

    _definition = ""
    _record = ""

    __get_pydantic_core_schema__ = AS_FIELD

    def __init__(self, run: Run | None = None, **values: Any) -> None:
        given = run if run is not None else values.get(self._record)
        if given is None:
            raise ValueError(f"{type(self).__name__} needs a {self._record}.")
        self._run: Run = given
        if given.control is None:  # a record made by hand: what is called in its context is part of it
            from penstock.drivers.entry import own
            from penstock.interruption.interrupt import Control

            given.control = Control()
            own(given, given.control)
        self._client = values.get("client")
        self._start = values.get("start_time")
        if not values:
            return
        for name, member in (
            (self._definition, "definition"), ("parameters", "parameters"), ("task_runner", "runner"),
            ("result_store", "store"), ("persist_result", "persist"), ("log_prints", "inherited"),
        ):  # fmt: skip
            if values.get(name) is not None and hasattr(given, member):
                setattr(given, member, values[name])

    @classmethod
    def model_construct(cls, **values: Any) -> Self:
        """The context of the values; without a record, of a blank one."""
        from penstock.core import runs

        return cls(**{cls._record: getattr(runs, cls.__name__.removesuffix("Context"))(), **values})

    def _set(self) -> Any:
        return current_run.set(self._run), _entered.set(self)

    def _reset(self, token: Any) -> None:
        current_run.reset(token[0])
        _entered.reset(token[1])

    @classmethod
    def _of(cls, run: Run) -> Self:
        """The context of a run: the one that was entered by hand, or a view of it."""
        entered = _entered.get()
        return entered if entered is not None and entered._run is run and type(entered) is cls else cls(run)

    @property
    def client(self) -> Any:
        """What was given as one; otherwise None, as there is no server to talk to."""
        return self._client

    @property
    def start_time(self) -> datetime | None:
        """When this try began; for a record made by hand, when its context was first asked."""
        trying = self._run.state_type is StateType.RUNNING
        began = self._run.state.timestamp if trying else self._run.start_time or self._start
        if began is None:
            from datetime import UTC, datetime

            began = self._start = datetime.now(UTC)
        return began

    @property
    def parameters(self) -> dict[str, Any]:
        """Values by name."""
        return self._run.parameters or {}

    @property
    def persist_result(self) -> bool:
        """Whether results made here are stored."""
        from penstock.storage.persisting import persists

        return persists(self._run)

    @property
    def result_store(self) -> Any:
        """Where results made here are stored, by the settings that hold when it is asked for."""
        from penstock.storage.persisting import store_of

        store = store_of(self._run)
        store.result_storage, store.serializer  # noqa: B018  (made when first asked for)
        return store

    @property
    def log_prints(self) -> bool:
        """Whether `print` becomes log lines here."""
        from penstock.logging.prints import wants_prints

        return wants_prints(self._run)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._run is other._run

    def __hash__(self) -> int:
        return hash(self._run)


class FlowRunContext(RunContext):
    """The context of the nearest enclosing flow run."""

    _definition = "flow"
    _record = "flow_run"

    @classmethod
    def get(cls) -> FlowRunContext | None:
        """The context of the nearest enclosing flow run, or None."""
        run = current_run.get()
        return None if run is None or run.flow is None else cls._of(run.flow)

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

    @property
    def detached(self) -> bool:
        """Whether this is a copy of a run of another process."""
        return self.flow_run.life is None and self.flow_run not in self.flow_run.control.active

    def serialize(self, include_secrets: bool = True) -> dict[str, Any]:
        """What another thread or process needs of it."""
        from penstock.inside.carrying import flow_form

        return flow_form(self.flow_run)


EngineContext = FlowRunContext


class TaskRunContext(RunContext):
    """The context of the current task run."""

    _definition = "task"
    _record = "task_run"

    @classmethod
    def get(cls) -> TaskRunContext | None:
        """The context of the nearest enclosing task run inside the same flow run, or None."""
        run = current_run.get()
        return None if run is None or run.is_flow else cls._of(run)

    @property
    def task(self) -> Any:
        """The task."""
        return self._run.definition

    @property
    def task_run(self) -> TaskRun:
        """The record of the run."""
        return self._run  # type: ignore[return-value]

    def _set(self) -> Any:
        above = current_run.get()
        run = self.task_run
        if above is not None and above.is_flow and run.parent is None:
            run.parent, run.flow, run.root, run.control = above, above.flow, above.root, above.control
        return super()._set()

    def serialize(self, include_secrets: bool = True) -> dict[str, Any]:
        """What another thread or process needs of it."""
        from penstock.inside.carrying import task_form

        return task_form(self.task_run)


class TagsContext(ContextModel):
    """The tags that runs made here get."""

    def __init__(self, current_tags: set[str] | frozenset[str] = frozenset()) -> None:
        self.current_tags = set(current_tags)

    def _set(self) -> Any:
        return tags_variable.set(frozenset(self.current_tags))

    def _reset(self, token: Any) -> None:
        tags_variable.reset(token)

    @classmethod
    def get(cls) -> TagsContext:
        """The tags that hold here."""
        return cls(tags_variable.get())


class SettingsContext(ContextModel):
    """The settings that hold here."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def _set(self) -> Any:
        from penstock.base.settings import _current as current_settings

        return current_settings.set(self.settings)

    def _reset(self, token: Any) -> None:
        from penstock.base.settings import _current as current_settings

        current_settings.reset(token)

    def serialize(self, include_secrets: bool = True) -> dict[str, Any]:
        """Settings that were laid over those of the environment, by name."""
        return self.settings._flat()

    @classmethod
    def get(cls) -> SettingsContext:
        """The settings that hold here."""
        from penstock.base.settings import get_current_settings

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
    return FlowRunContext._of(run) if run.is_flow else TaskRunContext._of(run)


@contextmanager
def tags(*new_tags: str) -> Iterator[set[str]]:
    """Give the runs made in the block these tags, besides those around it."""
    united = tags_variable.get() | frozenset(new_tags)
    token = tags_variable.set(united)
    try:
        yield set(united)
    finally:
        tags_variable.reset(token)
