"""What pods take from the API server: ConfigMaps, Secrets and tokens. Fetched live; nothing is kept."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock_operator.api.paths import NotANameError, path

from .client import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .client import Client, Json

__all__ = ["Bundle", "Missing", "Sources", "Token"]

# Published into every namespace by the controller manager; a control plane without one does not have it.
_ROOT_CA = "kube-root-ca.crt"


class Missing(Exception):  # noqa: N818 - it heals when the object appears
    """A ConfigMap, Secret or key that does not exist (yet); the message is a kubelet's."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """The data of a ConfigMap or Secret; `immutable` ones need never be read again."""

    data: Mapping[str, bytes]
    immutable: bool


@dataclass(frozen=True, slots=True)
class Token:
    """A ServiceAccount's token and for how many seconds it is good."""

    value: str
    seconds: int


class Sources:
    """Reads ConfigMaps and Secrets and asks for tokens, for pods of one node.

    Args:
        client: the API server's client.
        ca: PEM of the API server's certificate authority, for namespaces that do not publish it; None for plain HTTP.
    """

    def __init__(self, client: Client, ca: str | None) -> None:
        self._client = client
        self._ca = ca

    async def config_map(self, namespace: str, name: str) -> Bundle:
        """Return a ConfigMap's data. Raises Missing when it does not exist."""
        try:
            found = await self._get(namespace, "configmaps", "configmap", name)
        except Missing:
            if name != _ROOT_CA:
                raise
            found = {}
        data = {key: value.encode() for key, value in (found.get("data") or {}).items()}
        if name == _ROOT_CA and not data.get("ca.crt"):
            data["ca.crt"] = (self._ca or "").encode()
        return Bundle({**data, **_decoded(found.get("binaryData"))}, immutable=bool(found.get("immutable")))

    async def secret(self, namespace: str, name: str) -> Bundle:
        """Return a Secret's data. Raises Missing when it does not exist."""
        found = await self._get(namespace, "secrets", "secret", name)
        return Bundle(_decoded(found.get("data")), immutable=bool(found.get("immutable")))

    async def token(self, pod: Json, audience: str | None, seconds: int) -> Token:
        """Ask for a token of the pod's ServiceAccount that is bound to the pod: it dies with it."""
        metadata = pod["metadata"]
        account = pod["spec"].get("serviceAccountName") or "default"
        spec: dict[str, Any] = {
            "expirationSeconds": seconds,
            "boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": metadata["name"], "uid": metadata["uid"]},
        }
        if audience:
            spec["audiences"] = [audience]
        try:
            answer = await self._client.request(
                "POST",
                path("", "v1", "serviceaccounts", metadata["namespace"], account, "token"),
                body={"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec},
            )
        except ApiError as error:
            if error.status != 404:
                raise
            raise Missing(f'failed to fetch token: serviceaccounts "{account}" not found') from error
        return Token(answer["status"]["token"], int((answer.get("spec") or {}).get("expirationSeconds") or seconds))

    async def _get(self, namespace: str, plural: str, singular: str, name: str) -> Json:
        try:
            return await self._client.request("GET", path("", "v1", plural, namespace, name))
        except NotANameError as error:
            raise Missing(f'{singular} "{name}" not found') from error
        except ApiError as error:
            if error.status != 404:
                raise
            raise Missing(f'{singular} "{name}" not found') from error


def _decoded(data: Mapping[str, str] | None) -> dict[str, bytes]:
    return {key: base64.b64decode(value) for key, value in (data or {}).items()}
