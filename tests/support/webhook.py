"""An admission webhook on loopback, with a certificate of its own: it allows, denies or does not answer, as it is told."""

from __future__ import annotations

import base64
import json
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class Webhook:
    """Serves from its construction to `stop`.

    Args:
        folder: for its certificate.

    Attributes:
        answers: by path: a message (denied), None (allowed), or an Event to wait for (no answer until then).
        asked: the Events that somebody waits for, or has waited for.
    """

    def __init__(self, folder: Path) -> None:
        key, certificate = folder / "webhook.key", folder / "webhook.crt"
        subprocess.run(
            [
                "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=webhook",
                "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate),
            ],
            check=True,
            capture_output=True,
        )  # fmt: skip
        self.answers: dict[str, str | threading.Event | None] = {}
        self.asked: set[threading.Event] = set()
        self._ca = base64.b64encode(certificate.read_bytes()).decode()
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                body = json.dumps(hook.review(self.path.partition("?")[0], review)).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                """A server that gave up waiting."""

        self._server = Server(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def review(self, path: str, review: dict[str, Any]) -> dict[str, Any]:
        """The answer to a question."""
        told = self.answers.get(path)
        if isinstance(told, threading.Event):
            self.asked.add(told)
            told.wait(30)
            told = None
        response: dict[str, Any] = {"uid": review["request"]["uid"], "allowed": told is None}
        if told is not None:
            response["status"] = {"message": told}
        return {"apiVersion": review["apiVersion"], "kind": review["kind"], "response": response}

    def configuration(self, path: str, namespace: str, seconds: int = 1) -> dict[str, Any]:
        """A ValidatingWebhookConfiguration that asks at a path about pods of a namespace, and waits so long for an answer."""
        hook = {
            "name": f"{path.strip('/')}.example.com",
            "clientConfig": {"url": f"https://127.0.0.1:{self._server.server_port}{path}", "caBundle": self._ca},
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
            "timeoutSeconds": seconds,
        }
        return {"metadata": {"name": path.strip("/")}, "webhooks": [hook]}

    def stop(self) -> None:
        """Let everybody go."""
        for told in self.answers.values():
            if isinstance(told, threading.Event):
                told.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
