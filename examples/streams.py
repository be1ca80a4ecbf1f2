"""Streams: tasks and flows that yield, so that rows are handled one by one and never all at once.

Run it:  python examples/streams.py

Shows generator tasks in a pipeline, a generator flow whose caller stops early, the return value of a generator, and an
async generator.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Generator, Iterator

from penstock import flow, task

alive: list[str] = []


@task
def lines(count: int) -> Generator[str, None, int]:
    """Read a log that is too long for memory; tells at the end how many lines it had."""
    alive.append("open")
    try:
        for number in range(count):
            yield f"{'ERROR' if number % 4 == 3 else 'info'} line {number}"
    finally:
        alive.append("closed")
    return count


@task
def errors(count: int) -> Iterator[str]:
    """Keep what matters: one generator reads from another."""
    for line in lines(count):
        if line.startswith("ERROR"):
            yield line


@flow
def watch(count: int) -> Iterator[str]:
    """Yield the errors of a log, while it is read."""
    for number, line in enumerate(errors(count), start=1):
        yield f"{number}. {line}"


@task
async def ticks(count: int) -> AsyncIterator[int]:
    for number in range(count):
        await asyncio.sleep(0)
        yield number * number


@flow
async def squares(count: int) -> int:
    total = 0
    async for square in ticks(count):
        total += square
    return total


def with_its_end(source: Generator[str, None, int]) -> tuple[int, int]:
    """Exhaust a generator; how many it gave, and what it returned."""
    given = 0
    while True:
        try:
            next(source)
        except StopIteration as end:
            return given, end.value
        given += 1


if __name__ == "__main__":
    for found in watch(20):
        print(found)
        if found.startswith("3."):
            break
    print("the log is", alive[-1], "again")
    print("given, returned:", with_its_end(lines(5)))
    print("squares:", asyncio.run(squares(5)))
