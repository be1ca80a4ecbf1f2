"""The embedded control plane's public face: start it, stop it, and how clients reach it.

`ApiServer` ties the rooms of this package together (store, kinds, verbs, HTTP) and owns their lifetime. It listens on loopback only,
over TLS (kubectl sends a token over nothing else), and answers 401 without its bearer token or a token of one of its ServiceAccounts.
Everything it knows is in memory; with `data` it also writes every change down and reads it again at the next start. It runs no pods: a
node does, as a client.
"""

from __future__ import annotations

import base64
import random
import time
from typing import TYPE_CHECKING, Any

from aiohttp import web

from .admission import Admission
from .authorization import Authorizer
from .builtin import Builtin
from .controllers import Controllers
from .crds import Definitions
from .http import Http
from .kinds import Registry
from .persistence import Persistence, new_keys
from .store import Store
from .tokens import Tokens
from .verbs import Verbs, WriteOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from .logs import LogSource

__all__ = ["ApiServer"]

_LIFETIME_SECONDS = 10 * 365 * 86400


class ApiServer:
    """A Kubernetes API server in this process, for development.

    Args:
        port: TCP port on 127.0.0.1; 0 takes a free one.
        data: folder to keep objects in over a restart; None keeps them in memory only.
        crds: CustomResourceDefinition objects that are served from the start (created, or replaced when they differ).
        policies: ValidatingAdmissionPolicies of the project's own kinds, enforced; with them RBAC is enforced too, without any nobody is refused.
        objects: further objects that are there from the start (created, or replaced when they differ): accounts, roles, bindings.
        logs: where `pods/log` reads; None: every log is empty.
        clock: seconds since the epoch, as `time.time`.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        data: Path | None = None,
        crds: Iterable[Mapping[str, Any]] = (),
        policies: Sequence[Mapping[str, Any]] = (),
        objects: Iterable[Mapping[str, Any]] = (),
        logs: LogSource | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._wanted_port = port
        self._port = 0
        self._persistence = Persistence(data) if data is not None else None
        keys = self._persistence.keys(clock()) if self._persistence is not None else new_keys(clock())
        self._token = keys.token
        self._identity = keys.identity
        self._store = Store()
        if self._persistence is not None:
            self._persistence.load(self._store)
            self._persistence.follow(self._store)
        builtin = Builtin()
        registry = Registry()
        for resource in builtin.resources():
            registry.add(resource)
        source = random.SystemRandom()
        self._verbs = Verbs(self._store, registry, clock, source)
        Definitions(self._store, registry, builtin.metadata)
        self._controllers = Controllers(self._verbs, self.ca)
        self._given = [dict(one) for one in (*crds, *objects)]
        self._tokens = Tokens(keys.token, self._store, clock, keys.signing)
        authorizer = Authorizer(self._store) if policies else None
        admission = Admission(policies, authorizer) if authorizer is not None else None
        self._http = Http(
            self._verbs, builtin, self._tokens, logs, clock, lambda: source.uniform(1800, 3600), authorizer, admission
        )
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """The server's address, `https://127.0.0.1:<port>`; valid after `start`."""
        return f"https://127.0.0.1:{self._port}"

    @property
    def token(self) -> str:
        """The administrator's bearer token, made anew for every instance (kept with `data`)."""
        return self._token

    @property
    def ca(self) -> str:
        """PEM of the certificate that clients must trust: the server's own, made at start (kept with `data`)."""
        return self._identity.certificate

    def account_token(self, namespace: str, account: str) -> str:
        """Return a token of a ServiceAccount, for a program that lives as long as this server."""
        spec = {"expirationSeconds": _LIFETIME_SECONDS}
        return str(
            self._tokens.request(namespace, account, {"spec": spec}, self._verbs.random_name(16))["status"]["token"]
        )

    def kubeconfig(self, token: str = "", namespace: str = "default") -> dict[str, Any]:
        """Return a kubeconfig document (for `yaml.safe_dump` or `json.dump`) with one context.

        Args:
            token: whose it is; default: the administrator's.
            namespace: of the context.
        """
        ca = base64.b64encode(self.ca.encode()).decode()
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "penstock-dev",
            "clusters": [{"name": "penstock-dev", "cluster": {"server": self.url, "certificate-authority-data": ca}}],
            "users": [{"name": "penstock-dev", "user": {"token": token or self._token}}],
            "contexts": [
                {
                    "name": "penstock-dev",
                    "context": {"cluster": "penstock-dev", "user": "penstock-dev", "namespace": namespace},
                }
            ],
        }

    async def start(self) -> None:
        """Listen; returns when requests are answered.

        Raises:
            OSError: the port is taken.
            ApiError: one of the given definitions is refused.
        """
        self._install()
        self._controllers.start()
        self._runner = web.AppRunner(self._http.app, handler_cancellation=True, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._wanted_port, ssl_context=self._identity.context())
        await site.start()
        assert self._runner.addresses
        self._port = self._runner.addresses[0][1]

    def _install(self) -> None:
        """Write what was given, as an apply by this server's own manager."""
        options = WriteOptions(manager="penstock-dev", force=True)
        for one in self._given:
            resource = self._verbs.registry.by_kind(one["apiVersion"], one["kind"])
            if resource is None:
                raise ValueError(f"{one['apiVersion']} {one['kind']} is not served here")
            namespace, name = one["metadata"].get("namespace", ""), one["metadata"]["name"]
            self._verbs.patch(resource, namespace, name, "", "application/apply-patch+yaml", one, options)

    async def stop(self) -> None:
        """End all watches and follows, close the socket, flush `data`. Safe to call twice."""
        if self._runner is None:
            return
        runner, self._runner = self._runner, None
        self._http.end_streams()
        await runner.cleanup()
        await self._controllers.stop()
        if self._persistence is not None:
            self._persistence.close(self._store)
