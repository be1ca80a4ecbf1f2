"""`python -m penstock_operator`: one operator in this process, until SIGTERM or SIGINT.

Exit codes: 0 after a signal; 1 when the lease was lost or a part of the operator failed; 2 when there is nothing to start with.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Sequence

from penstock_operator import settings
from penstock_operator.core.reconcile import reconcile
from penstock_operator.runtime import credentials, logs
from penstock_operator.runtime.app import Operator
from penstock_operator.runtime.errors import NoClusterError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the operator with the given command line (default: the process's), and return the exit code."""
    asked = settings.parse(sys.argv[1:] if arguments is None else arguments, os.environ)
    logs.setup(asked.log_format, asked.log_level, sys.stderr)
    try:
        cluster = credentials.load(os.environ, clock=time.monotonic)
    except NoClusterError as error:
        sys.stderr.write(f"penstock-operator: {error}\n")
        return 2
    return asyncio.run(_run(asked, cluster))


async def _run(asked: settings.Settings, cluster: credentials.Credentials) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return await Operator(asked.config, cluster, reconcile).run(stop)


if __name__ == "__main__":
    sys.exit(main())
