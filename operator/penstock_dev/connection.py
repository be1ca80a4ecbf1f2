"""How to reach an API server: address, trust and credentials, read from a kubeconfig.

The everyday kubeconfig (one file; a token, a client certificate or nothing) is read here, in a few milliseconds. Anything richer
(exec plugins, auth providers, several files merged) goes through the `kubernetes` package's loader, which is imported only then:
it costs half a second. Neighbours: the development node and the `penstock` command both make their HTTP clients from a `Connection`.
"""

from __future__ import annotations

import base64
import binascii
import os
import ssl
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Connection", "KubeconfigError", "kubeconfig_path", "load", "write_kubeconfig"]


class KubeconfigError(Exception):
    """There is no usable kubeconfig; the message says which file and what to do."""


def _anonymous() -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class Connection:
    """Everything an HTTP client needs to talk to one API server.

    Attributes:
        server: base URL, without a slash at the end.
        namespace: the context's namespace.
        ca: PEM of the certificate authorities to trust; None trusts the system's.
        insecure: the server's certificate is not checked (`insecure-skip-tls-verify`).
        certificate: PEM of the client's certificate and key, if it identifies itself that way.
        authorization: returns the value of the Authorization header; called for every request, for tokens may be renewed.
    """

    server: str
    namespace: str = "default"
    ca: str | None = None
    insecure: bool = False
    certificate: tuple[str, str] | None = field(default=None, repr=False)
    authorization: Callable[[], str | None] = field(default=_anonymous, repr=False)

    def headers(self) -> dict[str, str]:
        """Return the headers that identify the client."""
        value = self.authorization()
        return {} if value is None else {"Authorization": value}

    def ssl_context(self) -> ssl.SSLContext | None:
        """Return what TLS needs, or None for plain HTTP."""
        if not self.server.startswith("https:"):
            return None
        if self.insecure:
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        else:
            context = ssl.create_default_context(cadata=self.ca)
        if self.certificate is not None:
            _load_certificate(context, self.certificate)
        return context


