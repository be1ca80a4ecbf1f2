# mypy: ignore-errors
# (the library under test is picked at run time, so there are no types to check)
"""What one observer adds to each state change: the same tasks without and with it, three changes each."""

import time

import _lib

lib = _lib.module()
observers = _lib.module("observers")


@lib.task
def noop() -> None:
    pass


def seconds() -> float:
    began = time.perf_counter()
    for _ in range(_lib.N):
        noop()
    return time.perf_counter() - began


@lib.flow
def flow() -> None:
    seconds()
    plain = min(seconds() for _ in range(3))
    seen = []
    end = observers.subscribe(lambda run, old, new: seen.append(None), runs="task")
    observed = []
    for _ in range(3):
        seen.clear()
        observed.append(seconds())
    end()
    _lib.report(us_each=(min(observed) - plain) / len(seen) * 1e6, changes_each=len(seen) / _lib.N)


flow()
