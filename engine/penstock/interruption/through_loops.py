"""What is raised in the callback of an event loop, so that the loop lets it through.

A signal finds the main thread in the middle of whatever it does. If that is an event loop that the body runs
(`asyncio.run`, `uvloop.run`), an exception that is raised there lands in the loop: what a callback raises is logged and
lost. All loops make one exception from that: `SystemExit` and `KeyboardInterrupt` end them. So an interruption is raised
there as a `SystemExit` as well, of its own class and by its name. Neighbour: `section` raises it, and takes it back where
it leaves the body.
"""

from __future__ import annotations

import sys
from typing import Any


def in_loop(exc: BaseException) -> BaseException:
    """The exception as it is to be raised here and now: another form of it if an event loop runs in this thread."""
    if isinstance(exc, (Exception, SystemExit, KeyboardInterrupt)) or not _loops():
        return exc  # loops let it through, or a callback may keep it: an error
    kind = _form(type(exc))
    form: Any = kind.__new__(kind)
    form.args = exc.args
    form.__dict__.update(exc.__dict__)
    form.delivery = exc
    return form  # type: ignore[no-any-return]


def _loops() -> bool:
    """Whether an event loop runs in this thread: asyncio's, or the hub of gevent, which switches to the main greenlet what ends it."""
    loops: Any = sys.modules.get("asyncio.events")
    if loops is not None and loops._get_running_loop() is not None:
        return True
    hubs: Any = sys.modules.get("gevent._hub_local")
    return hubs is not None and hubs.get_hub_if_exists() is not None


def out_of_loop(exc: BaseException) -> BaseException | None:
    """What an exception is a form of; None: it is none."""
    return exc.delivery if isinstance(exc, _ThroughLoops) else None


class _ThroughLoops(SystemExit):
    delivery: BaseException


_FORMS: dict[type[BaseException], type[BaseException]] = {}


def _form(kind: type[BaseException]) -> type[BaseException]:
    form = _FORMS.get(kind)
    if form is None:
        names = {"__module__": kind.__module__, "__qualname__": kind.__qualname__}
        form = _FORMS[kind] = type(kind.__name__, (kind, _ThroughLoops), names)
    return form
