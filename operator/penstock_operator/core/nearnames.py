"""Names that somebody may have meant, for a name that nobody has.

Neighbours: `waiting` tells them of a Flow that is not there; the runtime says which names there are, of the run's own namespace only.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from heapq import nsmallest
from itertools import pairwise

SHOWN = 3
_LONGEST = 63  # a longer name is none that flowRef could hold
_LOOKED_AT = 50


def near_names(wanted: str, names: Iterable[str]) -> tuple[str, ...]:
    """Return the names most like another, the likest first: at most three.

    Args:
        wanted: the name that is not there.
        names: those that are.
    """
    return likest(wanted, (name for name in names if len(name) <= _LONGEST and name != wanted))


def likest(wanted: str, names: Iterable[str], alike: float = 0.6) -> tuple[str, ...]:
    """Return what is most like a word, of words of any length, whatever their case; see `near_names`.

    Args:
        wanted: the word.
        names: those that there are.
        alike: how much, from 0 to 1.
    """
    # Of ten thousand names a close look at each takes a second: those of which most letters and pairs of letters are the same are enough.
    pieces = _pieces(wanted)

    def unlike(name: str) -> tuple[float, str]:
        its = _pieces(name)
        return -len(pieces & its) / (len(pieces) + len(its)), name

    folded: dict[str, list[str]] = {}
    for name in nsmallest(_LOOKED_AT, names, key=unlike):
        folded.setdefault(name.casefold(), []).append(name)
    found = get_close_matches(wanted.casefold(), list(folded), n=SHOWN, cutoff=alike)
    return tuple(name for each in found for name in folded[each])[:SHOWN]


def _pieces(name: str) -> set[str]:
    letters = name.casefold()
    return {*letters, *map("".join, pairwise(letters))}


def meant(near: Iterable[str]) -> str:
    """Return the question that goes behind a message, empty where nothing is near."""
    quoted = [repr(name) for name in near][:SHOWN]
    if not quoted:
        return ""
    *others, last = quoted
    return f"; did you mean {', '.join(others)} or {last}?" if others else f"; did you mean {last}?"
