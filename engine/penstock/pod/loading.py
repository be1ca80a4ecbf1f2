"""The flow's source: where it is, compiled ahead, loaded.

While the claim is under way the entry file is read and compiled; nothing of the user's is executed before the claim is
accepted. ``sys.path`` begins with the source folder, if there is one, then the working directory; children get the
source folder in their ``PYTHONPATH``.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType
from typing import Any

from penstock.base.exceptions import PenstockException, ScriptError
from penstock.definitions.loading import Entry, compile_entrypoint
from penstock.kube.jsontext import parse
from penstock.pod import packages, scratch
from penstock.pod.assignment import FLOW_FILE, Assignment


def flow_file(source_dir: str) -> Mapping[str, Any] | None:
    """Read the mounted revision's definition, if there is one."""
    try:
        with open(os.path.join(source_dir, FLOW_FILE), "rb") as file:
            definition = parse(file.read())
    except OSError:
        return None
    return definition if isinstance(definition, dict) else None


@dataclass(frozen=True, slots=True)
class Ahead:
    """What was compiled while the claim was under way, and of which bytes."""

    entry: Entry
    path: str
    sha256: str


def source_folder(given: Assignment, source_dir: str, run_dir: str | None) -> str | None:
    """Find the source folder; inline source that no folder holds is written to one first, and so are packages.

    Args:
        given: What is to be run.
        source_dir: Where a revision is mounted, if one is.
        run_dir: Scratch.

    Returns:
        The folder, or None when the code is in the image.

    Raises:
        OSError: Inline source, or a package, cannot be written.
    """
    file_name = entry_file(given.entrypoint)
    mounted = source_dir if os.path.isdir(source_dir) else None
    if given.inline is None or file_name is None:
        return None if mounted is None else packages.unpacked(mounted, run_dir)
    if mounted is not None and os.path.exists(os.path.join(mounted, file_name)):
        return mounted
    if run_dir is None:
        raise OSError("nothing can be written anywhere")
    folder = scratch.fresh_folder(run_dir, "source")
    # The entrypoint's name only: source must not land anywhere else.
    with open(os.path.join(folder, os.path.basename(file_name)), "x", encoding="utf-8") as file:
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
        os.environ["PENSTOCK_SOURCE_FOLDER"] = folder  # `runners.own_code`: what workers in other pods cannot import


def compile_ahead(entrypoint: str | None, source_dir: str) -> Ahead | None:
    """Read and compile the entry file, while the claim is under way; nothing of it is executed.

    Returns:
        What was compiled; None when there is no file yet (inline source), or it is broken: loading will say how.
    """
    if entrypoint is None or entry_file(entrypoint) is None:
        return None
    with contextlib.suppress(PenstockException, OSError):
        found = _read(entrypoint, source_dir)
        if found is not None:
            path, source = found
            return Ahead(_entry(entrypoint, path, source), path, hashlib.sha256(source).hexdigest())
    return None


def still_valid(
    ahead: Ahead | None, source_dir: str, folder: str | None, proven: Mapping[str, str] | None
) -> Entry | None:
    """Give what was compiled ahead, if that is what is to be run.

    Args:
        ahead: What was compiled.
        source_dir: Where a revision is mounted, if one is.
        folder: The source folder that was chosen since.
        proven: The SHA-256 of each mounted file, where they were compared with the run's; what was read before may have been another.
    """
    if ahead is None:
        return None
    name = os.path.relpath(ahead.path, source_dir)
    mounted = not name.startswith(os.pardir)
    if proven is not None and mounted and proven.get(name) != ahead.sha256:
        return None
    # Inline source is in a folder of its own; a file of that name in the working directory is another.
    return ahead.entry if folder in (None, source_dir) else None


def load(entrypoint: str, folder: str | None, ahead: Entry | None) -> Any:
    """Load the flow: from here on the user's code runs.

    Args:
        entrypoint: What to load.
        folder: The source folder.
        ahead: What was compiled ahead, if it is that.
    """
    if ahead is None or ahead.entrypoint != entrypoint:
        ahead = _compiled(entrypoint, folder)
    name = _importable_name(ahead.path)
    if name is None or ahead.code is None or ahead.path is None:
        return ahead.load()
    finder = _Compiled(name, str(ahead.path), ahead.code)
    sys.meta_path.insert(0, finder)
    try:
        return replace(ahead, module=name, path=None, code=None).load()
    finally:
        sys.meta_path.remove(finder)


def _compiled(entrypoint: str, folder: str | None) -> Entry:
    found = _read(entrypoint, folder)
    return compile_entrypoint(entrypoint, folder) if found is None else _entry(entrypoint, *found)


def _read(entrypoint: str, folder: str | None) -> tuple[str, bytes] | None:
    """Read the entry file, under the path that users know; a mounted file is a link into a folder with a date for a name."""
    file = entry_file(entrypoint)
    for base in (folder, os.getcwd()):
        path = None if base is None or file is None else os.path.join(base, file)
        if path is not None and os.path.isfile(path):
            with open(path, "rb") as opened:
                return path, opened.read()
    return None


def _entry(entrypoint: str, path: str, source: bytes) -> Entry:
    try:
        code = compile(source, path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        raise ScriptError(user_exc=error, path=path) from error
    return Entry(entrypoint, None, Path(path), code, entrypoint.rpartition(":")[2])


def _importable_name(path: Path | None) -> str | None:
    """Give the name under which children import the file: then what it defines can be pickled to them."""
    if path is None or str(path.parent) not in sys.path[:2]:
        return None
    free = path.stem not in sys.modules and path.stem not in sys.stdlib_module_names
    return path.stem if path.stem.isidentifier() and free else None


class _Compiled(SourceFileLoader):
    """Finds one module, and loads it from the code that was compiled ahead."""

    def __init__(self, name: str, path: str, code: CodeType) -> None:
        super().__init__(name, path)
        self._code = code

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Find that one module, for the import system."""
        return spec_from_file_location(name, self.path, loader=self) if name == self.name else None

    def get_code(self, fullname: str) -> CodeType:
        """Give the code, for the import system."""
        return self._code
