"""Which state may follow which. Neighbours: `life` asks before each change."""

from __future__ import annotations

from penstock.base.exceptions import InvalidTransition
from penstock.core.state import State
from penstock.core.state_types import (
    CANCELLED,
    CANCELLING,
    COMPLETED,
    CRASHED,
    FAILED,
    PAUSED,
    PENDING,
    RUNNING,
    SCHEDULED,
    StateType,
)

ALLOWED: dict[StateType, frozenset[StateType]] = {
    SCHEDULED: frozenset({SCHEDULED, PENDING, RUNNING, FAILED, CANCELLING, CANCELLED, CRASHED}),
    PENDING: frozenset({PENDING, SCHEDULED, RUNNING, PAUSED, COMPLETED, FAILED, CANCELLING, CANCELLED, CRASHED}),
    RUNNING: frozenset({RUNNING, SCHEDULED, PAUSED, COMPLETED, FAILED, CANCELLING, CANCELLED, CRASHED}),
    PAUSED: frozenset({PAUSED, RUNNING, SCHEDULED, FAILED, CANCELLING, CANCELLED, CRASHED}),
    CANCELLING: frozenset({CANCELLED}),
    COMPLETED: frozenset(),
    FAILED: frozenset(),
    CANCELLED: frozenset(),
    CRASHED: frozenset(),
}


def allows(old: State | None, new: State) -> bool:
    """Whether `new` may follow `old` (None: a new run, which may start in any state)."""
    if old is None or new.type in ALLOWED[old.type]:
        return True
    return old.type is COMPLETED and new.type is COMPLETED and new.name == "RolledBack"


def check(old: State | None, new: State) -> None:
    """Raise unless `new` may follow `old`.

    Raises:
        InvalidTransition: no rule allows it.
    """
    if not allows(old, new):
        raise InvalidTransition(f"A run in state {old} cannot go to {new}.")
