# mypy: ignore-errors
# (the library under test is picked at run time, so there are no types to check)
"""Map and wait, with the default runner, or W workers."""

import os

import _lib

lib = _lib.module()
workers = os.environ.get("W")
runner = _lib.module("task_runners").ThreadPoolTaskRunner(**({"max_workers": int(workers)} if workers else {}))


@lib.task
def noop(x: int) -> None:
    pass


@lib.flow(task_runner=runner)
def flow() -> None:
    _lib.timed(lambda: noop.map(range(_lib.N)).wait(), _lib.N)


flow()
