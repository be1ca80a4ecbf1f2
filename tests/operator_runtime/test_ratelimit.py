"""The rate limit: a burst, then the rate; the priority lane never waits."""

from __future__ import annotations

import asyncio

from penstock_operator.runtime.ratelimit import TokenBucket
from tests.support import virtualtime


def bucket(rate: float, burst: int) -> TokenBucket:
    return TokenBucket(rate, burst, clock=virtualtime.clock, sleep=asyncio.sleep)


def test_a_burst_and_then_the_rate() -> None:
    async def main() -> list[float]:
        b = bucket(10, 3)
        times = []
        for _ in range(6):
            await b.take()
            times.append(round(virtualtime.clock(), 3))
        return times

    assert virtualtime.run(main) == [0, 0, 0, 0.1, 0.2, 0.3]


def test_those_who_wait_leave_in_order() -> None:
    async def main() -> list[tuple[int, float]]:
        b = bucket(10, 1)
        order: list[tuple[int, float]] = []

        async def one(number: int) -> None:
            await b.take()
            order.append((number, round(virtualtime.clock(), 3)))

        await asyncio.gather(*(one(n) for n in range(4)))
        return order

    assert virtualtime.run(main) == [(0, 0), (1, 0.1), (2, 0.2), (3, 0.3)]


def test_the_priority_lane_never_waits_but_pays() -> None:
    async def main() -> None:
        b = bucket(10, 1)
        waiting = [asyncio.create_task(b.take()) for _ in range(20)]
        await asyncio.sleep(0)
        assert await b.take(priority=True) == 0.0
        assert virtualtime.clock() == 0.0
        await asyncio.gather(*waiting)
        assert round(await b.take(), 3) == 0.2  # its own turn, and the one that went before

    virtualtime.run(main)


def test_quiet_time_saves_no_more_than_the_burst() -> None:
    async def main() -> list[float]:
        b = bucket(10, 2)
        await asyncio.sleep(1000)
        return [round(await b.take(), 3) for _ in range(4)]

    assert virtualtime.run(main) == [0, 0, 0.1, 0.1]


def test_it_says_when_somebody_waits() -> None:
    """What is not urgent asks first: at the limit it would only stand in others' way."""

    async def main() -> list[bool]:
        b = bucket(10, 2)
        said = [b.exhausted]
        for _ in range(2):
            await b.take(priority=True)
            said.append(b.exhausted)
        await b.take(priority=True)
        said.append(b.exhausted)
        await asyncio.sleep(0.11)
        said.append(b.exhausted)
        return said

    assert virtualtime.run(main) == [False, False, False, True, False]
