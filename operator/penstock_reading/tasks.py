"""The task runs of an attempt, from the lines of its log, or from its end report.

One read model for both, so that a table, a timeline and a document are made in one way whatever is left of the run.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zlib import crc32

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .entries import Entry

__all__ = ["FAILED", "Change", "TaskRun", "TaskRuns", "chosen", "of_report"]

_FINAL = {"COMPLETED": "Completed", "FAILED": "Failed", "CRASHED": "Crashed", "CANCELLED": "Cancelled"}
FAILED = frozenset({"Failed", "Crashed", "Cancelled", "NotReady"})


# Of a run that is tried without end the first and the last changes are kept.
_MOST_CHANGES = 24


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a run's state.

    Attributes:
        kind: type of the new state; AwaitingRetry, where it waits for its next try.
        when: the time.
    """

    kind: str
    when: datetime


@dataclass(frozen=True, slots=True)
class TaskRun:
    """A task run, or a subflow run.

    Attributes:
        address: its place in the run: `below:0/load:0[3]`.
        name: what it is called.
        state: name of its state: Completed, Cached, TimedOut, ...
        type: type of that state; NotReady, where its inputs failed.
        start: when its first try began.
        seconds: from there to its end; None: it has not ended.
        tries: how often it was tried.
        cached: whether its result was there already.
        subflow: whether it is a subflow run.
        message: what its state says.
        after: addresses of the task runs whose results it took, as far as they are known.
        changes: of its state, in order; empty: it is known from a report.
    """

    address: str
    name: str
    state: str
    type: str
    start: datetime | None = None
    seconds: float | None = None
    tries: int = 1
    cached: bool = False
    subflow: bool = False
    message: str = ""
    after: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()

    @property
    def depth(self) -> int:
        """How many runs it is below."""
        return self.address.count("/")

    @property
    def failed(self) -> bool:
        """Whether it ended, and not well."""
        return self.type in FAILED

    @property
    def ended(self) -> bool:
        """Whether it is over."""
        return self.type in _FINAL.values() or self.type == "NotReady"

    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        found: dict[str, Any] = {"address": self.address, "name": self.name, "state": self.state, "type": self.type}
        if self.start is not None:
            found["startTime"] = self.start.isoformat().replace("+00:00", "Z")
        if self.seconds is not None:
            found["durationSeconds"] = round(self.seconds, 3)
        found["tries"] = self.tries
        more = {"cached": self.cached, "subflow": self.subflow, "message": self.message, "after": list(self.after)}
        return {**found, **{key: value for key, value in more.items() if value}}


class TaskRuns:
    """Learns of task runs from the lines of one attempt's log, in order."""

    def __init__(self) -> None:
        self._runs: dict[str, TaskRun] = {}
        self._addresses: dict[str, str] = {}  # by the ids of task runs, as which upstreams are named
        self.forgotten = 0
        self.version = 0  # another one after each change

    def learn(self, entries: Iterable[Entry]) -> None:
        """Take note of lines; all but state changes below the flow run tell nothing."""
        for entry in entries:
            record = entry.record
            if record is not None and entry.is_state and record.get("address"):
                address = str(record["address"])
                self.version += 1
                if record.get("taskRun"):
                    self._addresses[str(record["taskRun"])] = address
                after = tuple(self._addresses[each] for each in _ids(record.get("after")) if each in self._addresses)
                self._runs[address] = _changed(self._runs.get(address), address, record, after)

    def shrink(self, most: int) -> None:
        """Forget runs beyond so many: those that ended well and soon, first of all."""
        surplus = len(self._runs) - most
        if surplus > 0:
            for run in sorted(self._runs.values(), key=lambda run: (run.failed, not run.ended, run.seconds or 0.0))[
                :surplus
            ]:
                del self._runs[run.address]
            self.forgotten += surplus
            self._addresses = {key: address for key, address in self._addresses.items() if address in self._runs}

    def runs_at(self, addresses: Iterable[str]) -> list[TaskRun]:
        """Those of these addresses."""
        return [self._runs[address] for address in addresses if address in self._runs]

    @property
    def runs(self) -> list[TaskRun]:
        """Those that are known, in the order in which they were made."""
        return list(self._runs.values())


