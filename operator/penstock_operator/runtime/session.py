"""kopf's HTTP session: what a watch says is taken from it here, and when it last said something is noted.

kopf keeps the watches: it lists, opens them, goes on where a cut one ended, and lists anew when the server has forgotten. What it does with
an event besides (a task for each object, copies, causes, handlers) costs more than everything that a decision takes, and is of no use to
an operator that looks at the whole anyway. So each event is handed over where it is read, and kopf is told only how far the watch has come,
by the word that the API has for it: a bookmark. Errors and bookmarks of the server itself pass unchanged. Of a listing kopf is told the
version, and nothing else: it watches from there at once, however much there is, and whoever is told that a watch begins lists beside it.
kopf also tells nobody of bookmarks; but the age of a watch's last word is what tells a quiet cluster from a dead connection.
Neighbours: `source` gives the session to kopf, `health` and `app` read the ages.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any, Protocol

import aiohttp

from .credentials import Credentials
from .jsontext import parse
from .resources import WATCHED, Resource
from .table import LARGE_BYTES
from .wire import open_session

_EVENTS = frozenset({"ADDED", "MODIFIED", "DELETED"})


class Take(Protocol):
    """Takes an object that a watch brought; called in kopf's thread."""

    def __call__(self, resource: Resource, raw: Mapping[str, Any] | bytes, *, deleted: bool, size: int) -> None:
        """Take the object, or the event with it as it came: one that is large is not to be in memory before its turn."""


class Begins(Protocol):
    """Is told that a watch begins: what was there before, it does not tell; called in kopf's thread."""

    def __call__(self, resource: Resource, namespace: str | None) -> None:
        """Take note, of one namespace or of all."""


class Beats:
    """When each watch was last heard of, monotonic. Written by kopf's thread, read by all."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._heard: dict[str, float] = {}

    def beat(self, path: str) -> None:
        """Note that the watch of this path said something."""
        self._heard[path] = self._clock()

    def clear(self) -> None:
        """Forget all watches: they are started anew."""
        self._heard = {}

    def ages(self) -> list[tuple[str, float]]:
        """Return the seconds since each watch's last word, by path."""
        now = self._clock()
        return [(path, now - heard) for path, heard in tuple(self._heard.items())]

    def oldest(self) -> float:
        """Return the age of the quietest watch; 0 when there is none."""
        return max((age for _, age in self.ages()), default=0.0)


def session(credentials: Credentials, beats: Beats, take: Take, begins: Begins) -> aiohttp.ClientSession:
    """Make kopf's session; kopf closes it.

    Args:
        credentials: of the API server.
        beats: notes when each watch was last heard of.
        take: takes what the watches say.
        begins: is told that a watch is about to begin.
    """

    class Response(aiohttp.ClientResponse):
        """Hands on what a watch says, and what is listed."""

        async def start(self, connection: Any) -> aiohttp.ClientResponse:
            await super().start(connection)
            if self.status == 200 and self.url.query.get("watch") == "true":
                beats.beat(self.url.path)
                self.content = _Heard(self.content, self.url.path, beats, take)  # type: ignore[assignment]
            return self

        async def json(self, **options: Any) -> Any:
            resource = _watched(self.url.path)
            if self.status != 200 or resource is None:
                return await super().json(**options)
            body = parse(await self.read())
            if not isinstance(body, dict) or not isinstance(body.get("items"), list):
                return body
            begins(resource, _namespace(self.url.path))
            return {"metadata": {"resourceVersion": (body.get("metadata") or {}).get("resourceVersion")}, "items": []}

    token = credentials.token()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return open_session(credentials, headers, response_class=Response)


class _Heard:
    """A watch's stream, whose events are taken out as they pass."""

    def __init__(self, content: aiohttp.StreamReader, path: str, beats: Beats, take: Take) -> None:
        self._content = content
        self._path = path
        self._beats = beats
        self._take = take
        self._resource = _watched(path)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._content, name)

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        rest = b""
        async for piece in self._content.iter_chunked(size):
            self._beats.beat(self._path)
            *lines, rest = (rest + piece).split(b"\n")
            left = b"\n".join(self._left(lines))
            if left:
                yield left + b"\n"
        if rest:
            yield rest

    def _left(self, lines: Iterable[bytes]) -> list[bytes]:
        """Take the events, and return what is left for kopf."""
        left: list[bytes] = []
        version: str | None = None
        for line in lines:
            seen = self._taken(line)
            if seen is None:
                left += [_bookmark(version), line] if version else [line]
            version = seen
        return [*left, _bookmark(version)] if version else left

    def _taken(self, line: bytes) -> str | None:
        """Take an event and return its resourceVersion; None: it is for kopf."""
        if self._resource is None or not line:
            return None
        try:
            event = parse(line)
            kind, raw = event["type"], event["object"]
            version = raw["metadata"]["resourceVersion"] if kind in _EVENTS else None
        except (ValueError, LookupError, TypeError):
            return None
        if version:
            large = len(line) >= LARGE_BYTES
            self._take(self._resource, line if large else raw, deleted=kind == "DELETED", size=len(line))
        return str(version) if version else None


def _watched(path: str) -> Resource | None:
    return next((r for r in WATCHED if path.endswith(f"/{r.plural}")), None)


def _namespace(path: str) -> str | None:
    _, found, rest = path.partition("/namespaces/")
    return rest.split("/")[0] if found else None


def _bookmark(version: str) -> bytes:
    return json.dumps({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": version}}}).encode()
