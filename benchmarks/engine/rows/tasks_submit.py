# mypy: ignore-errors
# (the library under test is picked at run time, so there are no types to check)
"""Submit and wait, with the default runner, or W workers."""

import os
import threading

import _lib

lib = _lib.module()
workers = os.environ.get("W")
runner = _lib.module("task_runners").ThreadPoolTaskRunner(**({"max_workers": int(workers)} if workers else {}))


@lib.task
def noop() -> None:
    pass


@lib.flow(task_runner=runner)
def flow() -> None:
    threads = 0

    def work() -> None:
        nonlocal threads
        futures = [noop.submit() for _ in range(_lib.N)]
        threads = threading.active_count()
        for future in futures:
            future.wait()

    _lib.timed(work, _lib.N)
    _lib.report(threads=threads)


flow()
