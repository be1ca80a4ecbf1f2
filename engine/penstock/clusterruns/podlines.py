"""What the lines of a pod's log say to whoever waits for its run: records in their words, prints as they are.

The log's own lines are JSON objects. One that something else tore (a child process that had not ended its line) is read as the two
that it is; an empty line that the pod has put before one of its own, to begin it whole, is left out; one that comes in parts
(`penstock.pod.parts`) is told when its last part is there. Pure. Neighbours: `telling` reads the log; `penstock.pod.lines` writes it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

_BEGINNING = '{"ts": "'
_OURS = frozenset({"ts", "level", "logger", "msg"})


class Said(NamedTuple):
    """One thing that is told: how urgent it is, and its words."""

    level: int
    text: str


class PodLines:
    """Takes the lines of one pod, in their order."""

    def __init__(self) -> None:
        self._held = False  # an empty line, until the next one says whose it was
        self._begun: dict[str, dict[str, Any]] = {}  # lines that come in parts, by their names

    def take(self, line: str) -> list[Said]:
        """Give what is to be told now."""
        held, self._held = self._held, not line
        # A line of the log that the pod has put an end of line before ends with a blank.
        padded = line.startswith(_BEGINNING) and line.endswith("} ")
        before = [Said(logging.INFO, "")] if held and not padded else []
        part = _record(line) if '"parts": ' in line and line.startswith(_BEGINNING) else None
        if part is not None and isinstance(part.get("whole"), str):
            return [*before, *self._together(part)]
        return [*before, *(_read(line) if line else ())]

    def _together(self, part: Mapping[str, Any]) -> list[Said]:
        known = self._begun.setdefault(part["whole"], {})
        more = part.get("more") or ()
        for name, value in part.items():
            known[name] = f"{known[name]}{value}" if name in more and name in known else value
        return _words(self._begun.pop(part["whole"])) if part.get("part") == part.get("parts") else []

    def rest(self) -> list[Said]:
        """Give what was held back: nothing more comes."""
        held, self._held = self._held, False
        begun, self._begun = self._begun, {}
        return [
            *(said for record in begun.values() for said in _words(record)),
            *([Said(logging.INFO, "")] if held else ()),
        ]


def _read(line: str) -> list[Said]:
    begins = line.rfind(_BEGINNING)
    if begins < 0:
        return [Said(logging.INFO, line)]
    # A record may quote another one.
    if begins and (whole := _record(line)) is not None:
        return _words(whole)
    record = _record(line[begins:])
    if record is None:
        return [Said(logging.INFO, line)]
    return [*(_read(line[:begins]) if begins else ()), *_words(record)]


def _record(text: str) -> Mapping[str, Any] | None:
    try:
        document: Any = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) and document.keys() >= _OURS else None


def _words(record: Mapping[str, Any]) -> list[Said]:
    if record.get("event") == "state":
        return []  # the engine says the same in words
    level = logging.getLevelNamesMapping().get(str(record["level"]), logging.INFO)
    more = (str(record[key]).rstrip() for key in ("exc", "stack") if record.get(key))
    return [Said(level, "\n".join((str(record["msg"]), *more)))]
