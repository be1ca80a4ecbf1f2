"""What the operator counts and measures, for Prometheus. One instance per operator, with its own registry.

Names begin with `penstock_`; labels are closed sets, never names of runs: a metric's cardinality must not grow with the work.
Neighbours: `health` serves them, everything else in the runtime writes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

# The closed list of names has 70; a flow's own names come on top.
NAMES_KEPT = 200


class Metrics:
    """All metrics of one operator."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._names: set[tuple[str, str]] = set()
        r = self.registry
        self.transitions = Counter(
            "penstock_run_transitions", "Changes of a run's state type or name", ["type", "name"], registry=r
        )
        self.attempts = Counter(
            "penstock_attempts_judged", "Finished attempts by the budget they were counted for", ["budget"], registry=r
        )
        self.queue_added = Counter("penstock_queue_adds", "Keys added to the work queue", registry=r)
        self.queue_retries = Counter("penstock_queue_retries", "Keys queued again after an error", registry=r)
        self.queue_wait = Histogram(
            "penstock_queue_wait_seconds", "From the event to the begin of its decision", buckets=_FAST, registry=r
        )
        self.reconcile = Histogram(
            "penstock_reconcile_seconds", "Deciding and acting on one run", buckets=_FAST, registry=r
        )
        self.reconcile_errors = Counter(
            "penstock_reconcile_errors", "Decisions that ended in an error", ["kind"], registry=r
        )
        self.status_latency = Histogram(
            "penstock_event_to_status_seconds",
            "From an event to the status that it led to, as answered by the API server",
            buckets=_FAST,
            registry=r,
        )
        self.conflicts = Counter(
            "penstock_status_conflicts", "Status writes refused since something changed", registry=r
        )
        self.reduced = Counter(
            "penstock_status_reduced", "Status writes refused as invalid or too large, and cut", registry=r
        )
        self.requests = Counter(
            "penstock_api_requests", "Requests to the API server by answer", ["verb", "resource", "code"], registry=r
        )
        self.request_seconds = Histogram(
            "penstock_api_request_seconds", "Time to an answer of the API server", ["verb"], buckets=_FAST, registry=r
        )
        self.throttled = Counter(
            "penstock_api_throttle_seconds",
            "Seconds that requests waited for the operator's own rate limit",
            registry=r,
        )
        self.events_in = Counter("penstock_watch_events", "Objects delivered by watches", ["resource"], registry=r)
        self.stale_events = Counter(
            "penstock_watch_events_stale", "Of these, no newer than what was known", ["resource"], registry=r
        )
        self.watch_restarts = Counter(
            "penstock_watch_restarts", "Times that all watches were started again", registry=r
        )
        self.pruned = Counter(
            "penstock_store_repairs",
            "Objects that a listing corrected: changes that no watch delivered",
            ["resource"],
            registry=r,
        )
        self.orphans = Counter("penstock_pods_orphaned", "Pods that were ended since their run was gone", registry=r)
        self.posted = Counter(
            "penstock_events_posted",
            "Kubernetes Events by what became of them; shed: of what went well while many runs waited",
            ["outcome"],
            registry=r,
        )
        self.leader = Gauge("penstock_leader", "1: this operator decides; 0: it stands by", registry=r)
        self.synced = Gauge("penstock_caches_synced", "1: the caches hold what the API server listed", registry=r)

    def transition(self, type_: str, name: str) -> None:
        """Count a change of a run's state. A flow may bring names of its own: past NAMES_KEPT they are counted as Other."""
        if (type_, name) not in self._names:
            if len(self._names) >= NAMES_KEPT:
                name = "Other"
            self._names.add((type_, name))
        self.transitions.labels(type_, name).inc()

    def watch(self, name: str, help_: str, label: str, read: Callable[[], Iterable[tuple[str, float]]]) -> None:
        """Add a gauge that is read only when somebody asks.

        Args:
            name: of the metric.
            help_: one line.
            label: name of its one label; empty: none.
            read: gives (label value, value) pairs; called on the thread of the scrape.
        """
        self.registry.register(_Asked(name, help_, label, read))


class _Asked(Collector):
    def __init__(self, name: str, help_: str, label: str, read: Callable[[], Iterable[tuple[str, float]]]) -> None:
        self._name, self._help, self.label, self._read = name, help_, label, read

    def collect(self) -> Iterable[Metric]:
        family = GaugeMetricFamily(self._name, self._help, labels=[self.label] if self.label else None)
        for value, number in self._read():
            family.add_metric([value] if self.label else [], number)
        yield family
