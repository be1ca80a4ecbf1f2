"""The order of environment variables after a merge: `$(NAME)` sees what stands before it, so the order is part of the meaning.

Each list keeps its own order, as its author wrote it. Across lists what a variable refers to comes before it: a run's variable sees the Flow's,
and the Flow's sees what the run puts in its place. Rule: Kubernetes' expansion of dependent environment variables.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_REFERENCE = re.compile(r"\$(?:\$|\(([^)]*)\))")


@dataclass(frozen=True, slots=True)
class Placed:
    """An item of a merged list, and where it stood in the two that were merged (None: not there)."""

    item: dict[str, Any]
    before: int | None
    patched: int | None


def in_order_of_references(entries: Sequence[Placed]) -> list[Placed]:
    """Return the variables in an order in which each stands behind those that it refers to; without references as they are.

    Args:
        entries: the variables, no two of one name.
    """
    by_name = {entry.item.get("name"): entry for entry in entries}
    out: list[Placed] = []
    done: set[Any] = set()

    def place(entry: Placed, waiting: tuple[Any, ...]) -> None:
        name = entry.item.get("name")
        if name in done or name in waiting:
            return
        for wanted in references(entry.item):
            other = by_name.get(wanted)
            if other is not None and _comes_first(other, entry):
                place(other, (*waiting, name))
        if name not in done:
            done.add(name)
            out.append(entry)

    for entry in entries:
        place(entry, ())
    return out


def references(item: dict[str, Any]) -> list[str]:
    """Return the names that a variable's value refers to."""
    value = item.get("value")
    return [match[1] for match in _REFERENCE.finditer(value) if match[1]] if isinstance(value, str) else []


def _comes_first(other: Placed, entry: Placed) -> bool:
    """Whether a variable is to stand before one that refers to it: where both are of one list, that list says so."""
    if entry.patched is not None:
        return other.patched is None or other.patched < entry.patched
    return other.before is None or (entry.before is not None and other.before < entry.before)
