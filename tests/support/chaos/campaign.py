"""One chaos from its beginning to its verdict: a control plane, a proxy before it, operators that are killed, nodes, a user, and the checker.

Everything that is drawn is drawn from one seed. Neighbours: all of this folder; `tests.support.cluster` starts the control plane.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from tests.support.cluster import WithoutNode
from tests.support.realserver import RealServer

from .api import Api
from .checker import Wrong, check, finished, ran
from .fates import GONE, Fate, fates
from .history import History
from .kubelet import NODES, Cast
from .meddler import KINDS, Meddler
from .nodes import Nodes
from .observer import Observer
from .operators import LOST, Operators
from .proxy import Proxy
from .timeline import Line, read_log, timeline
from .user import User
from .weather import Dice, Episode, Schedule, schedule

SETTLE_SECONDS = 60.0  # after the faults; the slowest fate takes 35 s, a collected orphan up to 40
LOOK_SECONDS = 0.1
TOLD = 3  # failed runs whose timeline is printed


@dataclass(frozen=True, slots=True)
class Plan:
    """What a chaos is made of.

    Attributes:
        seed: of everything.
        runs: how many.
        seconds: how long the faults last; runs are applied during the first half.
        outages: how often the API server is killed.
        slow: whether fates that take longer than 20 s are among them.
        elect: whether the operators elect a leader; otherwise all of them lead.
    """

    seed: int
    runs: int
    seconds: float
    outages: int = 1
    slow: bool = True
    elect: bool = False


@dataclass
class Outcome:
    """What came of it.

    Attributes:
        wrong: everything that must not be.
        report: for a person: the timelines of the runs that went wrong.
        counts: of what happened.
    """

    plan: Plan
    wrong: list[Wrong] = field(default_factory=list)
    report: str = ""
    counts: dict[str, Any] = field(default_factory=dict)


class Arena(WithoutNode):
    """The real control plane with the chart; the chaos starts the operators."""

    def start_operator(self) -> Any:
        return None


@dataclass
class Campaign:
    """One chaos.

    Attributes:
        arena: a control plane that runs.
        plan: what to do.
    """

    arena: Arena
    plan: Plan
    history: History = field(default_factory=History)
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    _storming: bool = True
    _away: float = 0.0  # seconds without an API server
    _away_since: float | None = None

    @property
    def server(self) -> RealServer:
        return self.arena.own

    def run(self) -> Outcome:
        """Do it."""
        return asyncio.run(self._run())

    async def _run(self) -> Outcome:
        plan, server = self.plan, self.server
        times = schedule(plan.seed, plan.seconds, outages=plan.outages, elect=plan.elect)
        proxy = Proxy(server.url, str(server.ca), Dice(plan.seed), lambda: self._weather(times))
        await proxy.start()
        namespace = f"chaos-{plan.seed}"
        direct = Api(server.url, server.admin_token, str(server.ca), namespace)
        through = Api(proxy.url, server.admin_token, "", namespace)
        cast = casting(plan, direct, through)
        nodes = Nodes(direct, self.history, cast, plan.seed)
        observer = Observer(direct, self.history, nodes.see)
        operators = Operators(self.arena.folder, self.history, plan.seed, plan.elect)
        tasks: list[asyncio.Task[Any]] = []
        try:
            await self._prepare(direct)
            self.began = datetime.now(UTC)
            self.history.now()
            operators.kubeconfig = self._kubeconfig(proxy.url)
            user = User(direct, self.history, plan.seed)
            await user.apply_flow()
            meddler = Meddler(direct, self.history)
            rng = random.Random(f"{plan.seed} moments")
            work: list[Awaitable[Any]] = [
                observer.watch_runs(),
                observer.watch_pods(),
                operators.keep(),
                *(user.play(one, rng.uniform(0, plan.seconds * 0.6)) for one in cast.values()),
                *self._appointments(times, proxy, operators),
                *self._meddlings(times, meddler),
            ]
            tasks = [asyncio.ensure_future(one) for one in work]
            await self._until(self._weathers_clock, plan.seconds, tasks)
            await self._peace(proxy, operators)
            await meddler.undo_all()
            await self._settle(cast, observer, tasks, nodes)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await nodes.stop()
            operators.kill_all()
            await asyncio.gather(direct.close(), through.close(), proxy.stop())
        return self._verdict(cast, proxy, nodes, operators)

    # --- before -----------------------------------------------------------------------------------------------------------------------

    async def _prepare(self, api: Api) -> None:
        body = {"metadata": {"name": api.namespace}}
        code, answer = await api.send("POST", "/api/v1/namespaces", body)
        assert code in (201, 409), answer
        for name in NODES:  # pods of nodes that do not exist are collected
            await api.send("POST", "/api/v1/nodes", {"metadata": {"name": name}})
        path = f"/api/v1/namespaces/{api.namespace}/serviceaccounts/default"
        code = 0
        while code != 200:
            await asyncio.sleep(LOOK_SECONDS)
            code, _ = await api.send("GET", path)

    def _kubeconfig(self, url: str) -> Path:
        """The operator's own, with the proxy in the API server's place."""
        document = json.loads(self.arena.operator_kubeconfig.read_text())
        document["clusters"][0]["cluster"] = {"server": url}
        path = self.arena.folder / f"proxied-{self.plan.seed}.kubeconfig"
        path.write_text(json.dumps(document))
        path.chmod(0o600)
        return path

    # --- the storm --------------------------------------------------------------------------------------------------------------------

    def _weather(self, times: Schedule) -> str:
        return times.weather(self._weathers_clock()) if self._storming else "calm"

    def _weathers_clock(self) -> float:
        """Seconds since the beginning without those in which there was no API server."""
        now = self.history.now()
        return (now if self._away_since is None else self._away_since) - self._away

    def _appointments(self, times: Schedule, proxy: Proxy, operators: Operators) -> list[Awaitable[Any]]:
        now = self.history.now
        return [
            *(self._at(now, at, operators.kill) for at in times.kills),
            *(self._at(now, begin, operators.second, end) for begin, end in times.second),
            *(self._at(now, at, self._compact) for at in times.compactions),
            *(self._at(self._weathers_clock, at, self._outage, away) for at, away in times.outages),
            *(self._at(self._weathers_clock, e.begin, self._change, e, proxy) for e in times.episodes),
        ]

    def _meddlings(self, times: Schedule, meddler: Meddler) -> list[Awaitable[Any]]:
        kinds = itertools.cycle(KINDS)
        return [
            self._at(self._weathers_clock, begin, meddler.meddle, next(kinds), end - begin)
            for begin, end in times.meddlings
        ]

    async def _at(self, clock: Callable[[], float], moment: float, what: Any, *arguments: Any) -> None:
        """Keep an appointment, if there is no peace by then."""
        await self._until(clock, moment)
        if self._storming:
            await what(*arguments)

    async def _until(self, clock: Callable[[], float], moment: float, tasks: Sequence[asyncio.Task[Any]] = ()) -> None:
        while (left := moment - clock()) > 0:
            self._raise(tasks)
            await asyncio.sleep(min(left, LOOK_SECONDS))

    @staticmethod
    def _raise(tasks: Sequence[asyncio.Task[Any]]) -> None:
        for task in tasks:
            if task.done():
                task.result()

    async def _change(self, episode: Episode, proxy: Proxy) -> None:
        self.history.note(f"weather: {episode.kind}")
        if episode.kind == "refusal":
            await proxy.refuse()
            await self._until(self._weathers_clock, episode.end)
            await proxy.listen()

    async def _outage(self, away: float) -> None:
        self.history.note("the API server is killed")
        self._away_since = self.history.now()
        await asyncio.to_thread(self.server.stop_apiserver)
        await asyncio.sleep(away)
        await asyncio.to_thread(self.server.start_apiserver)
        self._away += self.history.now() - self._away_since
        self._away_since = None
        self.history.note("the API server is back")

    async def _compact(self) -> None:
        """Make etcd forget everything but what is now."""
        async with httpx.AsyncClient(base_url=self.server.etcd_url, trust_env=False, timeout=10) as client:
            found = await client.post("/v3/kv/range", json={"key": "AA==", "limit": 1})
            revision = found.json()["header"]["revision"]
            done = await client.post("/v3/kv/compaction", json={"revision": revision, "physical": True})
        self.history.note(f"etcd is compacted at {revision}: {done.status_code}")

    async def _peace(self, proxy: Proxy, operators: Operators) -> None:
        """Faults end; one operator stays."""
        self._storming = False
        operators.kill_second()
        await proxy.listen()
        self.history.note("the faults end")

    async def _settle(
        self, cast: dict[str, Cast], observer: Observer, tasks: list[asyncio.Task[Any]], nodes: Nodes
    ) -> None:
        """Wait until all runs have ended and no pod may run code any more, or the patience is over."""
        end = self.history.now() + SETTLE_SECONDS
        calm = 0
        while self.history.now() < end and calm < 5 and not nodes.errors:
            self._raise(tasks)
            calm = calm + 1 if self._quiet(cast, observer) else 0
            await asyncio.sleep(LOOK_SECONDS)
        self.history.note("the chaos is over")

    def _quiet(self, cast: dict[str, Cast], observer: Observer) -> bool:
        applied = {fact.run for fact in self.history.facts if getattr(fact, "text", "") == "applied"}
        over = all(finished(one.fate, observer.runs.get(name), applied=name in applied) for name, one in cast.items())
        if not over:
            return False
        for raw in observer.pods.values():
            one = cast.get(raw["metadata"]["labels"]["penstock.dev/flow-run"])
            ended = (raw.get("status") or {}).get("phase") in ("Succeeded", "Failed")
            if one is not None and one.fate.obeys != "never" and not ended:
                return False
        return True

    # --- after ------------------------------------------------------------------------------------------------------------------------

    def _verdict(self, cast: dict[str, Cast], proxy: Proxy, nodes: Nodes, operators: Operators) -> Outcome:
        lines = [line for path in operators.logs for line in read_log(path, self.began)]
        found = [wrong for one in cast.values() for wrong in check(ran(one.name, one.fate, self.history.of(one.name)))]
        found += operators.wrong
        found += [Wrong("kubelet", "the play itself", repr(error)) for error in nodes.errors]
        # What kopf and its loop say of a watch that ended is no fault: the operator begins anew.
        faults = [
            x for x in lines if x.level == "raw" or (x.level == "error" and x.logger.startswith("penstock_operator"))
        ]
        if self.plan.elect:
            faults = [x for x in faults if "the lease " not in x.message and LOST not in x.message]
        found += [Wrong(x.run or x.operator, "an error was logged", f"{x.message}\n{x.error}".strip()) for x in faults]
        outcome = Outcome(self.plan, found)
        outcome.counts = {
            "runs": len(cast),
            "fates": len({one.fate.id for one in cast.values()}),
            "operators": len(operators.logs),
            "requests struck": sum(proxy.struck.values()),
            "struck": {fault.value: number for fault, number in sorted(proxy.struck.items())},
            "versions": sum(1 for fact in self.history.facts if type(fact).__name__ == "Version"),
            "ends": dict(Counter(self._ends(cast)).most_common()),
            "seconds": round(self.history.now(), 1),
        }
        outcome.report = self._report(found, cast, lines)
        return outcome

    def _ends(self, cast: dict[str, Cast]) -> list[str]:
        last = {fact.run: fact for fact in self.history.facts if type(fact).__name__ == "Version"}
        return [GONE if last[n].deleted else last[n].state for n in cast if n in last]  # type: ignore[union-attr]

    def _report(self, found: list[Wrong], cast: dict[str, Cast], lines: list[Line]) -> str:
        parts = [f"seed {self.plan.seed}: {len(found)} wrong", *map(str, found)]
        for run in list(dict.fromkeys(w.run for w in found if w.run in cast))[:TOLD]:
            fate = cast[run].fate
            parts.append(f"\n=== {run}: {' | '.join(fate.scripts)}; obeys: {fate.obeys}; {fate.run_policy()}")
            parts.append(timeline(self.history, run, lines))
        return "\n".join(parts)


def casting(plan: Plan, direct: Api, through: Api) -> dict[str, Cast]:
    """Give each run its fate: every fate as often as any other, as far as the number goes, in an order of the seed's."""
    rng = random.Random(f"{plan.seed} casting")
    pool: list[Fate] = []
    while len(pool) < plan.runs:
        more = list(fates(slow=plan.slow))
        rng.shuffle(more)
        pool += more
    made = {}
    for number, fate in enumerate(pool[: plan.runs]):
        name = f"r{number:03}-{slug(fate.id)}"
        made[name] = Cast(name, fate, through if rng.random() < 0.25 else direct)
    return made


def slug(words: str) -> str:
    """A fate's id as part of a name."""
    return "-".join("".join(c if c.isalnum() else " " for c in words.lower()).split())[:40]
