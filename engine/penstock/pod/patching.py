"""Threads of the pod that a flow would patch away under the engine's feet.

gevent and eventlet put their own locks and sleeps in the place of Python's. In a plain process that is done before anything else. In a pod the
guard and the reporter run already when the flow is loaded: they, and the imports that are under way, then wait for ever (gevent 26.9.0: an
import ends with "cannot release un-acquired lock", and the next wait in any thread does not end; eventlet 0.41.3: "Cannot switch to a different
thread", and a cancelled run does not end). So it is refused, with what to do instead. Neighbour: `life` loads the flow.
"""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any

from penstock.base.noticing import when_imported

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType


def refuse() -> None:
    """From now on neither of them patches threads in this process; all else they may."""
    for name, spare in _SPARED.items():
        if name in sys.modules:
            spare(sys.modules[name])
        else:
            when_imported(name, spare)


def _spare_gevent(monkey: ModuleType) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise _error("gevent", "gevent.monkey.patch_all(thread=False)")

    monkey.patch_thread = refused  # type: ignore[attr-defined]


def _spare_eventlet(patcher: ModuleType) -> None:
    patch = patcher.monkey_patch

    @functools.wraps(patch)
    def unless_threads(**on: Any) -> Any:
        # What is not named is patched where nothing is, or where `all` says so.
        others = on.get("all")
        if on.get("thread", True not in on.values() if others is None else others):
            raise _error("eventlet", "eventlet.monkey_patch(thread=False)")
        return patch(**on)

    patcher.monkey_patch = unless_threads  # type: ignore[attr-defined]


def _error(who: str, instead: str) -> RuntimeError:
    return RuntimeError(
        f"{who} cannot patch threads in a pod: threads of the engine run already, and would wait for ever. "
        f"Patch all but them: {instead}."
    )


_SPARED: dict[str, Callable[[ModuleType], None]] = {
    "gevent.monkey": _spare_gevent,
    "eventlet.patcher": _spare_eventlet,
}
