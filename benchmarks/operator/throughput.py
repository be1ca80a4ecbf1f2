"""How many runs a minute: many at once, and fed for a while; FlowRuns and Jobs in turns, and what a run costs each process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..measure import Figure
from .kinds import JOB, PENSTOCK, Kind
from .load import Load, loaded
from .plane import TUNED, TUNED_OPERATOR, Plane, plane

AFTERWARDS = 1.5  # seconds: what the last runs still cost after their end was seen
WARM = 20  # runs before the first round: imports, connections, the first revision
LIVE = 50
FEED_SECONDS = 25.0

Work = Callable[[Load], Coroutine[Any, Any, tuple[int, float]]]


@dataclass
class Side:
    """One contender's samples.

    Attributes:
        name: in the table.
        kind: of its runs.
        controllers: arguments of kube-controller-manager while it is measured.
        rates: runs a minute, by round.
        costs: milliseconds of CPU a run by process, by round.
    """

    name: str
    kind: Kind
    controllers: tuple[str, ...] = TUNED
    rates: list[float] = field(default_factory=list)
    costs: list[dict[str, float]] = field(default_factory=list)

    def cost(self, process: str) -> tuple[float, ...]:
        return tuple(cost[process] for cost in self.costs)

    def figures(self, what: str, operator: float | None = None, server: float | None = None) -> list[Figure]:
        """The rate, and the CPU of each process."""
        found = [Figure(f"{what}: {self.name}", "/min", None, tuple(self.rates), at_least=True)]
        goals = {"operator": operator, "apiserver": server}
        for process in ("operator", "kcm", "apiserver", "etcd"):
            if process == "operator" and not self.kind.engine:
                continue
            name = f"{what}: {self.name}, CPU of {process} a run"
            found.append(Figure(name, "ms", goals.get(process), self.cost(process)))
        return found


def all_at_once(count: int) -> Work:
    """Apply so many, and wait for the last end."""

    async def work(load: Load) -> tuple[int, float]:
        begin = time.monotonic()
        await load.burst(count)
        await load.finished(1200)
        return count, time.monotonic() - begin

    return work


def fed(live: int, seconds: float) -> Work:
    """Keep so many alive; count those that end in the time after the first have ended."""

    async def work(load: Load) -> tuple[int, float]:
        begin = time.monotonic()
        await load.feed(live, seconds)
        elapsed = time.monotonic() - begin
        ended = sum(1 for moments in load.runs.values() if moments.ended)
        await load.finished(300)
        return ended, elapsed

    return work


def compete(on: Plane, sides: Sequence[Side], work: Work, rounds: int) -> None:
    """Let the sides work in turns, each round in a namespace of its own."""
    for number in range(rounds):
        for side in sides:
            if on.server.controller_arguments != side.controllers:
                on.tune(*side.controllers)
            if number == 0:
                asyncio.run(played(on, side, f"warm-{side.name}", all_at_once(WARM)))
            before: dict[str, float] = {}
            ended, seconds, total = asyncio.run(played(on, side, f"{side.name}-{number}", work, before))
            side.costs.append(on.since(before).each(total))
            side.rates.append(60 * ended / seconds)


async def played(
    on: Plane, side: Side, namespace: str, work: Work, before: dict[str, float] | None = None
) -> tuple[int, float, int]:
    """Let a side work in a namespace of its own.

    Args:
        on: where.
        side: whose runs.
        namespace: its name, in any form.
        work: what is done.
        before: is told what the processes had used when the work began.

    Returns:
        How many runs ended in how many seconds, and how many there were at last.

    Raises:
        AssertionError: a run had more or less than one pod.
    """
    name = namespace.replace(" ", "-").lower()
    await asyncio.to_thread(on.namespace, name, *side.kind.needs)
    await asyncio.to_thread(on.settle)
    async with loaded(on.server, side.kind, name) as load:
        if before is not None:
            before.update(on.cpu())
        ended, seconds = await work(load)
        await asyncio.sleep(AFTERWARDS)
        doubled = [run for run, moments in load.runs.items() if len(moments.pods) != 1]
        if doubled:
            raise AssertionError(f"runs with more or less than one pod: {doubled}")
        return ended, seconds, len(load.runs)


def burst(count: int = 500, rounds: int = 3) -> list[Figure]:
    """So many one-pod runs applied at once, beside the Job controller tuned."""
    ours, job = Side("FlowRun", PENSTOCK), Side("Job tuned", JOB)
    with plane(*TUNED_OPERATOR) as on:
        compete(on, (ours, job), all_at_once(count), rounds)
    ratios = tuple(mine / theirs for mine, theirs in zip(ours.rates, job.rates, strict=True))
    what = f"{count} at once"
    return [
        Figure(f"{what}: FlowRun over Job tuned", "x", 1.0, ratios, at_least=True),
        *ours.figures(what, 15, 130),
        *job.figures(what),
    ]


def burst_defaults(count: int = 500) -> list[Figure]:
    """The same at the Job controller's defaults, once: it takes minutes."""
    ours, job = Side("FlowRun", PENSTOCK, ()), Side("Job defaults", JOB, ())
    with plane() as on:
        compete(on, (ours, job), all_at_once(count), 1)
    what = f"{count} at once"
    ratio = (ours.rates[0] / job.rates[0],)
    return [
        Figure(f"{what}: FlowRun over Job at its defaults", "x", 1.0, ratio, at_least=True),
        *ours.figures(what, 15, 130),
        *job.figures(what),
    ]


def burst_5000(count: int = 5000, few: int = 500) -> list[Figure]:
    """Ten times as many at once: no slower a run."""
    small, large = Side(f"{few} FlowRuns", PENSTOCK), Side(f"{count} FlowRuns", PENSTOCK)
    with plane() as on:
        compete(on, (small,), all_at_once(few), 1)
        compete(on, (large,), all_at_once(count), 1)
    slower = (small.rates[0] / large.rates[0],)
    return [
        Figure(f"at once: time a run of {count} over {few}", "x", 1.0, slower),
        *small.figures("at once", 15, 130),
        *large.figures("at once", 15, 130),
    ]


def sustained(rounds: int = 2) -> list[Figure]:
    """A steady stream with a bounded number of live runs."""
    ours, job = Side("FlowRun", PENSTOCK), Side("Job tuned", JOB)
    with plane(*TUNED_OPERATOR) as on:
        compete(on, (ours, job), fed(LIVE, FEED_SECONDS), rounds)
    what = f"sustained, {LIVE} live"
    mine = ours.figures(what, 15, 130)
    return [Figure(f"{what}: FlowRun", "/min", 700, tuple(ours.rates), at_least=True), *mine[1:], *job.figures(what)]
