"""The report: what the engine says about its attempt, as the object at ``status.report``.

Pure. Every text is bounded in bytes and cut at a character's boundary, so that no report is refused for its size; a
report that is refused nevertheless has a minimal form. Neighbours: ``penstock.pod.termination`` writes the same
document beside the container, ``penstock.pod.delivery`` brings it to the API server.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

NAME_BYTES = 64
MESSAGE_BYTES = 1024
MINIMAL_MESSAGE_BYTES = 128
ERROR_TYPE_BYTES = 256
LOCATION_BYTES = 512
TRACEBACK_BYTES = 2048
RESULT_JSON_BYTES = 1024
RESULT_LOCATION_BYTES = 2048
RESULT_PREVIEW_BYTES = 512
RESULT_SIZE_BYTES = 32
KEY_BYTES = 253
SUMMARY_BYTES = 64
NOT_DURABLE_BYTES = 512
SCHEMA_BYTES = 8192
LIST_ITEMS = 32


class ReportType(StrEnum):
    """What a report says; Refused and Superseded are for the termination message only."""

    RUNNING = "Running"
    PAUSED = "Paused"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCELLED = "Cancelled"
    CRASHED = "Crashed"
    INTERRUPTED = "Interrupted"
    SUSPENDED = "Suspended"
    AWAITING_RETRY = "AwaitingRetry"
    REFUSED = "Refused"
    SUPERSEDED = "Superseded"

    @property
    def outcome(self) -> bool:
        """Whether an attempt ends with it."""
        return self not in (ReportType.RUNNING, ReportType.PAUSED, ReportType.REFUSED, ReportType.SUPERSEDED)


@dataclass(frozen=True, slots=True)
class ErrorPart:
    """What was raised: in the user's frames."""

    type: str
    message: str = ""
    location: str = ""
    traceback: str = ""


@dataclass(frozen=True, slots=True)
class ResultPart:
    """What the flow returned: whole or how it begins, its type's name, how large it is, whether and where it is kept."""

    json: str | None = None
    type: str | None = None
    location: str | None = None
    preview: str | None = None
    size: str | None = None
    kept: bool | None = None


@dataclass(frozen=True, slots=True)
class HooksPart:
    """Names of the hooks that ran, that raised, that could not run any more."""

    ran: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    not_run: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.ran or self.failed or self.not_run)


@dataclass(frozen=True, slots=True)
class PausePart:
    """A pause that waits for somebody."""

    key: str
    since: datetime
    deadline: datetime | None = None
    seen: str | None = None
    schema: Mapping[str, Any] | None = None
    description: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class ProgressPart:
    """How far the run's tasks are."""

    total: int
    running: int
    completed: int
    failed: int
    cached: int
    summary: str
    activity: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """One report; what does not apply is None."""

    type: ReportType
    name: str
    attempt: int
    instance: str
    time: datetime
    message: str | None = None
    start_time: datetime | None = None
    error: ErrorPart | None = None
    result: ResultPart | None = None
    signal: str | None = None
    intent: str | None = None
    ending: bool = False
    hooks: HooksPart | None = None
    resume_time: datetime | None = None
    waiting: str | None = None
    pause: PausePart | None = None
    progress: ProgressPart | None = None
    tasks: Mapping[str, Any] | None = None
    not_durable: str | None = None


def document(report: Report) -> dict[str, Any]:
    """Give the object at ``status.report``: camel case, every text within its bound, nothing that is None."""
    found: dict[str, Any] = {
        "type": report.type.value,
        "name": cut(one_line(report.name), NAME_BYTES),
        "message": None if report.message is None else cut(one_line(report.message), MESSAGE_BYTES),
        "attempt": report.attempt,
        "instance": report.instance,
        "time": rfc3339(report.time),
        "startTime": _time(report.start_time),
        "ending": True if report.ending else None,
        "signal": report.signal,
        "intent": report.intent,
        "hooks": _hooks(report.hooks),
        "resumeTime": _time(report.resume_time),
        "waiting": _cut(report.waiting, LOCATION_BYTES),
        "pause": _pause(report.pause),
        "progress": _progress(report.progress),
        "tasks": report.tasks,
        "notDurable": _cut(report.not_durable, NOT_DURABLE_BYTES),
        "error": _error(report.error),
        "result": _result(report.result),
    }
    return {key: value for key, value in found.items() if value is not None}


