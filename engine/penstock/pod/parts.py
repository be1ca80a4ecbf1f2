"""A line of the log in parts, each a JSON object that a pipe takes in one piece.

A pipe takes so many bytes in one piece (``PIPE_BUF``); into a longer line another process may write. A part has the
time, the level, the logger and which run it is of, as any line, then what fits of the other fields, and how it belongs
to the others: ``part`` and ``parts`` count, ``whole`` is the same in all of one line, ``more`` names the fields that go
on from the part before: their texts are put together. What is no text (``extra``) is cut as its JSON text, and
named in ``json``. Pure; neighbour: ``penstock.pod.lines`` writes them, ``penstock_reading.wholelines`` and
``penstock.clusterruns.podlines`` put them together.
"""

from __future__ import annotations

import json
from typing import Any

_NEEDED = ("ts", "level", "logger", "msg")
_EVERYWHERE = frozenset({
    "ts", "level", "logger", "run", "namespace", "attempt", "pod", "podUid", "node",
    "flow", "flowRun", "task", "taskRun", "taskRunName", "address",
})  # fmt: skip
"""What each part has, so that one that is read alone can be told."""
_SHORT = 256
"""Bytes of a field that is repeated, at most."""
_ROOM = 96
"""Bytes that a part should have left for a piece of text, else it is full."""
_ENDS = {0x85: "\\u0085", 0x2028: "\\u2028", 0x2029: "\\u2029"}
_dump = json.JSONEncoder(ensure_ascii=False).encode


def parts_of(line: bytes, longest: int, whole: str) -> list[bytes]:
    """Cut a line of the log.

    Args:
        line: A JSON object, without its end.
        longest: Bytes of a part, at most, without its end; 1,024 at least.
        whole: What the line is called.

    Returns:
        The parts; the line itself when it is short enough, or no object.
    """
    if len(line) <= longest:
        return [line]
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        return [line]
    if not isinstance(fields, dict):
        return [line]
    head: dict[str, bytes] = {}
    left = longest // 2
    for name, value in fields.items():
        if name in _EVERYWHERE and len(text := _bytes(value)) <= min(_SHORT, left):
            head[name] = text
            left -= len(_member(name, text))
    made = [_Part(head, longest)]
    for name, value in fields.items():
        if name not in head:
            _put(made, head, longest, name, value)
    return [part.written(number, len(made), whole) for number, part in enumerate(made, 1)]


class _Part:
    """One of them, while it is filled."""

    def __init__(self, head: dict[str, bytes], longest: int) -> None:
        self._fields = dict(head)
        self._more: list[str] = []
        self._json: list[str] = []
        # Room for its numbers, its name, the names of its lists, and the fields that no part may lack.
        self._left = longest - 256 - sum(len(_member(name, text)) for name, text in head.items())

    def room(self, name: str) -> int:
        return self._left - 3 * len(_bytes(name)) - 16

    def put(self, name: str, text: bytes, *, more: bool, is_json: bool) -> None:
        self._fields[name] = text
        self._left -= len(_member(name, text))
        for listed, wanted in ((self._more, more), (self._json, is_json)):
            if wanted:
                listed.append(name)
                self._left -= len(_bytes(name)) + 2

    def written(self, number: int, count: int, whole: str) -> bytes:
        fields = {name: self._fields.get(name, b'""') for name in _NEEDED} | self._fields
        if number > 1:
            self._more += [name for name in _NEEDED if name not in self._fields]
        told: dict[str, Any] = {"part": number, "parts": count, "whole": whole}
        told |= {name: listed for name, listed in (("more", self._more), ("json", self._json)) if listed}
        fields |= {name: _bytes(value) for name, value in told.items()}
        return b"{" + b", ".join(_member(name, text)[:-2] for name, text in fields.items()) + b"}"


def _put(made: list[_Part], head: dict[str, bytes], longest: int, name: str, value: Any) -> None:
    text = _bytes(value)
    is_json = not isinstance(value, str)
    if is_json and len(text) > made[-1].room(name) and len(text) <= _SHORT:
        made.append(_Part(head, longest))
    if len(text) <= made[-1].room(name):
        made[-1].put(name, text, more=False, is_json=False)
        return
    left: str = _dump(value) if is_json else value
    more = False
    while left or not more:
        if made[-1].room(name) < _ROOM:
            made.append(_Part(head, longest))
        piece = _beginning(left, made[-1].room(name))
        made[-1].put(name, _bytes(piece), more=more, is_json=is_json)
        left, more = left[len(piece) :], True
        if left:
            made.append(_Part(head, longest))


def _beginning(text: str, room: int) -> str:
    """As many characters as have room, written as JSON; one at least."""
    piece = text[:room]
    while len(piece) > 1 and (size := len(_bytes(piece))) > room:
        piece = piece[: max(1, min(len(piece) - 1, len(piece) * room // size))]
    return piece


def _bytes(value: Any) -> bytes:
    return _dump(value).translate(_ENDS).encode("utf-8", "backslashreplace")


def _member(name: str, text: bytes) -> bytes:
    return _bytes(name) + b": " + text + b", "
