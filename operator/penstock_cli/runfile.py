"""`run-file`: a run of a script's flow as it is on this disk, without a Flow in the cluster; for the cluster of this machine, above all.

The script is read as `penstock build` reads it. One file goes into the run itself; several go into a ConfigMap that the run owns, so that it
goes when the run goes.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from penstock_operator.api import constants
from penstock_operator.api.execution import Execution

from . import parameters
from .api import ServerError
from .building import build
from .building_survey import Target
from .creating import LONGEST, Wish, start
from .errors import CliError
from .exits import Exit
from .kinds import CONFIGMAP, FLOWRUN
from .terminal import say

if TYPE_CHECKING:
    from .api import Api, Json
    from .starting import Options

__all__ = ["run_file"]

# Letters and digits that the API server takes for the names that it makes: no vowels, no words.
_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_RANDOM = 5
_FIELDS = frozenset(field.alias or name for name, field in Execution.model_fields.items())
_MERGE = "application/merge-patch+json"


def run_file(api: Api, place: str, options: Options, wish: Wish, *, timeout: float) -> Exit:
    """Create a run of a flow in a file; returns the exit code.

    Args:
        api: the API server.
        place: `FILE.py:flow`, or `FILE.py` where it has one flow.
        options: the run's.
        wish: how to make and tell it.
        timeout: seconds that importing the file may take.

    Raises:
        CliError: the file has no such flow, it does not fit into resources, a parameter is wrong, or the server refuses.
    """
    target = Target.parse(place)
    if target.file is None:
        raise CliError(
            f"error: {place} is no file: write FILE.py:flow. What is in an image is run by a Flow: penstock build {place} --image IMAGE",
            Exit.USAGE,
        )
    built = build(target, name=None, image=None, timeout=timeout)
    for note in built.notes:
        say(f"note: {place}: {note}", error=True)
    flow = str(built.flow["metadata"]["name"])
    spec: Json = {key: value for key, value in built.flow["spec"].items() if key in _FIELDS}
    schema = spec.get("parametersSchema")
    given = parameters.read(options.parameters, schema)
    parameters.check(f"flow {flow}", schema, spec.get("parameters") or {}, given)
    if options.name is None:
        # Known before the run is there: its files are called after it.
        options = replace(options, name=_name(options.prefix or flow), prefix=None)
    metadata = options.metadata(flow)
    body = {"metadata": metadata, "spec": {"flowSpec": spec, **options.spec(given)}}
    if built.config_map is None:
        return start(api, body, wish)
    name = f"{metadata['name']}-source"
    spec["source"] = {"configMap": {"name": name}}
    return _with_files(api, body, {**built.config_map, "metadata": {"name": name}}, wish)


def _with_files(api: Api, body: Json, files: Json, wish: Wish) -> Exit:
    path = CONFIGMAP.path(api.namespace, files["metadata"]["name"])
    dry: dict[str, str] = {"dryRun": "All"} if wish.dry_run else {}
    try:
        api.request("POST", CONFIGMAP.path(api.namespace), params=dry, body=files)
    except ServerError as error:
        if error.reason != "AlreadyExists":
            raise
        run, taken = body["metadata"]["name"], files["metadata"]["name"]
        raise CliError(
            f"error: the run's files would go into ConfigMap {taken}, and there is one (of an earlier run {run}?): choose another --name"
        ) from error
    try:
        return start(api, body, wish, made=lambda run: None if wish.dry_run else _own(api, path, run))
    except CliError:
        if not wish.dry_run and api.find(FLOWRUN.path(api.namespace, body["metadata"]["name"])) is None:
            _delete(api, path)
        raise


def _own(api: Api, path: str, run: Json) -> None:
    """Let the files go when the run goes."""
    owner: dict[str, Any] = {
        "apiVersion": constants.API_VERSION,
        "kind": FLOWRUN.kind,
        "name": run["metadata"]["name"],
        "uid": run["metadata"]["uid"],
    }
    api.request("PATCH", path, body={"metadata": {"ownerReferences": [owner]}}, content_type=_MERGE)


def _delete(api: Api, path: str) -> None:
    try:
        api.request("DELETE", path)
    except ServerError as error:
        say(f"note: {path.rpartition('/')[2]} is left over: {error.message}", error=True)


def _name(prefix: str) -> str:
    ending = "".join(secrets.choice(_LETTERS) for _ in range(_RANDOM))
    return f"{prefix[: LONGEST - _RANDOM - 1].rstrip('-.')}-{ending}"