def _load_certificate(context: ssl.SSLContext, certificate: tuple[str, str]) -> None:
    """Give a certificate to a context; the ssl module reads files only, so it passes through one that nobody else may read."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "client.pem"
        path.touch(mode=0o600)
        path.write_text("\n".join(certificate))
        context.load_cert_chain(path)


def kubeconfig_path(environ: Mapping[str, str], home: Path) -> str:
    """Return what `kubectl` would read: KUBECONFIG (perhaps several files), else `~/.kube/config`."""
    return environ.get("KUBECONFIG") or str(home / ".kube" / "config")


def load(
    environ: Mapping[str, str] | None = None, *, path: str | None = None, context: str | None = None
) -> Connection:
    """Read the kubeconfig and return how to reach its current cluster.

    Args:
        environ: where KUBECONFIG is looked up; the process's environment by default.
        path: a kubeconfig file, instead of the environment's.
        context: the context to use, instead of the file's current one.

    Raises:
        KubeconfigError: no such file, unreadable, or nothing in it to use.
    """
    where = path or kubeconfig_path(os.environ if environ is None else environ, Path.home())
    files = [Path(part) for part in where.split(os.pathsep) if part]
    existing = [file for file in files if file.is_file()]
    if not existing:
        raise KubeconfigError(
            f"no kubeconfig: {where} does not exist. Set KUBECONFIG (`penstock dev` prints the line), or pass --kubeconfig"
        )
    if len(existing) > 1:
        return _load_with_kubernetes(where, context)
    try:
        document = yaml.load(existing[0].read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (OSError, yaml.YAMLError) as error:
        raise KubeconfigError(f"cannot read the kubeconfig {existing[0]}: {error}") from error
    if not isinstance(document, dict):
        raise KubeconfigError(f"the kubeconfig {existing[0]} is not a mapping (is it empty?)")
    return _from_document(document, existing[0], context)


def _named(document: Mapping[str, Any], section: str, key: str, name: str, source: Path) -> Mapping[str, Any]:
    for entry in document.get(section) or []:
        if entry.get("name") == name:
            found: Mapping[str, Any] = entry.get(key) or {}
            return found
    raise KubeconfigError(f"the kubeconfig {source} has no entry {name!r} under {section}")


def _from_document(document: Mapping[str, Any], source: Path, context: str | None) -> Connection:
    name = context or document.get("current-context")
    if not name:
        raise KubeconfigError(
            f"the kubeconfig {source} has no current-context; choose one: kubectl config use-context NAME"
        )
    chosen = _named(document, "contexts", "context", name, source)
    cluster = _named(document, "clusters", "cluster", chosen.get("cluster", ""), source)
    user = _named(document, "users", "user", chosen["user"], source) if chosen.get("user") else {}
    if any(key in user for key in ("exec", "auth-provider")) or "tls-server-name" in cluster or "proxy-url" in cluster:
        return _load_with_kubernetes(str(source), context)
    if not cluster.get("server"):
        raise KubeconfigError(f"the kubeconfig {source} has no server for the cluster {chosen.get('cluster')!r}")
    certificate = _text(user, "client-certificate", source)
    key = _text(user, "client-key", source)
    return Connection(
        server=str(cluster["server"]).rstrip("/"),
        namespace=chosen.get("namespace") or "default",
        ca=_text(cluster, "certificate-authority", source),
        insecure=bool(cluster.get("insecure-skip-tls-verify")),
        certificate=(certificate, key) if certificate and key else None,
        authorization=_authorization(user, source),
    )


def _text(entry: Mapping[str, Any], key: str, source: Path) -> str | None:
    """Return a PEM given inline (`<key>-data`, base64) or as a file beside the kubeconfig."""
    try:
        if inline := entry.get(f"{key}-data"):
            return base64.b64decode(inline).decode()
        if file := entry.get(key):
            return (source.parent / str(file)).read_text()
    except (OSError, ValueError, binascii.Error) as error:
        raise KubeconfigError(f"cannot read {key} of the kubeconfig {source}: {error}") from error
    return None


def _authorization(user: Mapping[str, Any], source: Path) -> Callable[[], str | None]:
    if file := user.get("tokenFile"):
        path = source.parent / file
        return lambda: f"Bearer {path.read_text().strip()}"
    if token := user.get("token"):
        return lambda: f"Bearer {token}"
    if name := user.get("username"):
        basic = base64.b64encode(f"{name}:{user.get('password', '')}".encode()).decode()
        return lambda: f"Basic {basic}"
    return _anonymous


def _load_with_kubernetes(where: str, context: str | None) -> Connection:
    from kubernetes import client, config

    configuration = client.Configuration()
    try:
        config.load_kube_config(config_file=where, context=context, client_configuration=configuration)  # type: ignore[no-untyped-call]
        contexts, current = config.list_kube_config_contexts(config_file=where)  # type: ignore[no-untyped-call]
    except config.ConfigException as error:
        raise KubeconfigError(f"cannot use the kubeconfig {where}: {error}") from error
    chosen = next((entry for entry in contexts if entry["name"] == context), current)

    def read(path: str | None) -> str | None:
        return Path(path).read_text() if path else None

    certificate, key = read(configuration.cert_file), read(configuration.key_file)
    return Connection(
        server=str(configuration.host).rstrip("/"),
        namespace=chosen["context"].get("namespace") or "default",
        ca=read(configuration.ssl_ca_cert),
        insecure=not configuration.verify_ssl,
        certificate=(certificate, key) if certificate and key else None,
        authorization=lambda: configuration.get_api_key_with_prefix("authorization"),
    )


def write_kubeconfig(path: Path, document: Mapping[str, Any]) -> None:
    """Write a kubeconfig that only its owner can read, replacing an older one at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        yaml.safe_dump(document, file, sort_keys=False)
    draft.replace(path)
