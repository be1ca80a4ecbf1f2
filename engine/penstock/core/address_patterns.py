"""Addresses as users write them, in `task_states` and `return_tasks`: read, and compared with those of runs.

    pattern = [ "**/" ] address        index or map index: a number, `*` for every child, or left out

Neighbours: `address` says what an address is.
"""

from __future__ import annotations

from typing import NamedTuple


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
