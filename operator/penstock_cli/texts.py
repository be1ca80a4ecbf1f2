"""The lines of `describe`: a label and its value, and blocks below a label."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .terminal import line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["block", "field", "indented", "inner", "mapping"]

_LABEL = 16
# The whole object once more, in one line.
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def field(label: str, value: object) -> str:
    """Return a label and its value; without a label a further value of the one above."""
    return f"{label + ':' if label else '':<{_LABEL}}{line(str(value))}"


def mapping(label: str, values: Mapping[str, Any] | None) -> Iterator[str]:
    """Yield a label and `key=value` lines."""
    shown = {key: value for key, value in (values or {}).items() if key != _LAST_APPLIED}
    pairs = [f"{key}={value}" for key, value in sorted(shown.items())] or ["<none>"]
    yield field(label, pairs[0])
    for pair in pairs[1:]:
        yield field("", pair)


def indented(text: str, by: int = 2) -> Iterator[str]:
    """Yield the lines of a text further to the right."""
    for each in text.rstrip("\n").split("\n"):
        yield " " * by + each


def block(label: str, lines: Iterable[str]) -> Iterator[str]:
    """Yield a label, and lines below it."""
    yield f"{label}:"
    for each in lines:
        yield f"  {each}".rstrip()


def inner(key: str, text: object) -> Iterator[str]:
    """Yield a field below another; the lines of its text stay below it."""
    first, *rest = str(text).split("\n")
    yield f"  {line(key)}: {first}"
    yield from (f"    {each}" for each in rest)
