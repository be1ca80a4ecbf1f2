"""Objects as text: the server's tables as kubectl prints them, YAML, JSON, names, ages."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from penstock_reading.spans import age, duration

from .terminal import line, unsafe

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .api import Json

__all__ = ["age", "as_json", "columns", "duration", "rows", "table", "width", "without_bookkeeping"]


def without_bookkeeping(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a document without the bookkeeping that kubectl hides too."""
    if "items" in document:
        return {**document, "items": [without_bookkeeping(item) for item in document["items"]]}
    if "metadata" not in document:
        return document
    metadata = {key: value for key, value in document["metadata"].items() if key != "managedFields"}
    return {**document, "metadata": metadata}


def as_json(document: Mapping[str, Any]) -> str:
    """Return an object or a list as JSON."""
    text = json.dumps(without_bookkeeping(document), indent=4, ensure_ascii=False, sort_keys=True)
    return json.dumps(without_bookkeeping(document), indent=4, sort_keys=True) if unsafe(text) else text


def table(header: Sequence[str], lines: Iterable[Sequence[str]], widths: Sequence[int] = ()) -> str:
    """Return columns padded as kubectl pads them: three blanks between, the last one as it is.

    Args:
        header: the headings; empty: none.
        lines: the rows.
        widths: the least width of each column.
    """
    everything = [[line(cell) for cell in row] for row in (*([header] if header else []), *lines)]
    if not everything:
        return ""
    least = widths or [0] * len(everything[0])
    padded = [max(floor, *(width(row[at]) for row in everything)) for at, floor in enumerate(least)]
    padded[-1] = 0
    return "\n".join(
        "   ".join(cell + " " * (wanted - width(cell)) for cell, wanted in zip(row, padded, strict=True))
        for row in everything
    )


def width(text: str) -> int:
    """Return how many columns of a terminal a text takes: a letter of Chinese takes two, an accent none."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def columns(document: Json, *, wide: bool) -> list[tuple[int, str]]:
    """Return position and heading of the columns of the server's Table that are shown."""
    definitions: list[dict[str, Any]] = document.get("columnDefinitions") or []
    return [(at, str(d["name"]).upper()) for at, d in enumerate(definitions) if wide or not d.get("priority")]


def rows(document: Json, shown: Sequence[tuple[int, str]], *, namespaces: bool) -> list[list[str]]:
    """Return the cells of a Table's rows, behind their namespace where that is wanted."""
    found = []
    for row in document.get("rows") or []:
        cells = [_cell(_text(row["cells"][at])) for at, _ in shown]
        found.append([row["object"]["metadata"].get("namespace", ""), *cells] if namespaces else cells)
    return found


def _text(value: object) -> str:
    """Return what kubectl prints for a cell: nothing for none, truth values as JSON has them."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _cell(text: str) -> str:
    """Return the first line of a cell, as kubectl shows it."""
    first = re.split(r"[\f\n\r]", text, maxsplit=1)[0]
    return first if first == text else f"{first}..."
