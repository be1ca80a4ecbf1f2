# mypy: ignore-errors
# (the library under test is picked at run time, so there are no types to check)
"""Sequential no-op subflows."""

import _lib

lib = _lib.module()


@lib.flow
def child() -> None:
    pass


@lib.flow
def flow() -> None:
    def work() -> None:
        for _ in range(_lib.N):
            child()

    child()
    _lib.timed(work, _lib.N)


flow()
