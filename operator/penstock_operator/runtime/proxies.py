"""Which proxy leads to the API server, by the variables that client-go reads, and as it reads them.

`HTTPS_PROXY` and `HTTP_PROXY` by the server's scheme; `NO_PROXY` names hosts (`api.example`, with all below it; `.example` and
`*.example`, those below it only), addresses, ranges (`10.0.0.0/8`, `fd00::/8`), each but ranges with a port if wanted, and `*`. This
machine itself is never reached through one: `penstock dev` listens there. The rules are those of Go's `golang.org/x/net/http/httpproxy`;
neither aiohttp nor urllib knows ranges.

Pure. The engine has the same in `penstock.kube.proxies`: neither imports the other. Neighbours: `wire` and the command line ask.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

_PORTS = {"http": 80, "https": 443}


def proxy_for(server: str, environ: Mapping[str, str]) -> str | None:
    """Return the URL of the proxy to a server, or None: it is reached directly.

    Args:
        server: the server's base URL.
        environ: the variables.
    """
    parts = urlsplit(server)
    host = (parts.hostname or "").rstrip(".")
    proxy = _variable(environ, f"{parts.scheme}_proxy")
    if not proxy or not host or (parts.scheme == "http" and environ.get("REQUEST_METHOD")):
        # A CGI script's HTTP_PROXY is what a client wrote into its headers.
        return None
    port = parts.port or _PORTS[parts.scheme]
    if _is_here(host) or any(_covers(entry, host, port) for entry in _variable(environ, "no_proxy").split(",")):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def shown(proxy: str) -> str:
    """Write a proxy's URL without the password that may be in it."""
    parts = urlsplit(proxy)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _variable(environ: Mapping[str, str], name: str) -> str:
    return (environ.get(name.upper()) or environ.get(name) or "").strip()


def _is_here(host: str) -> bool:
    address = _address(host)
    return host == "localhost" if address is None else address.is_loopback


def _covers(entry: str, host: str, port: int) -> bool:
    """Whether an entry of NO_PROXY names the host."""
    entry = entry.strip().lower()
    if not entry or entry == "*":
        return entry == "*"
    address = _address(host)
    if "/" in entry:
        with contextlib.suppress(ValueError):
            return address is not None and address in ip_network(entry, strict=False)
    name, wanted = _split(entry)
    if wanted and wanted != str(port):
        return False
    named = _address(name)
    if named is not None or address is not None:
        return named == address
    name = name.removeprefix("*")
    return host.endswith(name) if name.startswith(".") else bool(name) and (host == name or host.endswith(f".{name}"))


def _split(entry: str) -> tuple[str, str]:
    """Split off the port; an IPv6 address has one only when it is in brackets."""
    if entry.startswith("["):
        name, _, rest = entry[1:].partition("]")
        return name, rest.removeprefix(":")
    name, colon, port = entry.rpartition(":")
    return (name, port) if colon and ":" not in name else (entry, "")


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(host)
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address
