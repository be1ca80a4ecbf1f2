"""Binds pods to the node while it has room, and says so to those that have to wait.

The node takes everything: resources, selectors, affinity and taints are not looked at, as the image is not. Only the number of pods is
limited. Higher priority goes first, then the older pod.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from penstock_operator.api.paths import path

from .client import ApiError, ApiUnreachable
from .status import timestamp

if TYPE_CHECKING:
    from collections.abc import Callable

    from .client import Client, Json
    from .events import Events

__all__ = ["Scheduler", "waits_for_node"]

_log = logging.getLogger(__name__)
_RETRY = 0.5
_FULL = (
    "0/1 nodes are available: 1 Too many pods. no new claims to deallocate, "
    "preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod."
)


def waits_for_node(pod: Json) -> bool:
    """Whether a pod wants to be bound: nobody did, nothing gates it, it is neither ending nor another scheduler's."""
    spec = pod["spec"]
    return (
        not spec.get("nodeName")
        and not spec.get("schedulingGates")
        and not pod["metadata"].get("deletionTimestamp")
        and spec.get("schedulerName", "default-scheduler") == "default-scheduler"
    )


class Scheduler:
    """Binds the pods that wait.

    Args:
        client: the API server's client.
        events: where "Scheduled" and "FailedScheduling" go.
        node: the node's name.
        room: returns how many more pods the node can take.
        bound: called with each pod that was bound, as it is then.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        client: Client,
        events: Events,
        node: str,
        room: Callable[[], int],
        bound: Callable[[Json], None],
        clock: Callable[[], float],
    ) -> None:
        self._client = client
        self._events = events
        self._node = node
        self._room = room
        self._bound = bound
        self._clock = clock
        self._waiting: dict[str, Json] = {}
        self._told: set[str] = set()
        self._wake = asyncio.Event()

    def note(self, pod: Json) -> None:
        """Take note of a pod that is not bound."""
        uid = pod["metadata"]["uid"]
        if waits_for_node(pod):
            self._waiting[uid] = pod
            self._wake.set()
        else:
            self._waiting.pop(uid, None)

    def forget(self, uid: str) -> None:
        """Take note that a pod is bound, or gone."""
        self._waiting.pop(uid, None)
        self._told.discard(uid)

    def wake(self) -> None:
        """Take note that there is room again."""
        self._wake.set()

    async def run(self) -> None:
        """Bind pods until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            for pod in sorted(self._waiting.values(), key=_order):
                if pod["metadata"]["uid"] not in self._waiting:
                    continue
                if self._room() > 0:
                    await self._bind(pod)
                else:
                    await self._tell_full(pod)

    async def _bind(self, pod: Json) -> None:
        metadata = pod["metadata"]
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {key: metadata[key] for key in ("name", "namespace", "uid")},
            "target": {"apiVersion": "v1", "kind": "Node", "name": self._node},
        }
        try:
            await self._client.request(
                "POST", path("", "v1", "pods", metadata["namespace"], metadata["name"], "binding"), body=binding
            )
        except (ApiUnreachable, ApiError) as error:
            if isinstance(error, ApiError) and not error.passing:
                # Gone, or bound by another scheduler: the watch tells.
                _log.info("pod %s/%s was not bound: %s", metadata["namespace"], metadata["name"], error)
                self.forget(metadata["uid"])
            else:
                asyncio.get_running_loop().call_later(_RETRY, self._wake.set)
            return
        self.forget(metadata["uid"])
        bound = {**pod, "spec": {**pod["spec"], "nodeName": self._node}}
        message = f"Successfully assigned {metadata['namespace']}/{metadata['name']} to {self._node}"
        self._events.post(bound, "Normal", "Scheduled", message, component="default-scheduler")
        self._bound(bound)

    async def _tell_full(self, pod: Json) -> None:
        metadata = pod["metadata"]
        if metadata["uid"] in self._told:
            return
        condition = {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": _FULL,
            "lastProbeTime": None,
            "lastTransitionTime": timestamp(self._clock()),
        }
        body = {"metadata": {"uid": metadata["uid"]}, "status": {"conditions": [condition]}}
        where = path("", "v1", "pods", metadata["namespace"], metadata["name"], "status")
        try:
            await self._client.request("PATCH", where, body=body, content_type="application/strategic-merge-patch+json")
        except (ApiUnreachable, ApiError) as error:
            _log.info(
                "pod %s/%s was not told that the node is full: %s", metadata["namespace"], metadata["name"], error
            )
            if not isinstance(error, ApiError) or error.passing:
                asyncio.get_running_loop().call_later(_RETRY, self._wake.set)
            return
        self._told.add(metadata["uid"])
        self._events.post(pod, "Warning", "FailedScheduling", _FULL, component="default-scheduler")


def _order(pod: Json) -> tuple[int, str, str]:
    metadata = pod["metadata"]
    return (-int(pod["spec"].get("priority") or 0), metadata.get("creationTimestamp") or "", metadata["name"])
