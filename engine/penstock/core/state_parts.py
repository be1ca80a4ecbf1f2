"""What states are made of: types, a closed set; and particulars. Neighbours: `state` holds the states."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID


class StateType(str, enum.Enum):  # noqa: UP042  (equal to its value; shown with its class, as any enum)
    """The closed set of state types."""

    SCHEDULED = "SCHEDULED"
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    CRASHED = "CRASHED"
    PAUSED = "PAUSED"
    CANCELLING = "CANCELLING"

    def __repr__(self) -> str:
        return f"StateType.{self.value}"

    __hash__ = str.__hash__


# Plain names: an attribute of an enum class costs ten times a global.
SCHEDULED = StateType.SCHEDULED
PENDING = StateType.PENDING
RUNNING = StateType.RUNNING
COMPLETED = StateType.COMPLETED
FAILED = StateType.FAILED
CANCELLED = StateType.CANCELLED
CRASHED = StateType.CRASHED
PAUSED = StateType.PAUSED
CANCELLING = StateType.CANCELLING

TERMINAL_STATES = {COMPLETED, FAILED, CANCELLED, CRASHED}
DEFAULT_NAMES = {kind: kind.value.capitalize() for kind in StateType}


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


def at(seconds: float) -> datetime:
    """The point in time so many seconds after the epoch, in UTC."""
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC)
