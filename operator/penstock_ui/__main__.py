"""`python -m penstock_ui`: the page in the cluster, for everybody that the API server knows, until SIGTERM.

It has no rights: whom to trust as the API server is told by a certificate alone. Exit codes: 0 after a signal, 2 when there is nothing to
start with. On a person's own machine it is `penstock ui`.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import math
import os
import signal
import ssl
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web

from penstock_operator.api.names import LABEL
from penstock_operator.runtime import logs
from penstock_operator.runtime.credentials import SERVICE_ACCOUNT, Credentials, Endpoint

from .access import FRESH_SECONDS
from .client import Client
from .rights import BearerAccess
from .server import application
from .sites import MOST

__all__ = ["main", "options"]

_STOP_SECONDS = 2.0
# Tokens of some issuers hold all groups of a person.
_LONGEST_HEADER = 32_768
log = logging.getLogger("penstock_ui")


def options() -> argparse.ArgumentParser:
    """Return the command line."""
    parser = argparse.ArgumentParser(prog="python -m penstock_ui", description="The page of runs, in the cluster.")
    parser.add_argument("--host", default="", help="address to listen on (default: all)")
    parser.add_argument("--port", type=_port, default=8080, help="port to listen on (default: %(default)s)")
    parser.add_argument("--server", default="", help="URL of the API server (default: that of the pod's cluster)")
    parser.add_argument(
        "--certificate-authority", type=Path, default=SERVICE_ACCOUNT / "ca.crt", metavar="FILE",
        help="certificates that the API server's is signed by (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--namespace",
        action="append",
        type=_namespace,
        metavar="NAME",
        help="a namespace that is shown; may be repeated (default: all)",
    )
    parser.add_argument(
        "--most-people", type=_people, default=MOST, metavar="N",
        help="how many may look at a time; each has a list of their own in memory (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--recheck-seconds", type=_seconds, default=FRESH_SECONDS, metavar="N",
        help="how long an answer of the API server about rights counts: so long after one has ended, at most, a page still shows what it "
        "gave (default: %(default)g)",
    )  # fmt: skip
    parser.add_argument("--log-format", choices=("auto", "json", "text"), default="auto", help="default: %(default)s")
    parser.add_argument(
        "--log-level", choices=("debug", "info", "warning", "error"), default="info", help="default: %(default)s"
    )
    return parser


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text} is no port: 0 (a free one) to 65535")
    return int(text)


def _namespace(text: str) -> str:
    if (fault := LABEL.fault(text)) is not None:
        raise argparse.ArgumentTypeError(fault)
    return text


def _people(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text} is no number of people: 1 or more")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 1 <= seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is no time: 1 or more, in seconds")
    return seconds


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve with the given command line (default: the process's), and return the exit code."""
    given = options().parse_args(arguments)
    logs.setup(given.log_format, given.log_level, sys.stderr)
    try:
        endpoint = _endpoint(given.server, given.certificate_authority, os.environ)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"penstock_ui: {error}\n")
        return 2
    return asyncio.run(_serve(given, endpoint))


def _endpoint(server: str, authority: Path, environ: Mapping[str, str]) -> Endpoint:
    """Return where the API server is, without anything that proves who asks.

    Raises:
        ValueError: nothing says where it is.
        OSError: the certificates can't be read, or are none.
    """
    if not server:
        host, port = environ.get("KUBERNETES_SERVICE_HOST", ""), environ.get("KUBERNETES_SERVICE_PORT", "443")
        if not host:
            raise ValueError("this is no pod: name the API server with --server, or use `penstock ui` on your machine")
        server = f"https://{f'[{host}]' if ':' in host else host}:{port}"
    if not server.startswith("https://"):
        raise ValueError(f"--server {server}: tokens are sent to https:// only")
    try:
        parts = urlsplit(server)
        named = bool(parts.hostname) and parts.port != 0 and not (parts.query or parts.fragment or "@" in parts.netloc)
    except ValueError:
        named = False
    if not named:
        raise ValueError(f"--server {server}: an API server's URL is https://HOST:PORT")
    certificates = authority.read_text("ascii", "replace")
    try:
        ssl.create_default_context(cadata=certificates)
    except (ssl.SSLError, ValueError) as error:
        raise ValueError(f"--certificate-authority {authority}: it holds no certificates in PEM form") from error
    return Endpoint(server.rstrip("/"), "default", ca=certificates, in_cluster=True)


async def _serve(given: argparse.Namespace, endpoint: Endpoint) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    client = Client(Credentials(endpoint, lambda: None, clock=time.monotonic))
    fresh = given.recheck_seconds
    access = BearerAccess(client, fresh=fresh)
    namespaces = tuple(dict.fromkeys(given.namespace)) if given.namespace else None
    app = application(
        client,
        namespaces=namespaces,
        access=access,
        sign_in=access.by_token,
        most=given.most_people,
        fresh=fresh,
    )
    runner = web.AppRunner(
        app,
        access_log=None,
        shutdown_timeout=_STOP_SECONDS,
        handler_cancellation=True,
        max_field_size=_LONGEST_HEADER,
        max_line_size=_LONGEST_HEADER,
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, given.host or None, given.port)
        await site.start()
        ports = sorted({socket.getsockname()[1] for socket in getattr(site._server, "sockets", ())})
        log.info("serving on port %s, for the API server %s", ", ".join(map(str, ports)), endpoint.server)
        await stop.wait()
    except OSError as error:
        sys.stderr.write(f"penstock_ui: port {given.port} cannot be listened on: {error.strerror or error}\n")
        return 2
    finally:
        await runner.cleanup()
    return 0


if __name__ == "__main__":
    sys.exit(main())
