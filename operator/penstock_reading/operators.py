"""What is said of an operator: who leads, and what its metrics tell. Pure.

Metrics are read as Prometheus has them; what they count is said per second, from two readings.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from .spans import age, duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Reading", "leader", "rates", "read_metrics", "state", "watches"]

_COUNTS: Final = (
    ("Queue", "penstock_queue_depth"),
    ("Runs with a time set", "penstock_queue_delayed"),
    ("Flows with a time set", "penstock_flows_delayed"),
)
_RATES: Final = (
    ("Changes of state", "penstock_run_transitions_total"),
    ("Decisions", "penstock_reconcile_seconds_count"),
    ("Requests", "penstock_api_requests_total"),
    ("Events heard", "penstock_watch_events_total"),
    ("Status conflicts", "penstock_status_conflicts_total"),
    ("Errors", "penstock_reconcile_errors_total"),
)
_MEANS: Final = (
    ("Event to status", "penstock_event_to_status_seconds"),
    ("In the queue", "penstock_queue_wait_seconds"),
)


@dataclass(frozen=True, slots=True)
class Reading:
    """The metrics of one operator at one moment.

    Attributes:
        at: seconds since the epoch.
        values: by name, then by the values of the labels.
    """

    at: float
    values: Mapping[str, Mapping[tuple[str, ...], float]] = field(default_factory=dict)

    def one(self, name: str) -> float | None:
        """Return a metric without labels; None: it is not told."""
        return self.values.get(name, {}).get(())

    def sum(self, name: str) -> float | None:
        """Return the sum over all labels; None: it is not told."""
        found = self.values.get(name)
        return sum(found.values()) if found is not None else None


def read_metrics(text: str, at: float) -> Reading:
    """Read metrics in Prometheus' text format.

    Raises:
        ValueError: they are in no such format.
    """
    from prometheus_client.parser import text_string_to_metric_families

    values: dict[str, dict[tuple[str, ...], float]] = {}
    try:
        for family in text_string_to_metric_families(text):
            if family.name.startswith("penstock_"):
                for sample in family.samples:
                    labels = tuple(str(value) for value in sample.labels.values())
                    values.setdefault(sample.name, {})[labels] = sample.value
    except (
        LookupError,
        TypeError,
        AttributeError,
        ArithmeticError,
    ) as error:  # its parser has these too for what is cut off
        raise ValueError(f"{type(error).__name__}: {error}") from error
    return Reading(at, values)


def leader(lease: Mapping[str, Any], now: datetime) -> tuple[str, str]:
    """Return who holds a Lease (empty: nobody), and since when and how long ago it was renewed, in words.

    Args:
        lease: the object.
        now: in UTC.
    """
    spec = lease.get("spec") or {}
    holder, lasts = str(spec.get("holderIdentity") or ""), spec.get("leaseDurationSeconds") or 0
    if not holder:
        return "", "nobody holds it"
    renewed = str(spec.get("renewTime") or "")
    try:
        silent = (now - datetime.fromisoformat(renewed)).total_seconds()
        since = age(str(spec.get("acquireTime") or renewed), now)
    except (ValueError, TypeError):
        return holder, "it does not say since when"
    words = f"leads for {since}, renewed {duration(silent)} ago"
    if isinstance(lasts, int) and silent > lasts:
        words += f": not within its {lasts}s, so nobody decides now"
    return holder, words


def state(reading: Reading) -> Iterator[tuple[str, str]]:
    """Yield labels and values of what an operator is doing."""
    if (leads := reading.one("penstock_leader")) is not None:
        yield "Role", "leader" if leads else "standby"
    if (synced := reading.one("penstock_caches_synced")) is not None:
        yield "Caches", "filled" if synced else "not filled yet"
    for label, name in _COUNTS:
        if (number := reading.one(name)) is not None:
            yield label, f"{number:g}"
    if (busy := reading.one("penstock_worker_busy_seconds")) is not None:
        yield "Slowest worker", f"busy for {busy:.1f}s" if busy else "idle"
    if refused := reading.one("penstock_credentials_refused_seconds"):
        yield "Credentials", f"refused for {duration(refused)}"
    if unreadable := reading.sum("penstock_objects_unreadable"):
        yield "Left alone", f"{unreadable:g} objects that it cannot read"
    runs = {
        labels[0]: number for labels, number in reading.values.get("penstock_runs", {}).items() if labels and number
    }
    if runs:
        yield (
            "Runs",
            ", ".join(f"{number:g} {kind}" for kind, number in sorted(runs.items(), key=lambda item: -item[1])),
        )


def watches(reading: Reading) -> list[tuple[str, float]]:
    """Return each watch and the seconds since it was last heard of, the most silent first."""
    found = [
        (labels[0], number) for labels, number in reading.values.get("penstock_watch_age_seconds", {}).items() if labels
    ]
    return sorted(found, key=lambda item: (-item[1], item[0]))


def rates(before: Reading, now: Reading) -> Iterator[tuple[str, str]]:
    """Yield labels and values of what happened between two readings; nothing if the operator began anew in between."""
    seconds = now.at - before.at
    grown = [(now.sum(name) or 0) - (before.sum(name) or 0) for name in before.values if name.endswith("_total")]
    if seconds <= 0 or any(number < 0 for number in grown):
        return

    def counted(name: str) -> float:
        return (now.sum(name) or 0.0) - (before.sum(name) or 0.0)

    for label, name in _RATES:
        if name in now.values:
            yield label, f"{counted(name) / seconds:.2f}/s"
    for label, name in _MEANS:
        if counted(f"{name}_count") > 0:
            yield label, f"{counted(f'{name}_sum') / counted(f'{name}_count') * 1000:.1f}ms on average"
    if (throttled := counted("penstock_api_throttle_seconds_total")) > 0:
        yield "Held back by its own limit", f"{throttled / seconds * 100:.0f} % of the time"
