"""What is said of an error in one of the pod's own threads, which goes on all the same.

User code can take away what these threads are made of: modules, functions, descriptors. Whoever waits for them must not wait for ever.
"""

from __future__ import annotations

import sys

_TOLD: set[tuple[type[BaseException] | None, str]] = set()
_MOST = 20


def tell() -> None:
    """Print the exception that is being handled, each once, whatever user code has made of the hook for that."""
    try:
        kind, exc, traceback = sys.exc_info()
        once = (kind, str(exc)[:200])
        if exc is None or kind is None or once in _TOLD or len(_TOLD) >= _MOST:
            return
        _TOLD.add(once)
        sys.__excepthook__(kind, exc, traceback)
    except BaseException:  # noqa: BLE001 - nothing is left to say it with
        return
