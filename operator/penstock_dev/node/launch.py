"""From a container's spec to the process that stands in for it: command, environment, working directory, paths.

Reads ConfigMaps and Secrets that the environment needs, makes folders; starts nothing. What does not exist yet raises `Missing` and
heals; what can never work raises `StartError`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from . import environment
from .container import Launch, StartError
from .mounts import PathMap, expand
from .probe import liveness
from .surroundings import folder_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .client import Json
    from .surroundings import Surroundings
    from .volumes import Volumes

__all__ = ["prepare"]

_MESSAGE_PATH = "/dev/termination-log"
_TEMPORARY = "/tmp"


async def prepare(pod: Json, spec: Json, volumes: Volumes, folder: Path, around: Surroundings) -> Launch:
    """Return all that is needed to start a container.

    Args:
        pod: the pod.
        spec: the container's spec.
        volumes: the pod's volumes, set up.
        folder: the pod's own folder.
        around: the node.

    Raises:
        Missing: a ConfigMap, Secret or key that it needs does not exist (yet).
        StartError: it can never start like this.
    """
    if not spec.get("command"):
        raise StartError("no command specified: penstock dev ignores images, and with them the command that they bring")
    own = folder / "c" / spec["name"]
    scratch = own / "tmp"
    scratch.mkdir(parents=True, exist_ok=True)
    message_file = own / "termination-log"
    given = environment.base(around.server, str(scratch))
    variables = await environment.resolve(pod, spec, around.sources, around.host, given)
    mounted = _mounted(spec, volumes, variables)
    paths = PathMap({**mounted, spec.get("terminationMessagePath") or _MESSAGE_PATH: str(message_file)})
    if temporary := paths.host(_TEMPORARY):
        variables |= {name: temporary for name in ("HOME", "TMPDIR") if variables[name] == str(scratch)}
    defaults = {
        "PENSTOCK_RUN_DIR": str(own / "run"),
        **environment.engine_paths(around.server, paths, str(message_file), tls=around.server.startswith("https:")),
    }
    command = [expand(part, variables) for part in [*spec["command"], *(spec.get("args") or [])]]
    # What the node itself set holds paths of this machine already.
    written = {
        name: paths.rewrite(value)
        for name, value in variables.items()
        if given.get(name) != value and value != temporary
    }
    return Launch(
        command=[paths.rewrite(part) for part in command],
        environment={**defaults, **variables, **written},
        directory=_directory(spec.get("workingDir"), paths, around.workdir),
        log=around.logs.path(pod["metadata"]["uid"], spec["name"], 0),
        message_file=message_file,
        fallback=spec.get("terminationMessagePolicy") == "FallbackToLogsOnError",
        mark=f"{around.mark}.{folder_name(pod['metadata']['uid'])}.{spec['name']}.",
        liveness=liveness(spec, paths.rewrite),
    )


def _mounted(spec: Json, volumes: Volumes, variables: Mapping[str, str]) -> dict[str, str]:
    paths = {}
    for mount in spec.get("volumeMounts") or []:
        try:
            source = volumes.path(mount["name"])
        except KeyError:
            raise StartError(f"volume {mount['name']!r} not found") from None
        below = expand(mount["subPathExpr"], variables) if mount.get("subPathExpr") else mount.get("subPath") or ""
        if below:
            if ".." in Path(below).parts or Path(below).is_absolute():
                raise StartError(f"subPath {below!r} must be relative and stay inside its volume")
            source /= below
            if not source.exists():
                source.mkdir(parents=True)
        paths[mount["mountPath"].rstrip("/") or "/"] = str(source)
    return paths


def _directory(wanted: str | None, paths: PathMap, workdir: Path) -> Path:
    if not wanted:
        return workdir
    mounted = paths.host(wanted.rstrip("/") or "/")
    if mounted is not None:
        found = Path(mounted)
        if not found.exists():
            found.mkdir(parents=True)
        return found
    # A folder that does not exist here would be in the image. Its stand-in is the folder in which `penstock dev` was started.
    return Path(wanted) if Path(wanted).exists() else workdir
