"""What is said of a run in a few words each: labels and values, and rows below headings. Pure; `describe` and the page of a run show them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from penstock_operator.api import constants
from penstock_operator.core.inherited import given_to

from .spans import age

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from .runs import Run

__all__ = [
    "ATTEMPTS", "CONDITIONS", "EVENTS", "attempts", "conditions", "events", "exit_code", "flow", "parameters", "result", "state",
    "times",
]  # fmt: skip

ATTEMPTS: Final = ("NUMBER", "POD", "STATE", "REASON", "EXIT", "MESSAGE")
CONDITIONS: Final = ("TYPE", "STATUS", "REASON", "MESSAGE")
EVENTS: Final = ("TYPE", "REASON", "AGE", "FROM", "MESSAGE")


def flow(run: Run) -> Iterator[tuple[str, str]]:
    """Yield which flow a run executes, what it is called, and which run it repeats."""
    spec = run.body["spec"]
    yield "Flow", run.flow or spec.get("flowSpec", {}).get("entrypoint", "")
    if revision := (run.status.get("flow") or {}).get("revision"):
        yield "Revision", revision
    if spec.get("displayName"):
        yield "Display Name", spec["displayName"]
    if repeated := (spec.get("rerunOf") or {}).get("name"):
        yield "Retry Of", repeated


def state(run: Run) -> str:
    """Return a run's state, and while it has not ended for how long: `Pending/Unschedulable (for 3m)`."""
    since = (run.status.get("state") or {}).get("time")
    lasting = f"{run.words} (for {age(since)})" if run.words and not run.finished else run.words
    return lasting or "<not seen by the operator yet>"


def times(run: Run) -> Iterator[tuple[str, str]]:
    """Yield when a run was made, began and ended, how long it took, and how far it is."""
    yield "Created", f"{age(run.body['metadata'].get('creationTimestamp'))} ago"
    for label, key in (("Started", "startTime"), ("Finished", "completionTime")):
        if run.status.get(key):
            yield label, f"{_whole(run.status[key])} ({age(run.status[key])} ago)"
    if run.status.get("duration"):
        yield "Duration", run.status["duration"]
    if progress := (run.status.get("report") or {}).get("progress"):
        activity = f", {progress['activity']}" if progress.get("activity") and not run.finished else ""
        yield "Progress", f"{progress.get('summary', '')}{activity}"


def parameters(run: Run) -> Iterator[tuple[str, str]]:
    """Yield the parameters that a run was given, or has from the run that it repeats, as JSON."""
    for key, value in given_to(run.status.get("parameters"), run.body["spec"].get("parameters")).items():
        yield key, json.dumps(value, ensure_ascii=False)


def result(run: Run) -> Iterator[tuple[str, str]]:
    """Yield what is known of a run's result."""
    for key, value in (run.status.get("result") or {}).items():
        yield key, str(value).lower() if isinstance(value, bool) else str(value)


def attempts(run: Run, exit_code: str = "") -> list[list[str]]:
    """Return a run's attempts, those that were judged and the present one, below `ATTEMPTS`.

    Args:
        run: as it is.
        exit_code: of the present attempt, as its pod says; empty: not known.
    """
    status = run.status
    judged: Sequence[Mapping[str, Any]] = status.get("attempts") or ()
    rows = [
        [
            str(each.get("number", "")),
            each.get("podName", ""),
            each.get("state", ""),
            each.get("reason", ""),
            str(each.get("exitCode", "")),
            each.get("message", ""),
        ]
        for each in judged
    ]
    now = status.get("attempt")
    if now and now.get("number") not in [each.get("number") for each in judged]:
        kind, name, message = run.state
        # The run's state is this attempt's; why it ended stands above already.
        rows.append([str(now["number"]), run.pod, kind, name if name != kind else "", exit_code, message])
    return rows


def exit_code(pod: Mapping[str, Any]) -> str:
    """Return the exit code of a pod's engine; empty: it has not ended."""
    for container in (pod.get("status") or {}).get("containerStatuses") or ():
        if container.get("name") == constants.ENGINE_CONTAINER:
            ended = (container.get("state") or {}).get("terminated") or {}
            return str(ended.get("exitCode", ""))
    return ""


def conditions(status: Mapping[str, Any]) -> list[list[str]]:
    """Return the conditions below `CONDITIONS`."""
    return [
        [each["type"], each["status"], each.get("reason", ""), each.get("message", "")]
        for each in status.get("conditions") or []
    ]


def events(items: Iterable[Mapping[str, Any]]) -> list[list[str]]:
    """Return Events below `EVENTS`, the oldest first."""

    def seen(event: Mapping[str, Any]) -> str:
        return str(
            event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp") or ""
        )

    return [
        [
            event.get("type", ""),
            event.get("reason", ""),
            age(seen(event)),
            (event.get("source") or {}).get("component") or event.get("reportingComponent", ""),
            event.get("message", ""),
        ]
        for event in sorted(items, key=seen)
    ]


def _whole(stamp: str) -> str:
    """Return a time without the parts of its second, which nobody reads behind an age."""
    return re.sub(r"\.\d+", "", str(stamp))
