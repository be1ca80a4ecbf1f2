"""Which runs a page shows: what its address asks for, read once, and written again into links. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from .runrow import STATES, UNSEEN

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .runrow import RunRow

__all__ = ["ORDERS", "PAGE", "SPANS", "Filter", "read"]

PAGE: Final = 50
# What can be asked for by a word, in seconds.
SPANS: Final = {"1h": 3600.0, "6h": 21_600.0, "24h": 86_400.0, "7d": 604_800.0, "30d": 2_592_000.0}
ORDERS: Final = ("newest", "oldest", "longest")
_LONGEST_TEXT = 200


@dataclass(frozen=True, slots=True)
class Filter:
    """What is asked for; empty fields ask for nothing.

    Attributes:
        states: types of states.
        namespace: the namespace.
        flow: name of the flow.
        labels: `key=value`, or a key alone, all of which a run must have.
        span: a word of `SPANS`.
        begin: not begun before, seconds since the epoch.
        end: begun before, seconds since the epoch.
        text: what name, title, flow, state or message must hold, whatever its case.
        order: a word of `ORDERS`.
        page: from 1.
        problems: what of the address could not be read, in words.
    """

    states: frozenset[str] = frozenset()
    namespace: str = ""
    flow: str = ""
    labels: tuple[str, ...] = ()
    span: str = ""
    begin: float | None = None
    end: float | None = None
    text: str = ""
    order: str = "newest"
    page: int = 1
    problems: tuple[str, ...] = ()

    @property
    def narrow(self) -> bool:
        """Whether it leaves anything out."""
        return self != Filter(order=self.order, page=self.page, problems=self.problems)

    def chosen(self, rows: Iterable[RunRow], now: float) -> list[RunRow]:
        """Return the rows that fit, in their order."""
        begin = self.begin if not self.span else now - SPANS[self.span]
        wanted = self.text.lower()
        labels = [label.partition("=") for label in self.labels]

        def fits(row: RunRow) -> bool:
            return (
                (not self.states or row.kind in self.states)
                and (not self.namespace or row.key.namespace == self.namespace)
                and (not self.flow or row.flow == self.flow)
                and (begin is None or row.when >= begin)
                and (self.end is None or row.when < self.end)
                and all(_has(row, key, value if equals else None) for key, equals, value in labels)
                and (not wanted or wanted in _text(row))
            )

        return [row for row in rows if fits(row)]

    def ordered(self, rows: list[RunRow], now: float) -> list[RunRow]:
        """Return rows, which come with the newest first, in the order that is asked for."""
        if self.order == "oldest":
            return rows[::-1]
        if self.order == "longest":
            return sorted(rows, key=lambda row: -(row.took(now) or 0.0))
        return rows

    def toggled(self, kind: str) -> str:
        """Return the query that asks for a state besides, or for it no more."""
        return self.query(states=self.states ^ {kind})

    def query(self, **changes: Any) -> str:
        """Return the query of an address that asks for this with some fields changed; a page is begun at its start."""
        changed = replace(self, **{"page": 1, **changes})
        pairs: list[tuple[str, str]] = [("state", state) for state in (*STATES, UNSEEN) if state in changed.states]
        pairs += [("label", label) for label in changed.labels]
        one = {
            "namespace": changed.namespace, "flow": changed.flow, "time": changed.span,
            "from": _stamp(changed.begin), "to": _stamp(changed.end), "text": changed.text,
            "order": changed.order if changed.order != "newest" else "",
            "page": str(changed.page) if changed.page > 1 else "",
        }  # fmt: skip
        pairs += [(name, value) for name, value in one.items() if value]
        return f"?{urlencode(pairs)}" if pairs else "?"


def read(query: Mapping[str, str], several: Mapping[str, list[str]]) -> Filter:
    """Read an address.

    Args:
        query: the first value of each name.
        several: all values of the names that may be repeated: `state`, `label`.
    """
    problems: list[str] = []
    known = {state.lower(): state for state in (*STATES, UNSEEN)}
    states = set()
    for word in (part for value in several.get("state", []) for part in value.split(",") if part):
        if word.lower() in known:
            states.add(known[word.lower()])
        else:
            problems.append(f"there is no state {word!r}")
    span = query.get("time", "")
    if span and span not in SPANS:
        problems.append(f"time={span} is none of {', '.join(SPANS)}")
        span = ""
    order = query.get("order") or "newest"
    return Filter(
        states=frozenset(states),
        namespace=query.get("namespace", ""),
        flow=query.get("flow", ""),
        labels=tuple(part for value in several.get("label", []) for part in value.split(",") if part.strip()),
        span=span,
        begin=_moment("from", query.get("from", ""), problems),
        end=_moment("to", query.get("to", ""), problems),
        text=query.get("text", "").strip()[:_LONGEST_TEXT],
        order=order if order in ORDERS else "newest",
        page=int(page)
        if (page := query.get("page", "1")).isascii() and page.isdigit() and 0 < len(page) < 7 and int(page)
        else 1,
        problems=tuple(problems),
    )


def _has(row: RunRow, key: str, value: str | None) -> bool:
    return any(name == key.strip() and value in (None, held) for name, held in row.labels)


def _text(row: RunRow) -> str:
    return f"{row.key.name}\n{row.title}\n{row.flow}\n{row.words}\n{row.message}".lower()


def _moment(name: str, text: str, problems: list[str]) -> float | None:
    if not text:
        return None
    try:
        # What a field for a date gives has no zone: it is that of this machine.
        return datetime.fromisoformat(text).astimezone().timestamp()
    except (ValueError, OverflowError):
        problems.append(f"{name}={text} is no time: write it as 2026-11-21T06:00:00Z")
        return None


def _stamp(seconds: float | None) -> str:
    return "" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
