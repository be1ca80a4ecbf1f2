"""A self-signed certificate for the loopback address, made at start.

kubectl sends its token over TLS only, and a newcomer's machine has neither a certificate nor, for sure, openssl. Python's standard
library can serve TLS but cannot make a key, so the few needed steps are here: a P-256 key, an ECDSA signature, and the DER of one
X.509 certificate. The key is for this server on 127.0.0.1 alone and leaves the process only into files of its owner.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import os
import secrets
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path

# The curve P-256 (FIPS 186-4, D.1.2.3); a is -3.
_P = 2**256 - 2**224 + 2**192 + 2**96 - 1
_N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
_EC_KEY, _CURVE, _ECDSA_SHA256 = "1.2.840.10045.2.1", "1.2.840.10045.3.1.7", "1.2.840.10045.4.3.2"
_LIFETIME = dt.timedelta(days=365)

Point = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate and its key, PEM."""

    certificate: str
    key: str

    def context(self) -> ssl.SSLContext:
        """Return the TLS context of a server with this identity."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.TemporaryDirectory() as folder:  # readable by its owner only
            path = Path(folder) / "identity.pem"
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(self.key + self.certificate)
            context.load_cert_chain(path)
        return context


def make_identity(now: float) -> Identity:
    """Return a fresh identity for 127.0.0.1, ::1 and localhost, valid for a year from `now` (seconds since the epoch)."""
    private = secrets.randbelow(_N - 1) + 1
    public = _multiply(private, _G)
    point = b"\x04" + public[0].to_bytes(32) + public[1].to_bytes(32)
    body = _certificate_body(point, dt.datetime.fromtimestamp(now, dt.UTC))
    certificate = _sequence(body, _algorithm(_ECDSA_SHA256), _bits(_signature(private, body)))
    key = _sequence(
        _integer(1), _tagged(0x04, private.to_bytes(32)), _tagged(0xA0, _oid(_CURVE)), _tagged(0xA1, _bits(point))
    )
    return Identity(_pem("CERTIFICATE", certificate), _pem("EC PRIVATE KEY", key))


def _certificate_body(point: bytes, now: dt.datetime) -> bytes:
    name = _sequence(_tagged(0x31, _sequence(_oid("2.5.4.3"), _tagged(0x0C, b"penstock-dev"))))
    validity = _sequence(_time(now - dt.timedelta(hours=1)), _time(now + _LIFETIME))
    key_id = hashlib.sha1(point, usedforsecurity=False).digest()  # RFC 5280 4.2.1.2, method 1
    names = (_tagged(0x87, bytes([127, 0, 0, 1])), _tagged(0x87, bytes(15) + b"\x01"), _tagged(0x82, b"localhost"))
    extensions = _sequence(
        _extension("2.5.29.19", _sequence(_tagged(0x01, b"\xff")), critical=True),  # basicConstraints: a CA (its own)
        _extension("2.5.29.15", _tagged(0x03, b"\x02\x84"), critical=True),  # keyUsage: digitalSignature, keyCertSign
        _extension("2.5.29.37", _sequence(_oid("1.3.6.1.5.5.7.3.1"))),  # extKeyUsage: serverAuth
        _extension("2.5.29.17", _sequence(*names)),  # subjectAltName
        _extension("2.5.29.14", _tagged(0x04, key_id)),  # subjectKeyIdentifier
        _extension("2.5.29.35", _sequence(_tagged(0x80, key_id))),  # authorityKeyIdentifier
    )
    return _sequence(
        _tagged(0xA0, _integer(2)),
        _integer(secrets.randbits(127)),
        _algorithm(_ECDSA_SHA256),
        name,
        validity,
        name,
        _sequence(_sequence(_oid(_EC_KEY), _oid(_CURVE)), _bits(point)),
        _tagged(0xA3, extensions),
    )


def _signature(private: int, message: bytes) -> bytes:
    digest = int.from_bytes(hashlib.sha256(message).digest())
    while True:
        nonce = secrets.randbelow(_N - 1) + 1
        r = _multiply(nonce, _G)[0] % _N
        s = pow(nonce, -1, _N) * (digest + r * private) % _N
        if r and s:
            return _sequence(_integer(r), _integer(s))


def _add(one: Point | None, two: Point | None) -> Point | None:
    if one is None or two is None:
        return one or two
    if one[0] == two[0]:
        if (one[1] + two[1]) % _P == 0:
            return None
        slope = (3 * one[0] * one[0] - 3) * pow(2 * one[1], -1, _P) % _P
    else:
        slope = (two[1] - one[1]) * pow(two[0] - one[0], -1, _P) % _P
    x = (slope * slope - one[0] - two[0]) % _P
    return x, (slope * (one[0] - x) - one[1]) % _P


def _multiply(scalar: int, point: Point) -> Point:
    result: Point | None = None
    addend: Point | None = point
    while scalar:
        if scalar & 1:
            result = _add(result, addend)
        addend = _add(addend, addend)
        scalar >>= 1
    assert result is not None
    return result


def _tagged(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes([tag, 0x80 | len(length)]) + length + content


def _sequence(*parts: bytes) -> bytes:
    return _tagged(0x30, b"".join(parts))


def _integer(value: int) -> bytes:
    return _tagged(0x02, value.to_bytes(value.bit_length() // 8 + 1))


def _bits(content: bytes) -> bytes:
    return _tagged(0x03, b"\x00" + content)


def _oid(text: str) -> bytes:
    first, second, *rest = (int(part) for part in text.split("."))
    out = bytearray([first * 40 + second])
    for value in rest:
        septets = [value & 0x7F]
        while value := value >> 7:
            septets.append(value & 0x7F | 0x80)
        out += bytes(reversed(septets))
    return _tagged(0x06, bytes(out))


def _algorithm(name: str) -> bytes:
    return _sequence(_oid(name))


def _time(moment: dt.datetime) -> bytes:
    return _tagged(0x17, moment.strftime("%y%m%d%H%M%SZ").encode())


def _extension(name: str, content: bytes, *, critical: bool = False) -> bytes:
    return _sequence(_oid(name), _tagged(0x01, b"\xff") if critical else b"", _tagged(0x04, content))


def _pem(label: str, der: bytes) -> str:
    text = base64.encodebytes(der).decode().replace("\n", "")
    lines = [text[i : i + 64] for i in range(0, len(text), 64)]
    return f"-----BEGIN {label}-----\n" + "\n".join(lines) + f"\n-----END {label}-----\n"
