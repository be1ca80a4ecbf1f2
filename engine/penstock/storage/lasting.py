"""Whether a storage outlives the pod: by the mounts that the operator names, which knows the pod's volumes.

Outside pods nothing is named, and what the user chose is taken to last. Neighbours: `store` is durable by it, the report names no
location that does not last, `persisting` warns.
"""

from __future__ import annotations

import os
from typing import Any

VARIABLE = "PENSTOCK_LASTING_PATHS"


def lasts(storage: Any, named: str | None = None) -> bool:
    """Whether what is written to a storage is there when this pod is gone.

    Args:
        storage: a file system of results, or an object of the user's.
        named: the mounts that outlive the pod, joined by `:`; a `!` stands before one of the pod's own below them. Default: as
            the operator says in the environment.
    """
    if getattr(type(storage), "keeps_nothing", False):
        return False
    if named is None:
        named = os.environ.get(VARIABLE)
    if named is None:
        return True
    root = getattr(storage, "_root", None)
    if root is None:
        # A store elsewhere; one of the user's making may be anything.
        return not str(getattr(storage, "basepath", "")).startswith("memory://")
    place, longest, lasting = os.path.realpath(root), "", False
    for entry in filter(None, named.split(":")):
        mount = os.path.realpath(entry.removeprefix("!"))
        if len(mount) > len(longest) and (place == mount or place.startswith(f"{mount.rstrip('/')}/")):
            longest, lasting = mount, not entry.startswith("!")
    return lasting


def warning(storage: Any) -> str:
    """Say that results go where they do not last, and what to do."""
    place = getattr(storage, "_root", None) or getattr(storage, "basepath", None) or type(storage).__name__
    return (
        f"Results are persisted to {place}, which is gone with this pod: nothing can use them later. Mount a PersistentVolumeClaim there, "
        "or set results.storage of the Flow to a volume or a bucket."
    )
