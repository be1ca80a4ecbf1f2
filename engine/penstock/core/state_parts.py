"""What states are made of: types, a closed set; the identity of a run; points in time. Neighbours: `state`."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from penstock.base.marks import LAZY, new_id_text

if TYPE_CHECKING:
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


class RunKey:
    """Identity of a run, shared by its record and its states without either holding the other.

    Args:
        flow: identity of the flow run that it is part of; None for flow runs, and outside of them.
        is_flow: whether it is a flow run's.
        id: default: made when first read.

    Attributes:
        task: for the flow run of a subflow, identity of the task run that stands for it in the flow run above.
    """

    __slots__ = ("_id", "flow", "is_flow", "task")

    def __init__(self, flow: RunKey | None, is_flow: bool, id: UUID | str | None = None) -> None:
        self.flow = flow
        self.is_flow = is_flow
        self.task: RunKey | None = None
        self._id = id

    @property
    def id(self) -> UUID:
        """The id."""
        made = self._id
        if made is None or made.__class__ is str:
            from uuid import UUID

            made = self._id = UUID(self.text)
        return made  # type: ignore[return-value]

    @id.setter
    def id(self, value: UUID | str) -> None:
        self._id = value

    @property
    def text(self) -> str:
        """The id as text, which is all that a log line needs: `uuid` is loaded for whoever wants the object."""
        if self._id is None:
            with LAZY:
                if self._id is None:
                    self._id = new_id_text()
        return self._id if self._id.__class__ is str else str(self._id)


def id_of(given: UUID | str | None) -> UUID | None:
    """The id that a text may be of."""
    if given.__class__ is not str:
        return given  # type: ignore[return-value]
    from uuid import UUID

    return UUID(given)


def at(seconds: float) -> datetime:
    """The point in time so many seconds after the epoch, in UTC; the last one there is, for what no calendar says."""
    from datetime import UTC, datetime

    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError):
        return datetime.max.replace(tzinfo=UTC)
