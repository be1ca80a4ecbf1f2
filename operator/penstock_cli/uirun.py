"""`ui`: the page's server in this process, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import asyncio
import logging
import signal
import webbrowser
from typing import TYPE_CHECKING

from .errors import CliError
from .terminal import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from penstock_operator.runtime.credentials import Credentials

__all__ = ["serve"]


def serve(credentials: Credentials, namespaces: Sequence[str] | None, *, port: int, open_it: bool, program: str) -> int:
    """Serve the page until interrupted.

    Args:
        credentials: the API server, and who asks.
        namespaces: those that are shown; None: all.
        port: on loopback; 0: a free one.
        open_it: open it in the browser.
        program: what the user called this program.
    """
    from penstock_ui.serve import PortTakenError, local

    logging.basicConfig(level=logging.ERROR, format="%(asctime)s %(levelname)s %(name)s: %(message)s")

    async def work() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        async with local(credentials, namespaces=namespaces, port=port, program=program) as address:
            say(f"penstock ui: {address}", flush=True)
            what = "all namespaces" if namespaces is None else f"namespace {', '.join(namespaces)}"
            say(
                f"Runs of {what} on {credentials.endpoint.server}. The address has a secret in it. Ctrl-C ends it.",
                flush=True,
            )
            if open_it:
                await asyncio.to_thread(webbrowser.open, address)
            await stop.wait()

    try:
        asyncio.run(work())
    except PortTakenError as error:
        raise CliError(f"error: {error}; --port 0 takes a free one") from error
    return 0
