"""The user of a chaos: applies runs, and does to them what their fates say, straight at the API server.

Neighbours: `fates` (what is applied and done), `kubelet` (`Cast`), `history`.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from .api import JSON, MERGE, Api
from .fates import Act
from .history import History
from .kubelet import Cast

API_VERSION = "penstock.dev/v1alpha1"
FLOW: JSON = {"entrypoint": "story.py:main", "source": {"inline": "def main(): ...\n"}}
FLOW_NAME = "common"


@dataclass
class User:
    """Everything that a person does.

    Attributes:
        api: straight to the API server.
        history: where it is noted.
        seed: of every moment.
    """

    api: Api
    history: History
    seed: int

    async def apply_flow(self, name: str = FLOW_NAME) -> None:
        """Apply a Flow that runs may refer to."""
        path = self.api.runs().replace("/flowruns", "/flows")
        body = {"apiVersion": API_VERSION, "kind": "Flow", "metadata": {"name": name}, "spec": FLOW}
        code, answer = await self.api.send("POST", path, body)
        assert code in (201, 409), answer

    async def play(self, cast: Cast, after: float) -> None:
        """Apply a run after so many seconds, and do to it what its fate says."""
        rng = random.Random(f"{self.seed} user of {cast.name}")
        await asyncio.sleep(after)
        body = {
            "apiVersion": API_VERSION,
            "kind": "FlowRun",
            "metadata": {"name": cast.name},
            "spec": self._spec(cast, rng),
        }
        # A POST whose answer was lost is repeated, and finds its own.
        code, answer = await self.api.send("POST", self.api.runs(), body)
        assert code in (201, 409), answer
        self.history.note("applied", cast.name)
        begun = self.history.now()
        for act in cast.fate.acts:
            moment = begun + rng.uniform(act.after, act.before)
            await asyncio.sleep(max(0.0, moment - self.history.now()))
            await self._act(cast, act)

    async def _act(self, cast: Cast, act: Act) -> None:
        path = self.api.runs(cast.name)
        if act.what == "flow":
            await self.apply_flow(cast.name)
        elif act.what.startswith("delete"):
            policy = "Foreground" if act.what == "delete-foreground" else "Background"
            await self.api.send("DELETE", path, {"propagationPolicy": policy})
        else:
            # Whoever cancelled may not take it back; the server says so, and that is right.
            await self.api.send("PATCH", path, {"spec": {"desiredState": act.what}}, MERGE)
        self.history.note(f"user: {act.what}", cast.name)

    def _spec(self, cast: Cast, rng: random.Random) -> JSON:
        spec: JSON = {"runPolicy": cast.fate.run_policy(), **cast.fate.spec}
        if "scheduledTime" in spec:
            later = timedelta(seconds=float(spec["scheduledTime"]))
            spec["scheduledTime"] = (datetime.now(UTC) + later).strftime("%Y-%m-%dT%H:%M:%SZ")
        if "flowRef" in spec:
            spec["flowRef"] = {"name": cast.name}
        elif rng.random() < 0.3:
            spec["flowRef"] = {"name": FLOW_NAME}
        else:
            spec["flowSpec"] = FLOW
        return spec
