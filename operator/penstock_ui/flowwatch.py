"""What belongs to a Flow besides its runs, while somebody looks at it, read as that person: its revisions, its Events, limits of groups.

Nothing announces a change of these to who may not watch ConfigMaps, so they are asked for again now and then, and at once when the Flow changes.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from penstock_operator.api.constants import CONCURRENCY_CONFIGMAP, LABEL_FLOW
from penstock_operator.runtime.errors import ApiError
from penstock_operator.runtime.resources import CONFIGMAPS, CORE_EVENTS
from penstock_reading.revisions import Revision, revisions

from .pool import Bell

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .client import Client
    from .flowrow import FlowRow
    from .objects import Key, Objects

__all__ = ["FlowWatch", "LimitsWatch"]

_SECONDS: Final = 15.0
_LIMITS_SECONDS: Final = 5.0
_MOST_EVENTS: Final = 200


class FlowWatch:
    """A Flow's revisions and Events.

    Args:
        client: asks as the person who looks.
        flows: where the Flow is.
        key: its name.
        uid: its UID.

    Attributes:
        revisions: the newest first.
        events: about the Flow.
        no_revisions: why they are not known; empty: they are.
        no_events: the same of Events.
        read: set when both were asked for.
        bell: rings when something has changed.
    """

    def __init__(self, client: Client, flows: Objects[FlowRow], key: Key, uid: str) -> None:
        self._client = client
        self._flows = flows
        self._key = key
        self._uid = uid
        self.revisions: Sequence[Revision] = ()
        self.events: Sequence[dict[str, Any]] = ()
        self.no_revisions = ""
        self.no_events = ""
        self.read = asyncio.Event()
        self.bell = Bell()

    async def run(self) -> None:
        """Look until cancelled."""
        with self._flows.listening(self._key) as changed:
            while True:
                changed.clear()
                await self._look()
                self.read.set()
                try:
                    async with asyncio.timeout(_SECONDS):
                        await changed.wait()
                except TimeoutError:
                    pass

    async def _look(self) -> None:
        before = (self.revisions, self.events, self.no_revisions, self.no_events)
        await asyncio.gather(self._revisions(), self._events())
        if before != (self.revisions, self.events, self.no_revisions, self.no_events):
            self.bell.ring()

    async def _revisions(self) -> None:
        try:
            query = {"labelSelector": f"{LABEL_FLOW}={self._key.name}"}
            found = (await self._client.get(CONFIGMAPS.path(self._key.namespace), query)).get("items") or []
        except ApiError as error:
            self.no_revisions = error.message
            return
        self.no_revisions = ""
        self.revisions = revisions(self._uid, found)

    async def _events(self) -> None:
        try:
            query = {"fieldSelector": f"involvedObject.uid={self._uid}", "limit": str(_MOST_EVENTS)}
            found = (await self._client.get(CORE_EVENTS.path(self._key.namespace), query)).get("items") or []
        except ApiError as error:
            self.no_events = error.message
            return
        self.no_events = ""
        for event in found:
            event["metadata"].pop("managedFields", None)
        self.events = list(found)


class LimitsWatch:
    """The limits of a namespace's concurrency groups.

    Args:
        client: asks as the person who looks.
        namespace: which.

    Attributes:
        limits: the data of the ConfigMap; None: there is none, or it is not known.
        trouble: why it is not known; empty: it is.
        read: set when it was asked for.
        bell: rings when something has changed.
    """

    def __init__(self, client: Client, namespace: str) -> None:
        self._client = client
        self._namespace = namespace
        self.limits: Mapping[str, str] | None = None
        self.trouble = ""
        self.read = asyncio.Event()
        self.bell = Bell()

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            before = (self.limits, self.trouble)
            try:
                found = await self._client.find(CONFIGMAPS.path(self._namespace, CONCURRENCY_CONFIGMAP))
                self.limits, self.trouble = (None if found is None else found.get("data") or {}), ""
            except ApiError as error:
                self.trouble = error.message
            self.read.set()
            if before != (self.limits, self.trouble):
                self.bell.ring()
            await asyncio.sleep(_LIMITS_SECONDS)
