"""Where the API server is and how to prove who asks: kubeconfig with exec plugins, or the pod's own service account.

Order, as other controllers have it: `KUBECONFIG`, the service account of the pod, `~/.kube/config`. A kubeconfig that is one file with a
token or a client certificate is read here, which keeps the start fast and small; everything else (several files, exec plugins, auth
providers) goes through the `kubernetes` package's loader, imported only then. Tokens change while a process lives: they are asked for
again every minute, and at once after a 401. Neighbours: `client` and `session` make requests with what this module gives.
"""

from __future__ import annotations

import base64
import contextlib
import os
import ssl
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import NoClusterError
from .proxies import proxy_for

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
TOKEN_SECONDS = 60.0
_LIGHT_USER = {"token", "tokenFile", "client-certificate", "client-certificate-data", "client-key", "client-key-data"}
_LIGHT_CLUSTER = {
    "server",
    "certificate-authority",
    "certificate-authority-data",
    "insecure-skip-tls-verify",
    "proxy-url",
    "extensions",
}
_TEXTS = (_LIGHT_USER | _LIGHT_CLUSTER | {"cluster", "user", "namespace"}) - {
    "insecure-skip-tls-verify",
    "extensions",
}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An API server and what is trusted of it; certificates as PEM text."""

    server: str
    namespace: str
    ca: str | None = None
    insecure: bool = False
    certificate: str | None = None
    key: str | None = None
    proxy: str | None = None
    in_cluster: bool = False

    def proxy_by(self, environ: Mapping[str, str]) -> str | None:
        """Return the proxy that leads to the server: the kubeconfig's own, else that of the environment.

        None leads to the API server of the cluster that this pod runs in: its address is never beyond one.
        """
        return self.proxy or (None if self.in_cluster else proxy_for(self.server, environ))


class Credentials:
    """An endpoint and a token that is kept fresh. Safe to use from two threads.

    Args:
        endpoint: where the API server is.
        read_token: gives the present token, or None; may block (an exec plugin runs a program).
        blocking: whether `read_token` may take long enough to matter to an event loop.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        read_token: Callable[[], str | None],
        *,
        clock: Callable[[], float],
        blocking: bool = False,
    ) -> None:
        self.endpoint = endpoint
        self.blocking = blocking
        self._read_token = read_token
        self._clock = clock
        self._token: str | None = None
        self._read_at: float | None = None
        self._context: ssl.SSLContext | None = None
        self._lock = threading.Lock()

    @property
    def stale(self) -> bool:
        """Whether the next `token` reads it anew."""
        return self._read_at is None or self._clock() - self._read_at > TOKEN_SECONDS

    def token(self) -> str | None:
        """Return the bearer token, at most a minute old."""
        with self._lock:
            if self.stale:
                self._token = self._read_token()
                self._read_at = self._clock()
            return self._token

    def forget_token(self) -> None:
        """Read the token anew next time: the server refused it."""
        self._read_at = None

    def ssl_context(self) -> ssl.SSLContext | None:
        """Return the TLS settings, made once; None for plain HTTP."""
        if not self.endpoint.server.startswith("https:"):
            return None
        with self._lock:
            if self._context is None:
                self._context = _ssl_context(self.endpoint)
            return self._context


def load(
    environ: Mapping[str, str], *, clock: Callable[[], float], home: Path | None = None, context: str | None = None
) -> Credentials:
    """Find the API server.

    Args:
        environ: the process environment.
        clock: monotonic seconds.
        home: the user's home folder; default: the process's.
        context: the kubeconfig's context; default: its current one.

    Raises:
        NoClusterError: nothing is configured, or it can't be read; the message is one line.
    """
    configured = environ.get("KUBECONFIG", "")
    if configured:
        files = [Path(part) for part in configured.split(os.pathsep) if part]
        found = [file for file in files if file.is_file()]
        if not found:
            raise NoClusterError(f"KUBECONFIG is {configured!r}, but there is no such file")
        return _from_kubeconfig(found, clock, context)
    if "KUBERNETES_SERVICE_HOST" in environ:
        return _in_cluster(environ, clock)
    default = (home or Path.home()) / ".kube" / "config"
    if not default.is_file():
        raise NoClusterError(
            f"no API server to talk to: KUBECONFIG is not set, there is no {default}, and this is not a pod; "
            "run `penstock dev` for one on this machine, or point KUBECONFIG to a cluster's kubeconfig"
        )
    return _from_kubeconfig([default], clock, context)


