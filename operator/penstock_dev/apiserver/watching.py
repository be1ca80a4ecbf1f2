"""Watches: what one client sees of the changes of a kind, as a stream of JSON lines.

A watch starts from a resource version (410 inside the stream when that is forgotten), from the objects that are there, or as a
WatchList. With a selector, an object that begins or ceases to match comes as ADDED or DELETED. Bookmarks are sent when asked for,
often enough for clients that give a silent watch up.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .status import ApiError, FieldError, expired, invalid
from .tables import table

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping

    from .kinds import Resource
    from .selectors import Predicate
    from .store import Change, Object, Store

BOOKMARK_SECONDS = 30.0
_LIMIT = 20_000  # changes that a client may be behind before its watch is ended


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """The query of a watch."""

    version: int | None = None  # None: from the objects that are there
    timeout: float = 1800.0
    bookmarks: bool = False
    initial_events: bool = False
    as_table: bool = False
    as_metadata: bool = False
    include: str = "Metadata"


def read_options(query: Mapping[str, str], default_timeout: float, form: str) -> WatchOptions:
    """Return the options of a query.

    Raises:
        ApiError: 500 for a version that is no number, as a real server answers, 422 for a wrong WatchList.
    """
    text = query.get("resourceVersion", "")
    if text and not text.isdigit():
        words = f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax'
        raise ApiError("", words, code=500)
    bookmarks = query.get("allowWatchBookmarks") in ("true", "1")
    initial = query.get("sendInitialEvents")
    match = query.get("resourceVersionMatch", "")
    if initial is not None and match != "NotOlderThan":
        errors = [
            FieldError("FieldValueForbidden", "resourceVersionMatch",
                       "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan")
        ]  # fmt: skip
        raise invalid("meta.k8s.io", "ListOptions", "", errors)
    if initial is None and match:
        errors = [
            FieldError("FieldValueForbidden", "resourceVersionMatch",
                       "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided")
        ]  # fmt: skip
        raise invalid("meta.k8s.io", "ListOptions", "", errors)
    if initial in ("true", "1") and not bookmarks:
        errors = [
            FieldError("FieldValueForbidden", "sendInitialEvents",
                       "Forbidden: sendInitialEvents requires allowWatchBookmarks to be set")
        ]  # fmt: skip
        raise invalid("meta.k8s.io", "ListOptions", "", errors)
    seconds = query.get("timeoutSeconds", "")
    version = int(text) if text and text != "0" else None
    listing = initial in ("true", "1")
    return WatchOptions(
        version=None if listing else version,
        timeout=float(seconds) if seconds.isdigit() and seconds != "0" else default_timeout,
        bookmarks=bookmarks,
        initial_events=listing,
        as_table=form == "table",
        as_metadata=form == "metadata",
        include=query.get("includeObject", "Metadata"),
    )


class Watch:
    """One client's watch: subscribe at construction, then iterate `lines`."""

    def __init__(
        self,
        store: Store,
        resource: Resource,
        namespace: str,
        matches: Predicate | None,
        options: WatchOptions,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._resource = resource
        self._namespace = namespace
        self._matches = matches
        self._options = options
        self._clock = clock
        self._headed = True
        self._queue: asyncio.Queue[Change | None] = asyncio.Queue()
        self._start: list[bytes] = []
        self._first()
        self._unlisten = store.listen(self._changed)

    def _first(self) -> None:
        """Collect what comes before live changes, in the same instant as the subscription."""
        options, store = self._options, self._store
        if options.version is None:
            for obj in store.objects(self._resource.storage, self._namespace):
                if self._matches is None or self._matches(obj):
                    self._start.append(self._line("ADDED", obj))
            if options.initial_events:
                self._start.append(self._bookmark(initial_end=True))
            return
        changes = store.since(options.version)
        if changes is None:
            self._start.append(_encoded({"type": "ERROR", "object": expired(options.version, store.floor).body()}))
            self._queue.put_nowait(None)
            return
        for change in changes:
            self._changed(change)

    def _changed(self, change: Change) -> None:
        if change.bucket != self._resource.storage:
            return
        if self._namespace and change.new["metadata"].get("namespace") != self._namespace:
            return
        if self._queue.qsize() > _LIMIT:
            self.end()
            return
        self._queue.put_nowait(change)

    def end(self) -> None:
        """End the stream after what is queued."""
        self._queue.put_nowait(None)

    def close(self) -> None:
        """Take no more changes. Safe to call twice."""
        self._unlisten()

    async def lines(self) -> AsyncGenerator[bytes, None]:
        """Yield the stream, a JSON document and a line end each; ends at the timeout or with `end`."""
        try:
            if self._start:
                yield b"".join(self._start)
            loop = asyncio.get_running_loop()
            deadline = loop.time() + self._options.timeout
            while (left := deadline - loop.time()) > 0:
                wait = min(left, BOOKMARK_SECONDS) if self._options.bookmarks else left
                try:
                    async with asyncio.timeout(wait):
                        change = await self._queue.get()
                except TimeoutError:
                    # A bookmark says that all before it was told: what came in this very moment is not yet.
                    if self._options.bookmarks and self._queue.empty():
                        yield self._bookmark()
                    continue
                if change is None:
                    return
                line = self._seen(change)
                while line is not None and not self._queue.empty():  # one write for what is already there
                    more = self._queue.get_nowait()
                    if more is None:
                        yield line
                        return
                    line += self._seen(more) or b""
                if line:
                    yield line
        finally:
            self.close()

    def _seen(self, change: Change) -> bytes | None:
        kind: str = change.type
        if self._matches is not None:
            now = kind != "DELETED" and self._matches(change.new)
            before = change.old is not None and self._matches(change.old)
            if not now and not before:
                return None
            kind = "MODIFIED" if now and before else "ADDED" if now else "DELETED"
        if self._options.as_table or self._options.as_metadata:
            return self._line(kind, change.new)
        key = (kind, self._resource.api_version)
        line = change.encoded.get(key)
        if line is None:
            line = change.encoded[key] = self._line(kind, change.new)
        return line

    def _line(self, kind: str, obj: Object) -> bytes:
        if self._options.as_table:
            meta = {"resourceVersion": obj["metadata"]["resourceVersion"]}
            shown: Any = table(self._resource, [obj], self._clock(), meta, self._options.include, headed=self._headed)
            self._headed = False
        elif self._options.as_metadata:
            shown = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}
        else:
            shown = self._resource.outbound(obj) if self._resource.outbound else obj
        return _encoded({"type": kind, "object": shown})

    def _bookmark(self, *, initial_end: bool = False) -> bytes:
        meta: dict[str, Any] = {"resourceVersion": str(self._store.version)}
        if initial_end:
            meta["annotations"] = {"k8s.io/initial-events-end": "true"}
        shown = {"kind": self._resource.kind, "apiVersion": self._resource.api_version, "metadata": meta}
        return _encoded({"type": "BOOKMARK", "object": shown})


def _encoded(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"
