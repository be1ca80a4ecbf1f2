"""Threads of the pod that a flow would patch away under the engine's feet.

`gevent.monkey` puts its own locks and sleeps in the place of Python's. In a plain process that is done before anything else. In a pod the
guard and the reporter run already when the flow is loaded: they, and the imports that are under way, then wait for ever (gevent 26.9.0: an
import ends with "cannot release un-acquired lock", and the next wait in any thread does not end). So it is refused, with what to do instead.
Neighbour: `life` loads the flow.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NoReturn

from penstock.base.noticing import when_imported

if TYPE_CHECKING:
    from types import ModuleType

_MODULE = "gevent.monkey"


def refuse() -> None:
    """From now on gevent patches no threads in this process; all else it may."""
    if _MODULE in sys.modules:
        _spare(sys.modules[_MODULE])
    else:
        when_imported(_MODULE, _spare)


def _spare(monkey: ModuleType) -> None:
    monkey.patch_thread = _refused  # type: ignore[attr-defined]


def _refused(*_: Any, **__: Any) -> NoReturn:
    raise RuntimeError(
        "gevent cannot patch threads in a pod: threads of the engine run already, and would wait for ever. "
        "Patch all but them: gevent.monkey.patch_all(thread=False)."
    )
