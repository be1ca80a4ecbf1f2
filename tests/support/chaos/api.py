"""A small client of the API server for those who play users, nodes and engines: it outlives an outage, and says what came of a request.

Neighbours: `kubelet`, `engine`, `user`, `observer`.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from dataclasses import dataclass
from typing import Any

import aiohttp

JSON = dict[str, Any]
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
AGAIN_SECONDS = 0.2


@dataclass
class Api:
    """One actor's way to an API server.

    Attributes:
        url: of the server, or of a proxy.
        token: of the actor.
        ca: file of the server's certificate; empty: plain HTTP.
        namespace: where everything is.
    """

    url: str
    token: str
    ca: str
    namespace: str
    _session: aiohttp.ClientSession | None = None

    @property
    def session(self) -> aiohttp.ClientSession:
        if self._session is None:
            tls: ssl.SSLContext | bool = ssl.create_default_context(cafile=self.ca) if self.ca else True
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=tls, limit=60),
                headers={"Authorization": f"Bearer {self.token}"},
                timeout=aiohttp.ClientTimeout(total=20, sock_connect=5),
            )
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    def pods(self, name: str = "", sub: str = "") -> str:
        return _path(f"/api/v1/namespaces/{self.namespace}/pods", name, sub)

    def runs(self, name: str = "", sub: str = "") -> str:
        return _path(f"/apis/penstock.dev/v1alpha1/namespaces/{self.namespace}/flowruns", name, sub)

    async def once(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> tuple[int, JSON]:
        """One request: the code and the body of its answer; code 0: there was none."""
        content = json.dumps(body) if body is not None else None
        try:
            async with self.session.request(
                method, self.url + path, data=content, headers={"Content-Type": kind}
            ) as answer:
                return answer.status, json.loads(await answer.read())
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
            return 0, {}

    async def send(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> tuple[int, JSON]:
        """Ask until the server says yes or no. An authorization that is not ready yet, after a restart, is neither."""
        while True:
            code, answer = await self.once(method, path, body, kind)
            if 0 < code < 500 and code not in (401, 403, 429):
                return code, answer
            await asyncio.sleep(AGAIN_SECONDS)


def _path(base: str, name: str, sub: str) -> str:
    return "/".join(filter(None, (base, name, sub)))
