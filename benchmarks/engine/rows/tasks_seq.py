# mypy: ignore-errors
# (the library under test is picked at run time, so there are no types to check)
"""Direct no-op sync tasks, with default logging."""

import _lib

lib = _lib.module()


@lib.task
def noop() -> None:
    pass


@lib.flow
def flow() -> None:
    def work() -> None:
        for _ in range(_lib.N):
            noop()

    noop()
    _lib.timed(work, _lib.N)


flow()
