# mypy: ignore-errors
# (the library under test is picked at run time, so there are no types to check)
"""First and second call of a no-op flow in a warm process."""

import time

import _lib

lib = _lib.module()


@lib.flow
def noop() -> None:
    pass


times = []
for _ in range(2):
    began = time.perf_counter()
    noop()
    times.append((time.perf_counter() - began) * 1e3)
_lib.report(first_ms=times[0], second_ms=times[1])
