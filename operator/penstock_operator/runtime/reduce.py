"""A status that the API server refused (422, 413, etcd's limit), cut until it is small and plain, and still true.

Pure and deterministic: the same wish gives the same cut, so that a refused status is written once and not for ever. What the state is, and
that attempts are counted, is never cut. Neighbour: `status` asks for it, level by level.
"""

from __future__ import annotations

from typing import Any

from penstock_operator.api.flowrun import FlowRunStatus

LEVELS = 4
_SMALLEST = 3
SHORT = 200
_LEAST = frozenset({"observedGeneration", "state", "attempt", "retries", "completionTime"})
# Without these the next attempt would be another one's, or one too many.
_ONGOING = frozenset({"flow", "scheduledTime", "startTime", "lineage", "specHash", "parameters"})
_KEPT = (
    "observedGeneration",
    "state",
    "attempt",
    "attempts",
    "retries",
    "scheduledTime",
    "startTime",
    "completionTime",
    "conditions",
)


def reduced(wanted: dict[str, Any], present: dict[str, Any], level: int, why: str) -> dict[str, Any]:
    """Return less of a status.

    Args:
        wanted: the status as the core wants it, JSON.
        present: the status as it is.
        level: 1: without details and with short messages; 2: only what the state needs, everything else as it is; 3: what
            nothing goes without, and of an end the one condition that people wait for; 4: without that, too.
        why: the server's words, for the condition `Degraded`.
    """
    if level == 0:
        return wanted
    if level >= _SMALLEST:
        return _smallest(wanted, finished=level == _SMALLEST)
    status = dict(wanted)
    if "error" in status:
        status["error"] = {k: v[:SHORT] for k, v in status["error"].items() if k in ("type", "message")}
    if "result" in status:
        result = status["result"]
        status["result"] = {k: v for k, v in result.items() if k in ("type", "size", "kept", "location")}
        if "json" in result and "kept" in result:
            status["result"]["kept"] = "location" in result  # it stood here alone
    status.pop("pause", None)
    status["attempts"] = [{k: v for k, v in a.items() if k != "message"} for a in wanted.get("attempts", ())]
    if not status["attempts"]:
        del status["attempts"]
    if "state" in status:
        status["state"] = _cut(status["state"])
    terminal = "completionTime" in wanted
    status["conditions"] = [_condition(c, why, terminal=terminal) for c in wanted.get("conditions", ())]
    if not status["conditions"]:
        del status["conditions"]
    if level == 1:
        return status
    return {name: value for name, value in present.items() if name not in _KEPT} | {
        name: value for name, value in status.items() if name in _KEPT
    }


def _smallest(wanted: dict[str, Any], *, finished: bool) -> dict[str, Any]:
    """Return what nothing goes without: the state, and while an attempt is under way, which it is and what is used up."""
    ended = "completionTime" in wanted
    names = _LEAST if ended or "attempt" not in wanted else _LEAST | _ONGOING
    status = {name: value for name, value in wanted.items() if name in names}
    if "state" in status:
        status["state"] = {name: value for name, value in status["state"].items() if name != "message"}
    told = [
        {**c, "message": ""} for c in wanted.get("conditions", ()) if c["type"] == "Finished" and finished and ended
    ]
    return {**status, "conditions": told} if told else status


def _cut(entry: dict[str, Any]) -> dict[str, Any]:
    message = entry.get("message")
    return {**entry, "message": message[:SHORT]} if isinstance(message, str) else entry


def _condition(condition: dict[str, Any], why: str, *, terminal: bool) -> dict[str, Any]:
    if condition["type"] != "Degraded":
        return _cut(condition)
    message = f"details of the status were refused: {why}"[:SHORT]
    # A finished run needs nobody's attention any more: the condition stays False, and only says what is missing.
    return {**condition, "message": message} | ({} if terminal else {"status": "True", "reason": "StatusRefused"})


def same(status: FlowRunStatus, fields: set[str] | None = None) -> dict[str, Any]:
    """Return the JSON that patches are made of: all but the report, which is the engine's.

    Args:
        status: the status.
        fields: only these, by attribute name.
    """
    body = status.model_dump(mode="json", by_alias=True, exclude_none=True, include=fields)
    body.pop("report", None)
    return body


def differing(before: FlowRunStatus, after: FlowRunStatus) -> set[str]:
    """Return the fields in which two statuses differ, by attribute name."""
    return {name for name in FlowRunStatus.model_fields if getattr(before, name) != getattr(after, name)}
