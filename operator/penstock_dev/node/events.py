"""Events about pods, best effort: they never hold anything up, and a lost one is no harm.

One task sends them in order; a full queue drops the newest. The same event again (a mount that fails time after time) is sent once.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from typing import TYPE_CHECKING

from penstock_operator.api.paths import path

from .client import ApiError, ApiUnreachable
from .status import timestamp

if TYPE_CHECKING:
    from collections.abc import Callable

    from .client import Client, Json

__all__ = ["Events"]

_log = logging.getLogger(__name__)
_QUEUE = 1000


class Events:
    """Sends events of one node.

    Args:
        client: the API server's client.
        node: the node's name.
        clock: seconds since the epoch.
    """

    def __init__(self, client: Client, node: str, clock: Callable[[], float]) -> None:
        self._client = client
        self._node = node
        self._clock = clock
        self._queue: asyncio.Queue[Json] = asyncio.Queue(_QUEUE)

    def post(
        self, pod: Json, kind: str, reason: str, message: str, *, container: str = "", component: str = "kubelet"
    ) -> None:
        """Send an event about a pod, or about one of its containers; returns at once.

        Args:
            pod: the pod.
            kind: Normal or Warning.
            reason: the machine-readable word.
            message: the sentence.
            container: the container's field path, as `spec.containers{main}`.
            component: who speaks: the kubelet's part of the node or the scheduler's.
        """
        metadata = pod["metadata"]
        involved = {
            "kind": "Pod", "apiVersion": "v1", "namespace": metadata["namespace"], "name": metadata["name"], "uid": metadata["uid"],
        }  # fmt: skip
        now = timestamp(self._clock())
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{metadata['name']}.{uuid.uuid4().hex[:16]}", "namespace": metadata["namespace"]},
            "involvedObject": involved | ({"fieldPath": container} if container else {}),
            "type": kind,
            "reason": reason,
            "message": message[:1024],
            "source": {"component": component, "host": self._node},
            "reportingComponent": component,
            "reportingInstance": self._node,
            "count": 1,
            "firstTimestamp": now,
            "lastTimestamp": now,
        }
        try:
            self._queue.put_nowait(event)
        except asyncio.QueueFull:
            _log.debug("dropped an event: %s %s", reason, message)

    async def run(self) -> None:
        """Send events until cancelled."""
        while True:
            event = await self._queue.get()
            try:
                await self._client.request("POST", path("", "v1", "events", event["metadata"]["namespace"]), body=event)
            except (ApiError, ApiUnreachable) as error:
                _log.debug("lost an event: %s", error)