def _in_cluster(environ: Mapping[str, str], clock: Callable[[], float]) -> Credentials:
    host, port = environ["KUBERNETES_SERVICE_HOST"], environ.get("KUBERNETES_SERVICE_PORT", "443")
    token_file = SERVICE_ACCOUNT / "token"
    try:
        ca = (SERVICE_ACCOUNT / "ca.crt").read_text("ascii")
        token_file.read_text("ascii")
        namespace = (SERVICE_ACCOUNT / "namespace").read_text("utf-8").strip()
    except OSError as error:
        raise NoClusterError(
            f"this looks like a pod, but its service account can't be read ({error}): is automountServiceAccountToken false?"
        ) from error
    endpoint = Endpoint(
        server=f"https://{f'[{host}]' if ':' in host else host}:{port}", namespace=namespace, ca=ca, in_cluster=True
    )
    return Credentials(endpoint, _token_file(token_file), clock=clock)


def _from_kubeconfig(files: list[Path], clock: Callable[[], float], wanted: str | None) -> Credentials:
    if len(files) == 1:
        light = _light(files[0], clock, wanted)
        if light is not None:
            return light
    return _through_loader(files, clock, wanted)


def _light(file: Path, clock: Callable[[], float], wanted: str | None) -> Credentials | None:
    """Read a kubeconfig that needs no plugin; None if it says anything that this does not know."""
    from penstock_operator.manifests.documents import documents
    from penstock_operator.manifests.faults import Malformed

    try:
        document = next(documents(file.read_text("utf-8"))).value
        if wanted is not None and wanted not in (names := [str(each["name"]) for each in document["contexts"]]):
            raise NoClusterError(
                f"the kubeconfig {file} has no context {wanted!r}. It has {', '.join(names) or 'none'}"
            )
        context = _named(document["contexts"], wanted or document["current-context"])["context"]
        cluster = _named(document["clusters"], context["cluster"])["cluster"]
        user = _named(document["users"], context["user"]).get("user") or {}
    except OSError as error:
        raise NoClusterError(f"the kubeconfig {file} can't be read: {error}") from error
    except (Malformed, UnicodeDecodeError) as error:
        raise NoClusterError(f"the kubeconfig {file} can't be used: {' '.join(str(error).split())}") from error
    except (LookupError, TypeError, StopIteration):
        return None  # the loader's message is better than a guess
    _check_texts(file, context, cluster, user)
    if set(user) - _LIGHT_USER or set(cluster) - _LIGHT_CLUSTER or "server" not in cluster:
        return None
    folder = file.parent
    try:
        endpoint = Endpoint(
            server=str(cluster["server"]).rstrip("/"),
            namespace=context.get("namespace") or "default",
            ca=_pem(cluster, "certificate-authority", folder),
            insecure=bool(cluster.get("insecure-skip-tls-verify")),
            certificate=_pem(user, "client-certificate", folder),
            key=_pem(user, "client-key", folder),
            proxy=cluster.get("proxy-url") or None,
        )
    except (OSError, ValueError) as error:
        raise NoClusterError(f"the kubeconfig {file} names a certificate that can't be read: {error}") from error
    if "token" in user or "tokenFile" not in user:
        token = user.get("token")
        return Credentials(endpoint, lambda: token, clock=clock)
    return Credentials(endpoint, _token_file(folder / user["tokenFile"]), clock=clock)


def _check_texts(file: Path, *parts: Mapping[str, Any]) -> None:
    """Refuse what YAML takes for another thing than text, as kubectl does: a token of digits, a namespace `on`."""
    for part in parts:
        for name, value in part.items():
            if name in _TEXTS and value is not None and not isinstance(value, str):
                raise NoClusterError(
                    f"the kubeconfig {file} can't be used: {name} {value!r} is no text: put it in quotes"
                )


