"""Keeps objects as the API server has them: a list, then a watch, then whatever the network allows.

It never gives up: a watch that ends is opened again where it ended, a version that the server has forgotten (410) means a new list, a server
that is away is asked again. Meanwhile what was seen last stays, and `blind` says since when nothing was heard and why. What a list does not
show any more is gone; nothing else is concluded from silence.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock_operator.runtime import errors
from penstock_operator.runtime.errors import ApiError

from .objects import Key

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
    from typing import Protocol

    class Source(Protocol):
        """What is asked; see `client.Client`."""

        async def get(self, path: str, params: Mapping[str, str] | None = None) -> dict[str, Any]:
            """GET a document."""

        def watch(self, path: str, params: Mapping[str, str]) -> AsyncGenerator[tuple[str, dict[str, Any], int], None]:
            """Yield the events of one watch."""

    class Sink(Protocol):
        """What is filled; see `objects.Objects`."""

        def put(self, body: Mapping[str, Any], *, size: int = 0) -> None:
            """Take an object."""

        def drop(self, key: Key, uid: str = "") -> None:
            """Forget one."""

        def keep_only(self, namespace: str | None, keys: set[Key]) -> None:
            """Forget what is not named."""

        def touch(self) -> None:
            """Wake those who look."""


__all__ = ["Blind", "Feed"]

_PAGE = 250
_WATCH_SECONDS = 300
_QUIET_SECONDS = 20.0
_ANSWER_SECONDS = 5.0
_FIRST_WAIT = 0.2
_LONGEST_WAIT = 5.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Blind:
    """Nothing is heard of the API server.

    Attributes:
        since: seconds since the epoch; 0: it was never heard.
        why: in words.
        refused: it answers, and refuses.
    """

    since: float
    why: str
    refused: bool = False


class Feed:
    """One list and watch.

    Args:
        source: the API server.
        path: of the collection.
        namespace: of the collection; None: it is that of all namespaces.
        sink: what is filled.
        clock: seconds since the epoch.
        sleep: waits so many seconds.
    """

    def __init__(
        self,
        source: Source,
        path: str,
        namespace: str | None,
        sink: Sink,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._source = source
        self._path = path
        self._namespace = namespace
        self.sink = sink
        self._clock = clock
        self._sleep = sleep
        self._version = ""
        self.heard = 0.0
        self.blind: Blind | None = Blind(0.0, "the first list is on its way")
        self.synced = asyncio.Event()

    async def run(self) -> None:
        """List and watch until cancelled."""
        wait = _FIRST_WAIT
        while True:
            try:
                if not self._version:
                    await self._list()
                wait = _FIRST_WAIT
                await self._watch()
                # A server that ends each watch at once is not asked in a tight loop.
                await self._sleep(_FIRST_WAIT)
            except ApiError as error:
                if error.code == errors.GONE:
                    self._version = ""
                    await self._sleep(_FIRST_WAIT)
                    continue
                if error.code in (errors.UNREADABLE, 400):
                    self._version = ""
                self._lost(error)
                await self._sleep(wait * (0.75 + random.random() / 2))
                wait = min(wait * 2, _LONGEST_WAIT)
            except Exception:
                # A fault of ours must not end the watch in silence, with a page that says it is live.
                log.exception("what is heard of %s cannot be taken", self._path)
                self._version = ""
                self._lost(
                    ApiError(errors.UNREADABLE, "NotTaken", "an object cannot be taken; this server's log says why")
                )
                await self._sleep(_LONGEST_WAIT)

    async def _list(self) -> None:
        shown: set[Key] = set()
        more: dict[str, str] = {}
        while True:
            body = await self._source.get(self._path, {"limit": str(_PAGE), **more})
            metadata = body.get("metadata") or {}
            for item in body.get("items") or []:
                if (key := _key(item)) is not None:
                    shown.add(key)
                    self.sink.put(item)
            del body
            more = {"continue": metadata["continue"]} if metadata.get("continue") else {}
            if not more:
                break
            # Thousands of objects: others get their turn between the pages.
            await asyncio.sleep(0)
        self.sink.keep_only(self._namespace, shown)
        self._version = str(metadata.get("resourceVersion") or "")
        self._heard()
        self.synced.set()

    async def _watch(self) -> None:
        query = {"resourceVersion": self._version, "timeoutSeconds": str(_WATCH_SECONDS)}
        events = self._source.watch(self._path, query)
        following = asyncio.ensure_future(anext(events, None))
        try:
            while True:
                await asyncio.wait({following}, timeout=_QUIET_SECONDS)
                if not following.done():
                    await self._ask()
                    continue
                if (event := following.result()) is None:
                    break
                self._take(*event)
                following = asyncio.ensure_future(anext(events, None))
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            await events.aclose()
        self._heard()

    def _take(self, kind: str, found: dict[str, Any], size: int) -> None:
        self._version = str(found["metadata"].get("resourceVersion") or self._version)
        self._heard()
        if kind in ("OPENED", "BOOKMARK") or (key := _key(found)) is None:
            return
        if kind == "DELETED":
            self.sink.drop(key, str(found["metadata"].get("uid", "")))
        else:
            self.sink.put(found, size=size)

    async def _ask(self) -> None:
        """Ask for anything: a watch over a connection that leads nowhere any more is as quiet as one of a quiet cluster."""
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                await self._source.get(self._path, {"limit": "1", "resourceVersion": "0"})
        except TimeoutError as error:
            raise ApiError(
                errors.NO_ANSWER, "Timeout", f"no answer in {_ANSWER_SECONDS:g} s", what=self._path
            ) from error
        self._heard()

    def _heard(self) -> None:
        self.heard = self._clock()
        if self.blind is not None:
            self.blind = None
            self.sink.touch()

    def _lost(self, error: ApiError) -> None:
        refused = error.code in (errors.UNAUTHORIZED, errors.FORBIDDEN, errors.NOT_FOUND)
        since = self.blind.since if self.blind is not None else self.heard
        blind = Blind(since, error.message, refused)
        if blind != self.blind:
            log.warning("nothing is heard of %s: %s", self._path, error)
            self.blind = blind
            self.sink.touch()


def _key(item: Mapping[str, Any]) -> Key | None:
    metadata = item.get("metadata")
    if not isinstance(metadata, dict) or not metadata.get("name"):
        return None
    return Key(str(metadata.get("namespace") or ""), str(metadata["name"]))
