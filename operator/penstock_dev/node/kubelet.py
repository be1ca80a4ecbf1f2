"""The part of a kubelet that a real API server calls: the logs of pods, over TLS on loopback.

`kubectl logs` asks the API server, which asks the address and port of the pod's Node object. The certificate is made at each start and
signed by itself: an API server without `--kubelet-certificate-authority` (a development one) does not check it.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from aiohttp import web

from penstock_dev.apiserver.certificates import make_identity

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from penstock_dev.apiserver.logs import FolderLogs

__all__ = ["Kubelet", "Selection"]

_POLL_SECONDS = 0.1


class Selection:
    """Which lines of a log are wanted, by the query of `pods/log`.

    Args:
        query: `tailLines`, `sinceSeconds`, `sinceTime`, `timestamps`, as the API server passes them on.
        now: seconds since the epoch.
    """

    def __init__(self, query: Mapping[str, str], now: float) -> None:
        self._tail = int(query["tailLines"]) if "tailLines" in query else None
        self._stamps = query.get("timestamps") == "true"
        self._since = query.get("sinceTime", "")
        if "sinceSeconds" in query:
            since = datetime.fromtimestamp(now - float(query["sinceSeconds"]), UTC)
            self._since = since.strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def first(self, lines: list[bytes]) -> list[bytes]:
        """Return what is shown of the lines that are there at the beginning."""
        # Times are written alike and in UTC, so they compare as text.
        recent = [
            line for line in lines if line.decode(errors="replace")[: len(self._since)] >= self._since.removesuffix("Z")
        ]
        return self.shown(recent if self._tail is None else recent[max(0, len(recent) - self._tail) :])

    def shown(self, lines: list[bytes]) -> list[bytes]:
        """Return lines as they are shown, with or without their times."""
        return [line if self._stamps else line.partition(b" ")[2] for line in lines]


class Kubelet:
    """Serves logs.

    Args:
        uid: returns the UID of the pod of a namespace and name, None when this node has none.
        alive: whether a container (pod's UID, name) may still write: a follow ends when it does not.
        logs: the logs.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        uid: Callable[[str, str], str | None],
        alive: Callable[[str, str], bool],
        logs: FolderLogs,
        clock: Callable[[], float],
    ) -> None:
        self._uid = uid
        self._alive = alive
        self._logs = logs
        self._clock = clock
        self._runner: web.AppRunner | None = None

    async def start(self) -> int:
        """Listen on a free port of loopback, and return it."""
        application = web.Application()
        application.router.add_get("/containerLogs/{namespace}/{pod}/{container}", self._serve)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=make_identity(self._clock()).context())
        await site.start()
        port: int = self._runner.addresses[0][1]
        return port

    async def stop(self) -> None:
        """End it."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        where = request.match_info
        uid = self._uid(where["namespace"], where["pod"])
        container = where["container"]
        read = self._logs.read(uid, container, 0, 0) if uid else None
        if uid is None or read is None:
            return web.Response(status=404, text=f"no log of container {container} of pod {where['pod']}\n")
        lines, offset = read
        selection = Selection(request.query, self._clock())
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        await _send(response, selection.first(lines))
        while request.query.get("follow") == "true":
            live = self._alive(uid, container)
            read = self._logs.read(uid, container, 0, offset)
            if read is None:
                break
            lines, offset = read
            await _send(response, selection.shown(lines))
            if not live:
                break
            await asyncio.sleep(_POLL_SECONDS)
        return response


async def _send(response: web.StreamResponse, lines: list[bytes]) -> None:
    if lines:
        await response.write(b"".join(line + b"\n" for line in lines))
