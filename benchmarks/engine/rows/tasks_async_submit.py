# mypy: ignore-errors
# (the library under test is picked at run time, so there are no types to check)
"""Async tasks, submitted."""

import _lib

lib = _lib.module()


@lib.task
async def noop() -> None:
    pass


@lib.flow
def flow() -> None:
    def work() -> None:
        for future in [noop.submit() for _ in range(_lib.N)]:
            future.wait()

    _lib.timed(work, _lib.N)


flow()
