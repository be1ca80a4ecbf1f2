"""Ctrl-C that Python loses: raised in a callback of the importer or of the garbage collector, it ends nothing, and is only told."""

from __future__ import annotations

import signal
import sys
import threading
import time
from typing import Any

__all__ = ["keep_interrupts"]

AGAIN_SECONDS = 0.01  # by then the callback is over


def keep_interrupts() -> None:
    """Have a KeyboardInterrupt that was lost arrive once more; everything else is told as before."""
    previous = sys.unraisablehook
    main = threading.main_thread()

    def again() -> None:
        time.sleep(AGAIN_SECONDS)
        if main.ident is not None and main.is_alive():
            signal.pthread_kill(main.ident, signal.SIGINT)

    def hook(unraisable: Any) -> None:
        if unraisable.exc_type is KeyboardInterrupt:
            threading.Thread(target=again, daemon=True).start()
        else:
            previous(unraisable)

    sys.unraisablehook = hook
