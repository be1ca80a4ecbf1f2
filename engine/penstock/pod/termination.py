"""The termination message: the report, beside the container, for when the API server cannot be told.

JSON of at most 4,096 bytes: of a longer text a kubelet keeps only the end, which is no JSON. Building it is pure; writing
is one ``pwrite`` and one ``ftruncate``, for the file is a bind mount and cannot be renamed. A file that cannot be
written is ignored: the report is the first way, this the second.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from typing import Any

from penstock.pod.report import cut, cut_front

LIMIT_BYTES = 4096
FIRST = ("type", "name", "message", "attempt", "instance", "time", "uid", "exit", "delivered")
# What goes when it does not fit, the first of these first; the traceback is shortened before it goes.
LAST_TO_FIRST = ("progress", "result", "pause", "hooks", "error", "waiting")
SHORT_MESSAGE_BYTES = 256


def render(document: Mapping[str, Any], uid: str, exit_code: int | None, delivered: bool) -> bytes:
    """Build the message.

    Args:
        document: The report as it is sent.
        uid: The FlowRun's uid: a pod of an earlier FlowRun of that name must not be believed.
        exit_code: What the process will exit with, when that is known.
        delivered: Whether the API server has accepted this report.
    """
    whole = {**document, "uid": uid, "delivered": delivered}
    # It is longer than all the rest, and nobody decides anything by it.
    whole.pop("tasks", None)
    if exit_code is not None:
        whole["exit"] = exit_code
    ordered = {key: whole[key] for key in FIRST if key in whole}
    ordered.update((key, value) for key, value in whole.items() if key not in ordered)
    content = _encode(ordered)
    if len(content) > LIMIT_BYTES and "traceback" in ordered.get("error", {}):
        ordered["error"] = _with_less_traceback(ordered["error"], len(content) - LIMIT_BYTES)
        content = _encode(ordered)
    for key in LAST_TO_FIRST:
        if len(content) <= LIMIT_BYTES:
            return content
        error = ordered.pop(key, None)
        if key == "error" and error is not None and "type" in error:
            # What kind of error it was is worth more than its place; its text is in the message.
            ordered["error"] = {"type": error["type"]}
        content = _encode(ordered)
    if len(content) > LIMIT_BYTES:
        ordered = {key: ordered[key] for key in FIRST if key in ordered}
        ordered["message"] = cut(str(ordered.get("message", "")), SHORT_MESSAGE_BYTES)
        content = _encode(ordered)
    return content


def write(path: str, content: bytes) -> None:
    """Put the message into the file, in place of what is there."""
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            os.pwrite(descriptor, content, 0)
            os.ftruncate(descriptor, len(content))
        finally:
            os.close(descriptor)


def _encode(message: Mapping[str, Any]) -> bytes:
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()


def _with_less_traceback(error: Mapping[str, Any], excess: int) -> dict[str, Any]:
    """Keep the end of the traceback: so much that its JSON form, escapes included, is shorter by the excess."""
    traceback = str(error["traceback"])
    allowed = len(_encode_text(traceback)) - excess
    kept = cut_front(traceback, max(0, allowed))
    while kept and len(_encode_text(kept)) > allowed:
        kept = cut_front(kept, len(kept.encode()) - (len(_encode_text(kept)) - allowed) // 6 - 1)
    rest = {key: value for key, value in error.items() if key != "traceback"}
    return {**rest, "traceback": kept} if kept else rest


def _encode_text(text: str) -> bytes:
    return json.dumps(text, ensure_ascii=False).encode()
