"""Which API server, and as whom: the pod's own account in a pod, else a kubeconfig.

Order: in the pod of a FlowRun its own account; `KUBECONFIG`; the account of whatever pod this is; `~/.kube/config`. Neighbours:
`kubeconfig` reads files, `execplugin` runs programs, `client` sends with what is found here.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock.kube import kubeconfig
from penstock.kube.client import Trust, tls_context
from penstock.kube.credentials import FixedToken, TokenFile, TokenSource
from penstock.kube.errors import NoAccessError
from penstock.kube.execplugin import ExecToken
from penstock.kube.proxies import proxy_for

if TYPE_CHECKING:
    import ssl

SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"


@dataclass(frozen=True, slots=True)
class Access:
    """The way to an API server.

    Attributes:
        server: Base URL.
        namespace: Where objects are, unless somebody says otherwise.
        token: Where the bearer token comes from.
        trust: Certificates of both sides.
        proxy: URL of the proxy that leads there, if one does.
        source: Where this was found, for people.
        in_pod: Whether this is the pod of a FlowRun.
    """

    server: str
    namespace: str
    token: TokenSource
    trust: Trust
    proxy: str | None = None
    source: str = ""
    in_pod: bool = False


def find(environ: Mapping[str, str], home: str | None = None, account: str = SERVICE_ACCOUNT) -> Access:
    """Find the API server.

    Args:
        environ: The process's environment.
        home: The user's folder; default: that of the environment.
        account: Folder of the pod's service account.

    Raises:
        NoAccessError: Nothing is configured, or it cannot be used; one line that says what to do.
    """
    if environ.get("PENSTOCK_FLOWRUN") and environ.get("PENSTOCK_NAMESPACE"):
        return _in_pod(environ, account)
    configured = [part for part in environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    if configured:
        return from_login(kubeconfig.load(configured), environ)
    if environ.get("KUBERNETES_SERVICE_HOST") and os.path.exists(f"{account}/token"):
        return _in_pod(environ, account)
    default = os.path.join(home or os.path.expanduser("~"), ".kube", "config")
    if os.path.exists(default):
        return from_login(kubeconfig.load([default]), environ)
    raise NoAccessError(
        f"no API server to talk to: KUBECONFIG is not set, there is no {default}, and this is no pod; point KUBECONFIG to a "
        "cluster's kubeconfig, or run `penstock dev` for a cluster on this machine"
    )


def _in_pod(environ: Mapping[str, str], account: str) -> Access:
    host, port = environ.get("KUBERNETES_SERVICE_HOST", ""), environ.get("KUBERNETES_SERVICE_PORT", "443")
    own = f"https://{f'[{host}]' if ':' in host else host}:{port}" if host else ""
    server = environ.get("PENSTOCK_API_SERVER") or own
    if not server:
        raise NoAccessError("this is a pod, but KUBERNETES_SERVICE_HOST is not set: no API server is known")
    namespace = environ.get("PENSTOCK_NAMESPACE") or ""
    if not namespace:
        with contextlib.suppress(OSError), open(f"{account}/namespace", encoding="utf-8") as file:
            namespace = file.read().strip()
    return Access(
        server=server,
        namespace=namespace or "default",
        token=TokenFile(environ.get("PENSTOCK_TOKEN_FILE") or f"{account}/token"),
        trust=Trust(ca_file=environ.get("PENSTOCK_CA_FILE") or f"{account}/ca.crt"),
        # The server of the cluster that this pod runs in is never beyond a proxy.
        proxy=proxy_for(server, environ) if environ.get("PENSTOCK_API_SERVER") else None,
        source="the ServiceAccount of this pod",
        in_pod=bool(environ.get("PENSTOCK_FLOWRUN")),
    )


def from_login(login: kubeconfig.Login, environ: Mapping[str, str]) -> Access:
    """Make of a kubeconfig's context what requests need.

    Raises:
        NoAccessError: Its certificates cannot be used.
    """
    trust = Trust(ca_data=login.ca_data, insecure=login.insecure, server_name=login.server_name)
    token: TokenSource = FixedToken(login.token or None)
    if login.token_file and not login.token:
        token = TokenFile(login.token_file)
    if login.server.startswith("https:") and (login.certificate or login.exec):
        context = _usable(login, trust)
        trust = Trust(server_name=login.server_name, context=context)
        if login.exec:
            token = ExecToken(login, lambda certificate, key: present(context, certificate, key), time.time)
    elif login.exec:
        token = ExecToken(login, lambda certificate, key: None, time.time)
    return Access(
        server=login.server,
        namespace=login.namespace,
        token=token,
        trust=trust,
        proxy=login.proxy or proxy_for(login.server, environ),
        source=login.source,
    )


def _usable(login: kubeconfig.Login, trust: Trust) -> ssl.SSLContext:
    try:
        context = tls_context(trust)
        if login.certificate:
            present(context, login.certificate, login.key)
    except (OSError, ValueError) as error:  # ssl's errors are OSErrors
        raise NoAccessError(f"{login.source}: its certificates cannot be used: {error}") from error
    return context


def present(context: ssl.SSLContext, certificate: str, key: str) -> None:
    """Let new connections show a client certificate. OpenSSL reads it from files only: one, of this user, for a moment."""
    descriptor, path = tempfile.mkstemp(prefix="penstock-", suffix=".pem")
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{certificate.rstrip()}\n{key.rstrip()}\n")
        context.load_cert_chain(path)
    finally:
        os.unlink(path)
