"""The workers: as many as asked for, others in the place of those that take long, and some for cancellations alone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from penstock_operator.runtime.crew import SLOW_SECONDS, Crew
from penstock_operator.runtime.lanes import Urgency
from penstock_operator.runtime.queue import SLOW_OF_A_GROUP, WorkQueue
from tests.support import virtualtime

SIZE, URGENT = 8, 2


class Work:
    """What is done with a key: it takes as long as its name says, and the moments are noted."""

    def __init__(self) -> None:
        self.queue: WorkQueue[str] = WorkQueue(clock=virtualtime.clock, random=lambda: 0.5, group=lambda key: key[0])
        self.begun: dict[str, float] = {}
        self.present = self.most = 0
        self.ended: list[str] = []

    async def __call__(self, key: str, _since: float) -> None:
        self.begun[key] = virtualtime.clock()
        self.present += 1
        self.most = max(self.most, self.present)
        try:
            await asyncio.sleep(float(key.split(":")[1]))
            self.ended.append(key)
        finally:
            self.present -= 1

    def add(self, group: str, count: int, seconds: float, *, urgent: bool = False) -> None:
        for number in range(count):
            self.queue.add(f"{group}{number}:{seconds}", Urgency.URGENT if urgent else Urgency.USUAL)


def working(story: Callable[[Work], Awaitable[None]]) -> Work:
    async def main() -> Work:
        work = Work()
        crew = asyncio.create_task(Crew(work.queue, work, SIZE, URGENT).run())
        await story(work)
        work.queue.close()
        await crew
        return work

    return virtualtime.run(main)


def test_so_many_at_the_same_time() -> None:
    async def story(work: Work) -> None:
        work.add("a", 40, 0.1)
        await asyncio.sleep(2)

    work = working(story)
    assert work.most == SIZE
    assert len(work.ended) == 40


def test_what_is_slow_delays_nobody_else() -> None:
    """Twenty runs whose looks are not answered for 90 seconds, in one namespace; another's begins within moments."""

    async def story(work: Work) -> None:
        work.add("slow", 20, 90)
        await asyncio.sleep(0.1)
        work.add("fine", 30, 0.1)
        await asyncio.sleep(3)
        assert len([key for key in work.ended if key.startswith("fine")]) == 30
        await asyncio.sleep(200)

    work = working(story)
    assert max(at for key, at in work.begun.items() if key.startswith("fine")) < 2
    assert work.most <= SLOW_OF_A_GROUP + SIZE
    assert len(work.ended) == 50


def test_slow_ones_of_many_groups() -> None:
    async def story(work: Work) -> None:
        for group in "abcd":
            work.add(group, 20, 60)
        await asyncio.sleep(0.1)
        work.add("z", 5, 0.1)
        await asyncio.sleep(10)
        assert len([key for key in work.ended if key.startswith("z")]) == 5

    work = working(story)
    assert max(at for key, at in work.begun.items() if key.startswith("z")) < 2 * SLOW_SECONDS + 0.2


def test_cancellations_have_workers_of_their_own() -> None:
    async def story(work: Work) -> None:
        work.add("a", 20, 0.4)
        await asyncio.sleep(0.1)
        work.add("b", 2, 0.1, urgent=True)
        await asyncio.sleep(10)

    begun = working(story).begun
    assert [begun[f"b{n}:0.1"] for n in range(2)] == [0.1, 0.1], "all others are at work"


def test_a_slow_cancellation_delays_no_other() -> None:
    async def story(work: Work) -> None:
        work.add("a", 8, 60, urgent=True)
        await asyncio.sleep(0.1)
        work.add("b", 4, 0.1, urgent=True)
        await asyncio.sleep(100)

    begun = working(story).begun
    assert max(at for key, at in begun.items() if key.startswith("b")) < 2


def test_the_end_cuts_off_what_is_begun() -> None:
    async def main() -> Work:
        work = Work()
        crew = asyncio.create_task(Crew(work.queue, work, SIZE, URGENT).run())
        work.add("a", 3, 1000)
        await asyncio.sleep(1)
        work.queue.close()
        crew.cancel()
        await asyncio.gather(crew, return_exceptions=True)
        return work

    work = virtualtime.run(main)
    assert (work.present, work.ended) == (0, [])
