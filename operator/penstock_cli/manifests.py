"""Manifests from files: what is wrong with one is said with file and line, before anything is sent."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

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
        yield "standard input", sys.stdin.read()
        return
    where = Path(path)
    if not where.exists():
        raise CliError(f'error: the path "{path}" does not exist')
    files = sorted(file for file in where.iterdir() if file.suffix in _SUFFIXES) if where.is_dir() else [where]
    for file in files:
        try:
            yield str(file), file.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CliError(f"error: {file} cannot be read: {error}") from error


def parse(text: str, source: str) -> Iterator[Manifest]:
    """Yield the documents of a text; empty ones are passed over, and a List stands for its items."""
    loader = yaml.SafeLoader(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            if node is None:
                continue
            line = node.start_mark.line + 1
            body: Any = loader.construct_document(node)
            if body is None:
                continue
            _check(body, f"{source}:{line}")
            if body["kind"] == "List":
                for item in body.get("items") or []:
                    _check(item, f"{source}:{line}")
                    yield Manifest(item, source, line)
            else:
                yield Manifest(body, source, line)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise CliError(f"error: {source}{at}: not valid YAML: {error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise CliError(f"error: {source}: not valid YAML: {error}") from error
    finally:
        loader.dispose()


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
