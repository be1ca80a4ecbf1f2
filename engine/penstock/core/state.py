"""The state of a run: a small value object, cheap to make.

Ids are made when first read, times are floats until somebody asks for a datetime, details exist once one is set.
All logic keys on `type`; `name` refines it for people. Neighbours: `state_result` says what the result of a state is,
`states` holds constructors for users; the other modules make the states that runs go through.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock.base.marks import LAZY, new_id, now
from penstock.base.subscripted import AS_FIELD, Of, Subscripted
from penstock.base.texts import repr_of
from penstock.core.state_parts import (
    CANCELLED,
    CANCELLING,
    COMPLETED,
    CRASHED,
    DEFAULT_NAMES,
    FAILED,
    PAUSED,
    PENDING,
    RUNNING,
    SCHEDULED,
    TERMINAL_STATES,
    StateType,
    id_of,
)
from penstock.core.state_result import StateResult

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime
    from uuid import UUID

    from penstock.core.state_parts import RunKey


class StateDetails:
    """Particulars of a state; every member is None (or False) unless set."""

    __slots__ = (
        "cache_expiration", "cache_key", "child_flow_run_id", "deferred", "flow_run_id", "pause_key",
        "pause_reschedule", "pause_timeout", "refresh_cache", "retriable", "run_count", "run_input_keyset",
        "scheduled_time", "task_parameters_id", "task_run_id", "traceparent", "transition_id",
        "untrackable_result",
    )  # fmt: skip

    if TYPE_CHECKING:
        cache_expiration: datetime | None
        cache_key: str | None
        child_flow_run_id: UUID | None
        deferred: bool | None
        flow_run_id: UUID | None
        pause_key: str | None
        pause_reschedule: bool
        pause_timeout: datetime | None
        refresh_cache: bool | None
        retriable: bool | None
        run_count: int | None
        run_input_keyset: dict[str, str] | None
        scheduled_time: datetime | None
        task_parameters_id: UUID | None
        task_run_id: UUID | None
        traceparent: str | None
        transition_id: UUID | None
        untrackable_result: bool

    def __init__(self, **values: Any) -> None:
        for name in self.__slots__:
            setattr(self, name, None)
        self.pause_reschedule = self.untrackable_result = False
        if values:
            self._take(values)

    def _take(self, values: dict[str, Any]) -> None:
        for name in self.__slots__:
            setattr(self, name, values.pop(name, None))
        if values:
            raise TypeError(f"StateDetails has no member {', '.join(sorted(values))}.")
        self.pause_reschedule = bool(self.pause_reschedule)
        self.untrackable_result = bool(self.untrackable_result)
        for name in ("scheduled_time", "pause_timeout", "cache_expiration"):
            setattr(self, name, aware(getattr(self, name)))
        for name in ("flow_run_id", "task_run_id", "child_flow_run_id", "transition_id", "task_parameters_id"):
            value = getattr(self, name)
            if isinstance(value, str):
                from uuid import UUID

                setattr(self, name, UUID(value))

    def to_dict(self) -> dict[str, Any]:
        """Every member by name."""
        return {name: getattr(self, name) for name in self.__slots__}

    def model_dump(self, **_: Any) -> dict[str, Any]:
        """`to_dict`, under the name that pydantic's users look for."""
        return self.to_dict()

    def copy(self, **changes: Any) -> StateDetails:
        """A copy with some members replaced."""
        return StateDetails(**{**self.to_dict(), **changes})

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> StateDetails:
        """A copy with some members replaced.

        Args:
            update: members by name.
            deep: the members are immutable: the same either way.
        """
        return self.copy(**(update or {}))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StateDetails) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.to_dict().items() if value)
        return f"StateDetails({shown})"


def aware(when: datetime | str | None) -> datetime | None:
    """The time with a zone; naive times are taken as UTC, texts as ISO 8601."""
    if isinstance(when, str):
        from datetime import datetime

        when = datetime.fromisoformat(when)
    if when is not None and when.tzinfo is None:
        from datetime import UTC

        return when.replace(tzinfo=UTC)
    return when


