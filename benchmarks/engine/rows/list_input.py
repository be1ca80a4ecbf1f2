# mypy: ignore-errors
# (the library under test is picked at run time, so there are no types to check)
"""A list of 10,000 plain elements as a task's input: what looking for futures in it costs."""

import time

import _lib

lib = _lib.module()
values = list(range(10_000))


@lib.task
def takes(values) -> None:
    pass


def seconds(value) -> float:
    began = time.perf_counter()
    for _ in range(_lib.N):
        takes(value)
    return (time.perf_counter() - began) / _lib.N


@lib.flow
def flow() -> None:
    takes([])
    bare = seconds([])
    _lib.report(ms_each=(seconds(values) - bare) * 1e3)


flow()
