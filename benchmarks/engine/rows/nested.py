# mypy: ignore-errors
# (the library under test is picked at run time, so there are no types to check)
"""33 tasks, each submits the next and waits for it; one worker."""

import threading
import time

import _lib

lib = _lib.module()
runner = _lib.module("task_runners").ThreadPoolTaskRunner(max_workers=1)


@lib.task
def level(left: int) -> int:
    return 1 + level.submit(left - 1).result() if left else threading.active_count()


@lib.flow(task_runner=runner)
def flow() -> None:
    began = time.perf_counter()
    reached = level.submit(32).result()
    _lib.report(whole_ms=(time.perf_counter() - began) * 1e3, threads=reached - 32)


flow()
