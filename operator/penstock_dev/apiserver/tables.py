"""Tables (`meta.k8s.io/v1`): what `kubectl get` asks for, and the JSONPath of custom columns. Pure."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from .columns import AGE, NAME, since
from .kinds import Column

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from .kinds import Resource
    from .store import Object

_STEP = re.compile(
    r"""\.?(?P<name>(?:[^.\[\]\\\s]|\\.)+)              # .name, dots in it escaped
      | \.?\[\s*(?P<quote>['"])(?P<quoted>.*?)(?P=quote)\s*\]   # ['a.b']
      | \[\s*(?P<index>-?\d+)\s*\]                       # [0]
      | (?P<all>\[\*\])                                    # [*]
      | \[\?\(\s*@\.(?P<key>[A-Za-z0-9_.]+)\s*==\s*(?P<value>"[^"]*"|'[^']*'|[^)\s]+)\s*\)\]   # [?(@.type=="Ready")]
    """,
    re.VERBOSE,
)


def json_path(path: str) -> Callable[[Mapping[str, Any]], list[Any]] | None:
    """Compile a JSONPath of the kind that printer columns use; None when it is outside these bounds."""
    text = path.strip().removeprefix("{").removesuffix("}")
    steps: list[Callable[[Any], list[Any]]] = []
    at = 0
    while at < len(text):
        found = _STEP.match(text, at)
        if not found:
            return None
        steps.append(_step(found))
        at = found.end()

    def values(obj: Mapping[str, Any]) -> list[Any]:
        here: list[Any] = [obj]
        for step in steps:
            here = [out for value in here for out in step(value)]
        return here

    return values


def _step(found: re.Match[str]) -> Callable[[Any], list[Any]]:
    parts = found.groupdict()
    name = parts["name"].replace("\\", "") if parts["name"] else parts["quoted"]
    if name is not None:
        return lambda value: [value[name]] if isinstance(value, dict) and name in value else []
    if parts["index"] is not None:
        index = int(parts["index"])
        return lambda value: [value[index]] if isinstance(value, list) and -len(value) <= index < len(value) else []
    if parts["all"]:
        return lambda value: list(value.values()) if isinstance(value, dict) else list(value or ())
    key, wanted = parts["key"], parts["value"].strip("\"'")
    return lambda value: [item for item in value or () if isinstance(item, dict) and str(item.get(key)) == wanted]


def custom_columns(documents: Iterable[Mapping[str, Any]]) -> tuple[Column, ...]:
    """Return the columns of a CRD's additionalPrinterColumns, the name before them and, when there are none, the age."""
    shown = [_custom(document) for document in documents]
    return (NAME, *(shown or [AGE]))


def _custom(document: Mapping[str, Any]) -> Column:
    values = json_path(document["jsonPath"])
    kind = document["type"]

    def cell(obj: Mapping[str, Any], now: float) -> Any:
        found = values(obj) if values else []
        if not found or found[0] is None:
            return None
        value = found[0] if len(found) == 1 else found
        if kind == "date":
            return since(value, now)
        if kind == "string":
            return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
        return value

    return Column(
        name=document["name"],
        cell=cell,
        type=kind,
        format=document.get("format", ""),
        priority=document.get("priority", 0),
        description=document.get("description", ""),
    )


def table(
    resource: Resource,
    objects: Iterable[Object],
    now: float,
    meta: Mapping[str, Any],
    include: str,
    *,
    headed: bool = True,
) -> dict[str, Any]:
    """Return a Table.

    Args:
        resource: the kind.
        objects: rows.
        now: for ages.
        meta: the list's metadata.
        include: `Metadata`, `Object` or `None`: what of the object goes with each row.
        headed: column definitions too (a watch sends them once).
    """
    columns = resource.columns or (NAME, AGE)
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": dict(meta),
        "columnDefinitions": [_definition(column) for column in columns] if headed else [],
        "rows": [{"cells": [column.cell(obj, now) for column in columns], **_row(obj, include)} for obj in objects],
    }


def _definition(column: Column) -> dict[str, Any]:
    return {
        "name": column.name,
        "type": column.type,
        "format": column.format,
        "description": column.description,
        "priority": column.priority,
    }


def _row(obj: Object, include: str) -> dict[str, Any]:
    if include == "None":
        return {}
    if include == "Object":
        return {"object": obj}
    return {"object": {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}}
