"""Beside another build and the Job controller, in turns: what this build's runs cost, and how many a minute there are.

    AGAINST=/path/to/a/checkout python -m benchmarks operator against

The other build is a checkout of this project; its operator runs with this environment's libraries, on a control plane of its own with its CRDs
and policies. What an idle process uses is taken off what it uses in a round, since a busy machine makes rounds longer.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from ..measure import Figure
from .kinds import JOB, PENSTOCK
from .plane import TUNED, TUNED_OPERATOR, Plane, plane
from .throughput import AFTERWARDS, WARM, Side, all_at_once, played

AGAINST = "AGAINST"
IDLE_SECONDS = 3.0
ALL = ("operator", "kcm", "apiserver", "etcd")


def against(count: int = 500, rounds: int = 4) -> list[Figure]:
    """So many at once: this build, the other, and Jobs of the tuned Job controller, in turns, forth and back."""
    other = os.environ.get(AGAINST)
    if other is None or not (Path(other) / "operator/penstock_operator").is_dir():
        sys.stderr.write(f"against: set {AGAINST} to a checkout of another build (now: {other or 'nothing'})\n")
        return []
    this, that, job = Side("this build", PENSTOCK), Side("that build", PENSTOCK), Side("Job tuned", JOB)
    with ExitStack() as stack:
        ours = stack.enter_context(plane(*TUNED_OPERATOR))
        theirs = stack.enter_context(plane(*TUNED_OPERATOR, build=Path(other).resolve()))
        turns = ((ours, this), (theirs, that), (ours, job))
        for on in (ours, theirs):
            on.tune(*TUNED)
        for on, side in turns:
            asyncio.run(played(on, side, f"warm-{side.name}", all_at_once(WARM)))
        for number in range(rounds):
            for on, side in turns[:: 1 if number % 2 == 0 else -1]:
                _turn(on, side, number, count)
    return _figures(f"{count} at once", this, that, job)


def _turn(on: Plane, side: Side, number: int, count: int) -> None:
    before: dict[str, float] = {}
    on.settle()
    begun, idling = time.monotonic(), on.cpu()
    time.sleep(IDLE_SECONDS)
    idle = {name: used / (time.monotonic() - begun) for name, used in on.since(idling).seconds.items()}
    ended, seconds, total = asyncio.run(played(on, side, f"{side.name}-{number}", all_at_once(count), before))
    spent = on.since(before).each(total)
    side.costs.append({name: used - 1000 * idle[name] * (seconds + AFTERWARDS) / total for name, used in spent.items()})
    side.rates.append(60 * ended / seconds)


def _figures(what: str, this: Side, that: Side, job: Side) -> list[Figure]:
    def over(name: str, goal: float | None, mine: Sequence[float], theirs: Sequence[float], *, more: bool) -> Figure:
        """Medians: a busy moment of the machine falls on one of the two."""
        ratio = statistics.median(mine) / statistics.median(theirs)
        return Figure(f"{what}: {name}", "x", goal, (ratio,), at_least=more)

    return [
        over("rate, this build over Job tuned", 0.85, this.rates, job.rates, more=True),
        over("rate, this build over that", 1.5, this.rates, that.rates, more=True),
        *(
            over(f"CPU of {name}, this build over that", None, this.cost(name), that.cost(name), more=False)
            for name in ALL
        ),
        over(
            "CPU of apiserver, this build over Job tuned",
            None,
            this.cost("apiserver"),
            job.cost("apiserver"),
            more=False,
        ),
        *this.figures(what, server=30),
        *that.figures(what),
        *job.figures(what),
    ]
