"""Delivers a pod's status to the API server: the newest one, one request at a time, until it is there.

States that pass faster than a request takes are left out, as a kubelet leaves them out. While the server is away it tries again;
when the pod is gone (404, or another UID under the name) it gives up.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from penstock_operator.api.paths import path

from .client import ApiError, ApiUnreachable
from .status import status_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from .client import Client, Json
    from .status import Record

__all__ = ["StatusWriter"]

_log = logging.getLogger(__name__)
_RETRY_FIRST = 0.05
_RETRY_LONGEST = 1.0


class StatusWriter:
    """Writes one pod's status.

    Args:
        client: the API server's client.
        pod: the pod's newest object; the owner replaces it.
        address: the node's IP address.
        clock: seconds since the epoch.
    """

    def __init__(self, client: Client, pod: Json, address: str, clock: Callable[[], float]) -> None:
        self.pod = pod
        self.closed = False
        self._client = client
        self._address = address
        self._clock = clock
        self._record: Record | None = None
        self._written: Json = {}
        self._dirty = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._task: asyncio.Task[None] | None = None

    def publish(self, record: Record) -> None:
        """Take a status to be written; returns at once."""
        if self.closed:
            return
        self._record = record
        self._idle.clear()
        self._dirty.set()
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=f"status of pod {self.pod['metadata']['name']}")

    async def flush(self) -> None:
        """Wait until the newest status is written, or nobody wants it any more."""
        await self._idle.wait()

    async def delete(self) -> None:
        """Remove the pod's object for good: its containers have ended."""
        metadata = self.pod["metadata"]
        body = {
            "apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0, "preconditions": {"uid": metadata["uid"]},
        }  # fmt: skip
        await self._insist("DELETE", self._path(), body)

    def close(self) -> None:
        """Stop: the pod is gone."""
        self.closed = True
        self._idle.set()
        if self._task is not None:
            self._task.cancel()

    def _path(self, sub: str | None = None) -> str:
        metadata = self.pod["metadata"]
        return path("", "v1", "pods", metadata["namespace"], metadata["name"], sub)

    async def _run(self) -> None:
        while not self.closed:
            await self._dirty.wait()
            self._dirty.clear()
            if self._record is not None:
                before = {condition["type"]: condition for condition in self._written.get("conditions") or []}
                status = status_of(
                    self._record,
                    generation=self.pod["metadata"].get("generation"),
                    address=self._address,
                    before=before,
                    now=self._clock(),
                )
                if status != self._written:
                    self._written = status
                    body = {"metadata": {"uid": self.pod["metadata"]["uid"]}, "status": status}
                    await self._insist("PATCH", self._path("status"), body)
            if not self._dirty.is_set():
                self._idle.set()

    async def _insist(self, method: str, path: str, body: Json) -> None:
        kind = "application/strategic-merge-patch+json" if method == "PATCH" else "application/json"
        delay = _RETRY_FIRST
        while True:
            try:
                await self._client.request(method, path, body=body, content_type=kind)
            except ApiUnreachable:
                pass
            except ApiError as error:
                if not error.passing:
                    if error.status not in (404, 409):
                        _log.warning("%s %s: %s", method, path, error)
                    if error.status in (404, 409):
                        self.close()
                    return
            else:
                return
            await asyncio.sleep(delay)
            delay = min(delay * 2, _RETRY_LONGEST)
