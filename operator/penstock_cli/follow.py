"""Follow FlowRuns live: their states and their log lines in the order in which they happen, until they have ended.

A thread watches the runs' objects, one more reads the log of each attempt; all of them put what they see into one queue, and the caller
takes it out. Before an attempt's or a run's end is told its log is read to the end, as far as that is possible within a moment.
"""

from __future__ import annotations

import queue
import threading
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from .api import ServerError
from .errors import CliError
from .kinds import FLOWRUN
from .logstream import LogStream
from .runs import Run, attempts_pods
from .watching import REFUSED_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .api import Api, Json

__all__ = ["LogLine", "StateChange", "follow"]

_RETRY_SECONDS = 0.15
_DRAIN_SECONDS = 3.0
_PAUSED_SECONDS = 0.5  # without a line of one that goes on: it has said what it has to say
_END_SECONDS = 1.0
# A connection that fails for so long is told; until then it is tried again.
_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class StateChange:
    """A run's state became another."""

    run: Run


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of a run's log.

    Attributes:
        run: the run, as it was when the attempt was first seen.
        text: the line as the pod wrote it.
        attempt: number of the attempt.
        stamp: when it was written, RFC 3339; empty: not known.
    """

    run: Run
    text: str
    attempt: int = 1
    stamp: str = ""


@dataclass(frozen=True, slots=True)
class _Gone:
    """A run was deleted."""

    uid: str


@dataclass(frozen=True, slots=True)
class _Failed:
    """Watching is not possible any more."""

    error: CliError


@dataclass(slots=True)
class _Followed:
    """What is known of one run."""

    run: Run
    shown: tuple[str, str] = ("", "")
    readers: dict[str, LogStream] = field(default_factory=dict)


def follow(api: Api, runs: Sequence[Run]) -> Iterator[StateChange | LogLine]:
    """Yield what happens to runs until all have ended or are gone.

    Raises:
        CliError: the API server stays away, or refuses.
    """
    events: queue.Queue[StateChange | LogLine | _Gone | _Failed] = queue.Queue()
    followed = {run.uid: _Followed(run) for run in runs}
    stop = threading.Event()
    # Of one run alone nothing else is listed.
    query = {"fieldSelector": f"metadata.name={runs[0].name}"} if len(runs) == 1 else {}
    threads = [
        threading.Thread(target=_watch, args=(api, namespace, set(followed), query, events, stop), daemon=True)
        for namespace in {run.namespace for run in runs}
    ]
    for thread in threads:
        thread.start()
    try:
        while followed:
            event = events.get()
            if isinstance(event, _Failed):
                raise event.error
            if isinstance(event, _Gone):
                followed.pop(event.uid, None)
            elif isinstance(event, LogLine):
                yield event
            elif known := followed.get(event.run.uid):
                yield from _changed(api, known, event.run, events, stop)
                if event.run.finished:
                    del followed[event.run.uid]
                    threads += known.readers.values()
    finally:
        stop.set()
        api.end_streams()
        for thread in [*threads, *(reader for known in followed.values() for reader in known.readers.values())]:
            thread.join(_END_SECONDS)


def _changed(
    api: Api,
    known: _Followed,
    run: Run,
    events: queue.Queue[StateChange | LogLine | _Gone | _Failed],
    stop: threading.Event,
) -> Iterator[StateChange | LogLine]:
    known.run = run
    if run.pod and run.pod not in known.readers:
        # Whoever comes late, or misses an attempt that was soon over, still reads all of them.
        earlier = _earlier(api, run) if run.attempt > 1 else []
        others = [(number, pod) for number, pod in earlier if pod != run.pod and pod not in known.readers]
        for number, pod in [*others, (run.attempt, run.pod)]:
            before = next(reversed(known.readers.values()), None)
            reader = LogStream(api, run, pod, partial(_put, events, run, number), stop, before)
            known.readers[pod] = reader
            reader.start()
    held: list[LogLine] = []
    paused = run.state[0] == "Paused"
    quiet = _PAUSED_SECONDS if paused else _DRAIN_SECONDS
    ended = [reader for pod, reader in known.readers.items() if run.finished or paused or pod != run.pod]
    if ended and run.state[:2] != known.shown:
        # What an attempt said last comes before its end, and before what the run waits for then; one that is paused may say more.
        deadline = time.monotonic() + quiet
        postponed: list[StateChange | _Gone | _Failed] = []
        while not paused or time.monotonic() < deadline + _DRAIN_SECONDS:
            alive = [reader for reader in ended if reader.is_alive()]
            try:
                event = events.get(timeout=0.02)
            except queue.Empty:
                if not alive or (time.monotonic() > deadline and all(reader.idle(quiet) for reader in alive)):
                    break
                continue
            if not isinstance(event, LogLine):
                postponed.append(event)
            elif run.finished or paused or event.attempt < run.attempt:
                yield event
            else:
                held.append(event)
        for event in postponed:
            events.put(event)
    # The message of a state changes more often than anybody wants to read.
    if run.state[:2] != known.shown and run.state[0]:
        known.shown = run.state[:2]
        yield StateChange(run)
    yield from held


def _earlier(api: Api, run: Run) -> list[tuple[int, str]]:
    """The attempts that still have a pod; the server may be away for a moment."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return attempts_pods(api, run)
        except CliError as error:
            if time.monotonic() > deadline or getattr(error, "status", 500) in (401, 403):
                raise
            time.sleep(_RETRY_SECONDS)


def _put(
    events: queue.Queue[StateChange | LogLine | _Gone | _Failed], run: Run, attempt: int, stamp: str, text: str
) -> None:
    events.put(LogLine(run, text, attempt, stamp))


def _watch(
    api: Api,
    namespace: str,
    uids: set[str],
    query: Mapping[str, str],
    events: queue.Queue[StateChange | LogLine | _Gone | _Failed],
    stop: threading.Event,
) -> None:
    path = FLOWRUN.path(namespace)
    lost: float | None = None
    refused: float | None = None
    seen = False
    while not stop.is_set():
        try:
            listed = api.get(path, query)
            lost = None
            found: dict[str, Json] = {item["metadata"]["uid"]: item for item in listed.get("items") or []}
            for uid in uids:
                events.put(StateChange(Run(found[uid])) if uid in found else _Gone(uid))
            seen = True
            version = listed["metadata"]["resourceVersion"]
            for event in api.watch(path, {**query, "resourceVersion": version, "timeoutSeconds": "300"}, stop=stop):
                uid = event["object"]["metadata"].get("uid")
                if stop.is_set():
                    return
                refused = None
                if uid in uids:
                    events.put(_Gone(uid) if event["type"] == "DELETED" else StateChange(Run(event["object"])))
            refused = None
        except ServerError as error:
            # A server that has just started refuses for a moment, until it has read who may what.
            refused = refused or time.monotonic()
            passing = seen and time.monotonic() - refused < REFUSED_SECONDS
            if error.status in (401, 403, 404) and not passing:
                events.put(_Failed(error))
                return
        except CliError as error:
            lost = lost or time.monotonic()
            if time.monotonic() - lost > _PATIENCE_SECONDS:
                events.put(_Failed(error))
                return
        stop.wait(_RETRY_SECONDS)
