"""Process with one no-op flow."""

import _lib

lib = _lib.module()


@lib.flow
def noop() -> None:
    pass


noop()
