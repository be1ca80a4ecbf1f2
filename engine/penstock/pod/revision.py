"""Whether what is mounted is what the run began with: its files against the digest in the FlowRun's status, before any of them is executed.

A revision is a ConfigMap, and whoever may make ConfigMaps may put another under its name. The digest is the operator's: SHA-256 of the
canonical JSON of each file's name and its own SHA-256. Neighbours: ``penstock.pod.life`` asks after the claim, with its answer.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from typing import Any


class RevisionChangedError(Exception):
    """Something else is mounted than the run began with."""


def prove(flow_run: Mapping[str, Any], source_dir: str) -> Mapping[str, str] | None:
    """Compare the source folder with what the run recorded.

    Args:
        flow_run: The FlowRun, as the claim's answer holds it.
        source_dir: Where the revision is mounted.

    Returns:
        The SHA-256 of each file by its name; None when the run has recorded nothing: its flow is in the FlowRun itself.

    Raises:
        RevisionChangedError: They differ; nothing of it may be executed.
    """
    info = (flow_run.get("status") or {}).get("flow") or {}
    wanted = info.get("revisionDigest")
    if not wanted or not (flow_run.get("spec") or {}).get("flowRef"):
        return None
    files = files_of(source_dir)
    found = digest(files)
    if found != wanted:
        raise RevisionChangedError(
            f"what is mounted at {source_dir} is not revision {info.get('revision')}: its SHA-256 is {found[:16]}…, and the "
            f"run began with {str(wanted)[:16]}…; another ConfigMap has taken the name, and is not executed"
        )
    return files


def files_of(folder: str) -> dict[str, str]:
    """Give the SHA-256 of each file of a mounted ConfigMap, which is a flat folder of links into one that begins with ``..``."""
    try:
        names = [name for name in os.listdir(folder) if not name.startswith("..")]
    except OSError:
        return {}
    found = {}
    for name in names:
        try:
            with open(os.path.join(folder, name), "rb") as file:
                found[name] = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            found[name] = f"{type(error).__name__}: no file"
    return found


def digest(files: Mapping[str, str]) -> str:
    """Give the digest of a folder by those of its files."""
    text = json.dumps(files, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
