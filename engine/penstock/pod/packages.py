"""Packages in a ConfigMap, which has no folders: the file ``shop.flows.py`` is the module ``shop.flows``.

A tree of folders is made of such files beside the others, in scratch, and is the source folder then: this process, and
whatever processes it starts, import from it in the usual way. A file whose name has no dot but the last stays where it
is; one with dots is there under its own name too, for an entrypoint may name it. Neighbours: ``penstock.pod.loading`` asks
for it; ``penstock build`` writes such names.
"""

from __future__ import annotations

import os
import shutil

from penstock.pod import scratch


def unpacked(folder: str, run_dir: str | None) -> str:
    """Give a folder with the packages that a source folder means.

    Args:
        folder: The source folder, as it is mounted.
        run_dir: Scratch.

    Returns:
        Another folder with all of its files, and the packages; the same one, if there are none.

    Raises:
        OSError: They cannot be written.
    """
    names = [name for name in os.listdir(folder) if not name.startswith("..")]
    modules = {name: parts for name in names if (parts := _module(name)) is not None}
    if not modules:
        return folder
    if run_dir is None:
        raise OSError("nothing can be written anywhere")
    made = scratch.fresh_folder(run_dir, "source")
    for name in names:
        if os.path.isfile(os.path.join(folder, name)):
            shutil.copyfile(os.path.join(folder, name), os.path.join(made, name))
    for name, (*packages, module) in modules.items():
        path = os.path.join(made, *packages)
        os.makedirs(path, exist_ok=True)
        shutil.copyfile(os.path.join(made, name), os.path.join(path, f"{module}.py"))
    return made


def _module(name: str) -> list[str] | None:
    """Give the parts of a module's name, if a file's name is one with packages."""
    parts = name.removesuffix(".py").split(".")
    return parts if name.endswith(".py") and len(parts) > 1 and all(part.isidentifier() for part in parts) else None
