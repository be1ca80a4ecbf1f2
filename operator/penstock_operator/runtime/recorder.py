"""Kubernetes Events about runs and Flows (events.k8s.io/v1): best effort, behind everything else, and never the same one twice in a row.

Events are for people who look at `kubectl describe`. They wait in a bounded queue and are sent by one task; what does not fit, or is
refused, is counted and dropped. An Event that repeats becomes a series on the first one, as the API wants it. Names grow with time:
`kubectl describe` shows Events by name.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import OrderedDict
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
QUEUED = 1000
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
    """

    def __init__(
        self,
        client: ApiClient,
        instance: str,
        metrics: Metrics,
        *,
        now: Callable[[], datetime],
        clock: Callable[[], float],
    ) -> None:
        self._client = client
        self._instance = instance[:128]
        self._metrics = metrics
        self._now = now
        self._clock = clock
        self._queue: asyncio.Queue[_Item] = asyncio.Queue(QUEUED)
        self._sent: OrderedDict[tuple[str, str, str, str, str], _Sent] = OrderedDict()
        self._last = 0

    def emit(self, meta: ObjectMeta, event: Emit, kind: str = "FlowRun") -> None:
        """Queue an Event about the object of this kind and metadata; never waits, never fails."""
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
        try:
            self._queue.put_nowait(_Item(meta.namespace, about, body, time))
        except asyncio.QueueFull:
            self._metrics.posted.labels("dropped").inc()

    async def run(self) -> None:
        """Send what is queued, until cancelled."""
        while True:
            item = await self._queue.get()
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
