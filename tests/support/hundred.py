"""A hundred tasks that keep their results, held where the story wants to end their pod: what is done twice can be counted."""

from __future__ import annotations

from collections import Counter

TASKS = 100
SUM = str(sum(range(1, TASKS + 1)))
# Each body notes itself in the folder; some wait until a file lets them go on, and say which process they are.
HUNDRED = """
    import os, pathlib, time
    from penstock import flow, task

    @task
    def step(n, folder):
        here = pathlib.Path(folder)
        with open(here / "calls", "a") as calls:
            calls.write(f"{n}\\n")
        if n in (60, 80, 90) and not (here / f"open-{n}").exists():
            (here / "pid").write_text(str(os.getpid()))
            (here / "pid").rename(here / f"at-{n}")
            while not (here / f"open-{n}").exists():
                time.sleep(0.02)
        return n

    @flow
    def main(folder):
        return sum(step(n, folder) for n in range(1, 101))
"""


def done_again(calls: str) -> list[int]:
    """The tasks that were done again, as often as they were, by the file `calls`; every task was done at all."""
    done, once = Counter(int(line) for line in calls.split()), Counter(range(1, TASKS + 1))
    assert set(done) == set(once), done
    return sorted((done - once).elements())
