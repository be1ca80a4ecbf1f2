# mypy: ignore-errors
# (the library under test is picked at run time, so there are no types to check)
"""Growth of the resident set over N direct tasks."""

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

    for _ in range(1000):
        noop()
    _lib.timed(work, _lib.N)


flow()
