"""Reading results that states refer to. Neighbours: `life` and `given`."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from penstock._state import State
from penstock.core.effects import Call, Effect

Steps = Generator[Effect, Any, Any]


def read_state(state: State) -> Steps:
    """The data of a state, read from its store when it is there; `Raised` when it cannot be read."""
    data = state.data
    if getattr(data, "__penstock_stored__", False) is True:
        return (yield Call(data.read_value))
    return data
