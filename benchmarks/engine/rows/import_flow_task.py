# mypy: ignore-errors
# (the library under test is picked at run time, so there are no types to check)
"""Process that imports `flow` and `task`."""

import _lib

_lib.module().flow, _lib.module().task
