"""The pause gate: stands before the root flow run and each task run and subflow run in it.

Closed while the owner of the run wants it Paused, or, for a while, while a suspension waits for a boundary. Bodies that
run go on. Whoever comes to it closed is held; the first one puts the flow run into PAUSED, the first one that leaves puts
it back, so that no state is ever set by the guard's thread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from penstock.core.changes import put
from penstock.core.state import State
from penstock.core.state_parts import PAUSED, PENDING, RUNNING
from penstock.drivers.holding import freeze, thaw
from penstock.drivers.world import WORLD
from penstock.interruption.section import current_section


class Gate:
    """See the module.

    Attributes:
        held: How many wait at it.
        waiting: These runs.

    Args:
        on_held: Called by whoever is held, before it waits.
    """

    def __init__(self, on_held: Callable[[], None]) -> None:
        self._on_held = on_held
        self._open = threading.Event()
        self._open.set()
        self._lock = threading.Lock()
        self._before: State | None = None
        self._pausing = False
        self._began = 0.0
        self.held = 0
        self.waiting: list[Any] = []

    def close(self, *, pausing: bool) -> None:
        """Hold whoever comes; the flow run is PAUSED then, unless it is about to be suspended."""
        self._pausing = pausing
        self._open.clear()

    def open(self) -> None:
        """Let everybody go on."""
        self._open.set()

    def __call__(self, run: Any) -> None:
        """Pass, now or later; the engine calls this before a run starts."""
        if self._open.is_set():
            return
        root = run.root.flow
        with self._lock:
            self.held += 1
            self.waiting.append(run)
            if self._pausing and self._before is None and root.state.type in (PENDING, RUNNING):
                self._before, self._began = root.state, time.monotonic()
                freeze(root)
                put(root, State(PAUSED, message="paused by spec.desiredState"), WORLD)
        self._on_held()
        section = current_section()
        section.resting = True
        self._open.wait()
        section.resting = False
        with self._lock:
            self.held -= 1
            self.waiting.remove(run)
            before, self._before = self._before, None
            if before is not None:
                # The clocks of timeouts stood still: pushed back before they are thawed, or they would ring at once.
                for scope in list(root.control.scopes):
                    scope.shift(time.monotonic() - self._began)
                thaw(root)
            if before is not None and root.state.type is PAUSED and root.control.cause is None:
                # A run that was held before its body goes back to PENDING: it counts its first try when it runs.
                put(root, State(before.type, before.name), WORLD, force=True)