def minimal(full: Mapping[str, Any]) -> dict[str, Any]:
    """Give what is left of a document when the server's schema refused it whole."""
    kept = {key: full[key] for key in ("type", "name", "attempt", "instance", "time") if key in full}
    if "message" in full:
        kept["message"] = cut(str(full["message"]), MINIMAL_MESSAGE_BYTES)
    return kept


def cut(text: str, limit: int) -> str:
    """Keep the beginning of a text: at most ``limit`` bytes of UTF-8, never half a character."""
    if len(text) <= limit // 4:
        return _encodable(text)
    content = text.encode("utf-8", "replace")
    return content.decode() if len(content) <= limit else content[:limit].decode("utf-8", "ignore")


def cut_front(text: str, limit: int) -> str:
    """Keep the end of a text, likewise."""
    content = text.encode("utf-8", "replace")
    return content[max(0, len(content) - limit) :].decode("utf-8", "ignore")


def one_line(text: str) -> str:
    """Bring a text on one line: names and messages may hold newlines of users' making."""
    return " ".join(text.split()) if any(mark in text for mark in "\n\r\t\v\f") else text.strip()


def rfc3339(time: datetime) -> str:
    """Write a time in UTC with microseconds, always all six: reports are compared by this text."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _encodable(text: str) -> str:
    # A lone surrogate (from os.fsdecode, say) cannot be sent as UTF-8.
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _cut(text: str | None, limit: int) -> str | None:
    return cut(text, limit) if text else None


def _cut_said(text: str | None) -> str | None:
    if text is None or len(text.encode("utf-8", "replace")) <= RESULT_PREVIEW_BYTES:
        return _cut(text, RESULT_PREVIEW_BYTES)
    said = " … (cut)"
    return cut(text, RESULT_PREVIEW_BYTES - len(said.encode())) + said


def _time(time: datetime | None) -> str | None:
    return None if time is None else rfc3339(time)


def _filled(part: Mapping[str, Any]) -> dict[str, Any] | None:
    return {key: value for key, value in part.items() if value is not None and value != ""} or None


def _names(names: Sequence[str]) -> list[str] | None:
    return [cut(one_line(name), KEY_BYTES) for name in names[:LIST_ITEMS]] or None


def _hooks(hooks: HooksPart | None) -> dict[str, Any] | None:
    if not hooks:
        return None
    return _filled({"ran": _names(hooks.ran), "failed": _names(hooks.failed), "notRun": _names(hooks.not_run)})


def _error(error: ErrorPart | None) -> dict[str, Any] | None:
    if error is None:
        return None
    return _filled(
        {
            "type": cut(error.type, ERROR_TYPE_BYTES),
            "message": cut(error.message, MESSAGE_BYTES),
            "location": cut(error.location, LOCATION_BYTES),
            "traceback": cut_front(error.traceback, TRACEBACK_BYTES),
        }
    )


def _result(result: ResultPart | None) -> dict[str, Any] | None:
    if result is None:
        return None
    return _filled(
        {
            "json": result.json if result.json is not None and len(result.json.encode()) <= RESULT_JSON_BYTES else None,
            "type": _cut(result.type, ERROR_TYPE_BYTES),
            "preview": _cut_said(result.preview),
            "size": _cut(result.size, RESULT_SIZE_BYTES),
            "kept": result.kept,
            "location": _cut(result.location, RESULT_LOCATION_BYTES),
        }
    )


def _pause(pause: PausePart | None) -> dict[str, Any] | None:
    if pause is None:
        return None
    schema, error = pause.schema, pause.error
    if schema is not None and len(json.dumps(schema, ensure_ascii=False).encode()) > SCHEMA_BYTES:
        schema = None
        error = error or f"the input's schema is larger than {SCHEMA_BYTES} bytes and is not shown"
    wanted = _filled(
        {"schema": schema, "description": _cut(pause.description, MESSAGE_BYTES), "error": _cut(error, MESSAGE_BYTES)}
    )
    return _filled(
        {
            "key": cut(pause.key, KEY_BYTES),
            "since": rfc3339(pause.since),
            "deadline": _time(pause.deadline),
            "seen": pause.seen,
            "input": wanted,
        }
    )


def _progress(progress: ProgressPart | None) -> dict[str, Any] | None:
    if progress is None:
        return None
    return _filled(
        {
            "total": progress.total,
            "running": progress.running,
            "completed": progress.completed,
            "failed": progress.failed,
            "cached": progress.cached,
            "summary": cut(progress.summary, SUMMARY_BYTES),
            "activity": _cut(progress.activity, KEY_BYTES),
        }
    )
