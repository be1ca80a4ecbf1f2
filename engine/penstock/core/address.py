"""Addresses: the stable path of a run inside its root run, equal in every attempt.

    address = segment *( "/" segment )        segment = name ":" index [ "[" map index "]" ]

Neighbours: `runs` counts calls; `address_patterns` reads what the user wrote in `task_states` and `return_tasks`.
"""

from __future__ import annotations

from itertools import count
from typing import Any

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
