"""A short chaos on a real control plane: what `make chaos` does for as long as one likes.

Another one each time: its seed is printed, and a failure tells it. CHAOS_SEED repeats it.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

import pytest

from tests.support.chaos.campaign import Arena, Campaign, Plan
from tests.support.realserver import MISSING, RealServer, assets

RUNS = 60
SECONDS = 14.0


@pytest.fixture
def arena() -> Iterator[Arena]:
    """A control plane of the chaos's own: it is killed meanwhile."""
    folder = assets()
    if folder is None:
        pytest.skip(MISSING)
    made = Arena(server=RealServer(folder))
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.mark.real
@pytest.mark.timeout(240)
def test_every_run_ends_as_its_fate_says(arena: Arena) -> None:
    """No wrong state, none doubled, none stuck; the failure tells seed and timelines."""
    seed = int(os.environ.get("CHAOS_SEED") or random.SystemRandom().randrange(10**6))
    print(f"CHAOS_SEED={seed}")
    outcome = Campaign(arena, Plan(seed, RUNS, SECONDS, slow=False)).run()
    print(outcome.counts)
    assert not outcome.wrong, outcome.report
