"""`apply`: manifests become objects, by server-side apply; what the server refuses is told with file and line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock_operator.api.paths import NotANameError

from .api import ServerError
from .errors import CliError
from .kinds import NoKindError, kind_of

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


def apply(
    api: Api, manifests: Sequence[Manifest], namespace: str | None, *, dry_run: bool = False
) -> Iterator[Applied]:
    """Apply manifests in their order; what the server refuses of one keeps no other back, as kubectl has it.

    Args:
        api: the API server.
        manifests: what to apply.
        namespace: for those that name none, and all must be in it when it is given; None: the kubeconfig's.
        dry_run: the server only checks them, and says what they would become.

    Raises:
        CliError: the server refuses one, or several: at the end; it cannot be reached: at once.
    """
    refusals: list[str] = []
    for manifest in manifests:
        own = manifest.body["metadata"].get("namespace")
        if namespace and own and own != namespace:
            refusals.append(
                f'error: {manifest.where}: the namespace from the provided object "{own}" does not match the namespace "{namespace}". '
                f"You must pass '--namespace={own}' to perform this operation."
            )
            continue
        try:
            applied = _apply(api, manifest.body, own or namespace or api.namespace, dry_run)
        except ServerError as error:
            refusals.append(f"{manifest.where}: {error}")
        except (NoKindError, NotANameError) as error:
            refusals.append(f"error: {manifest.where}: {error}")
        except CliError as error:
            raise CliError(f"error: {manifest.where}: {error}") from error
        else:
            yield applied
    if refusals:
        raise CliError("\n".join(refusals))


def _apply(api: Api, body: Json, namespace: str, dry_run: bool) -> Applied:
    kind = kind_of(api, body)
    metadata = {**body["metadata"]} | ({"namespace": namespace} if kind.namespaced else {})
    body = {**body, "metadata": metadata}
    params, beside = (_MANAGER | {"dryRun": "All"}, " (server dry run)") if dry_run else (_MANAGER, "")
    if "name" not in metadata:
        return Applied(kind, api.request("POST", kind.path(namespace), params=params, body=body), f"created{beside}")
    path = kind.path(namespace, metadata["name"])
    before = api.find(path)
    # Whoever applies wants what is in the file, whichever program wrote the field last.
    after = api.request(
        "PATCH", path, params={**params, "force": "true"}, body=body, content_type="application/apply-patch+yaml"
    )
    if before is None:
        return Applied(kind, after, f"created{beside}")
    # What is only tried has the version that is there.
    same = _content(before) == _content(after) if dry_run else _version(before) == _version(after)
    return Applied(kind, after, f"{'unchanged' if same else 'configured'}{beside}")


def _version(body: Json) -> str:
    return str(body["metadata"]["resourceVersion"])


def _content(body: Json) -> Json:
    """An object but for who wrote what of it, and when."""
    metadata = {
        key: value for key, value in body["metadata"].items() if key not in ("managedFields", "resourceVersion")
    }
    return {**body, "metadata": metadata}
