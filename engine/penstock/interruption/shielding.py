"""Holding interruptions back while a block runs.

Neighbours: `section` and `loop_target` know where they are delivered; transactions commit and roll back inside a shield.
"""

from __future__ import annotations

from typing import Any


class _Shield:
    """`shield()`: termination and cancellation are held back until the block ends."""

    __slots__ = ("_target",)

    def __enter__(self) -> None:
        from penstock.base.asyncutils import in_async_run, running_loop
        from penstock.interruption.section import current_section

        self._target: Any = None
        if in_async_run() and running_loop() is not None:
            from penstock.base.current import current_run
            from penstock.interruption.loop_target import LoopTarget

            run = current_run.get()
            target = run.control.active.get(run) if run is not None else None
            self._target = target if isinstance(target, LoopTarget) else None
        if self._target is None:
            self._target = current_section()
        self._target.shields += 1

    def __exit__(self, exc_type: Any, exc: Any, tb: Any) -> None:
        self._target.shields -= 1
        if self._target.shields or not self._target.pending:
            return
        if hasattr(self._target, "fire"):
            if exc_type is None:
                self._target.fire()
        else:
            self._target.cancel()


def shield() -> _Shield:
    """Hold termination and cancellation back until the block ends; a body that ends inside keeps its outcome."""
    return _Shield()
