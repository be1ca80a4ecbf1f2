"""Texts that are shortened or guessed. Neighbours: none."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["fuzzy_match_string", "truncated_to"]


def truncated_to(length: int, value: str | None) -> str:
    """A text cut to `length` characters, half of them from its end, with a note of what was left out."""
    if not value or len(value) <= length:
        return value or ""
    half = length // 2
    begin, end = value[:half], value[-half:]
    cut = f"{begin}...{len(value) - len(begin) - len(end)} additional characters...{end}"
    return cut if len(cut) < len(value) else value


def fuzzy_match_string(word: str, possibilities: Iterable[str], *, n: int = 1, cutoff: float = 0.6) -> str | None:
    """The possibility that is most like a word; None when all are too different.

    Args:
        word: what was written.
        possibilities: what may have been meant.
        n: how many of the best are looked at.
        cutoff: how alike they must be, from 0 to 1.
    """
    from difflib import get_close_matches

    return next(iter(get_close_matches(word, list(possibilities), n=n, cutoff=cutoff)), None)
