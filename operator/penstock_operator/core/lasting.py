"""Which places in a pod outlive it: the mounts of volumes that are not the pod's own. A result elsewhere is gone with the pod.

The engine is told these mounts by a variable, so that its log and the run's condition say the same; in it a `!` stands before a mount of the
pod's own that lies below a lasting one. Neighbours: `pod` sets the variable, `conclude` tells what needs a person.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any

from penstock_operator.api import constants as k

from .verdict import Degraded

NOT_DURABLE = "ResultsNotDurable"
# What a pod brings and takes with it. A kind that is not known here may last: nobody is warned of it.
_POD_OWN = frozenset({"configMap", "downwardAPI", "emptyDir", "ephemeral", "gitRepo", "image", "projected", "secret"})


def lasting_paths(spec: Mapping[str, Any]) -> str:
    """Return the mounts of the engine's container that outlive the pod, and those of its own below them, as the engine reads them.

    Args:
        spec: a PodSpec whose merging is done.
    """
    mounts = _mounts(spec)
    lasting = [path for path, kind in mounts.items() if kind not in _POD_OWN]
    own = [path for path, kind in mounts.items() if kind in _POD_OWN and any(_holds(above, path) for above in lasting)]
    return ":".join([*sorted(lasting), *(f"!{path}" for path in sorted(own))])


def not_durable(spec: Mapping[str, Any]) -> Degraded | None:
    """Return what needs a person in a pod that is to persist results in a place which is gone with it, None where it is well or not known.

    Args:
        spec: a PodSpec whose merging is done.
    """
    engine = _engine(spec)
    given = {variable["name"]: variable.get("value") for variable in engine.get("env") or ()}
    if given.get(k.ENV_RESULTS_PERSIST) != "true":
        return None
    mounts = _mounts(spec)
    some_last = any(kind not in _POD_OWN for kind in mounts.values())
    cure = "mount a PersistentVolumeClaim there by template.spec, or set results.storage to a volume or a bucket"
    if k.ENV_RESULTS_STORAGE not in given:
        # Where the default is depends on the image's user: with a lasting mount it may be on that.
        text = f"results are to be persisted, and no results.storage is set: they are gone with the pod; {cure.partition(', or ')[2]}"
        return None if some_last else Degraded(NOT_DURABLE, text)
    storage = given[k.ENV_RESULTS_STORAGE]
    if storage is None or "$(" in storage:
        return None
    if storage.startswith("memory://"):
        return Degraded(
            NOT_DURABLE, f"results.storage is {storage}, in the memory of the pod: set it to a volume or a bucket"
        )
    path = storage.removeprefix("file://")
    if "://" in path:
        return None
    if not path.startswith("/"):
        text = f"results.storage is {storage}, a folder of the container's own, which is gone with the pod: {cure}"
        return None if some_last else Degraded(NOT_DURABLE, text)
    mount = max((m for m in mounts if _holds(m, posixpath.normpath(path))), key=len, default=None)
    if mount is not None and mounts[mount] not in _POD_OWN:
        return None
    what = "no volume is mounted there" if mount is None else f"{mount} is a volume of the pod's own: {mounts[mount]}"
    return Degraded(NOT_DURABLE, f"results.storage is {storage}, which is gone with the pod ({what}): {cure}")


def _engine(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    return next((c for c in spec["containers"] if c["name"] == k.ENGINE_CONTAINER), {})


def _mounts(spec: Mapping[str, Any]) -> dict[str, str]:
    """Path of each mount of the engine's, and the kind of its volume; one that is not there is as good as the pod's own."""
    kinds = {
        volume["name"]: next((key for key in volume if key != "name"), "emptyDir")
        for volume in spec.get("volumes") or ()
    }
    return {
        posixpath.normpath(mount["mountPath"]): kinds.get(mount.get("name"), "emptyDir")
        for mount in _engine(spec).get("volumeMounts") or ()
    }


def _holds(mount: str, path: str) -> bool:
    return path == mount or path.startswith(f"{mount.rstrip('/')}/")
