"""`apply`: manifests become objects, by server-side apply; what the server refuses is told with file and line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock_operator.api.paths import NotANameError

from .api import ServerError
from .errors import CliError
from .kinds import kind_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .api import Api, Json
    from .kinds import Kind
    from .manifests import Manifest

__all__ = ["Applied", "apply"]

_MANAGER = {"fieldManager": "penstock", "fieldValidation": "Strict"}


@dataclass(frozen=True, slots=True)
class Applied:
    """An object after it was applied.

    Attributes:
        verb: created, configured or unchanged.
    """

    kind: Kind
    body: Json
    verb: str

    def __str__(self) -> str:
        return f"{self.kind.label(self.body['metadata']['name'])} {self.verb}"

    @property
    def told(self) -> tuple[str, str, str, Json]:
        """What `Output.told` takes."""
        return self.kind.label("").rstrip("/"), str(self.body["metadata"]["name"]), self.verb, self.body


def apply(api: Api, manifests: Sequence[Manifest], namespace: str | None) -> Iterator[Applied]:
    """Apply manifests in their order.

    Args:
        api: the API server.
        manifests: what to apply.
        namespace: for those that name none, and all must be in it when it is given; None: the kubeconfig's.

    Raises:
        CliError: the server refuses one; those before it are applied.
    """
    for manifest in manifests:
        own = manifest.body["metadata"].get("namespace")
        if namespace and own and own != namespace:
            raise CliError(
                f'error: {manifest.where}: the namespace from the provided object "{own}" does not match the namespace "{namespace}". '
                f"You must pass '--namespace={own}' to perform this operation."
            )
        try:
            yield _apply(api, manifest.body, own or namespace or api.namespace)
        except ServerError as error:
            raise CliError(f"{manifest.where}: {error}") from error
        except (CliError, NotANameError) as error:
            raise CliError(f"error: {manifest.where}: {error}") from error


def _apply(api: Api, body: Json, namespace: str) -> Applied:
    kind = kind_of(api, body)
    metadata = {**body["metadata"]} | ({"namespace": namespace} if kind.namespaced else {})
    body = {**body, "metadata": metadata}
    if "name" not in metadata:
        return Applied(kind, api.request("POST", kind.path(namespace), params=_MANAGER, body=body), "created")
    path = kind.path(namespace, metadata["name"])
    before = api.find(path)
    # Whoever applies wants what is in the file, whichever program wrote the field last.
    after = api.request(
        "PATCH", path, params={**_MANAGER, "force": "true"}, body=body, content_type="application/apply-patch+yaml"
    )
    if before is None:
        return Applied(kind, after, "created")
    same = before["metadata"]["resourceVersion"] == after["metadata"]["resourceVersion"]
    return Applied(kind, after, "unchanged" if same else "configured")
