"""`python -m penstock_operator`: one operator in this process, until SIGTERM or SIGINT.

Exit codes: 0 after a signal; 1 when the lease was lost or a part of the operator failed; 2 when there is nothing to start with.
What takes long to import is imported in `main`, behind the first signal handlers: a start may be ended too.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
import time
from collections.abc import Sequence
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock_operator.runtime.credentials import Credentials
    from penstock_operator.settings import Settings

GARBAGE = 20_000  # objects between two looks of the garbage collector; Python's own is 700
SIGNALS = (signal.SIGTERM, signal.SIGINT)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the operator with the given command line (default: the process's), and return the exit code."""
    for number in SIGNALS:
        signal.signal(number, _leave)
    from penstock_operator import settings
    from penstock_operator.runtime import credentials, logs
    from penstock_operator.runtime.errors import NoClusterError

    asked = settings.parse(sys.argv[1:] if arguments is None else arguments, os.environ)
    logs.setup(asked.log_format, asked.log_level, sys.stderr)
    for line in asked.ignored:
        logging.getLogger(__name__).warning(line)
    try:
        cluster = credentials.load(os.environ, clock=time.monotonic)
    except NoClusterError as error:
        sys.stderr.write(f"penstock-operator: {error}\n")
        return 2
    return asyncio.run(_run(asked, cluster))


async def _run(asked: Settings, cluster: Credentials) -> int:
    from penstock_operator.core.reconcile import reconcile
    from penstock_operator.runtime.app import Operator

    # What was imported stays. What comes from the API server lives long or is freed at once, and seldom holds a cycle:
    # looked through as often as Python does by itself, it costs a twentieth of the operator's CPU.
    gc.freeze()
    gc.set_threshold(GARBAGE)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in SIGNALS:
        loop.add_signal_handler(number, stop.set)
    return await Operator(asked.config, cluster, reconcile).run(stop)


def _leave(_number: int, _frame: FrameType | None) -> None:
    # Nothing was begun yet. An exception could be lost: in a callback of the garbage collector, in an import that catches everything.
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
