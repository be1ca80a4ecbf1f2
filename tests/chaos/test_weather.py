"""One seed decides everything, each kind of weather comes, and the fates are played by steps that exist."""

from __future__ import annotations

import pytest

from tests.support.chaos.api import Api
from tests.support.chaos.campaign import Plan, casting
from tests.support.chaos.fates import FATES, Fate
from tests.support.chaos.kubelet import PodPlay
from tests.support.chaos.weather import KINDS, OF_WATCHES, Dice, Fault, schedule

SECONDS = 30.0
NOWHERE = Api("http://127.0.0.1:9", "", "", "n")


def test_a_seed_decides_everything() -> None:
    assert schedule(7, SECONDS, outages=1) == schedule(7, SECONDS, outages=1)
    assert schedule(7, SECONDS, outages=1) != schedule(8, SECONDS, outages=1)
    drawn = [[Dice(7).fault("everything", "PATCH", watch=False) for _ in range(1)] for _ in range(2)]
    assert drawn[0] == drawn[1]
    first, again = (casting(Plan(7, 100, SECONDS), NOWHERE, NOWHERE) for _ in range(2))
    assert [c.fate.id for c in first.values()] == [c.fate.id for c in again.values()]


@pytest.mark.parametrize("seconds", [12.0, SECONDS])
@pytest.mark.parametrize("seed", range(5))
def test_everything_comes_and_ends(seed: int, seconds: float) -> None:
    times = schedule(seed, seconds, outages=2)
    assert {e.kind for e in times.episodes} == set(KINDS)
    assert all(e.end <= seconds for e in times.episodes)
    assert all(before.end == after.begin for before, after in zip(times.episodes, times.episodes[1:], strict=False))
    assert len(times.outages) == 2
    assert times.kills
    assert times.second
    assert times.weather(seconds + 1) == "calm"
    assert times.meddlings
    assert all(0 < begin < end <= seconds for begin, end in times.meddlings)


def test_dice_strike_what_they_fit() -> None:
    """Nothing befalls a read that only a write can meet, or a request that only a watch can."""
    dice = Dice(1)
    gets = {dice.fault("everything", "GET", watch=False) for _ in range(500)}
    watches = {dice.fault("everything", "GET", watch=True) for _ in range(500)}
    patches = {dice.fault("everything", "PATCH", watch=False) for _ in range(500)}
    assert Fault.CONFLICT not in gets
    assert not OF_WATCHES & gets
    assert watches >= OF_WATCHES
    assert Fault.LOST not in watches
    assert patches >= set(Fault) - OF_WATCHES
    assert dice.fault("calm", "PATCH", watch=False) is None


@pytest.mark.parametrize("fate", FATES, ids=str)
def test_every_step_of_a_fate_can_be_played(fate: Fate) -> None:
    for script in fate.scripts:
        for step in script.split():
            assert hasattr(PodPlay, f"step_{step.partition(':')[0]}"), step


def test_every_fate_is_cast_as_often_as_any_other() -> None:
    """And the slow ones only where there is time for them."""
    names = [c.fate.id for c in casting(Plan(3, 2 * len(FATES), SECONDS), NOWHERE, NOWHERE).values()]
    assert {names.count(fate.id) for fate in FATES} == {2}
    quick = {c.fate.id for c in casting(Plan(3, 200, SECONDS, slow=False), NOWHERE, NOWHERE).values()}
    assert quick == {fate.id for fate in FATES if not fate.slow}
    assert all(len(name) <= 52 for name in casting(Plan(3, 1000, SECONDS), NOWHERE, NOWHERE))
