"""Follow FlowRuns live: their states and their log lines in the order in which they happen, until they have ended.

A thread watches the runs' objects, one more reads the log of each attempt; all of them put what they see into one queue, and the caller
takes it out. Before a run's end is told its log is read to the end, as far as that is possible within a moment.
"""

from __future__ import annotations

import queue
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from penstock_operator.api import constants

from .api import ServerError
from .errors import CliError
from .kinds import FLOWRUN, POD
from .loglines import LogReader
from .runs import Run, attempts_pods

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .api import Api, Json

__all__ = ["LogLine", "StateChange", "follow"]

_RETRY_SECONDS = 0.15
_DRAIN_SECONDS = 3.0
_END_SECONDS = 1.0
# A connection that fails for so long is told; until then it is tried again.
_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class StateChange:
    """A run's state became another."""

    run: Run


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of a run's log, as it is shown."""

    run: Run
    text: str


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
    readers: dict[str, threading.Thread] = field(default_factory=dict)


def follow(api: Api, runs: Sequence[Run]) -> Iterator[StateChange | LogLine]:
    """Yield what happens to runs until all have ended or are gone.

    Raises:
        CliError: the API server stays away, or refuses.
    """
    events: queue.Queue[StateChange | LogLine | _Gone | _Failed] = queue.Queue()
    followed = {run.uid: _Followed(run) for run in runs}
    stop = threading.Event()
    threads = [
        threading.Thread(target=_watch, args=(api, namespace, set(followed), events, stop), daemon=True)
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
        earlier = [pod for _, pod in attempts_pods(api, run)] if run.attempt > 1 else []
        for pod in [pod for pod in earlier if pod != run.pod and pod not in known.readers] + [run.pod]:
            before = next(reversed(known.readers.values()), None)
            reader = threading.Thread(target=_read_log, args=(api, run, pod, events, stop, before), daemon=True)
            known.readers[pod] = reader
            reader.start()
    if run.finished:
        # What the flow said last comes before its end.
        deadline = time.monotonic() + _DRAIN_SECONDS
        others = []
        while time.monotonic() < deadline:
            alive = any(reader.is_alive() for reader in known.readers.values())
            try:
                event = events.get(timeout=0.02)
            except queue.Empty:
                if not alive:
                    break
                continue
            if isinstance(event, LogLine):
                yield event
            else:
                others.append(event)
        for event in others:
            events.put(event)
    # The message of a state changes more often than anybody wants to read.
    if run.state[:2] != known.shown and run.state[0]:
        known.shown = run.state[:2]
        yield StateChange(run)


def _watch(
    api: Api,
    namespace: str,
    uids: set[str],
    events: queue.Queue[StateChange | LogLine | _Gone | _Failed],
    stop: threading.Event,
) -> None:
    path = FLOWRUN.path(namespace)
    since = time.monotonic()
    while not stop.is_set():
        try:
            listed = api.get(path)
            since = time.monotonic()
            found: dict[str, Json] = {item["metadata"]["uid"]: item for item in listed.get("items") or []}
            for uid in uids:
                events.put(StateChange(Run(found[uid])) if uid in found else _Gone(uid))
            version = listed["metadata"]["resourceVersion"]
            for event in api.watch(path, {"resourceVersion": version, "timeoutSeconds": "300"}):
                uid = event["object"]["metadata"].get("uid")
                if stop.is_set():
                    return
                if uid in uids:
                    events.put(_Gone(uid) if event["type"] == "DELETED" else StateChange(Run(event["object"])))
        except ServerError as error:
            if error.status in (401, 403, 404):
                events.put(_Failed(error))
                return
        except CliError as error:
            if time.monotonic() - since > _PATIENCE_SECONDS:
                events.put(_Failed(error))
                return
        stop.wait(_RETRY_SECONDS)


def _read_log(
    api: Api,
    run: Run,
    pod: str,
    events: queue.Queue[StateChange | LogLine | _Gone | _Failed],
    stop: threading.Event,
    before: threading.Thread | None,
) -> None:
    """Put an attempt's log lines into the queue, until the pod's end; those of the attempt before come first."""
    if before is not None:
        before.join(_DRAIN_SECONDS)
    path, log = POD.path(run.namespace, pod), POD.path(run.namespace, pod, "log")
    query = {"container": constants.ENGINE_CONTAINER, "follow": "true"}
    told = 0
    since = time.monotonic()
    while not stop.is_set() and time.monotonic() - since < _PATIENCE_SECONDS:
        try:
            reader = LogReader()
            for number, line in enumerate(api.lines(log, query)):
                since = time.monotonic()
                text = reader.readable(line)
                # After a broken connection the log is read from its beginning again.
                if number >= told:
                    told = number + 1
                    if text is not None:
                        events.put(LogLine(run, text))
            found = api.find(path)
            if found is None or (found.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
                return
        except ServerError as error:
            # 400: its container does not run yet; 404: it is not made yet, or gone.
            if error.status not in (400, 404, 500, 503):
                return
            if error.status == 404 and told:
                return
        except CliError:
            pass
        stop.wait(_RETRY_SECONDS)
