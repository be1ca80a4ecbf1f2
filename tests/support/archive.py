"""An image as `docker save` and its like write it, read without any container tool: its configuration, and its file tree."""

from __future__ import annotations

import io
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Entry:
    """One file, link or folder of an image."""

    info: tarfile.TarInfo
    body: bytes


@dataclass(frozen=True)
class Image:
    """What an archive holds.

    Attributes:
        config: of the container: User, Env, Cmd, Labels …
        created: when, as the image says.
        layers: digests of the uncompressed layers, the base's first.
        tree: by path without a leading slash, the layers laid over each other.
        size: bytes of all files in the tree.
    """

    config: dict[str, Any]
    created: str
    layers: tuple[str, ...]
    tree: dict[str, Entry]

    @property
    def size(self) -> int:
        return sum(e.info.size for e in self.tree.values() if e.info.isfile())

    def below(self, folder: str) -> dict[str, Entry]:
        """Return the part of the tree below a folder, by path relative to it."""
        prefix = folder.strip("/") + "/"
        return {path[len(prefix) :]: entry for path, entry in self.tree.items() if path.startswith(prefix)}


def read(path: Path) -> Image:
    """Read a docker-archive.

    Args:
        path: the tar file.

    Raises:
        KeyError: it is no such archive.
    """
    tree: dict[str, Entry] = {}
    with tarfile.open(path) as outer:

        def member(name: str) -> bytes:
            found = outer.getmember(name)
            while found.issym():
                found = outer.getmember(str(Path(found.name).parent / found.linkname))
            file = outer.extractfile(found)
            assert file is not None
            return file.read()

        (manifest,) = json.loads(member("manifest.json"))
        document = json.loads(member(manifest["Config"]))
        for layer in manifest["Layers"]:
            with tarfile.open(fileobj=io.BytesIO(member(layer))) as inner:
                for info in inner:
                    _lay(tree, inner, info)
    return Image(document["config"], document["created"], tuple(document["rootfs"]["diff_ids"]), tree)


def _lay(tree: dict[str, Entry], layer: tarfile.TarFile, info: tarfile.TarInfo) -> None:
    path = info.name.removeprefix("./").strip("/")
    folder, _, name = path.rpartition("/")
    if name.startswith(".wh."):
        gone = f"{folder}/{name.removeprefix('.wh.')}".strip("/")
        for known in [p for p in tree if p == gone or p.startswith(f"{gone}/")]:
            del tree[known]
        return
    if info.isfile():
        file = layer.extractfile(info)
        body = file.read() if file is not None else b""
    elif info.islnk():
        body = tree[info.linkname.removeprefix("./").strip("/")].body
    else:
        body = b""
    tree[path] = Entry(info, body)
