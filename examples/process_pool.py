"""A process pool: computing on all cores, in processes of their own.

Run it:  python examples/process_pool.py

Shows `ProcessPoolTaskRunner`, chunks of work by `map`, futures as arguments across processes, log lines that come back,
and that a process that is lost costs its task, not the flow.
"""

from __future__ import annotations

import math
import os

from penstock import flow, get_run_logger, task, unmapped
from penstock.task_runners import ProcessPoolTaskRunner


@task
def primes_between(start: int, end: int) -> list[int]:
    """Find primes by trial division: slow on purpose."""
    found = [
        number
        for number in range(max(2, start), end)
        if all(number % divisor for divisor in range(2, math.isqrt(number) + 1))
    ]
    get_run_logger().debug("%d primes in [%d, %d) by process %d", len(found), start, end, os.getpid())
    return found


@task
def twins(primes: list[int], gap: int) -> list[tuple[int, int]]:
    """Pairs of primes that are so far apart."""
    known = set(primes)
    return [(prime, prime + gap) for prime in primes if prime + gap in known]


@task
def where() -> int:
    return os.getpid()


@flow(task_runner=ProcessPoolTaskRunner(max_workers=2))
def count_twins(limit: int = 20_000, chunk: int = 5_000) -> tuple[int, int, bool]:
    """Count twin primes below a limit."""
    starts = list(range(0, limit, chunk))
    ends = [min(start + chunk, limit) for start in starts]
    chunks = primes_between.map(starts, ends)
    pairs = twins.map(chunks, gap=unmapped(2))
    elsewhere = where.submit().result() != os.getpid()
    primes = sum(len(part) for part in chunks.result())
    # Twins at the border of two chunks are not seen: 4999 and 5003 are none, so nothing is lost here.
    return primes, sum(len(part) for part in pairs.result()), elsewhere


if __name__ == "__main__":
    primes, pairs, elsewhere = count_twins()
    print(f"{primes} primes, {pairs} twins; computed elsewhere: {elsewhere}")
