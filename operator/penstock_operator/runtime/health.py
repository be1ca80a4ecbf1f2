"""Probes and metrics on one port, answered by threads: `/livez`, `/readyz`, `/metrics`.

Liveness is progress, not existence: the operator's event loop must answer a call, no worker may be stuck, runs that wait must be taken up,
and the watches must be heard of while the API server answers otherwise. A loop that is blocked can't say so itself, hence the threads.
Readiness: the caches are filled, the API server accepts the credentials and serves our kinds; a warm standby is ready too. Nothing runs
between two probes.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

PATIENCE_SECONDS = 0.8  # kubelets wait one second for a probe
LOOP_STUCK_SECONDS = 30.0
WORKER_STUCK_SECONDS = 300.0
NO_PROGRESS_SECONDS = 120.0  # more than one run may take
WATCH_SILENT_SECONDS = 300.0  # kopf opens a silent watch anew after 70 s


class Vitals(Protocol):
    """What the operator can tell about itself, from any thread."""

    def problem(self) -> str | None:
        """Return why it makes no progress; None: it does."""

    def readiness(self) -> tuple[bool, str]:
        """Return whether it is ready, and a word on it."""


class HealthServer:
    """Answers probes.

    Args:
        port: to listen on, all addresses; must not be 0.
        vitals: asked by each probe.
        registry: of the metrics.
        loop: the operator's, which must answer.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        port: int,
        vitals: Vitals,
        registry: CollectorRegistry,
        loop: asyncio.AbstractEventLoop,
        *,
        clock: Callable[[], float],
    ) -> None:
        self._vitals = vitals
        self._registry = registry
        self._pulse = Pulse(loop, clock)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                code, content_type, body = outer.answer(self.path.partition("?")[0])
                self.send_response(code)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Say nothing: probes come every few seconds."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True

        self._server = Server(("", port), Handler)
        self._stopping = False
        self._thread = threading.Thread(target=self._serve, name="health", daemon=True)

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Close the port."""
        self._stopping = True
        # The thread sleeps until somebody calls: `serve_forever` would wake up twice a second to see whether to stop.
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=0.2):
            self._thread.join(0.5)
        self._server.server_close()

    def _serve(self) -> None:
        while not self._stopping:
            self._server.handle_request()

    def answer(self, path: str) -> tuple[int, str, bytes]:
        """Return status, content type and body for a path."""
        text = "text/plain; charset=utf-8"
        if path == "/metrics":
            return 200, CONTENT_TYPE_LATEST, generate_latest(self._registry)
        if path in ("/livez", "/healthz"):
            problem = self._pulse.problem() or self._vitals.problem()
            return (200, text, b"ok\n") if problem is None else (503, text, f"{problem}\n".encode())
        if path == "/readyz":
            ready, word = self._vitals.readiness()
            return 200 if ready else 503, text, f"{word}\n".encode()
        return 404, text, b"/livez, /readyz, /metrics\n"


class Pulse:
    """Whether an event loop still answers: each question is a call to it; one that waits for too long is the answer.

    Args:
        loop: to be felt.
        clock: monotonic seconds.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Callable[[], float]) -> None:
        self._loop = loop
        self._clock = clock
        self._lock = threading.Lock()
        self._asked: tuple[float, Future[None]] | None = None

    def problem(self) -> str | None:
        """Ask, and return what is wrong, or None."""
        with self._lock:
            if self._asked is None or self._asked[1].done():
                answer: Future[None] = Future()
                self._asked = (self._clock(), answer)
                try:
                    self._loop.call_soon_threadsafe(answer.set_result, None)
                except RuntimeError:
                    return "the event loop is closed"
            since, answer = self._asked
        try:
            answer.result(PATIENCE_SECONDS)
        except TimeoutError:
            age = self._clock() - since
            return f"the event loop has not answered for {age:.0f} s" if age > LOOP_STUCK_SECONDS else None
        return None
