# mypy: ignore-errors
# (the library under test is picked at run time, so there are no types to check)
"""Process with one no-op flow."""

import _lib

lib = _lib.module()


@lib.flow
def noop() -> None:
    pass


noop()
