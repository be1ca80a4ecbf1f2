"""A Flow in one screen: whether it can be used and why not, what it is made of, its schedules and next times, what can be done with it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from penstock_reading import facts, flows
from penstock_reading.flowactions import actions

from . import render
from .texts import block, field, mapping

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .api import Json

__all__ = ["flow"]

_TIMES = 5


def flow(body: Json, program: str) -> Iterator[str]:
    """Yield the lines that tell of a Flow.

    Args:
        body: as it is.
        program: what the user called this program, for commands to paste.
    """
    metadata, spec, now = body["metadata"], body.get("spec") or {}, datetime.now(UTC)
    yield field("Name", metadata["name"])
    yield field("Namespace", metadata["namespace"])
    if spec.get("description"):
        yield from block("Description", str(spec["description"]).split("\n"))
    state, message = flows.state(body)
    yield field("State", state or "<not seen by the operator yet>")
    if message:
        yield field("Message", message)
    for label, value in flows.facts(body, now):
        yield field(label, value)
    yield from _table("Schedules", flows.SCHEDULES, flows.schedules(body, now))
    times, faults = flows.next_times(spec, now, _TIMES)
    yield from _table("Next Times", flows.NEXT, times)
    for fault in faults:
        yield field("Problem", fault)
    yield from block("Commands", [f"{action.command}  # {action.what}" for action in actions(body, program)])
    yield from mapping("Labels", metadata.get("labels"))
    yield from mapping("Annotations", metadata.get("annotations"))
    yield from _table("Conditions", facts.CONDITIONS, facts.conditions(body.get("status") or {}))


def _table(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    if rows:
        yield from block(title, render.table(list(headings), [list(row) for row in rows]).split("\n"))
