"""Text from files and standard input as kubectl reads it, with file and line of what is wrong; for manifests and parameters alike.

A value that would arrive as another one is refused (`penstock.base.jsonvalues` has the rule), and a key that comes twice is said.
Neighbours: `penstock_operator.manifests` reads; `manifests` and `parameters` know what the documents are.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import CliError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from penstock_operator.manifests.values import Document

__all__ = ["STANDARD_INPUT", "check_values", "documents", "text_of"]

STANDARD_INPUT = "standard input"


def text_of(file: Path | None) -> str:
    """Return the text of a file, None for standard input.

    Raises:
        CliError: it cannot be read, or is no UTF-8.
    """
    name = str(file) if file else STANDARD_INPUT
    if file is None and sys.stdin is None:
        raise CliError(f"error: {name} is closed")
    try:
        data = file.read_bytes() if file else sys.stdin.buffer.read()
    except OSError as error:
        raise CliError(f"error: {name} cannot be read: {error.strerror or error}") from error
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise CliError(f"error: {name}:{line}: not UTF-8: byte 0x{data[error.start]:02x}; save it as UTF-8") from error


def documents(text: str, source: str) -> Iterator[Document]:
    """Yield the documents of a text that have content.

    Args:
        text: YAML or JSON.
        source: what the text is called.

    Raises:
        CliError: it is neither, or has a value that would arrive as another one.
    """
    from penstock_operator.manifests.documents import documents as read
    from penstock_operator.manifests.faults import Malformed

    from .terminal import say

    try:
        for document in read(text):
            for note in document.notes:
                say(f"warning: {source}: {note}", error=True)
            yield document
    except Malformed as fault:
        column = f":{fault.column}" if fault.column else ""
        raise CliError(f"error: {source}:{fault.line}{column}: not valid YAML: {fault.why}") from fault


def check_values(body: Any, where: str, path: str = "") -> None:
    """Refuse what the API server would make another value of.

    Args:
        body: what was read.
        where: file and line; empty: it comes from the command line.
        path: what the body is called in messages; empty: it is the whole object.

    Raises:
        CliError: it names the path.
    """
    from penstock.base.jsonvalues import NotJsonError, check_json

    try:
        for key, value in body.items():
            check_json(value, f"{path}.{key}" if path else key)
    except NotJsonError as error:
        raise CliError(f"error: {f'{where}: ' if where else ''}{error}") from error
