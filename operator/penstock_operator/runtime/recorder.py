"""Kubernetes Events about runs and Flows (events.k8s.io/v1): best effort, behind everything else, and never the same one twice in a row.

Events are for people who look at `kubectl describe`. They wait in a bounded queue and are sent by one task; what does not fit, or is
refused, is counted and dropped. Where more runs wait than are seen to, what goes well is not told in Events, which would cost those runs
their time: each change stands in the run's own status. Warnings are told always, and have the place of what goes well where there is none.
An Event that repeats becomes a series on the first one, as the API wants it. Names grow with time: `kubectl describe` shows Events by name.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import math
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from penstock_operator.api.constants import API_VERSION, GROUP
from penstock_operator.api.metadata import ObjectMeta
from penstock_operator.core.model import Emit

from . import errors
from .client import ApiClient
from .errors import ApiError
from .metrics import Metrics
from .resources import EVENTS

CONTROLLER: Final = f"{GROUP}/operator"
NORMAL: Final = "Normal"
QUEUED = 1000
BACKLOG = 16  # Events that wait for the one that is being sent
PRESSED_SECONDS = 2.0
REMEMBERED = 4096
SERIES_SECONDS = 360.0  # a repetition within six minutes belongs to the series, as client-go has it
NOTE_BYTES = 1024  # the API server says characters, and counts bytes
NANOSECONDS = 10**9

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Sent:
    name: str
    last: float
    count: int = 1


@dataclass(frozen=True, slots=True)
class _Item:
    namespace: str
    about: tuple[str, str, str, str, str]
    body: dict[str, Any]
    time: str


class Recorder:
    """Posts Events.

    Args:
        client: to the API server.
        instance: this operator's own name (the pod's).
        metrics: where outcomes are counted.
        now: the wall clock, UTC.
        clock: monotonic seconds.
        crowded: whether more runs wait than are seen to.
    """

    def __init__(
        self,
        client: ApiClient,
        instance: str,
        metrics: Metrics,
        *,
        now: Callable[[], datetime],
        clock: Callable[[], float],
        crowded: Callable[[], bool] = lambda: False,
    ) -> None:
        self._client = client
        self._instance = instance[:128]
        self._metrics = metrics
        self._now = now
        self._clock = clock
        self._crowded = crowded
        self._pressed_until = -math.inf
        self._waiting: deque[_Item] = deque()
        self._news = asyncio.Event()
        self._sent: OrderedDict[tuple[str, str, str, str, str], _Sent] = OrderedDict()
        self._last = 0

    def emit(self, meta: ObjectMeta, event: Emit, kind: str = "FlowRun") -> None:
        """Queue an Event about the object of this kind and metadata; never waits, never fails."""
        if event.type == NORMAL and kind == "FlowRun" and self._pressed():
            self._metrics.posted.labels("shed").inc()
            return
        note = cut(event.note, NOTE_BYTES)
        about = (meta.uid, event.type, event.reason, event.action, note)
        now = self._now()
        time = now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        # One after the other even where the clock shows the same; the digest keeps two operators apart.
        self._last = max(self._last + 1, round(now.timestamp() * NANOSECONDS))
        digest = hashlib.sha256("\0".join((*about, self._instance)).encode("utf-8", "surrogatepass")).hexdigest()
        suffix = f"{self._last:016x}{digest[:8]}"
        body = {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": f"{meta.name}.{suffix}", "namespace": meta.namespace},
            "eventTime": time,
            "reportingController": CONTROLLER,
            "reportingInstance": self._instance,
            "action": event.action,
            "reason": event.reason,
            "type": event.type,
            "note": note,
            "regarding": {
                "apiVersion": API_VERSION,
                "kind": kind,
                "namespace": meta.namespace,
                "name": meta.name,
                "uid": meta.uid,
                "resourceVersion": meta.resource_version,
            },
        }
        if len(self._waiting) >= QUEUED and not self._make_room(event.type):
            return
        self._waiting.append(_Item(meta.namespace, about, body, time))
        self._news.set()

    def _pressed(self) -> bool:
        """Whether there is, or was a moment ago, more to do than is done: runs that wait, or Events that do."""
        if self._crowded() or len(self._waiting) > BACKLOG:
            self._pressed_until = self._clock() + PRESSED_SECONDS
        return self._clock() < self._pressed_until

    def _make_room(self, kind: str) -> bool:
        """Drop something for an Event of this type; say whether it has a place."""
        self._metrics.posted.labels("dropped").inc()
        if kind == NORMAL:
            return False
        # The oldest that tells of what goes well, else the oldest of all.
        at = next((n for n, item in enumerate(self._waiting) if item.body["type"] == NORMAL), 0)
        del self._waiting[at]
        return True

    async def run(self) -> None:
        """Send what is queued, until cancelled."""
        while True:
            while not self._waiting:
                self._news.clear()
                await self._news.wait()
            item = self._waiting.popleft()
            try:
                outcome = await self._send(item)
            except ApiError as error:
                log.debug("an Event was not posted: %s", error)
                outcome = "refused"
            except Exception:
                # Best effort: no Event is worth an operator.
                log.exception("an Event was not posted")
                outcome = "refused"
            self._metrics.posted.labels(outcome).inc()

    async def _send(self, item: _Item) -> str:
        sent = self._sent.get(item.about)
        if sent is not None and self._clock() - sent.last < SERIES_SECONDS:
            sent.last = self._clock()
            sent.count += 1
            series = {"series": {"count": sent.count, "lastObservedTime": item.time}}
            try:
                await self._client.patch(EVENTS, item.namespace, sent.name, series)
            except ApiError as error:
                if error.code != errors.NOT_FOUND:
                    raise
            else:
                return "repeated"
        await self._client.create(EVENTS, item.namespace, item.body)
        self._sent[item.about] = _Sent(item.body["metadata"]["name"], self._clock())
        self._sent.move_to_end(item.about)
        while len(self._sent) > REMEMBERED:
            self._sent.popitem(last=False)
        return "posted"


def cut(text: str, size: int) -> str:
    """Return as much of a text as fits into so many bytes of UTF-8: whole characters, an ellipsis behind what is cut."""
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= size:
        return encoded.decode("utf-8")
    return f"{encoded[: size - 3].decode('utf-8', 'ignore')}…"
