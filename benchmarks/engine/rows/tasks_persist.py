# mypy: ignore-errors
# (the library under test is picked at run time, so there are no types to check)
"""Direct tasks whose results are stored on the local disk, all of them misses."""

import _lib

lib = _lib.module()


@lib.task(persist_result=True)
def same(x: int) -> int:
    return x


@lib.flow
def flow() -> None:
    def work() -> None:
        for number in range(_lib.N):
            same(number)

    same(-1)
    _lib.timed(work, _lib.N)


flow()
