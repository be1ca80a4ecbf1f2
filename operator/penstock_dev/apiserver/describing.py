"""Answers to the paths that describe the server: discovery, OpenAPI, version. Documents are made once per change of the kinds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aiohttp import web

from . import discovery, openapi
from .status import no_such_path

if TYPE_CHECKING:
    from .builtin import Builtin
    from .kinds import Registry

JSON = "application/json"


def encoded(value: Any) -> bytes:
    """Return JSON as the server writes it."""
    return json.dumps(value, separators=(",", ":")).encode()


def as_json(value: Any, code: int = 200) -> web.Response:
    """Return an answer with a JSON body."""
    return web.Response(body=encoded(value), status=code, content_type=JSON)


# kubectl asks for it where it knows no kind of the name, and would else say nothing of that. Version 3 says what there is: this is
# the document of no definitions, which is no byte long in the one form that kubectl takes.
_OPENAPI_V2 = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"


class Descriptions:
    """The describing paths."""

    def __init__(self, registry: Registry, builtin: Builtin) -> None:
        self._registry = registry
        self._builtin = builtin
        self._documents: dict[str, tuple[int, bytes]] = {}

    def answer(self, path: str, accept: str) -> web.Response | None:
        """Return the answer to a GET, None when the path describes nothing.

        Args:
            path: without a slash at its end.
            accept: the Accept header.
        """
        if path in ("/api", "/apis"):
            return self._groups(path, accept)
        if path == "/version":
            return as_json(discovery.version())
        if path == "/":
            return as_json(
                {"paths": ["/api", "/apis", "/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz", "/version"]}
            )
        if path == "/openapi/v2":
            return web.Response(body=b"", content_type=_OPENAPI_V2)
        if path == "/openapi/v3" or path.startswith("/openapi/v3/"):
            return self._openapi(path.removeprefix("/openapi/v3").strip("/"))
        parts = path.strip("/").split("/")
        found: Any = None
        if parts[0] == "api" and len(parts) == 2:
            found = discovery.resource_list(self._registry, "", parts[1])
        elif parts[0] == "apis" and len(parts) == 2:
            found = discovery.group(self._registry, parts[1])
        elif parts[0] == "apis" and len(parts) == 3:
            found = discovery.resource_list(self._registry, parts[1], parts[2])
        return as_json(found) if found is not None else None

    def _groups(self, path: str, accept: str) -> web.Response:
        if "g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList" in accept.replace(" ", ""):
            body = discovery.aggregated(self._registry, core=path == "/api")
            media = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
            return web.Response(body=encoded(body), headers={"Content-Type": media})
        return as_json(discovery.core_versions() if path == "/api" else discovery.group_list(self._registry))

    def _openapi(self, name: str) -> web.Response:
        if not name:
            return as_json(openapi.index(self._registry))
        made, data = self._documents.get(name, (-1, b""))
        if made != self._registry.changes:
            resources = openapi.paths(self._registry).get(name)
            if resources is None:
                raise no_such_path()
            data = encoded(openapi.document(resources, self._builtin))
            self._documents[name] = (self._registry.changes, data)
        return web.Response(body=data, content_type=JSON)
