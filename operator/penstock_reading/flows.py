"""What is said of a Flow in a few words: whether it can be used and why not, its schedules, what it is made of. Pure.

`describe` and the page of a Flow show them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .parts import mapping
from .spans import age, duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

__all__ = ["NEXT", "SCHEDULES", "facts", "next_times", "schedules", "state"]

SCHEDULES: Final = ("NAME", "WHEN", "ZONE", "LAST", "NEXT", "MESSAGE")
NEXT: Final = ("SCHEDULE", "TIME", "ZONE", "IN")


def state(body: Mapping[str, Any]) -> tuple[str, str]:
    """Return what a Flow is in a word (Ready, Stalled, Suspended, NotReady; empty: not seen by the operator yet), and why."""
    known = {str(each.get("type")): each for each in _list(mapping(body.get("status")).get("conditions"))}

    def is_true(name: str) -> bool:
        return bool(known.get(name, {}).get("status") == "True")

    message = str(known.get("Ready", {}).get("message") or "")
    if is_true("Stalled"):
        return "Stalled", str(known["Stalled"].get("message") or message)
    if not known:
        return "", ""
    if not is_true("Ready"):
        return "NotReady", message
    if mapping(body.get("spec")).get("suspend"):
        return "Suspended", message
    return "Ready", message


def facts(body: Mapping[str, Any], now: datetime) -> Iterator[tuple[str, str]]:
    """Yield labels and values of what a Flow is made of, and of its runs.

    Args:
        body: the Flow.
        now: in UTC.
    """
    spec, status = mapping(body.get("spec")), mapping(body.get("status"))
    yield "Entrypoint", str(spec.get("entrypoint") or "")
    yield "Source", _source(spec)
    if spec.get("image"):
        yield "Image", str(spec["image"])
    if status.get("revision"):
        yield "Revision", str(status["revision"])
    rule = mapping(spec.get("concurrency"))
    if rule.get("limit"):
        yield "Limit", f"{rule['limit']} at a time, then {rule.get('policy') or 'Queue'}"
    if groups := _list(spec.get("concurrencyGroups")):
        yield "Groups", ", ".join(map(str, groups))
    if spec.get("runOnChange") == "Always":
        yield "On Change", "each revision is run once"
    if limits := mapping(spec.get("historyLimits")):
        yield "History", f"{limits.get('completed', '?')} Completed, {limits.get('failed', '?')} others"
    yield "Active", str(status.get("activeRuns") or 0)
    yield "Queued", str(status.get("queuedRuns") or 0)
    if last := mapping(status.get("lastOutcome")):
        kind, reason = str(last.get("state") or ""), str(last.get("reason") or "")
        shown = kind if reason in ("", kind) else f"{kind}/{reason}"
        yield "Last Outcome", f"{shown}, {last.get('runName', '')}, {_ago(last.get('completionTime'), now)}"
    yield "Created", _ago(mapping(body.get("metadata")).get("creationTimestamp"), now)


def _source(spec: Mapping[str, Any]) -> str:
    """Return where a Flow's code is."""
    said = mapping(spec.get("source"))
    if said.get("inline") is not None:
        return "in the Flow"
    if name := mapping(said.get("configMap")).get("name"):
        return f"ConfigMap {name}"
    return "in the image"


def schedules(body: Mapping[str, Any], now: datetime) -> list[list[str]]:
    """Return a Flow's schedules below `SCHEDULES`.

    Args:
        body: the Flow.
        now: in UTC.
    """
    spec, status = mapping(body.get("spec")), mapping(body.get("status"))
    told = {str(each.get("name")): each for each in _list(status.get("schedules"))}
    rows = []
    for each in _list(spec.get("schedules")):
        known = mapping(told.get(str(each.get("name"))))
        cron = each.get("cron") is not None
        when = str(each.get("cron")) if cron else f"every {duration(int(each.get('intervalSeconds') or 0))}"
        notes = []
        if each.get("suspend"):
            notes.append("suspended")
        if overdue := len(_list(known.get("overdueTimes"))):
            notes.append(f"{overdue} overdue")
        if each.get("parameters"):
            notes.append("own parameters")
        zone = str(each.get("timeZone") or "UTC") if cron else ""
        last, following = _ago(known.get("lastScheduledTime"), now), _stamp(known.get("nextScheduledTime"))
        rows.append(
            [str(each.get("name") or ""), when, zone, last, "" if each.get("suspend") else following, ", ".join(notes)]
        )
    return rows


def next_times(spec: Mapping[str, Any], now: datetime, count: int) -> tuple[list[list[str]], list[str]]:
    """Return the next times of a Flow below `NEXT`, in each schedule's zone, and what is wrong with schedules that have none.

    Args:
        spec: the Flow's.
        now: in UTC.
        count: how many times.
    """
    from zoneinfo import ZoneInfo

    from .planned import planned

    found = planned(spec, now, count)
    rows = []
    for moment, schedule in found.times:
        zone = schedule.time_zone if schedule.cron is not None else "UTC"
        there = moment.astimezone(ZoneInfo(zone))
        rows.append([schedule.name, f"{there:%a %Y-%m-%d %H:%M:%S}", zone, duration((moment - now).total_seconds())])
    return rows, list(found.faults)


def _ago(stamp: object, now: datetime) -> str:
    try:
        return f"{age(stamp, now)} ago" if isinstance(stamp, str) and stamp else ""
    except ValueError:
        return str(stamp)


def _stamp(stamp: object) -> str:
    return str(stamp or "").removesuffix(".000000Z")


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