def _through_loader(files: list[Path], clock: Callable[[], float], wanted: str | None) -> Credentials:
    from kubernetes.client import Configuration
    from kubernetes.config import ConfigException, list_kube_config_contexts, load_kube_config

    configuration = Configuration()
    paths = os.pathsep.join(str(file) for file in files)
    try:
        load_kube_config(  # type: ignore[no-untyped-call]
            config_file=paths, context=wanted, client_configuration=configuration, persist_config=False
        )
        contexts, active = list_kube_config_contexts(config_file=paths)  # type: ignore[no-untyped-call]
        active = next((each for each in contexts if each["name"] == wanted), active)
        namespace = active["context"].get("namespace") or "default"
    except (TypeError, AttributeError) as error:
        raise NoClusterError(
            f"the kubeconfig {paths} can't be used: it is no mapping with clusters, users and contexts"
        ) from error
    except (ConfigException, OSError, ValueError, LookupError) as error:
        raise NoClusterError(f"the kubeconfig {paths} can't be used: {error}".replace("\n", " ")) from error
    if configuration.tls_server_name:
        raise NoClusterError(f"the kubeconfig {paths} sets tls-server-name, which this operator does not support")

    def read_token() -> str | None:
        # The loader hangs its refresh (exec plugin, auth provider) on this call; it runs the plugin only when the token has expired.
        # The key's name changed between its versions; below 36 it takes one at a time.
        headers = map(configuration.get_api_key_with_prefix, ("BearerToken", "authorization"))
        header: str | None = next(filter(None, headers), None)
        return header.removeprefix("Bearer ") if header else None

    def pem(path: str | None) -> str | None:
        return Path(path).read_text("ascii") if path else None

    try:
        endpoint = Endpoint(
            server=configuration.host.rstrip("/"),
            namespace=namespace,
            ca=pem(configuration.ssl_ca_cert),
            insecure=not configuration.verify_ssl,
            certificate=pem(configuration.cert_file),
            key=pem(configuration.key_file),
            proxy=configuration.proxy or None,
        )
    except OSError as error:
        raise NoClusterError(f"the kubeconfig {paths} names a certificate that can't be read: {error}") from error
    return Credentials(endpoint, read_token, clock=clock, blocking=True)


def _named(entries: list[dict[str, Any]], name: str) -> dict[str, Any]:
    for entry in entries:
        if entry["name"] == name:
            return entry
    raise KeyError(name)


def _pem(entry: Mapping[str, Any], name: str, folder: Path) -> str | None:
    """Return certificate or key as PEM: `NAME-data` holds it, `NAME` is a path from the kubeconfig's folder."""
    if data := entry.get(f"{name}-data"):
        return base64.b64decode(data).decode("ascii")
    if path := entry.get(name):
        return (folder / str(path)).read_text("ascii")
    return None


def _token_file(path: Path) -> Callable[[], str | None]:
    last: list[str] = []

    def read() -> str | None:
        # The kubelet swaps the folder: for a moment there may be nothing; the old token is good for longer than that.
        with contextlib.suppress(OSError):
            last[:] = [path.read_text("ascii").strip()]
        return last[0] if last else None

    return read


def _ssl_context(endpoint: Endpoint) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=endpoint.ca) if endpoint.ca else ssl.create_default_context()
    # Python 3.13 refuses what RFC 5280 asks of a certificate and many clusters' lack (an authority key identifier); client-go does not.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if endpoint.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if endpoint.certificate and endpoint.key:
        # The ssl module reads key pairs from files only; this one is private and lives for a moment.
        with tempfile.TemporaryDirectory(prefix="penstock-") as folder:
            pair = Path(folder) / "pair.pem"
            pair.touch(mode=0o600)
            pair.write_text(f"{endpoint.certificate}\n{endpoint.key}\n", "ascii")
            context.load_cert_chain(pair)
    return context
