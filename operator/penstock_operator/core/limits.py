"""Cutting to bounds: every string of the status has one, and the whole status at most 32 kB.

What is cut loses its middle or its end, never its meaning: a traceback keeps its last lines, a message its beginning.
"""

from __future__ import annotations

from typing import Any

from pydantic_core import PydanticSerializationError

from penstock_operator.api.flowrun import FinishedAttempt, FlowRunStatus
from penstock_operator.api.report import Pause

from .canonical import canonical_json, too_deep

MESSAGE = 1024
STATUS_BYTES = 32 * 1024
_TRACEBACK = 512
_SHORT = 128


def cut(text: str, maximum: int) -> str:
    """Return the text on one line, at most `maximum` characters, with an ellipsis where it was cut."""
    line = " ".join(text.split())
    return line if len(line) <= maximum else f"{line[: maximum - 1]}…"


def goes_on(sentence: str) -> str:
    """Return a sentence without its full stop, for what is told behind it."""
    return sentence.removesuffix(".") if not sentence.endswith("..") else sentence


def size(status: FlowRunStatus) -> int:
    """Return the bytes of a status as JSON, the engine's report not counted: the operator can't cut that."""
    try:
        return len(status.model_dump_json(by_alias=True, exclude_none=True, exclude={"report"}).encode())
    except PydanticSerializationError:  # a lone surrogate, of a message that the operator made up
        return len(canonical_json(status.model_copy(update={"report": None}).to_json()).encode("utf-8", "replace"))


def within_bounds(status: FlowRunStatus) -> FlowRunStatus:
    """Return a status of at most 32 kB: the traceback goes first, then long messages, then the oldest attempts."""
    if status.pause is not None and status.pause.input is not None and too_deep(status.pause.input.schema_):
        status = status.model_copy(update={"pause": _without_schema(status.pause)})
    if size(status) <= STATUS_BYTES:
        return status
    changes: dict[str, Any] = {}
    if status.error is not None and status.error.traceback:
        changes["error"] = status.error.model_copy(update={"traceback": status.error.traceback[-_TRACEBACK:]})
    cut_status = status.model_copy(update=changes)
    if size(cut_status) > STATUS_BYTES:
        cut_status = cut_status.model_copy(update=_short_messages(cut_status))
    if size(cut_status) > STATUS_BYTES and cut_status.pause is not None and cut_status.pause.input is not None:
        cut_status = cut_status.model_copy(update={"pause": _without_schema(cut_status.pause)})
    while size(cut_status) > STATUS_BYTES and cut_status.attempts:
        cut_status = cut_status.model_copy(update={"attempts": cut_status.attempts[1:] or None})
    return cut_status


def _without_schema(pause: Pause) -> Pause:
    """The pause, without what an answer looks like: it stays in the engine's report, which is read as it is."""
    form = pause.input.model_copy(update={"schema_": None}) if pause.input is not None else None
    return pause.model_copy(update={"input": form})


def _short_messages(status: FlowRunStatus) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if status.attempts:
        changes["attempts"] = tuple(_short(attempt) for attempt in status.attempts)
    if status.conditions:
        changes["conditions"] = tuple(
            c.model_copy(update={"message": cut(c.message, _SHORT)}) for c in status.conditions
        )
    return changes


def _short(attempt: FinishedAttempt) -> FinishedAttempt:
    return attempt.model_copy(update={"message": cut(attempt.message, _SHORT)}) if attempt.message else attempt
