# mypy: ignore-errors
# (the library under test is picked at run time, so there are no types to check)
"""Growth of the resident set for each submitted task whose future is held."""

import _lib

lib = _lib.module()


@lib.task
def noop() -> None:
    pass


@lib.flow
def flow() -> None:
    held = []

    def work() -> None:
        held.extend(noop.submit() for _ in range(_lib.N))
        for future in held:
            future.wait()

    _lib.timed(work, _lib.N)


flow()
