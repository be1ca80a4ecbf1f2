"""What a report tells of the value that a flow returned: whole where it is small, else how it begins, how large it is, and whether it is kept.

Pure. Nothing here encodes a large value to find out that it is large: the JSON is made only where a lower bound of its length
fits, and the counting stops at a limit. Neighbours: ``penstock.pod.outcome`` asks for it, ``penstock.pod.report`` writes it.
"""

from __future__ import annotations

import json
import pickle
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from penstock.pod.report import RESULT_JSON_BYTES, ResultPart

PREVIEW_ITEMS = 8
PREVIEW_CHARACTERS = 60
PREVIEW_DEPTH = 3
COUNTED_BYTES = 64_000_000
COUNTED_SECONDS = 1.0
_SCALARS = (bool, int, float, type(None))


@dataclass(frozen=True, slots=True)
class Stored:
    """The value behind a state's data.

    Attributes:
        value: The value.
        kept: Whether it is stored where it outlives the pod.
        location: Where that is, as far as that has a name.
        size: Bytes of it there.
        told: What is said of it elsewhere, where the value is not at hand.
    """

    value: object
    kept: bool = False
    location: str | None = None
    size: int | None = None
    told: ResultPart | None = None


def result_part(stored: Stored, *, previews: bool) -> ResultPart | None:
    """Say what is known of a result.

    Args:
        stored: The value, and where it is kept.
        previews: Whether the value may be shown.

    Returns:
        None for a flow that returned nothing. ``kept`` is True where the whole value stands in the part or at the location.
    """
    if stored.told is not None:
        return stored.told if previews else replace(stored.told, json=None, preview=None)
    value, location = stored.value, stored.location
    if value is None and not stored.kept:
        return None
    whole = whole_json(value) if previews and value is not None else None
    if whole is not None:
        return ResultPart(json=whole, type=type(value).__name__, location=location, kept=True)
    counted = stored.size if stored.kept else counted_bytes(value)
    return ResultPart(
        preview=beginning(value) if previews else None,
        type=None if value is None else type(value).__name__,
        size=None if counted is None else shown_size(counted),
        kept=stored.kept,
        location=location,
    )


def whole_json(value: object, limit: int = RESULT_JSON_BYTES) -> str | None:
    """Encode a value as JSON if that takes at most ``limit`` bytes, else None."""
    try:
        if not _may_fit(value, limit):
            return None
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(", ", ": "))
        return text if len(text.encode()) <= limit else None
    except (TypeError, ValueError, RecursionError):
        return None


def beginning(value: object) -> str | None:
    """Show how a value begins, with what is left out said in its place; None for what is no text, list or mapping."""
    if not isinstance(value, str | list | tuple | dict):
        return None
    try:
        return _shown(value, PREVIEW_DEPTH)
    except Exception:  # noqa: BLE001 - a subclass of a user's, with ways of its own
        return None


def counted_bytes(
    value: object,
    limit: int = COUNTED_BYTES,
    seconds: float = COUNTED_SECONDS,
    clock: Callable[[], float] = time.monotonic,
) -> int | None:
    """Count the bytes of a value as pickle writes it, without holding them.

    Args:
        value: The value.
        limit: Where counting stops.
        seconds: When it stops.
        clock: Monotonic seconds.

    Returns:
        The count; minus what was counted where it was stopped: it is more than that; None: the value can't be pickled.
    """
    if isinstance(value, str | bytes | bytearray):
        return len(value) if len(value) <= limit else -limit
    sink = _Sink(limit, clock, clock() + seconds)
    try:
        # Buffers (arrays, frames) are counted where they lie.
        pickle.Pickler(sink, protocol=5, buffer_callback=sink.buffer).dump(value)
    except _EnoughError:
        return -min(sink.count, limit)
    except Exception:  # noqa: BLE001 - what cannot be pickled says so in whatever way
        return None
    return sink.count


def shown_size(count: int) -> str:
    """Write a number of bytes for people; a negative one means: more than that."""
    number, more = float(abs(count)), "> " if count < 0 else ""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 999.5 or unit == "GB":
            break
        number /= 1000
    return f"{more}{number:.0f} {unit}" if number >= 9.95 or unit == "B" else f"{more}{number:.1f} {unit}"


class _EnoughError(Exception):
    """The counting is over."""


class _Sink:
    """A file that only counts."""

    def __init__(self, limit: int, clock: Callable[[], float], until: float) -> None:
        self.count = 0
        self._limit, self._clock, self._until = limit, clock, until

    def write(self, content: Any) -> int:
        size = len(content)
        self._add(size)
        return size

    def buffer(self, buffer: pickle.PickleBuffer) -> bool:
        self._add(buffer.raw().nbytes)
        return False

    def _add(self, size: int) -> None:
        self.count += size
        if self.count > self._limit or self._clock() > self._until:
            raise _EnoughError


def _may_fit(value: object, limit: int) -> bool:
    """Whether the JSON of a value may be that short, by a lower bound of its length: at most ``limit`` members are looked at."""
    left, waiting = limit, [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            left -= len(item) + 2
        elif isinstance(item, dict):
            left -= 2 + 4 * len(item)
            if left >= 0:
                waiting.extend(item.values())
                left -= sum(len(key) for key in item if isinstance(key, str))
        elif isinstance(item, list | tuple):
            left -= 2 + 2 * (len(item) - 1)
            if left >= 0:
                waiting.extend(item)
        elif isinstance(item, int):
            left -= 1 + item.bit_length() // 4
        else:
            left -= 1
        if left < 0:
            return False
    return True


def _shown(value: object, depth: int) -> str:
    if isinstance(value, str):
        if len(value) <= PREVIEW_CHARACTERS:
            return json.dumps(value, ensure_ascii=False)
        return f"{json.dumps(value[:PREVIEW_CHARACTERS], ensure_ascii=False)}… ({len(value):,} characters)"
    if isinstance(value, dict):
        if depth == 0 and value:
            return f"{{… {len(value):,} keys}}"
        pairs = zip(range(PREVIEW_ITEMS), value.items(), strict=False)
        shown = [f"{_shown(str(key), 0)}: {_shown(item, depth - 1)}" for _, (key, item) in pairs]
        return f"{{{', '.join([*shown, *_more(len(value))])}}}"
    if isinstance(value, list | tuple):
        if depth == 0 and value:
            return f"[… {len(value):,} items]"
        return f"[{', '.join([*(_shown(item, depth - 1) for item in value[:PREVIEW_ITEMS]), *_more(len(value))])}]"
    if isinstance(value, int) and value.bit_length() > 64:
        return "<int>"
    return json.dumps(value) if type(value) in _SCALARS else f"<{type(value).__name__}>"


def _more(count: int) -> list[str]:
    return [f"… {count - PREVIEW_ITEMS:,} more"] if count > PREVIEW_ITEMS else []
