"""Addresses: the stable path of a run inside its root run, equal in every attempt.

    address = segment *( "/" segment )        segment = name ":" index [ "[" map index "]" ]

Neighbours: `runs` counts calls; `given` parses what the user wrote in `task_states` and `return_tasks`.
"""

from __future__ import annotations

from itertools import count
from typing import Any, NamedTuple

_QUOTED = {"%": "%25", "/": "%2F", ":": "%3A", "[": "%5B", "]": "%5D", " ": "%20"}


def quote_name(name: str) -> str:
    """The name with the characters that structure an address quoted with %."""
    if name.isidentifier():
        return name
    return "".join(_QUOTED.get(char, char) for char in name)


class Counter:
    """Counts the calls below one run, by the key of what is called."""

    __slots__ = ("by_key", "names")

    def __init__(self) -> None:
        self.by_key: dict[Any, tuple[str, count[int]]] = {}
        self.names: dict[str, int] = {}

    def take(self, key: Any, name: str) -> tuple[str, int]:
        """The label and the index of the next call of `key`; another key of the same name gets `name~2` ..."""
        entry = self.by_key.get(key)
        if entry is None:
            label = quote_name(name)
            met = self.names.get(label, 0) + 1
            self.names[label] = met
            entry = self.by_key.setdefault(key, (label if met == 1 else f"{label}~{met}", count()))
        return entry[0], next(entry[1])


class Segment(NamedTuple):
    """One parsed segment; number None: any call; map_index -1: every child of the map, None: not a child."""

    name: str
    number: int | None
    map_index: int | None


class Pattern(NamedTuple):
    """A parsed address of `return_tasks` or `task_states`."""

    segments: tuple[Segment, ...]
    any_depth: bool = False

    def matches(self, address: str) -> bool:
        """Whether the address of a run is meant."""
        parts = address.split("/")
        wanted = self.segments
        if len(parts) < len(wanted) or (len(parts) != len(wanted) and not self.any_depth):
            return False
        return all(_fits(want, parse_segment(part)) for want, part in zip(wanted, parts[-len(wanted) :], strict=True))


def _fits(want: Segment, got: Segment) -> bool:
    if want.name != got.name or (want.number is not None and want.number != got.number):
        return False
    if want.map_index == -1:
        return got.map_index is not None
    return want.number is None or want.map_index == got.map_index


def parse_segment(text: str) -> Segment:
    """One segment of an address.

    Raises:
        ValueError: it is none.
    """
    name, colon, rest = text.partition(":")
    if not name:
        raise ValueError(f"{text!r} is no part of an address: a name is missing.")
    if not colon:
        return Segment(name, None, None)
    number, bracket, inside = rest.partition("[")
    if not number.isdigit() or (bracket and not inside.endswith("]")):
        raise ValueError(f"{text!r} is no part of an address; the form is name:index or name:index[map index].")
    map_index = None
    if bracket:
        inner = inside[:-1]
        if inner != "*" and not inner.isdigit():
            raise ValueError(f"{text!r}: a map index is a number, or * for every child.")
        map_index = -1 if inner == "*" else int(inner)
    return Segment(name, int(number), map_index)


def parse(text: str) -> Pattern:
    """An address or a pattern of addresses.

    Raises:
        ValueError: it cannot be parsed.
    """
    any_depth = text.startswith("**/")
    body = text.removeprefix("**/")
    if not body:
        raise ValueError("An address is empty.")
    return Pattern(tuple(parse_segment(part) for part in body.split("/")), any_depth)
