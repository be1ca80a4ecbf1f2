"""What kubeconfig files say: which server, as whom, in which namespace. Several files are merged as client-go merges them.

The first file that has an entry of a name, or a current context, wins; a file that does not exist counts as empty; relative
paths are relative to the file that says them. Pure but for reading the files and what they name; PyYAML is imported here only.
Neighbours: `execplugin` runs the programs that give tokens, `access` chooses between files and the pod's own account.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from penstock.kube.errors import NoAccessError

_UNKNOWN = {
    "auth-provider": "auth providers were removed from Kubernetes 1.26: use the provider's exec plugin",
    "username": "no API server takes passwords any more: use a token, a client certificate or an exec plugin",
    "as": "acting as another user is not supported here: use that user's own credentials",
}


@dataclass(frozen=True, slots=True)
class Login:
    """A context with what it names.

    Attributes:
        server: Base URL.
        namespace: Of the context, or ``default``.
        source: What is to be blamed: file and context.
        ca_file, ca_data: Certificates to trust.
        insecure: Whether none are checked.
        server_name: The certificate's name, where it is not the URL's.
        proxy: Of the cluster's entry.
        token, token_file: How the user proves who it is,
        certificate, key: ... or by a certificate, as PEM,
        exec: ... or by what a program gives; its entry.
        folder: Of the file that has the user.
        cluster_info: What an exec plugin may ask for.
    """

    server: str
    namespace: str = "default"
    source: str = ""
    ca_data: str = ""
    insecure: bool = False
    server_name: str = ""
    proxy: str = ""
    token: str = ""
    token_file: str = ""
    certificate: str = ""
    key: str = ""
    exec: Mapping[str, Any] | None = None
    folder: str = ""
    cluster_info: Mapping[str, Any] = field(default_factory=dict)


def load(paths: Sequence[str], context: str | None = None) -> Login:
    """Read the files and follow a context.

    Args:
        paths: Of the files, the first one first.
        context: Its name; None: the current one.

    Raises:
        NoAccessError: A file cannot be read, or lacks what it names; one line.
    """
    documents = [(path, _read(path)) for path in paths if os.path.exists(path)]
    shown = os.pathsep.join(path for path, _ in documents)
    if not documents:
        raise NoAccessError(f"there is no kubeconfig {os.pathsep.join(paths)}")
    name = context or next((str(d["current-context"]) for _, d in documents if d.get("current-context")), "")
    if not name:
        raise NoAccessError(
            f"the kubeconfig {shown} has no current-context: choose one by `kubectl config use-context NAME`"
        )
    _, chosen = _named(documents, "contexts", name, shown)
    cluster_at, cluster = _named(documents, "clusters", str(chosen.get("cluster") or ""), shown)
    user_at, user = _named(documents, "users", str(chosen["user"]), shown) if chosen.get("user") else ("", {})
    source = f"context {name} of the kubeconfig {shown}"
    for entry, why in _UNKNOWN.items():
        if user.get(entry):
            raise NoAccessError(f"{source}: the user's `{entry}`: {why}")
    server = str(cluster.get("server") or "").rstrip("/")
    if not server.startswith(("https://", "http://")):
        raise NoAccessError(f"{source}: the cluster's server is {server!r}, which is no URL")
    try:
        ca = _pem(cluster, "certificate-authority", cluster_at)
        certificate, key = _pem(user, "client-certificate", user_at), _pem(user, "client-key", user_at)
    except (OSError, ValueError) as error:
        raise NoAccessError(f"{source} names a certificate that cannot be read: {error}") from error
    if bool(certificate) != bool(key):
        raise NoAccessError(f"{source}: a client certificate needs its key, and a key its certificate")
    plugin = user.get("exec")
    return Login(
        server=server,
        namespace=str(chosen.get("namespace") or "default"),
        source=source,
        ca_data=ca,
        insecure=bool(cluster.get("insecure-skip-tls-verify")),
        server_name=str(cluster.get("tls-server-name") or ""),
        proxy=str(cluster.get("proxy-url") or ""),
        token=str(user.get("token") or ""),
        token_file=_beside(str(user["tokenFile"]), user_at) if user.get("tokenFile") else "",
        certificate=certificate,
        key=key,
        exec=plugin if isinstance(plugin, Mapping) else None,
        folder=os.path.dirname(os.path.abspath(user_at)) if user_at else "",
        cluster_info=_cluster_info(server, cluster, ca),
    )


def _read(path: str) -> Mapping[str, Any]:
    import yaml

    try:
        with open(path, encoding="utf-8") as file:
            document = yaml.load(file, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (OSError, UnicodeDecodeError) as error:
        raise NoAccessError(f"the kubeconfig {path} cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise NoAccessError(f"the kubeconfig {path} is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(document, Mapping | None):
        raise NoAccessError(f"the kubeconfig {path} is no kubeconfig: it is a {type(document).__name__}, not a mapping")
    return document or {}


def _named(
    documents: Sequence[tuple[str, Mapping[str, Any]]], kind: str, name: str, shown: str
) -> tuple[str, Mapping[str, Any]]:
    """The entry of that name, and the file that has it."""
    for path, document in documents:
        entries = document.get(kind)
        for entry in entries if isinstance(entries, list) else ():
            if isinstance(entry, Mapping) and str(entry.get("name")) == name:
                found = entry.get(kind[:-1])
                return path, found if isinstance(found, Mapping) else {}
    raise NoAccessError(f"the kubeconfig {shown} has no {kind[:-1]} {name!r}")


def _pem(entry: Mapping[str, Any], name: str, path: str) -> str:
    """A certificate or key: the data go before the file."""
    data = entry.get(f"{name}-data")
    if data:
        try:
            return base64.b64decode(str(data), validate=True).decode("ascii")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise ValueError(f"{name}-data: {error}") from error
    if not entry.get(name):
        return ""
    with open(_beside(str(entry[name]), path), encoding="ascii") as file:
        return file.read()


def _beside(named: str, path: str) -> str:
    return os.path.join(os.path.dirname(os.path.abspath(path)), named)


def _cluster_info(server: str, cluster: Mapping[str, Any], ca: str) -> Mapping[str, Any]:
    info = {
        "server": server,
        "tls-server-name": cluster.get("tls-server-name"),
        "insecure-skip-tls-verify": cluster.get("insecure-skip-tls-verify"),
        "certificate-authority-data": base64.b64encode(ca.encode()).decode() if ca else None,
        "proxy-url": cluster.get("proxy-url"),
    }
    for extension in cluster.get("extensions") or ():
        if isinstance(extension, Mapping) and extension.get("name") == "client.authentication.k8s.io/exec":
            info["config"] = extension.get("extension")
    return {name: value for name, value in info.items() if value}
