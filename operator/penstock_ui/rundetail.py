"""What the page of a run tells besides the run itself: its Events and its pods, fetched as the person who asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock_operator.runtime.errors import ApiError
from penstock_operator.runtime.resources import CORE_EVENTS
from penstock_reading import facts
from penstock_reading.asking import question
from penstock_reading.nextsteps import next_steps

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from penstock_reading.runs import Run

    from .access import Caller
    from .site import Site

__all__ = ["Detail", "detail"]

_ERROR = ("type", "message", "location", "traceback")


@dataclass(frozen=True, slots=True)
class Detail:
    """What is told of a run.

    Attributes:
        state: type of its state, for its colour.
        words: its state in words.
        message: what it says.
        steps: what to do.
        question: what it asks, while it is paused.
        facts: labels and values.
        error: the exception that ended it: type, message, location, traceback; empty: none.
        result: labels and values of what is known of its result.
        parameters: its own, by name, as JSON.
        attempts: rows below `facts.ATTEMPTS`.
        conditions: rows below `facts.CONDITIONS`.
        events: rows below `facts.EVENTS`.
        unread: why there are no Events.
    """

    state: str
    words: str
    message: str
    steps: Sequence[str]
    question: Sequence[str]
    facts: Sequence[tuple[str, str]]
    error: Mapping[str, str]
    result: Sequence[tuple[str, str]]
    parameters: Sequence[tuple[str, str]]
    attempts: Sequence[Sequence[str]]
    conditions: Sequence[Sequence[str]]
    events: Sequence[Sequence[str]]
    unread: str


async def detail(site: Site, caller: Caller, run: Run) -> Detail:
    """Look at a run."""
    unread = ""
    items: Sequence[Mapping[str, Any]] = ()
    try:
        query = {"fieldSelector": f"involvedObject.uid={run.uid}"}
        items = (await caller.client.get(CORE_EVENTS.path(run.namespace), query)).get("items") or []
    except ApiError as error:
        unread = error.message
    kind = run.state[0]
    asks = kind == "Paused" and (run.status.get("pause") or {}).get("key")
    return Detail(
        state=kind or "New",
        words=facts.state(run),
        message=run.state[2],
        steps=next_steps(run, site.program),
        question=list(question(run)) if asks else (),
        facts=[*facts.flow(run), *facts.times(run)],
        error={name: str((run.status.get("error") or {}).get(name) or "") for name in _ERROR}
        if run.status.get("error")
        else {},
        result=list(facts.result(run)),
        parameters=list(facts.parameters(run)),
        attempts=facts.attempts(run),
        conditions=facts.conditions(run.status),
        events=facts.events(items),
        unread=unread,
    )
