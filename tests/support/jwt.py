"""JSON Web Tokens as an issuer signs them (RS256), with the openssl of this machine: no library for a few lines of tests."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

__all__ = ["key_set", "make_key", "signed"]


def make_key(path: Path) -> Path:
    """Make an RSA key."""
    subprocess.run(["openssl", "genrsa", "-out", str(path), "2048"], check=True, capture_output=True)
    return path


def signed(claims: dict[str, Any], key: Path, **header: str) -> str:
    """Return a token with these claims, signed with a key."""
    text = f"{_part(_json({'alg': 'RS256', 'typ': 'JWT', **header}))}.{_part(_json(claims))}"
    sign = ["openssl", "dgst", "-sha256", "-sign", str(key)]
    return f"{text}.{_part(subprocess.run(sign, input=text.encode(), check=True, capture_output=True).stdout)}"


def key_set(key: Path, name: str) -> dict[str, Any]:
    """Return the public half of a key, as an issuer publishes it."""
    asked = ["openssl", "rsa", "-in", str(key), "-noout", "-modulus"]
    modulus = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip().partition("=")[2]
    return {
        "keys": [
            {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": name, "n": _part(bytes.fromhex(modulus)), "e": "AQAB"}
        ]
    }


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def _part(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
