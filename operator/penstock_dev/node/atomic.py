"""Files of a volume that change all at once, laid out as a kubelet lays them out.

    volume/name     -> ..data/name
    volume/..data   -> ..<fresh folder>

A change writes a fresh folder and swaps the `..data` link by a rename: a reader that opens the path anew sees all of the old or all of
the new. Readers must not keep descriptors, exactly as in a cluster.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["File", "write"]


@dataclass(frozen=True, slots=True)
class File:
    """A file's content and permissions."""

    content: bytes
    mode: int = 0o644


def write(volume: Path, files: Mapping[str, File]) -> bool:
    """Make a volume hold exactly these files (path below the volume -> file). Returns whether anything changed."""
    volume.mkdir(parents=True, exist_ok=True)
    link = volume / "..data"
    old = volume / os.readlink(link) if link.is_symlink() else None
    if old is not None and _read(old) == {path: file.content for path, file in files.items()}:
        return False
    fresh = Path(tempfile.mkdtemp(prefix="..", dir=volume))
    for path, file in files.items():
        target = fresh / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.content)
        target.chmod(file.mode | 0o400)
    draft = volume / "..data_tmp"
    draft.unlink(missing_ok=True)
    draft.symlink_to(fresh.name)
    draft.replace(link)
    visible = {path.split("/")[0] for path in files}
    for name in visible:
        if not (volume / name).is_symlink():
            (volume / name).symlink_to(f"..data/{name}")
    for entry in volume.iterdir():
        if not entry.name.startswith("..") and entry.name not in visible:
            entry.unlink()
    if old is not None:
        shutil.rmtree(old, ignore_errors=True)
    return True


def _read(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
