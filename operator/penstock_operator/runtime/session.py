"""kopf's HTTP session, and when each watch last said something.

kopf reads bookmarks itself and tells nobody; but the age of a watch's last word is what tells a quiet cluster from a dead connection.
The session is aiohttp's own, made from the operator's credentials, with a response class that notes the time of each piece of a watch.
Neighbours: `source` gives it to kopf, `health` and `operator` read the ages.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp

from .credentials import Credentials
from .wire import open_session


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


def session(credentials: Credentials, beats: Beats) -> aiohttp.ClientSession:
    """Make kopf's session; kopf closes it."""

    class Response(aiohttp.ClientResponse):
        """Notes the time of each piece of a watch."""

        async def start(self, connection: Any) -> aiohttp.ClientResponse:
            await super().start(connection)
            if self.status == 200 and self.url.query.get("watch") == "true":
                beats.beat(self.url.path)
                self.content = _Heard(self.content, self.url.path, beats)  # type: ignore[assignment]
            return self

    token = credentials.token()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return open_session(credentials, headers, response_class=Response)


class _Heard:
    """A stream whose pieces are noted as they pass."""

    def __init__(self, content: aiohttp.StreamReader, path: str, beats: Beats) -> None:
        self._content = content
        self._path = path
        self._beats = beats

    def __getattr__(self, name: str) -> Any:
        return getattr(self._content, name)

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        async for piece in self._content.iter_chunked(size):
            self._beats.beat(self._path)
            yield piece
