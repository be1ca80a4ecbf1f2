"""`python -m tests.support.chaos`: chaos for as long as one likes, round after round, each with a seed of its own.

CHAOS_SEED: of the first round (default: random). CHAOS_RUNS: runs in all (default 300). CHAOS_SECONDS: instead of a number of runs, how long.
CHAOS_ROUND: runs of a round (default 100). CHAOS_ELECT=1: the operators elect a leader in the first round, as they do in every third one
otherwise. The exit code is 1 when anything was wrong; the timelines are printed, and at the end once more what was wrong and by which seed: of a
long log only the last lines may be at hand.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from pathlib import Path

from tests.support.realserver import MISSING, RealServer, assets

from .campaign import Arena, Campaign, Plan
from .checker import Wrong

SECONDS_PER_RUN = 0.3
LEAST_SECONDS = 20.0


def main() -> int:
    """Run rounds until the number or the time is reached."""
    folder = assets()
    if folder is None:
        sys.stderr.write(f"{MISSING}\n")
        return 2
    seed = int(os.environ.get("CHAOS_SEED") or random.SystemRandom().randrange(10**6))
    seconds = float(os.environ.get("CHAOS_SECONDS") or 0)
    wanted = int(os.environ.get("CHAOS_RUNS") or (10**9 if seconds else 300))
    size = int(os.environ.get("CHAOS_ROUND") or 100)
    elect = 0 if os.environ.get("CHAOS_ELECT") else 2
    begun, done = time.monotonic(), 0
    wrong: list[str] = []
    while done < wanted and (not seconds or time.monotonic() - begun < seconds):
        runs = min(size, wanted - done)
        lasts = max(LEAST_SECONDS, runs * SECONDS_PER_RUN)
        plan = Plan(seed, runs, lasts, outages=max(1, runs // 100), elect=elect == 0)
        wrong += [f"CHAOS_SEED={seed}: {one}" for one in round_of(folder, plan)]
        done, seed, elect = done + runs, seed + 1, (elect - 1) % 3
    print("\n".join([*wrong, f"{done} runs, {len(wrong)} wrong, {time.monotonic() - begun:.0f} s"]), flush=True)
    return 1 if wrong else 0


def round_of(folder: Path, plan: Plan) -> list[Wrong]:
    """One chaos on a control plane of its own; returns what was wrong."""
    print(
        f"chaos: CHAOS_SEED={plan.seed} CHAOS_RUNS={plan.runs} CHAOS_ROUND={plan.runs}{' CHAOS_ELECT=1' if plan.elect else ''}",
        flush=True,
    )
    arena = Arena(server=RealServer(folder))
    try:
        arena.start()
        outcome = Campaign(arena, plan).run()
    finally:
        arena.stop()
    print(json.dumps(outcome.counts), flush=True)
    if outcome.wrong:
        print(outcome.report, flush=True)
    return outcome.wrong


if __name__ == "__main__":
    sys.exit(main())
