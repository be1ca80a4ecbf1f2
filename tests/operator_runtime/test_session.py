"""What a watch says is taken from its stream; kopf is told how far it has come, and whatever else the server says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import aiohttp
import pytest

from penstock_operator.runtime import jsontext
from penstock_operator.runtime.resources import PODS, Resource
from penstock_operator.runtime.session import Beats, _Heard
from penstock_operator.runtime.table import LARGE_BYTES


def event(kind: str, name: str, version: int) -> dict[str, Any]:
    return {"type": kind, "object": {"metadata": {"name": name, "resourceVersion": str(version)}}}


def bookmark(version: int) -> dict[str, Any]:
    return {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": str(version)}}}


GONE = {"type": "ERROR", "object": {"kind": "Status", "code": 410}}


class Pieces:
    """A stream that comes in given pieces."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self.pieces = pieces

    async def iter_chunked(self, _size: int) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            yield piece


def heard(*pieces: bytes, path: str = "/api/v1/pods") -> tuple[list[tuple[str, str, bool]], list[Any]]:
    """Return what was taken, and what kopf reads."""
    taken: list[tuple[str, str, bool]] = []

    def take(resource: Resource, raw: Mapping[str, Any] | bytes, *, deleted: bool, size: int) -> None:
        assert size > 0
        assert isinstance(raw, bytes) is (size >= LARGE_BYTES)
        read = json.loads(raw)["object"] if isinstance(raw, bytes) else raw
        taken.append((resource.plural, read["metadata"]["name"], deleted))

    async def read() -> bytes:
        content: aiohttp.StreamReader = Pieces(pieces)  # type: ignore[assignment]
        stream = _Heard(content, path, Beats(lambda: 0.0), take)
        return b"".join([piece async for piece in stream.iter_chunked(1)])

    lines = asyncio.run(read()).split(b"\n")
    return taken, [json.loads(line) for line in lines if line]


def lines(*events: Any) -> bytes:
    return b"".join(json.dumps(e).encode() + b"\n" for e in events)


def test_events_are_taken_and_become_one_bookmark() -> None:
    taken, left = heard(lines(event("ADDED", "a", 5), event("MODIFIED", "b", 6), event("DELETED", "a", 7)))
    assert taken == [(PODS.plural, "a", False), (PODS.plural, "b", False), (PODS.plural, "a", True)]
    assert left == [bookmark(7)]


def test_a_line_in_pieces() -> None:
    whole = lines(event("ADDED", "a", 5), event("ADDED", "b", 6))
    taken, left = heard(*(whole[i : i + 7] for i in range(0, len(whole), 7)))
    assert [name for _, name, _ in taken] == ["a", "b"]
    assert left == [bookmark(5), bookmark(6)]


def test_the_servers_own_words_pass_in_their_place() -> None:
    taken, left = heard(lines(bookmark(4), event("ADDED", "a", 5), GONE, event("ADDED", "b", 6)))
    assert len(taken) == 2
    assert left == [bookmark(4), bookmark(5), GONE, bookmark(6)]


def test_a_large_event_is_handed_over_as_it_came() -> None:
    """It is forty times as large when it is read: it waits for its turn as text."""
    large = event("ADDED", "a", 5)
    large["object"]["spec"] = {"parameters": {"rows": [{}] * LARGE_BYTES}}
    taken, left = heard(lines(large))
    assert taken == [(PODS.plural, "a", False)]
    assert left == [bookmark(5)]


ODD = [
    {"type": "NEWS", "object": {}},
    {"type": "ADDED", "object": {"metadata": {}}},
    {"type": "ADDED", "object": None},
    {"type": "ADDED"},
    {"object": {}},
    ["ADDED"],
    "ADDED",
    5,
]


@pytest.mark.parametrize("odd", ODD)
def test_what_is_not_understood_is_kopfs(odd: Any) -> None:
    assert heard(lines(odd)) == ([], [odd])


def test_a_watch_of_something_else_is_kopfs() -> None:
    said = event("ADDED", "a", 5)
    assert heard(lines(said), path="/api/v1/namespaces") == ([], [said])


def test_a_line_without_its_end_is_kopfs() -> None:
    said = event("ADDED", "a", 5)
    assert heard(lines(said)[:-1]) == ([], [said])


@pytest.mark.parametrize("text", ['{"a": 1}', "[" * 300 + "]" * 300, '"\\ud800"', "12345678901234567890123"])
def test_json_is_read_as_the_standard_library_reads_it(text: str) -> None:
    assert jsontext.parse(text.encode()) == json.loads(text)


def test_what_is_no_json() -> None:
    with pytest.raises(ValueError, match="Expecting value"):
        jsontext.parse(b"<html>")
