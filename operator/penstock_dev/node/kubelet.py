"""The part of a kubelet that a real API server calls: the logs of pods, over TLS on loopback.

`kubectl logs` asks the API server, which asks the address and port of the pod's Node object. The certificate is made at each start and
signed by itself: an API server without `--kubelet-certificate-authority` (a development one) does not check it.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from aiohttp import web

from penstock_dev.apiserver import podlog
from penstock_dev.apiserver.certificates import make_identity

if TYPE_CHECKING:
    from collections.abc import Callable

    from penstock_dev.apiserver.logs import FolderLogs

__all__ = ["Kubelet"]


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
        if uid is None or not self._logs.path(uid, container, 0).exists():
            return web.Response(status=404, text=f"no log of container {container} of pod {where['pod']}\n")
        # The API server passes on what it was asked for, and has checked it.
        options = podlog.read_options(request.query, self._clock())
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        pieces = podlog.lines(uid, container, 0, options, self._logs, lambda: not self._alive(uid, container))
        async with aclosing(pieces) as stream:
            async for piece in stream:
                await response.write(piece)
        return response
