"""How the last run of each Flow ended: heard of when runs end, so that no decision about a Flow looks through its runs.

Neighbours: `store` tells of runs that have ended; a Flow's status keeps what was heard of when that run is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from penstock_operator.api.flow import LastOutcome

from .resources import Key


class Outcomes:
    """The last end by Flow.

    Args:
        counted: is told each Flow of which there is news.
    """

    def __init__(self, counted: Callable[[Key], None] = lambda _: None) -> None:
        self._counted = counted
        self._last: dict[Key, LastOutcome] = {}

    def note(self, key: Key, raw: Mapping[str, Any]) -> None:
        """Take note of a raw run that has ended."""
        found = _read(key, raw)
        if found is None:
            return
        flow, outcome = found
        known = self._last.get(flow)
        if known is None or outcome.completion_time > known.completion_time:
            self._last[flow] = outcome
            self._counted(flow)

    def of(self, flow: Key) -> LastOutcome | None:
        """Return the last end of a run of a Flow that was heard of."""
        return self._last.get(flow)

    def forget(self, flow: Key) -> None:
        """The Flow is gone."""
        self._last.pop(flow, None)


def _read(key: Key, raw: Mapping[str, Any]) -> tuple[Key, LastOutcome] | None:
    try:
        flow, status = raw["spec"]["flowRef"]["name"], raw["status"]
        state = status["state"]
        outcome = LastOutcome(
            run_name=key.name,
            state=state["type"],
            reason=state.get("name"),
            completion_time=status["completionTime"],
        )
    except (KeyError, TypeError, AttributeError, ValueError):
        return None
    return (Key(key.namespace, flow), outcome) if isinstance(flow, str) else None
