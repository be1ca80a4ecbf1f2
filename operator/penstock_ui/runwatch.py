"""The pods and Events of one run while somebody looks at it, read as that person.

They are asked for again when the run changes, a little later once more (an Event comes behind the status that it is about), and now and then
while the run has not ended: a pod's facts change without it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from penstock_operator.api.constants import LABEL_ATTEMPT, LABEL_FLOW_RUN_UID
from penstock_operator.runtime.errors import FORBIDDEN, UNAUTHORIZED, ApiError
from penstock_operator.runtime.resources import CORE_EVENTS, PODS

from .pool import Bell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .client import Client
    from .objects import Key, Objects
    from .runrow import RunRow

__all__ = ["RunWatch"]

_OFTEN_SECONDS: Final = 3.0
_SELDOM_SECONDS: Final = 30.0
_AFTER_SECONDS: Final = 1.2
_MOST_EVENTS: Final = 200
# What may be read no more is not shown any longer; what cannot be read just now is shown as it was.
_REFUSED: Final = (FORBIDDEN, UNAUTHORIZED)


class RunWatch:
    """See the module.

    Args:
        client: asks as the person who looks.
        runs: where the run is.
        key: its name.
        uid: its UID.
    """

    def __init__(self, client: Client, runs: Objects[RunRow], key: Key, uid: str) -> None:
        self._client = client
        self._runs = runs
        self._key = key
        self._uid = uid
        self.bell = Bell()
        self.read = asyncio.Event()
        self.pods: Sequence[dict[str, Any]] = ()
        self.events: Sequence[dict[str, Any]] = ()
        self.no_pods = ""
        self.no_events = ""

    @property
    def attempts(self) -> dict[int, str]:
        """The pods that are there, by the number of their attempt."""
        found = {}
        for pod in self.pods:
            number = str((pod["metadata"].get("labels") or {}).get(LABEL_ATTEMPT, ""))
            if number.isdigit():
                found[int(number)] = str(pod["metadata"]["name"])
        return dict(sorted(found.items()))

    async def run(self) -> None:
        """Look until cancelled."""
        with self._runs.listening(self._key) as changed:
            while True:
                changed.clear()
                await self._look()
                self.read.set()
                row = self._runs.row(self._key)
                over = row is None or row.over
                if await _set_within(changed, _SELDOM_SECONDS if over else _OFTEN_SECONDS):
                    await self._look()
                    await asyncio.sleep(_AFTER_SECONDS)

    async def _look(self) -> None:
        pods, events = await asyncio.gather(self._pods(), self._events())
        now = (pods, events, self.no_pods, self.no_events)
        if now != (self.pods, self.events, *self._told):
            self.pods, self.events = pods, events
            self._told = now[2:]
            self.bell.ring()

    _told: tuple[str, str] = ("", "")

    async def _pods(self) -> Sequence[dict[str, Any]]:
        try:
            query = {"labelSelector": f"{LABEL_FLOW_RUN_UID}={self._uid}"}
            found = (await self._client.get(PODS.path(self._key.namespace), query)).get("items") or []
        except ApiError as error:
            self.no_pods = error.message
            return () if error.code in _REFUSED else self.pods
        self.no_pods = ""
        for pod in found:
            pod["metadata"].pop("managedFields", None)
        return list(found)

    async def _events(self) -> Sequence[dict[str, Any]]:
        try:
            query = {"fieldSelector": f"involvedObject.uid={self._uid}", "limit": str(_MOST_EVENTS)}
            found = (await self._client.get(CORE_EVENTS.path(self._key.namespace), query)).get("items") or []
        except ApiError as error:
            self.no_events = error.message
            return () if error.code in _REFUSED else self.events
        self.no_events = ""
        for event in found:
            event["metadata"].pop("managedFields", None)
        return list(found)


async def _set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
