# mypy: ignore-errors
# (the library under test is picked at run time, so there are no types to check)
"""`map(window=100)` over N inputs; ours only."""

import _lib

lib = _lib.module()


@lib.task
def noop(x: int) -> None:
    pass


@lib.flow
def flow() -> None:
    _lib.timed(lambda: noop.map(iter(range(_lib.N)), window=100).wait(), _lib.N)


flow()
