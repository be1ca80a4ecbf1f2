# mypy: ignore-errors
# (the library under test is picked at run time, so there are no types to check)
"""One state change as a line of JSON, as the pod writes it."""

import os
import time

import _lib

from penstock.pod.logs import StateLines

lib = _lib.module()
observers = _lib.module("observers")
changes = []


@lib.task
def noop() -> None:
    pass


@lib.flow
def flow() -> None:
    end = observers.subscribe(lambda *change: changes.append(change), runs="task")
    noop()
    end()


flow()
with open(os.devnull, "w") as sink:
    lines = StateLines(sink.write, {"run": "etl-1", "attempt": 1})
    began = time.perf_counter()
    for _ in range(_lib.N):
        for change in changes:
            lines.observe(*change)
    _lib.report(us_each=(time.perf_counter() - began) / _lib.N / len(changes) * 1e6)
