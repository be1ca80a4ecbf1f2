"""A reader's look at one run: the run as it is, or as it was last seen, and what is shared with others who look: its pods, Events, a log."""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from penstock_operator.api.paths import NotANameError
from penstock_operator.runtime.errors import ApiError
from penstock_operator.runtime.resources import FLOWRUNS
from penstock_reading.runs import Run

from .podlog import LogKey, Wanted
from .sharing import Reader

if TYPE_CHECKING:
    from .objects import Key
    from .podlog import PodLog
    from .runrow import RunRow
    from .runwatch import RunWatch
    from .site import Site

__all__ = ["Look"]

_PODS_SECONDS = 0.3
_LOG_SECONDS = 0.35
_AGAIN_SECONDS = 3.0


class Look(Reader):
    """See the module; a context manager, which gives back what is shared.

    Args:
        site: what the reader sees.
        key: the run's name.
        attempt: whose log and task runs are wanted; None: the last one's.
        wanted: which lines of the log.

    Attributes:
        run: the run; None: there is none, or it may not be seen.
        unsaid: why the API server did not say whether there is such a run; empty: it did.
        gone: it was deleted while it was looked at; `run` is as it was last.
        watch: its pods and Events.
        log: the log of the attempt; None: it has no pod.
    """

    def __init__(self, site: Site, key: Key, *, attempt: int | None = None, wanted: Wanted | None = None) -> None:
        super().__init__()
        self._site = site
        self._key = key
        self._asked = attempt
        self._wanted = wanted or Wanted()
        self._of_log = ExitStack()
        self._pod = ""
        self._of_attempt = 0
        self._row: RunRow | None = None
        self._asked_at = 0.0
        self.run: Run | None = None
        self.gone = False
        self.unsaid = ""
        self.watch: RunWatch | None = None
        self.log: PodLog | None = None

    def _listen(self) -> None:
        self._shared.enter_context(self._site.runs.listening(self._key, self.changed))
        self._shared.callback(self._of_log.close)

    @property
    def attempt(self) -> int:
        """Number of the attempt whose log and task runs are shown; 0: there is none yet."""
        if self._asked is not None:
            return self._asked
        return self.run.attempt if self.run is not None else 0

    async def at(self) -> Run | None:
        """Look at what is there now; returns the run."""
        run = await self._found()
        if run is not None and (self.run is None or run.uid == self.run.uid):
            self.run, self.gone = run, False
        elif self.run is not None:
            self.gone = True  # deleted, or another one of its name: what was looked at stays
        if self.run is not None and not self.gone:
            await self._share(self.run)
        return self.run

    async def _found(self) -> Run | None:
        if (body := self._site.runs.body(self._key)) is not None:
            self.unsaid = ""
            return Run(body)
        row, now = self._site.runs.row(self._key), time.monotonic()
        if self.run is not None and row is self._row and now - self._asked_at < _AGAIN_SECONDS:
            return (
                None if self.gone else self.run
            )  # too large to be kept, or not known: it is not asked for at each log line
        self.unsaid = ""
        if self._site.namespaces is not None and self._key.namespace not in self._site.namespaces:
            return None
        try:
            body = await self._site.client.find(FLOWRUNS.path(*self._key))
        except NotANameError:
            return None
        except ApiError as error:
            self.unsaid = error.message
            return None if self.run is None or self.gone else self.run  # silence says nothing of it
        self._row, self._asked_at = row, now
        return Run(body) if body is not None else None

    async def _share(self, run: Run) -> None:
        if self.watch is None:
            self.watch = self._shared.enter_context(self._site.watches.used((self._key, run.uid)))
            self._shared.enter_context(self.watch.bell.heard(self.changed))
            try:
                async with asyncio.timeout(_PODS_SECONDS):
                    await self.watch.read.wait()
            except TimeoutError:
                pass
        await self._read_log(run, self.watch.attempts.get(self.attempt, ""))

    async def _read_log(self, run: Run, pod: str) -> None:
        """Take the log of a pod. Of an attempt whose pod goes while it is looked at, what was read stays."""
        if pod == self._pod or (not pod and self.attempt == self._of_attempt):
            return
        self._of_log.close()
        self._pod, self._of_attempt, self.log = pod, self.attempt, None
        if pod:
            self.log = self._of_log.enter_context(self._site.logs.used(LogKey(run.namespace, pod, self._wanted)))
            self._of_log.enter_context(self.log.bell.heard(self.changed))
            await self.log.settled(_LOG_SECONDS)
