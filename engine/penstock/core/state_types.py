"""The closed set of types that a state can have. Neighbours: `state` holds the states, `transitions` what may follow what."""

from __future__ import annotations

import enum


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
