"""The task runs of a run in its last report: enough for a table and a timeline when the pod and its log are gone.

Bounded in memory while the run goes on (the most telling are kept, in a heap) and in bytes in the report: the failed
first, then the longest. No lock is taken: heap and list operations on plain tuples are whole, and the guard may read at
any moment. Neighbours: ``penstock.pod.body`` tells of changes, ``penstock.pod.attempt`` composes reports.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import count
from typing import Any
from zlib import crc32

from penstock.pod.report import KEY_BYTES, NAME_BYTES, cut, one_line, rfc3339

BYTES = 8000
"""The summary as JSON, at most."""

KEPT = 128
"""Runs that are kept, at most; the CRD's bound too."""

_TYPES = {
    "COMPLETED": "Completed",
    "FAILED": "Failed",
    "CRASHED": "Crashed",
    "CANCELLED": "Cancelled",
    "RUNNING": "Running",
    "PENDING": "Pending",
    "SCHEDULED": "Scheduled",
    "PAUSED": "Paused",
    "CANCELLING": "Cancelling",
}
_ENDED = frozenset({"COMPLETED", "FAILED", "CRASHED", "CANCELLED"})


class TaskSummary:
    """Keeps the most telling task runs and subflow runs; see the module."""

    def __init__(self) -> None:
        self._heap: list[tuple[bool, float, int, dict[str, Any]]] = []
        self._numbers = count()

    def observe(self, run: Any, old: Any, new: Any) -> None:
        """Take note of a run's end."""
        kind = new.type.value
        if kind not in _ENDED and new.name != "NotReady":
            return
        if old is not None and old.type.value in _ENDED:
            self._again(run, new)
            return
        begun, ended = run._start, run._end
        weight = (kind != "COMPLETED", ended - begun if begun is not None and ended is not None else 0.0)
        heap = self._heap
        if len(heap) >= KEPT:
            if weight <= heap[0][:2]:
                return
            heapq.heappushpop(heap, (*weight, next(self._numbers), _row(run, new)))
        else:
            heapq.heappush(heap, (*weight, next(self._numbers), _row(run, new)))

    def part(self, running: Iterable[Any], total: int) -> dict[str, Any] | None:
        """Give the summary; None where there was no run to tell of.

        Args:
            running: Task runs that have not ended.
            total: Task runs that were made.
        """
        rows = [_row(run, run.state) for run, _ in zip(running, range(KEPT), strict=False)]
        ended = sorted(self._heap, key=lambda entry: (not entry[0], -entry[1], entry[2]))
        failed = [row for bad, _, _, row in ended if bad]
        rows = [*failed, *rows, *(row for bad, _, _, row in ended if not bad)][:KEPT]
        kept, size = [], len('{"runs":[],"omitted":1234567890}')
        for row in rows:
            size += len(json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")) + 1
            if size > BYTES:
                break
            kept.append(row)
        omitted = total - sum(not row.get("subflow") for row in kept)
        if not kept and omitted <= 0:
            return None
        return {"runs": kept, **({"omitted": omitted} if omitted > 0 else {})}

    def _again(self, run: Any, new: Any) -> None:
        """A run that had ended has another state: its transaction was rolled back."""
        for *_, row in list(self._heap):
            if row["address"] == _address(run):
                row.update(_state(new))


def _row(run: Any, state: Any) -> dict[str, Any]:
    row: dict[str, Any] = {"address": _address(run)}
    name = cut(one_line(str(run.name)), KEY_BYTES)
    # What a task run is called by itself follows from its address.
    if run.is_flow or name != f"{run.definition.name}-{crc32(run.address.encode()) & 0xFFF:03x}":
        row["name"] = name
    row.update(_state(state))
    begun, ended = run._start, run._end
    if begun is not None or ended is not None:
        row["startTime"] = _time(begun if begun is not None else ended)
    if ended is not None:
        row["durationSeconds"] = round(max(0.0, ended - (begun if begun is not None else ended)), 3)
    if run.run_count != 1:
        row["tries"] = run.run_count
    if state.name == "Cached" or getattr(run, "cached", False):
        row["cached"] = True
    if run.is_flow:
        row["subflow"] = True
    return row


def _address(run: Any) -> str:
    return cut(one_line(str(run.address)), 2 * KEY_BYTES)


def _state(state: Any) -> dict[str, str]:
    kind, name = _TYPES[state.type.value], cut(one_line(str(state.name)), NAME_BYTES)
    return {"state": name} if kind == name else {"state": name, "type": kind}


def _time(seconds: float) -> str:
    return rfc3339(datetime.fromtimestamp(seconds, UTC))
