"""The work queue: once a key, one worker a key, later, backoff, lanes."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from penstock_operator.runtime.lanes import Urgency
from penstock_operator.runtime.queue import (
    BEGUN_SECONDS,
    BEGUN_TURN,
    CROWD,
    FIRST_BACKOFF,
    LATE_AT_ONCE,
    LONGEST_BACKOFF,
    SLOW_OF_A_GROUP,
    WorkQueue,
)
from tests.support import virtualtime


def queue() -> WorkQueue[str]:
    return WorkQueue(clock=virtualtime.clock, random=lambda: 0.5)


async def taken(q: WorkQueue[str]) -> str:
    """Take the key that is ready now."""
    async with asyncio.timeout(0):
        found = await q.get()
    assert found is not None
    return found[0]


def test_a_key_is_in_it_once() -> None:
    async def main() -> None:
        q = queue()
        for _ in range(3):
            q.add("a")
        q.add("b")
        assert len(q) == 2
        assert [await taken(q), await taken(q)] == ["a", "b"]
        assert len(q) == 0

    virtualtime.run(main)


def test_a_key_in_work_is_handed_out_again_only_when_done() -> None:
    async def main() -> None:
        q = queue()
        q.add("a")
        assert await taken(q) == "a"
        q.add("a")
        q.add("a")
        assert len(q) == 0
        q.done("a")
        assert await taken(q) == "a"
        q.done("a")
        assert len(q) == 0

    virtualtime.run(main)


def test_the_wait_counts_from_the_first_event() -> None:
    async def main() -> None:
        q = queue()
        q.add("a")
        await asyncio.sleep(5)
        q.add("a")
        assert await q.get() == ("a", 0.0)
        await asyncio.sleep(1)
        q.add("a")  # while it is worked on: this is when it begins to wait
        await asyncio.sleep(1)
        q.done("a")
        assert await q.get() == ("a", 6.0)

    virtualtime.run(main)


def test_cancellations_go_first() -> None:
    async def main() -> None:
        q = queue()
        q.add("a")
        q.add("b")
        q.add("b", Urgency.URGENT)
        q.add("c", Urgency.URGENT)
        assert [await taken(q) for _ in range(3)] == ["b", "c", "a"]

    virtualtime.run(main)


def test_a_cancellation_during_work_goes_first_too() -> None:
    async def main() -> None:
        q = queue()
        q.add("a")
        await taken(q)
        q.add("b")
        q.add("a", Urgency.URGENT)
        q.add("a")
        q.done("a")
        assert [await taken(q), await taken(q)] == ["a", "b"]

    virtualtime.run(main)


def test_later() -> None:
    async def main() -> None:
        q = queue()
        q.add_after("a", 10)
        q.add_after("a", 3)
        assert (len(q), q.delayed) == (0, 1)
        assert await q.get() == ("a", 3.0)
        assert q.delayed == 0

    virtualtime.run(main)


def test_a_later_time_replaces_an_earlier_one() -> None:
    async def main() -> None:
        q = queue()
        q.add_after("a", 3)
        q.add_after("a", 10)
        assert await q.get() == ("a", 10.0)

    virtualtime.run(main)


def test_a_time_can_be_cancelled() -> None:
    async def main() -> None:
        q = queue()
        q.add_after("a", 3)
        q.cancel("a")
        await q.get()

    with pytest.raises(virtualtime.NothingWillHappenError):
        virtualtime.run(main)


def test_backoff_doubles_up_to_its_limit_and_begins_anew_after_a_success() -> None:
    async def main() -> list[float]:
        q = queue()
        waits = [q.fail("a") for _ in range(14)]
        q.succeed("a")
        return [*waits, q.fail("a")]

    waits = virtualtime.run(main)
    assert waits[:3] == [FIRST_BACKOFF, FIRST_BACKOFF * 2, FIRST_BACKOFF * 4]
    assert waits[-2:] == [LONGEST_BACKOFF, FIRST_BACKOFF]


@pytest.mark.parametrize(("asked", "wait"), [(None, FIRST_BACKOFF), (0.001, FIRST_BACKOFF), (7.0, 7.0), (120.0, 120.0)])
def test_backoff_is_not_shorter_than_the_server_asked(asked: float | None, wait: float) -> None:
    async def main() -> tuple[str, float] | None:
        q = queue()
        q.fail("a", asked)
        return await q.get()

    assert virtualtime.run(main) == ("a", wait)


def test_backoff_does_not_put_off_a_time_that_is_set() -> None:
    async def main() -> tuple[str, float] | None:
        q = queue()
        q.add_after("a", 1)
        q.fail("a", retry_after=30)
        return await q.get()

    assert virtualtime.run(main) == ("a", 1.0)


def test_closing_lets_all_workers_go_and_keeps_nothing() -> None:
    async def main() -> None:
        q = queue()
        workers = [asyncio.create_task(q.get()) for _ in range(3)]
        await asyncio.sleep(0)
        q.add_after("b", 5)
        q.close()
        q.add("a")
        q.add_after("c", 1)
        assert await asyncio.gather(*workers) == [None, None, None]
        assert (len(q), q.delayed) == (0, 0)

    virtualtime.run(main)


def test_a_cancelled_worker_loses_no_key() -> None:
    async def main() -> None:
        q = queue()
        first, second = asyncio.create_task(q.get()), asyncio.create_task(q.get())
        await asyncio.sleep(0)
        q.add("a")  # wakes the first
        first.cancel()
        found = await second
        assert found is not None
        assert found[0] == "a"

    virtualtime.run(main)


def test_how_long_the_slowest_worker_is_at_it() -> None:
    async def main() -> None:
        q = queue()
        assert q.working() == 0.0
        q.add("a")
        q.add("b")
        await taken(q)
        await asyncio.sleep(2)
        await taken(q)
        await asyncio.sleep(1)
        assert q.working() == 3.0
        q.done("a")
        assert q.working() == 1.0

    virtualtime.run(main)


def test_many_keys_and_workers_lose_nothing_and_never_share_a_key() -> None:
    async def main() -> None:
        q = queue()
        at_work: set[str] = set()
        seen: dict[str, int] = {}

        async def work() -> None:
            while (found := await q.get()) is not None:
                key = found[0]
                assert key not in at_work
                at_work.add(key)
                await asyncio.sleep(0.1)
                seen[key] = seen.get(key, 0) + 1
                at_work.discard(key)
                q.done(key)

        workers: list[asyncio.Task[None]] = [asyncio.create_task(_typed(work())) for _ in range(16)]
        for _ in range(3):
            for number in range(200):
                q.add(f"k{number}")
            await asyncio.sleep(0.15)
        await asyncio.sleep(30)
        q.close()
        await asyncio.gather(*workers)
        assert len(seen) == 200
        assert max(seen.values()) <= 3

    virtualtime.run(main)


async def _typed(work: Coroutine[Any, Any, None]) -> None:
    await work


# --- turns and lanes ----------------------------------------------------------------------------------------------------------------------


def grouped() -> WorkQueue[str]:
    """Keys are of the group that their first letter names."""
    return WorkQueue(clock=virtualtime.clock, random=lambda: 0.5, group=lambda key: key[0])


def test_groups_take_turns() -> None:
    """A crowd delays its own only."""

    async def main() -> None:
        q = grouped()
        for number in range(2_000):
            q.add(f"a{number}")
        q.add("b0")
        q.add("b1")
        q.add("c0")
        order = [await taken(q) for _ in range(7)]
        assert order == ["a0", "b0", "c0", "a1", "b1", "a2", "a3"]
        assert len(q) == 1_996

    virtualtime.run(main)


def test_what_has_ended_goes_last_and_does_not_starve() -> None:
    async def main() -> None:
        q = grouped()
        for number in range(40):
            q.add(f"late{number}", Urgency.LATE)
            q.add(f"usual{number}")
        order = [await taken(q) for _ in range(40)]
        late = [key for key in order if key.startswith("late")]
        assert order[:3] == ["usual0", "usual1", "usual2"]
        assert 1 <= len(late) <= 3

    virtualtime.run(main)


def test_a_better_lane_is_taken_and_a_worse_is_not() -> None:
    async def main() -> None:
        q = queue()
        q.add("x")
        q.add("a", Urgency.LATE)
        await asyncio.sleep(3)
        q.add("a")
        q.add("a", Urgency.LATE)
        assert len(q) == 2
        await taken(q)
        assert await q.get() == ("a", 0.0), "it waits since it was added first"

    virtualtime.run(main)


def test_a_time_keeps_its_lane() -> None:
    async def main() -> None:
        q = queue()
        q.add_after("late", 1, late=True)
        q.add_after("usual", 1)
        await asyncio.sleep(1)
        assert await taken(q) == "usual"
        with pytest.raises(TimeoutError):
            await taken(q)  # as long as there is something that lives
        q.done("usual")
        assert await taken(q) == "late"

    virtualtime.run(main)


def test_few_of_what_has_ended_at_a_time() -> None:
    async def main() -> None:
        q = queue()
        for number in range(5):
            q.add(f"late{number}", Urgency.LATE)
        assert [await taken(q) for _ in range(LATE_AT_ONCE)] == [f"late{n}" for n in range(LATE_AT_ONCE)]
        q.add("usual")
        assert await taken(q) == "usual"
        q.done("usual")
        q.done("late0")
        assert await taken(q) == f"late{LATE_AT_ONCE}"

    virtualtime.run(main)


def test_slow_keys_of_a_group_hold_so_many_workers_and_no_more() -> None:
    async def main() -> None:
        q = grouped()
        for number in range(SLOW_OF_A_GROUP + 5):
            q.add(f"a{number}")
        for _ in range(SLOW_OF_A_GROUP):
            q.slow(await taken(q))
        q.add("b0")
        assert await taken(q) == "b0", "a's share is used up"
        q.add("a99", Urgency.URGENT)
        assert await taken(q) == "a99", "a cancellation has a share of its own"
        with pytest.raises(TimeoutError):
            await taken(q)
        q.done("a0")
        assert await taken(q) == f"a{SLOW_OF_A_GROUP}"

    virtualtime.run(main)


def test_whoever_waits_is_told_when_a_share_is_free_again() -> None:
    async def main() -> None:
        q = grouped()
        for number in range(SLOW_OF_A_GROUP + 1):
            q.add(f"a{number}")
        for _ in range(SLOW_OF_A_GROUP):
            q.slow(await taken(q))
        waiting = asyncio.create_task(q.get())
        await asyncio.sleep(5)
        assert not waiting.done()
        q.done("a3")
        found = await waiting
        assert found is not None
        assert found[0] == f"a{SLOW_OF_A_GROUP}"

    virtualtime.run(main)


def test_only_the_urgent_ones() -> None:
    async def main() -> None:
        q = queue()
        q.add("a")
        waiting = asyncio.create_task(q.get(urgent_only=True))
        await asyncio.sleep(1)
        assert not waiting.done()
        q.add("b", Urgency.URGENT)
        assert await waiting == ("b", 1.0)
        assert await taken(q) == "a"

    virtualtime.run(main)


def test_no_progress_is_when_keys_wait_and_nothing_is_taken_or_done() -> None:
    async def main() -> None:
        q = queue()
        await asyncio.sleep(100)
        assert q.stalled() == 0, "nothing waits"
        q.add("a")
        q.add("b")
        assert q.stalled() == 0
        await asyncio.sleep(10)
        assert q.stalled() == 10
        await taken(q)
        assert q.stalled() == 0
        await asyncio.sleep(5)
        assert q.stalled() == 5
        q.done("a")
        assert q.stalled() == 0

    virtualtime.run(main)


def test_one_timer_for_very_many_times() -> None:
    async def main() -> None:
        q = queue()
        for number in range(5_000):
            q.add_after(f"k{number}", 10 + number % 7)
        for number in range(5_000):
            q.add_after(f"k{number}", 20 + number % 7)
        assert q.delayed == 5_000
        assert len(q._timers) < 12_000, "times that were replaced do not pile up"
        await asyncio.sleep(19.9)
        assert len(q) == 0
        await asyncio.sleep(7)
        assert (len(q), q.delayed) == (5_000, 0)

    virtualtime.run(main)


# --- ends before beginnings ---------------------------------------------------------------------------------------------------------


def test_what_ends_goes_before_what_begins() -> None:
    async def main() -> None:
        q = queue()
        q.add("begun", Urgency.BEGUN)
        q.add("new")
        q.add("late", Urgency.LATE)
        q.add("ends", Urgency.ENDING)
        q.add("cancelled", Urgency.URGENT)
        order = []
        for _ in range(5):
            order.append(await taken(q))
            q.done(order[-1])
        assert order == ["cancelled", "ends", "new", "begun", "late"]

    virtualtime.run(main)


def test_what_has_begun_waits_a_moment_and_has_its_turn() -> None:
    """Where there is more to do: within a second most of it has ended, and then it goes first, once; what goes on is shown in its turn."""

    async def main() -> None:
        q = queue()
        for number in range(40):
            q.add(f"new{number}")
        for number in range(4):
            q.add(f"begun{number}", Urgency.BEGUN)
        first = []
        for _ in range(10):
            first.append(await taken(q))
            q.done(first[-1])
        assert not [key for key in first if key.startswith("begun")]
        q.add("begun0", Urgency.ENDING)
        assert await taken(q) == "begun0"
        q.done("begun0")
        await asyncio.sleep(BEGUN_SECONDS)
        then = []
        for _ in range(3 * BEGUN_TURN):
            then.append(await taken(q))
            q.done(then[-1])
        assert [key for key in then if key.startswith("begun")] == ["begun1", "begun2", "begun3"]

    virtualtime.run(main)


def test_a_crowd_is_of_what_lives() -> None:
    async def main() -> None:
        q = queue()
        for number in range(1000):
            q.add(f"late{number}", Urgency.LATE)
        for number in range(CROWD):
            q.add(f"new{number}")
        assert not q.crowded
        q.add("one more")
        assert q.crowded

    virtualtime.run(main)