class State(StateResult, Subscripted[Of]):
    """What a run is in: a type, a name that refines it, a message, the data of its result.

    Args:
        type: a StateType or its value.
        name: default: the type, capitalised.
        timestamp: default: now.
        message: for people.
        data: the result, an exception, or what refers to them.
        state_details: a StateDetails, or a mapping of its members.
        id: default: made when first read.
    """

    __slots__ = (
        "__weakref__", "_details", "_extra", "_id", "_of", "_time", "_traceback", "data", "ended", "message", "name", "type",
    )  # fmt: skip

    __get_pydantic_core_schema__ = AS_FIELD

    def __init__(
        self,
        type: StateType | str,
        name: str | None = None,
        timestamp: datetime | None = None,
        message: str | None = None,
        data: Any = None,
        state_details: StateDetails | Mapping[str, Any] | None = None,
        id: UUID | None = None,
    ) -> None:
        if type.__class__ is not StateType:
            type = StateType(type)
        self.type: StateType = type
        self.name: str = name if name is not None else DEFAULT_NAMES[type]
        self.message = message
        self.data = data
        self._time = now() if timestamp is None else aware(timestamp).timestamp()  # type: ignore[union-attr]
        self._id = id
        if state_details is None or isinstance(state_details, StateDetails):
            self._details: StateDetails | None = state_details
        else:
            self._details = StateDetails(**state_details)
        self.ended = False  # a run ended in this state: data None is its result, not the lack of one
        self._traceback: Any = None
        self._extra: dict[str, Any] | None = None
        self._of: RunKey | None = None  # the run that went through this state

    @property
    def id(self) -> UUID:
        """Identity of this state; states are equal when their ids are."""
        if self._id is None:
            with LAZY:
                if self._id is None:
                    self._id = new_id()
        return self._id

    @id.setter
    def id(self, value: UUID) -> None:
        self._id = value

    @property
    def timestamp(self) -> datetime:
        """When the state was made, in UTC."""
        from datetime import UTC, datetime

        return datetime.fromtimestamp(self._time, UTC)

    @timestamp.setter
    def timestamp(self, value: datetime) -> None:
        self._time = aware(value).timestamp()  # type: ignore[union-attr]

    @property
    def state_details(self) -> StateDetails:
        """Particulars; made when first read."""
        details = self._details
        if details is None:
            details = self._details = StateDetails()
        of = self._of
        if of is not None:
            flow = of if of.is_flow else of.flow
            task = of.task if of.is_flow else of
            details.task_run_id = task.id if task is not None else None
            details.flow_run_id = flow.id if flow is not None else None
        return details

    @state_details.setter
    def state_details(self, value: StateDetails) -> None:
        self._details = value

    def _get_extra(self, name: str, default: Any) -> Any:
        return default if self._extra is None else self._extra.get(name, default)

    def _set_extra(self, **values: Any) -> None:
        self._extra = {**(self._extra or {}), **values}

    @property
    def task_states(self) -> dict[str, State]:
        """Final states of the runs that `return_tasks` named, by address."""
        found: dict[str, State] = self._get_extra("task_states", {})
        return found

    @property
    def unused(self) -> tuple[str, ...]:
        """Addresses of given `task_states` and `task_contexts` that no call reached."""
        found: tuple[str, ...] = self._get_extra("unused", ())
        return found

    @property
    def flow_run(self) -> Any:
        """The flow run that ended in this state, when `run_engine` returned it."""
        return self._get_extra("flow_run", None)

    @property
    def map_states(self) -> list[State]:
        """States of the children of a mapped parent."""
        found: list[State] = self._get_extra("map_states", [])
        return found

    def is_scheduled(self) -> bool:
        """Whether the type is SCHEDULED."""
        return self.type is SCHEDULED

    def is_pending(self) -> bool:
        """Whether the type is PENDING."""
        return self.type is PENDING

    def is_running(self) -> bool:
        """Whether the type is RUNNING."""
        return self.type is RUNNING

    def is_completed(self) -> bool:
        """Whether the type is COMPLETED."""
        return self.type is COMPLETED

    def is_failed(self) -> bool:
        """Whether the type is FAILED."""
        return self.type is FAILED

    def is_crashed(self) -> bool:
        """Whether the type is CRASHED."""
        return self.type is CRASHED

    def is_cancelled(self) -> bool:
        """Whether the type is CANCELLED."""
        return self.type is CANCELLED

    def is_cancelling(self) -> bool:
        """Whether the type is CANCELLING."""
        return self.type is CANCELLING

    def is_paused(self) -> bool:
        """Whether the type is PAUSED."""
        return self.type is PAUSED

    def is_final(self) -> bool:
        """Whether the type is terminal: COMPLETED, FAILED, CANCELLED or CRASHED."""
        return self.type in TERMINAL_STATES

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> State:
        """A copy with some fields replaced; id and time stay.

        Args:
            update: fields by name.
            deep: copy the details as well; they are in any case.
        """
        fields = self._fields()
        fields.update(update or {})
        copied = State(**fields)
        copied.ended = self.ended
        copied._of = self._of
        copied._traceback = self._traceback
        copied._extra = self._extra
        return copied

    def copy(self, *, update: Mapping[str, Any] | None = None, reset_fields: bool = False, **changes: Any) -> State:
        """A copy; `reset_fields` gives it an id and a time of its own."""
        fields = {**(update or {}), **changes}
        if reset_fields:
            fields = {"id": None, "timestamp": None, **fields}
        return self.model_copy(update=fields)

    def fresh_copy(self, **changes: Any) -> State:
        """A copy with a new id and time, and without the ids of runs."""
        details = self._details and self._details.copy(flow_run_id=None, task_run_id=None)
        fresh = self.model_copy(update={"id": None, "timestamp": None, "state_details": details, **changes})
        fresh._of = None
        return fresh

    def _fields(self) -> dict[str, Any]:
        return {
            "type": self.type,
            "name": self.name,
            "timestamp": self.timestamp,
            "message": self.message,
            "data": self.data,
            "state_details": self._details.copy() if self._details is not None else None,
            "id": self.id,
        }

    def to_dict(self) -> dict[str, Any]:
        """The fields by name; details as a dict as well."""
        return {**self._fields(), "state_details": self.state_details.to_dict()}

    def model_dump(
        self, *, mode: str = "python", include: Iterable[str] | None = None, exclude: Iterable[str] = (), **_: Any
    ) -> dict[str, Any]:
        """The fields by name; details as a dict as well.

        Args:
            mode: "json": values in JSON form.
            include: names to take; default: all.
            exclude: names to leave out.
        """
        fields = self.to_dict()
        wanted = set(fields if include is None else include) - set(exclude or ())
        chosen = {name: value for name, value in fields.items() if name in wanted}
        if mode == "json":
            from penstock.base.json_form import json_form

            return {name: json_form(value) for name, value in chosen.items()}
        return chosen

    def model_dump_json(self, **options: Any) -> str:
        """`model_dump` as a text."""
        from json import dumps

        return dumps(self.model_dump(**{**options, "mode": "json"}))

    @classmethod
    def model_validate(cls, obj: Any) -> State:
        """The state that `model_dump` described, or the given one."""
        return obj if isinstance(obj, State) else cls(**{**obj, "id": id_of(obj.get("id"))})

    def __getstate__(self) -> dict[str, Any]:
        if self._of is not None:
            self.state_details  # noqa: B018  (the ids of the run are in the details from here on)
        return {**self._fields(), "ended": self.ended, "_extra": self._extra}

    def __setstate__(self, fields: dict[str, Any]) -> None:
        ended, extra = fields.pop("ended", False), fields.pop("_extra", None)
        self.__init__(**fields)  # type: ignore[misc]
        self.ended, self._extra = ended, extra

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, State) and self.id == other.id)

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"{self.name}(message={self.message!r}, type={self.type.value}, result={repr_of(self.data)})"

    def __str__(self) -> str:
        if not self.message and self.name == DEFAULT_NAMES[self.type]:
            return self.name + "()"
        parts = []
        if self.message:
            parts.append(repr(self.message))
        if self.name.replace(" ", "").lower() != self.type.value.lower():
            parts.append(f"type={self.type.value}")
        return f"{self.name}({', '.join(parts)})"
