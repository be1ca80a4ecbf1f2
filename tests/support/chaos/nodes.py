"""All nodes of a chaos: each pod of Penstock gets a play, and is told what becomes of its object.

Neighbours: `kubelet` (the play), `observer` (tells).
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field

from .api import JSON, Api
from .history import History
from .kubelet import Cast, PodPlay


@dataclass
class Nodes:
    """All kubelets.

    Attributes:
        api: theirs, straight to the API server.
        history: where processes are noted.
        cast: the runs, by name.
        seed: of every delay.
        errors: of the play itself; there must be none.
    """

    api: Api
    history: History
    cast: dict[str, Cast]
    seed: int
    errors: list[BaseException] = field(default_factory=list)
    _plays: dict[str, PodPlay] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def see(self, event: str, raw: JSON) -> None:
        """Take an event about a pod."""
        uid = raw["metadata"]["uid"]
        play = self._plays.get(uid)
        if play is None and event != "DELETED":
            cast = self.cast.get(raw["metadata"]["labels"]["penstock.dev/flow-run"])
            if cast is None:
                return
            play = self._plays[uid] = PodPlay(self.api, self.history, cast, raw, self._rng(raw))
            task = asyncio.create_task(play.run())
            self._tasks.add(task)
            task.add_done_callback(self._done)
        elif play is not None:
            play.see(event, raw)

    def _rng(self, raw: JSON) -> random.Random:
        labels = raw["metadata"]["labels"]
        return random.Random(f"{self.seed} {labels['penstock.dev/flow-run']} {labels['penstock.dev/attempt']}")

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.errors.append(error)

    async def stop(self) -> None:
        """End all plays."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
