"""The lines of a pod's log as they were meant: parts of a long line put together, and no empty lines that the pod has put between.

Where somebody else may write at the same time, a pod cuts a line that a pipe would not take in one piece into parts, each an object
(`part`, `parts`, `whole`; `penstock.pod.parts` in the engine); others' lines may stand between them. What is not all there, for the log was
rotated or is read from its middle, is given on as it is. Where somebody may have left a line unfinished, the log's next line begins with
an end of line, and ends with a blank: an empty line before it means nothing.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .entries import BEGINNING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["WholeLines", "stamped", "whole_lines"]

_PLACE = frozenset({"part", "parts", "whole", "more", "json"})
_MOST_BEGUN = 16

_Line = tuple[str, str]


class WholeLines:
    """See the module. Takes a log's lines in order; a line that is held back is told with what comes next."""

    def __init__(self) -> None:
        self._empty: list[_Line] = []
        self._begun: dict[str, list[tuple[_Line, dict[str, Any]]]] = {}  # parts by the name of the whole

    def take(self, stamp: str, text: str) -> list[_Line]:
        """Return what is to be shown now.

        Args:
            stamp: when the line was written.
            text: the line.
        """
        line = (stamp, text)
        if not text:
            told, self._empty = self._empty, [line]
            return told
        ours = text.startswith(BEGINNING)
        told, self._empty = ([] if ours and text.endswith("} ") else self._empty), []
        part = _part(text) if ours and '"parts": ' in text else None
        return [*told, *([line] if part is None else self._taken(line, part))]

    def rest(self) -> list[_Line]:
        """Return what was held back: nothing more comes."""
        told, self._empty = [*self._given_up(list(self._begun)), *self._empty], []
        return told

    def _taken(self, line: _Line, part: dict[str, Any]) -> list[_Line]:
        name, number = part["whole"], part["part"]
        told: list[_Line] = []
        if number == 1:
            # Its process writes one line after the other: what it has begun before is not ended any more.
            writer = name.rpartition("-")[0]
            told = self._given_up([each for each in self._begun if each.rpartition("-")[0] == writer])
            if len(self._begun) >= _MOST_BEGUN:
                told += self._given_up([next(iter(self._begun))])
            self._begun[name] = []
        known = self._begun.get(name)
        if known is None or number != len(known) + 1 or (known and known[0][1]["parts"] != part["parts"]):
            return [*told, *self._given_up([name]), line]
        known.append((line, part))
        if number < part["parts"]:
            return told
        parts = [each for _, each in known]
        try:
            joined = _joined(parts)
        except (ValueError, TypeError, RecursionError):
            return [*told, *self._given_up([name])]
        del self._begun[name]
        return [*told, (line[0], json.dumps(joined, ensure_ascii=False))]

    def _given_up(self, names: list[str]) -> list[_Line]:
        return [line for name in names for line, _ in self._begun.pop(name, [])]


def whole_lines(lines: Iterable[str]) -> Iterator[str]:
    """Yield the lines of a log as they were meant."""
    for _, text in _all(("", line) for line in lines):
        yield text


def stamped(lines: Iterable[str]) -> Iterator[_Line]:
    """Yield time and text of the lines of a log, each with its time before it, as they were meant."""
    yield from _all((stamp, text) for stamp, _, text in (line.partition(" ") for line in lines))


def _all(lines: Iterable[_Line]) -> Iterator[_Line]:
    known = WholeLines()
    for line in lines:
        yield from known.take(*line)
    yield from known.rest()


def _part(text: str) -> dict[str, Any] | None:
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or not isinstance(found.get("whole"), str):
        return None
    number, count = found.get("part"), found.get("parts")
    return found if type(number) is int and type(count) is int and 0 < number <= count else None


def _joined(parts: list[dict[str, Any]]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    as_json: dict[str, None] = {}
    for part in parts:
        more = frozenset(part.get("more") or ())
        as_json |= dict.fromkeys(part.get("json") or ())
        for name, value in part.items():
            if name not in _PLACE:
                fields[name] = fields[name] + value if name in more and name in fields else value
    for name in as_json:
        fields[name] = json.loads(fields[name])
    return fields
