"""A page of one's own machine: on loopback, with a token in its address."""

from __future__ import annotations

import secrets
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import web

from .access import LocalAccess
from .client import Client
from .server import application

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from penstock_operator.runtime.credentials import Credentials

__all__ = ["LOOPBACK", "PortTakenError", "local"]

LOOPBACK = "127.0.0.1"
_STOP_SECONDS = 1.0


class PortTakenError(Exception):
    """The port cannot be listened on; the message says why."""


@asynccontextmanager
async def local(
    credentials: Credentials, *, namespaces: Sequence[str] | None, port: int = 0, program: str = "penstock"
) -> AsyncIterator[str]:
    """Serve the page while the block lasts, and give its address.

    Args:
        credentials: the API server, and the person who looks.
        namespaces: those that are shown; None: all.
        port: on 127.0.0.1; 0: a free one.
        program: what commands to copy begin with.

    Raises:
        PortTakenError: the port cannot be listened on.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOOPBACK, port))
        except OSError as error:
            raise PortTakenError(f"port {port} of {LOOPBACK} cannot be listened on: {error.strerror}") from error
        number = int(listener.getsockname()[1])
        token = secrets.token_urlsafe(24)
        client = Client(credentials)
        access = LocalAccess(client, token, number)
        app = application(client, namespaces=namespaces, access=access, program=program, owner=access.owner)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=_STOP_SECONDS, handler_cancellation=True)
        await runner.setup()
        try:
            await web.SockSite(runner, listener).start()
            yield f"http://{LOOPBACK}:{number}/?token={token}"
        finally:
            await runner.cleanup()
    finally:
        listener.close()
