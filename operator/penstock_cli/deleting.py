"""`delete`: objects by name or by their manifests, and the wait until they are gone."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from .absent import with_near
from .api import ServerError
from .errors import CliError
from .exits import Exit, worst
from .kinds import Target, kind_of, targets
from .manifests import read
from .terminal import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .api import Api, Json
    from .outputs import Output

__all__ = ["delete"]

_POLL_SECONDS = 0.2


def delete(
    api: Api,
    words: Sequence[str],
    files: Sequence[str],
    namespace: str,
    output: Output,
    *,
    missing_ok: bool,
    wait_for: bool,
) -> None:
    """Delete objects by name or by their manifests, and wait until they are gone; one that is not there keeps no other.

    Raises:
        CliError: one of them is not there, or the server refuses; those that it deletes are waited for all the same.
    """
    wanted: list[tuple[Target, str]] = []
    if files:
        for manifest in read(files):
            metadata = manifest.body["metadata"]
            if "name" not in metadata:
                raise CliError(f"error: {manifest.where}: what has a generateName has no name to delete it by")
            wanted.append(
                (Target(kind_of(api, manifest.body), metadata["name"]), metadata.get("namespace") or namespace)
            )
    elif words:
        wanted = [(target, namespace) for target in targets(api, words)]
    if not wanted or not all(target.name for target, _ in wanted):
        raise CliError(
            "error: resource(s) were provided, but no name was specified; use TYPE NAME, TYPE/NAME or -f FILE",
            Exit.USAGE,
        )
    gone = []
    refusals: list[ServerError] = []
    for target, where in wanted:
        path = target.kind.path(where, target.name)
        was: Json = {}
        try:
            if output.document:
                was = api.get(path)
            answer = api.request(
                "DELETE", path, body={"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}
            )
        except ServerError as error:
            if error.status != 404 or not missing_ok:
                refusals.append(with_near(api, target.kind, where, target.name, error))
            continue
        if output.kind:
            output.told(target.kind.label("").rstrip("/"), target.name, "deleted", was)
        else:
            label = target.kind.label(target.name).replace("/", ' "', 1)
            say(f'{label}" deleted')
        uid = (answer.get("metadata") or {}).get("uid") or (answer.get("details") or {}).get("uid")
        gone.append((path, uid))
    for path, uid in gone if wait_for else []:
        while (found := api.find(path)) is not None and found["metadata"]["uid"] == uid:
            time.sleep(_POLL_SECONDS)
    if refusals:
        raise CliError("\n".join(map(str, refusals)), worst([error.code for error in refusals]))
