"""What happened to a run, in order: its own times, its attempts', its pods' facts, and its Events. Pure.

Each source alone leaves something out: a status says what is, Events are kept for an hour, pods for a day. Together they tell the story; what
two of them say of the same moment is told once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from .runs import Run

__all__ = ["Moment", "history"]

# In the order in which they come, for times of whole seconds are often the same.
_CONDITIONS = {
    "PodScheduled": "pod scheduled", "Initialized": "pod's init containers done", "ContainersReady": "pod ready",
    "DisruptionTarget": "pod is about to be ended by the cluster",
}  # fmt: skip
_SAME_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened.

    Attributes:
        when: the time.
        about: run, attempt, pod, event.
        what: in a few words.
        detail: more of it; often empty.
        kind: type or name of the state that it is about; empty: none.
    """

    when: datetime
    about: str
    what: str
    detail: str = ""
    kind: str = ""


def history(run: Run, pods: Sequence[Mapping[str, Any]], events: Iterable[Mapping[str, Any]]) -> list[Moment]:
    """Return what happened, the oldest first.

    Args:
        run: as it is.
        pods: those of its attempts that are still there.
        events: its Events.
    """
    found = [*_of_run(run), *_of_attempts(run)]
    for pod in pods:
        found += _of_pod(pod)
    found += [moment for moment in _of_events(events) if not _told(moment, found)]
    return sorted(found, key=lambda moment: moment.when)


def _told(event: Moment, others: Iterable[Moment]) -> bool:
    """Whether the status says the same of the same moment."""
    return any(
        other.about == "run"
        and (event.kind == other.kind or (event.detail and event.detail == other.detail))
        and abs((other.when - event.when).total_seconds()) <= _SAME_SECONDS
        for other in others
    )


def _of_run(run: Run) -> Iterator[Moment]:
    status, (kind, _, message) = run.status, run.state
    if when := _time(run.body["metadata"].get("creationTimestamp")):
        yield Moment(when, "run", "created")
    if when := _time(status.get("startTime")):
        began = _began(run, when)
        words = "the operator saw the flow begin" if began is None else "the flow's code began"
        yield Moment(began or when, "run", words, kind="Running")
    if when := _time(status.get("completionTime")):
        yield Moment(when, "run", f"ended: {run.words}", message, kind)
    elif when := _time((status.get("state") or {}).get("time")):
        yield Moment(when, "run", f"became {run.words}", message, kind)


def _began(run: Run, seen: datetime) -> datetime | None:
    """When user code began, as its engine says: while the first attempt's report is there, and if its node's clock was right."""
    told = _time((run.status.get("report") or {}).get("startTime"))
    created = _time(run.body["metadata"].get("creationTimestamp"))
    if run.status.get("attempts") or told is None or told > seen or (created is not None and told < created):
        return None
    return told


def _of_attempts(run: Run) -> Iterator[Moment]:
    judged: Sequence[Mapping[str, Any]] = run.status.get("attempts") or ()
    first = run.status.get("startTime")
    for each in judged:
        what = f"attempt {each.get('number')}"
        if (when := _time(each.get("startTime"))) and each.get("startTime") != first:
            yield Moment(when, "attempt", f"{what} began", str(each.get("podName") or ""))
        if when := _time(each.get("endTime")):
            state = "/".join(str(each[key]) for key in ("state", "reason") if each.get(key))
            kind, message = str(each.get("state") or ""), str(each.get("message") or "")
            yield Moment(when, "attempt", f"{what} ended: {state}", message, kind)
    now = run.status.get("attempt") or {}
    known = [each.get("number") for each in judged]
    if now.get("number") not in known and now.get("startTime") != first and (when := _time(now.get("startTime"))):
        yield Moment(when, "attempt", f"attempt {now['number']} began", str(now.get("podName") or ""))


def _of_pod(pod: Mapping[str, Any]) -> Iterator[Moment]:
    metadata, status = pod["metadata"], pod.get("status") or {}
    name, node = str(metadata.get("name", "")), str((pod.get("spec") or {}).get("nodeName") or "")
    if when := _time(metadata.get("creationTimestamp")):
        yield Moment(when, "pod", "pod created", name)
    conditions = {str(each.get("type")): each for each in status.get("conditions") or ()}
    for kind, words in _CONDITIONS.items():
        condition = conditions.get(kind) or {}
        if condition.get("status") == "True" and (when := _time(condition.get("lastTransitionTime"))):
            detail = f"{name} to {node}" if kind == "PodScheduled" and node else str(condition.get("message") or name)
            yield Moment(when, "pod", words, detail)
    for each in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        yield from _of_container(name, each)
    if when := _time(metadata.get("deletionTimestamp")):
        yield Moment(when, "pod", "pod is to be deleted", name)


def _of_container(pod: str, status: Mapping[str, Any]) -> Iterator[Moment]:
    name = str(status.get("name", ""))
    state = status.get("state") or {}
    running, ended = state.get("running") or {}, state.get("terminated") or {}
    if when := _time(running.get("startedAt") or ended.get("startedAt")):
        yield Moment(when, "pod", f"container {name} started", pod)
    if when := _time(ended.get("finishedAt")):
        reason = f", {ended['reason']}" if ended.get("reason") and ended["reason"] not in ("Completed", "Error") else ""
        signal = f", signal {ended['signal']}" if ended.get("signal") else ""
        yield Moment(when, "pod", f"container {name} ended: exit code {ended.get('exitCode')}{reason}{signal}", pod)


def _of_events(events: Iterable[Mapping[str, Any]]) -> Iterator[Moment]:
    for event in events:
        when = _time(event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp"))
        if when:
            count = event.get("count") or (event.get("series") or {}).get("count") or 1
            often = f" ({count} times)" if count > 1 else ""
            reason = str(event.get("reason") or "")
            yield Moment(when, "event", f"{reason}{often}", str(event.get("message") or ""), reason)


def _time(stamp: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(stamp) if isinstance(stamp, str) else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None
