"""Heartbeats of a flow run: a thread that tells subscribers while the run is RUNNING. Neighbours: `observers`."""

from __future__ import annotations

import threading
from typing import Any


class Heart:
    """One beating thread.

    Args:
        flow_run: whose beats.
        seconds: between beats.
    """

    def __init__(self, flow_run: Any, seconds: float) -> None:
        self._flow_run = flow_run
        self._seconds = seconds
        self._leave = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="penstock-heartbeat", daemon=True)
        self._thread.start()

    @classmethod
    def of(cls, engine: Any) -> Heart | None:
        """The heart of an engine's flow run; None when heartbeats are off."""
        seconds = engine.heartbeat_seconds
        return None if seconds is None or engine.flow_run is None else cls(engine.flow_run, seconds)

    def _beat(self) -> None:
        from penstock.drivers.observing import beat

        while True:
            state = self._flow_run.state
            if state is not None and state.is_running():
                beat(self._flow_run)
            if self._leave.wait(self._seconds):
                return

    def stop(self) -> None:
        """Let the thread end; waits at most 10 ms for it."""
        self._leave.set()
        self._thread.join(0.01)
