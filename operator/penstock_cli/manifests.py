"""Manifests from files: what is wrong with one is said with file and line, before anything is sent."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .documents import STANDARD_INPUT, check_values, documents, text_of
from .errors import CliError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .api import Json

__all__ = ["Manifest", "read"]

_SUFFIXES = (".yaml", ".yml", ".json")


@dataclass(frozen=True, slots=True)
class Manifest:
    """One document of a file.

    Attributes:
        body: the object.
        source: the file.
        line: where it begins, from 1.
    """

    body: Json
    source: str
    line: int

    @property
    def where(self) -> str:
        """Return file and line, as editors understand it."""
        return f"{self.source}:{self.line}"


def read(paths: Iterable[str]) -> list[Manifest]:
    """Read manifests from files, folders (all YAML and JSON in it) and standard input (`-`).

    Raises:
        CliError: a file cannot be read, is no YAML, or a document is no Kubernetes object.
    """
    found = [manifest for path in paths for name, text in _texts(path) for manifest in parse(text, name)]
    if not found:
        raise CliError("error: no objects passed to apply")
    return found


def _texts(path: str) -> Iterator[tuple[str, str]]:
    if path == "-":
        yield STANDARD_INPUT, text_of(None)
        return
    where = Path(path)
    if not where.exists():
        raise CliError(f'error: the path "{path}" does not exist')
    files = sorted(file for file in where.iterdir() if file.suffix in _SUFFIXES) if where.is_dir() else [where]
    for file in files:
        yield str(file), text_of(file)


def parse(text: str, source: str) -> Iterator[Manifest]:
    """Yield the documents of a text; empty ones are passed over, and a List stands for its items."""
    for document in documents(text, source):
        body, where = document.value, f"{source}:{document.line}"
        _check(body, where)
        if body["kind"] == "List":
            for item in body.get("items") or []:
                _check(item, where)
                yield Manifest(item, source, document.line)
        else:
            yield Manifest(body, source, document.line)


def _check(body: object, where: str) -> None:
    if not isinstance(body, dict):
        found = "a list" if isinstance(body, list) else "a single value"
        raise CliError(f"error: {where}: a manifest is a mapping with apiVersion, kind and metadata, not {found}")
    for key in ("apiVersion", "kind"):
        if not isinstance(body.get(key), str) or not body[key]:
            raise CliError(f"error: {where}: {key} is not set")
    metadata = body.get("metadata")
    if body["kind"] != "List" and not (
        isinstance(metadata, dict) and (metadata.get("name") or metadata.get("generateName"))
    ):
        raise CliError(f"error: {where}: {body['kind']}: metadata.name is not set")
    check_values(body, where)
