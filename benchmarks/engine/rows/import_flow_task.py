"""Process that imports `flow` and `task`."""

import _lib

_lib.module().flow, _lib.module().task
