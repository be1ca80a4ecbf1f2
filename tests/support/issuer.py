"""A small OpenID Connect provider on loopback: whoever comes is the person that the test has set, without a question.

What a proxy and an API server ask of one: discovery, keys, authorization code, token, refresh. Codes are good once, refresh tokens again and again.
"""

from __future__ import annotations

import base64
import json
import secrets
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from penstock_dev.apiserver.certificates import make_identity
from tests.support.jwt import key_set, make_key, signed

__all__ = ["Issuer"]

CLIENT = "kubernetes"
SECRET = "of-the-client"


@dataclass
class Issuer:
    """Runs from `start()` to `stop()`.

    Attributes:
        folder: for its keys.
        person: e-mail address of whoever signs in now.
        lasts: seconds that an ID token is good.
        given: ID tokens, in order.
    """

    folder: Path
    person: str = "ann@example.com"
    lasts: int = 3600
    given: list[str] = field(default_factory=list)
    _codes: dict[str, dict[str, Any]] = field(default_factory=dict)
    _server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        """Its name."""
        assert self._server
        return f"https://localhost:{self._server.server_port}"

    @property
    def ca(self) -> Path:
        """What its certificate is signed by."""
        return self.folder / "issuer.crt"

    def start(self) -> Issuer:
        """Listen."""
        identity = make_identity(time.time())
        self.ca.write_text(identity.certificate)
        self._key = make_key(self.folder / "issuer.key")
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer._get(self)

            def do_POST(self) -> None:
                size = int(self.headers.get("Content-Length", "0"))
                issuer._post(self, {k: v[0] for k, v in parse_qs(self.rfile.read(size).decode()).items()})

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.socket = identity.context().wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def stop(self) -> None:
        """End it."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()

    def _get(self, asked: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(asked.path)
        query = {k: v[0] for k, v in parse_qs(parts.query).items()}
        if parts.path == "/.well-known/openid-configuration":
            _answer(asked, self._about())
        elif parts.path == "/keys":
            _answer(asked, key_set(self._key, "one"))
        elif parts.path == "/auth" and query.get("client_id") == CLIENT:
            code = secrets.token_hex(8)
            self._codes[code] = {"email": self.person, "nonce": query.get("nonce")}
            back = urlencode({"code": code, "state": query["state"]})
            asked.send_response(302)
            asked.send_header("Location", f"{query['redirect_uri']}?{back}")
            asked.end_headers()
        else:
            _answer(asked, {"error": "not_found"}, 404)

    def _post(self, asked: BaseHTTPRequestHandler, form: dict[str, str]) -> None:
        basic = base64.b64encode(f"{quote(CLIENT)}:{quote(SECRET)}".encode()).decode()
        by_form = (form.get("client_id"), form.get("client_secret")) == (CLIENT, SECRET)
        claims = self._codes.pop(form.get("code", ""), None) or self._codes.get(form.get("refresh_token", ""))
        if claims is None or not (by_form or asked.headers.get("Authorization") == f"Basic {basic}"):
            _answer(asked, {"error": "invalid_grant"}, 400)
            return
        again, now = secrets.token_hex(8), int(time.time())
        self._codes[again] = claims
        told = {
            "iss": self.url,
            "aud": CLIENT,
            "sub": claims["email"],
            "email_verified": True,
            "iat": now,
            "exp": now + self.lasts,
        }
        token = signed({**told, **{k: v for k, v in claims.items() if v}}, self._key, kid="one")
        self.given.append(token)
        _answer(
            asked,
            {
                "access_token": secrets.token_hex(16),
                "token_type": "Bearer",
                "expires_in": self.lasts,
                "id_token": token,
                "refresh_token": again,
            },
        )

    def _about(self) -> dict[str, Any]:
        return {
            "issuer": self.url, "authorization_endpoint": f"{self.url}/auth", "token_endpoint": f"{self.url}/token", "jwks_uri": f"{self.url}/keys",
            "response_types_supported": ["code"], "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["RS256"],
        }  # fmt: skip


def _answer(asked: BaseHTTPRequestHandler, body: dict[str, Any], status: int = 200) -> None:
    content = json.dumps(body).encode()
    asked.send_response(status)
    asked.send_header("Content-Type", "application/json")
    asked.send_header("Content-Length", str(len(content)))
    asked.end_headers()
    asked.wfile.write(content)
