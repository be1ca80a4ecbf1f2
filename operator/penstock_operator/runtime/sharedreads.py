"""One live read of a revision for all the runs that begin with it at the same moment.

Each run of a crowd asks for its Flow's revision before its pod is made. A read that began for another a moment ago is as true as one that
begins now will be when the pod's POST arrives: a revision that goes in that moment is made again when its pod waits for it, and the engine
proves what it mounts. That a revision is not there is told to those who wait for the answer, and to nobody after them: one of them makes it.
Neighbour: `gather`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from penstock_operator.core.model import Absence, ConfigMap

from .resources import Key

MOMENT = timedelta(seconds=0.25)
KEPT = 8  # they may be of a megabyte


@dataclass(frozen=True, slots=True)
class _Read:
    begun: datetime
    reading: asyncio.Task[ConfigMap | Absence]


class SharedReads:
    """Reads of revisions, by name.

    Args:
        now: the wall clock, UTC.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._reads: dict[Key, _Read] = {}

    async def read(
        self, key: Key, begin: Callable[[], Coroutine[Any, Any, ConfigMap | Absence]]
    ) -> ConfigMap | Absence:
        """Return what a read finds that began now, or a moment ago.

        Args:
            key: the revision's name.
            begin: begins a read.

        Raises:
            ApiError: the read did not succeed; it is told to all who wait for it.
        """
        now = self._now()
        shared = self._reads.get(key)
        if shared is None or abs(now - shared.begun) >= MOMENT:
            shared = _Read(now, asyncio.create_task(begin()))
            self._reads.pop(key, None)
            self._reads[key] = shared
            shared.reading.add_done_callback(lambda _: self._done(key, shared))
            while len(self._reads) > KEPT:
                del self._reads[next(iter(self._reads))]
        # Whoever gives up alone leaves the answer to the others.
        return await asyncio.shield(shared.reading)

    def _done(self, key: Key, shared: _Read) -> None:
        reading = shared.reading
        found = None if reading.cancelled() or reading.exception() is not None else reading.result()
        if not isinstance(found, ConfigMap) and self._reads.get(key) is shared:
            del self._reads[key]
