"""The documents of a text: YAML, or JSON where it begins with a brace and is nothing but JSON, as kubectl decides it.

JSON is read as such because the escapes in its strings are not YAML's: an emoji by its two halves, a slash behind a backslash.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from .faults import Malformed
from .scalars import as_value
from .values import Document, read_documents

_ESCAPES_OF_JSON: Final = re.compile(r"\\(/|u[dD][89a-fA-F])")
_BLANK: Final = re.compile(r"[\ufeff \t\r\n]*")


def documents(text: str) -> Iterator[Document]:
    """Yield the documents of a text that have content.

    Args:
        text: of a file, as it is; a byte order mark may come first.

    Raises:
        Malformed: it is neither JSON nor YAML.
    """
    found = _json(text) if text[_end_of_blank(text, 0) :].startswith("{") else None
    yield from (
        document for document in (read_documents(text) if found is None else found) if document.value is not None
    )


def yaml_body(text: str) -> Any:
    """Return the value of a text as an API server reads YAML: JSON too is YAML to it, with YAML's escapes; what follows is not looked at.

    Raises:
        Malformed: it is no YAML.
    """
    if not _ESCAPES_OF_JSON.search(text):  # as much is read alike, and a hundred times faster
        try:
            found = _json(text)
        except Malformed:
            found = None
        if found:
            return found[0].value
    return next((document.value for document in read_documents(text)), None)


def _json(text: str) -> list[Document] | None:
    """Return the JSON documents of a text, None if it is not JSON alone; numbers as the API server gives them back."""
    notes: list[str] = []

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            twice = next(key for number, (key, _) in enumerate(pairs) if key in dict(pairs[:number]))
            notes.append(f"the key {twice!r} comes twice; the last one counts")
        return made

    decoder = json.JSONDecoder(object_pairs_hook=members, parse_float=_float, parse_constant=_float)
    found = []
    at = _end_of_blank(text, 0)
    try:
        while at < len(text):
            line = text.count("\n", 0, at) + 1
            value, end = decoder.raw_decode(text, at)
            found.append(Document(value, line, tuple(notes)))
            notes.clear()
            at = _end_of_blank(text, end)
    except (_Beyond, RecursionError) as error:
        raise Malformed(line, 0, str(error) if isinstance(error, _Beyond) else "nested too deeply") from None
    except ValueError:
        return None
    return found


class _Beyond(Exception):  # noqa: N818 - a number
    """A number of JSON that no float holds, or a word that is none."""


def _float(text: str) -> Any:
    try:
        return as_value(float(text))
    except ValueError:
        raise _Beyond(f"{text} is no number in JSON") from None


def _end_of_blank(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    return found.end() if found else at
