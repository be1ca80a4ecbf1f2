"""An API server that can only be discovered, listed and watched, and that misbehaves on demand. It listens for real: kopf talks to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from penstock_operator.runtime.credentials import Credentials, Endpoint

CUSTOM = "/apis/penstock.dev/v1alpha1"
KINDS = {"flowruns": (CUSTOM, "FlowRun"), "flows": (CUSTOM, "Flow"), "pods": ("/api/v1", "Pod")}


def _resource(plural: str, kind: str, *, namespaced: bool = True) -> dict[str, Any]:
    verbs = ["get", "list", "watch", "patch"]
    return {"name": plural, "kind": kind, "singularName": kind.lower(), "namespaced": namespaced, "verbs": verbs}


def _group(name: str, version: str) -> dict[str, Any]:
    entry = {"groupVersion": f"{name}/{version}", "version": version}
    return {"name": name, "versions": [entry], "preferredVersion": entry}


class WatchServer:
    """The server.

    Attributes:
        objects: what lists show, by kind.
        asked: every request, `GET /path` or `WATCH /path`, with the label selector behind it.
        lists: how often each kind was listed, or a page of it.
        page_size: objects on a page of a list, however many are asked for.
    """

    def __init__(self) -> None:
        self.version = 10
        self.objects: dict[str, list[dict[str, Any]]] = {kind: [] for kind in KINDS}
        self.asked: list[str] = []
        self.lists: dict[str, int] = dict.fromkeys(KINDS, 0)
        self.limits: list[tuple[str, str]] = []  # of each list: the kind, and how many objects were asked for
        self.page_size = 10**6
        self.unauthorized: dict[str, int] = dict.fromkeys(KINDS, 0)
        self.opened = asyncio.Event()
        self.url = ""
        self._watches: dict[str, list[asyncio.Queue[dict[str, Any] | None]]] = {kind: [] for kind in KINDS}

    @property
    def credentials(self) -> Credentials:
        return Credentials(Endpoint(self.url, "default"), lambda: "token", clock=lambda: 0.0)

    def watched(self, *kinds: str) -> bool:
        return all(self._watches[kind] for kind in kinds or KINDS)

    def tell(self, kind: str, type_: str, name: str = "x", **body: Any) -> None:
        """Send an event on every open watch of the kind."""
        self.version += 1
        meta = {"name": name, "namespace": "default", "uid": name, "resourceVersion": str(self.version)}
        raw = {"kind": KINDS[kind][1], "metadata": {**meta, **body.pop("metadata", {})}, **body}
        self.send(kind, {"type": type_, "object": raw})

    def send(self, kind: str, event: dict[str, Any] | None) -> None:
        """Send anything; None cuts the connection."""
        for queue in self._watches[kind]:
            queue.put_nowait(event)

    def error(self, kind: str, code: int) -> None:
        status = {"kind": "Status", "code": code, "message": "too old" if code == 410 else "etcd event: PrevKv=nil"}
        self.send(kind, {"type": "ERROR", "object": status})

    async def until_watched(self) -> None:
        """Wait until all kinds are watched."""
        async with asyncio.timeout(20):
            while not self.watched():
                self.opened.clear()
                await self.opened.wait()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        watch = request.query.get("watch") == "true"
        selector = request.query.get("labelSelector", "")
        method = "WATCH" if watch else request.method
        self.asked.append(" ".join(filter(None, (method, request.path, selector))))
        discovery = self._discovery().get(request.path)
        if discovery is not None:
            return web.json_response(discovery)
        kind = request.path.rsplit("/", 1)[-1]
        if kind not in KINDS:
            return web.json_response({"kind": "Status", "code": 404, "message": "no"}, status=404)
        if watch and self.unauthorized[kind]:
            self.unauthorized[kind] -= 1
            return web.json_response({"kind": "Status", "code": 401, "message": "Unauthorized"}, status=401)
        if watch:
            return await self._watch(request, kind)
        self.lists[kind] += 1
        self.limits.append((kind, request.query.get("limit", "")))
        begin = int(request.query.get("continue", 0))
        end = begin + min(self.page_size, int(request.query.get("limit", self.page_size)))
        more = {"continue": str(end)} if end < len(self.objects[kind]) else {}
        meta = {"resourceVersion": str(self.version), **more}
        return web.json_response({"kind": "List", "metadata": meta, "items": self.objects[kind][begin:end]})

    async def _watch(self, request: web.Request, kind: str) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "application/json"})
        await answer.prepare(request)
        queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self._watches[kind].append(queue)
        self.opened.set()
        try:
            while (event := await queue.get()) is not None:
                await answer.write(json.dumps(event).encode() + b"\n")
        finally:
            self._watches[kind].remove(queue)
        return answer

    def _discovery(self) -> dict[str, Any]:
        groups = [_group("penstock.dev", "v1alpha1"), _group("apiextensions.k8s.io", "v1")]
        custom = [_resource(plural, kind) for plural, (path, kind) in KINDS.items() if path == CUSTOM]
        core = [_resource("pods", "Pod"), _resource("namespaces", "Namespace", namespaced=False)]
        crds = [_resource("customresourcedefinitions", "CustomResourceDefinition", namespaced=False)]
        return {
            "/api": {"kind": "APIVersions", "versions": ["v1"]},
            "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": core},
            "/apis": {"kind": "APIGroupList", "groups": groups},
            CUSTOM: {"kind": "APIResourceList", "groupVersion": "penstock.dev/v1alpha1", "resources": custom},
            "/apis/apiextensions.k8s.io/v1": {
                "kind": "APIResourceList",
                "groupVersion": "apiextensions.k8s.io/v1",
                "resources": crds,
            },
        }


@asynccontextmanager
async def serving() -> AsyncIterator[WatchServer]:
    """Serve on a free port."""
    server = WatchServer()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)  # a watch ends with its connection
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    server.url = f"http://127.0.0.1:{port}"
    try:
        yield server
    finally:
        await runner.cleanup()
