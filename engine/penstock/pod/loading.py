"""The flow's source: where it is, compiled ahead, loaded.

While the claim is under way the entry file is read and compiled; nothing of the user's is executed before the claim is
accepted. ``sys.path`` begins with the source folder, if there is one, then the working directory; children get the
source folder in their ``PYTHONPATH``.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Mapping
from typing import Any

from penstock._loading import Entry, compile_entrypoint
from penstock.exceptions import PenstockException
from penstock.pod.assignment import FLOW_FILE, Assignment


def flow_file(source_dir: str) -> Mapping[str, Any] | None:
    """Read the mounted revision's definition, if there is one."""
    try:
        with open(os.path.join(source_dir, FLOW_FILE), encoding="utf-8") as file:
            definition = json.load(file)
    except OSError:
        return None
    return definition if isinstance(definition, dict) else None


def source_folder(given: Assignment, source_dir: str, run_dir: str) -> str | None:
    """Find the source folder; inline source that no folder holds is written to one first.

    Args:
        given: What is to be run.
        source_dir: Where a revision is mounted, if one is.
        run_dir: Scratch.

    Returns:
        The folder, or None when the code is in the image.
    """
    file_name = entry_file(given.entrypoint)
    mounted = source_dir if os.path.isdir(source_dir) else None
    if given.inline is None or file_name is None:
        return mounted
    if mounted is not None and os.path.exists(os.path.join(mounted, file_name)):
        return mounted
    folder = os.path.join(run_dir, "source")
    os.makedirs(folder, exist_ok=True)
    # The entrypoint's name only: source must not land anywhere else.
    with open(os.path.join(folder, os.path.basename(file_name)), "w", encoding="utf-8") as file:
        file.write(given.inline)
    return folder


def entry_file(entrypoint: str) -> str | None:
    """Give the path of an entrypoint that names a file; None for a module."""
    path = entrypoint.rpartition(":")[0]
    return path if path.endswith(".py") else None


def use_folder(folder: str | None) -> None:
    """Have modules found in the source folder first, then in the working directory; here and in children."""
    here = os.getcwd()
    wanted = [here] if folder is None else [folder, here]
    sys.path[:] = [*wanted, *(entry for entry in sys.path if entry not in (*wanted, ""))]
    if folder is not None:
        inherited = os.environ.get("PYTHONPATH")
        os.environ["PYTHONPATH"] = folder if not inherited else f"{folder}{os.pathsep}{inherited}"


def compile_ahead(entrypoint: str | None, source_dir: str) -> Entry | None:
    """Read and compile the entry file, while the claim is under way; nothing of it is executed.

    Returns:
        What was compiled; None when there is no file yet (inline source), or it is broken: loading will say how.
    """
    if entrypoint is None or entry_file(entrypoint) is None:
        return None
    with contextlib.suppress(PenstockException, OSError):
        return compile_entrypoint(entrypoint, source_dir)
    return None


def load(entrypoint: str, folder: str | None, ahead: Entry | None) -> Any:
    """Load the flow: from here on the user's code runs.

    Args:
        entrypoint: What to load.
        folder: The source folder.
        ahead: What was compiled ahead, if it is that.
    """
    if ahead is None or ahead.entrypoint != entrypoint:
        ahead = compile_entrypoint(entrypoint, folder)
    return ahead.load()