def _changed(known: TaskRun | None, address: str, record: Mapping[str, Any], after: tuple[str, ...]) -> TaskRun:
    kind, state = str(record.get("to")), str(record.get("name"))
    when = _time(record.get("ts"))
    told = _FINAL.get(kind, "NotReady" if state == "NotReady" else kind.capitalize())
    subflow = not record.get("task")
    name = str(record.get("flowRun" if subflow else "taskRunName") or address)
    start = known.start if known is not None else None
    if start is None and (kind in _FINAL or kind == "RUNNING"):
        start = when
    seconds = None
    if kind in _FINAL:
        lasted = record.get("durationMs")
        seconds = float(lasted) / 1000 if isinstance(lasted, int | float) else 0.0
        if known is None and when is not None:
            # The log begins after it: it was rotated.
            start = when - timedelta(seconds=seconds)
    return TaskRun(
        address=address,
        name=name,
        state=state,
        type=told,
        start=start,
        seconds=seconds,
        tries=int(record.get("tries") or 0),
        cached=state == "Cached" or (known is not None and known.cached),
        subflow=subflow,
        message=str(record.get("message") or ""),
        after=after or (known.after if known is not None else ()),
        changes=_with(known.changes if known is not None else (), state if state == "AwaitingRetry" else told, when),
    )


def _with(changes: tuple[Change, ...], kind: str, when: datetime | None) -> tuple[Change, ...]:
    if when is None:
        return changes
    if len(changes) >= _MOST_CHANGES:
        changes = (*changes[:2], *changes[3:])
    return (*changes, Change(kind, when))


def _ids(listed: Any) -> list[str]:
    return [str(each) for each in listed] if isinstance(listed, list) else []


def of_report(tasks: Mapping[str, Any]) -> tuple[list[TaskRun], int]:
    """Return the runs of an end report, and how many it leaves out."""
    return [_of_row(row) for row in tasks.get("runs") or []], int(tasks.get("omitted") or 0)


def _of_row(row: Mapping[str, Any]) -> TaskRun:
    address, state = str(row.get("address", "")), str(row.get("state", ""))
    seconds = row.get("durationSeconds")
    return TaskRun(
        address=address,
        name=str(row.get("name") or _usual_name(address)),
        state=state,
        type="NotReady" if state == "NotReady" else str(row.get("type") or state),
        start=_time(row.get("startTime")),
        seconds=None if seconds is None else float(seconds),
        tries=int(row.get("tries", 1)),
        cached=bool(row.get("cached")),
        subflow=bool(row.get("subflow")),
    )


def _usual_name(address: str) -> str:
    """What the engine calls a task run that was given no name: the task's, and three digits of its address."""
    label = address.rpartition("/")[2].partition(":")[0].partition("~")[0]
    for quoted, sign in (("%2F", "/"), ("%3A", ":"), ("%5B", "["), ("%5D", "]"), ("%20", " "), ("%25", "%")):
        label = label.replace(quoted, sign)
    return f"{label}-{crc32(address.encode()) & 0xFFF:03x}"


def chosen(runs: Sequence[TaskRun], limit: int, *, over: bool) -> list[TaskRun]:
    """Return the runs that are shown, in the order of their start, each below the subflow that it is part of.

    Args:
        runs: all that are known.
        limit: how many at most; 0: all. The failed come first, then those that run, then the longest.
        over: whether the attempt has ended: what was running then was left unfinished.
    """
    if over:
        runs = [run if run.ended else replace(run, state=f"{run.state} (unfinished)") for run in runs]
    if limit and len(runs) > limit:
        ordered = sorted(runs, key=lambda run: (not run.failed, run.ended or run.start is None, -(run.seconds or 0.0)))
        runs = ordered[:limit]
    starts = {run.address: _start(run) for run in runs}

    def place(run: TaskRun) -> list[tuple[float, str]]:
        parts = run.address.split("/")
        above = ["/".join(parts[: count + 1]) for count in range(len(parts))]
        return [(starts.get(address, _start(run)), address) for address in above]

    return sorted(runs, key=place)


def _start(run: TaskRun) -> float:
    # What has not begun comes last.
    return run.start.timestamp() if run.start is not None else float("inf")


def _time(stamp: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(stamp))
    except ValueError:
        return None
