"""What a paused run asks: in words, and as the command that answers. Pure."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

from .typed import Fields, types_of
from .visible import line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .runs import Run

__all__ = ["command", "is_mapping", "question", "schema_of"]


def command(run: Run, program: str) -> str:
    """Return the command that answers; to be copied, and changed where it says `<string>` and the like."""
    schema = schema_of(run)
    where = "" if run.namespace == "default" else f" -n {shlex.quote(run.namespace)}"
    start = f"{program} resume {shlex.quote(run.name)}{where}"
    if schema is None:
        return start
    if not is_mapping(schema):
        return f"{start} {shlex.quote(_outline(schema, schema))}"
    fields = Fields(schema)
    names = fields.required or list(fields.known)
    return " ".join([start, *(shlex.quote(f"{name}={_outline(fields.known.get(name), schema)}") for name in names)])


def question(run: Run) -> Iterator[str]:
    """Yield the lines that tell what a run asks: the text, and each field with its type."""
    pause = run.status.get("pause") or {}
    asked = pause.get("input") or {}
    if asked.get("description"):
        yield line(str(asked["description"]))
    schema = schema_of(run)
    if schema is not None and is_mapping(schema):
        fields = Fields(schema)
        for name, field in fields.known.items():
            yield line(_field(name, field, fields))
    elif schema is not None:
        yield f"({' or '.join(types_of(schema, schema)) or 'any JSON'})"
    if asked.get("error"):
        # Before there was an answer it is the engine that says why the question is not shown.
        yield line(f"the last answer was refused: {asked['error']}" if pause.get("seen") else str(asked["error"]))
    if pause.get("deadline"):
        yield f"until {pause['deadline']}"


def _field(name: str, field: Any, fields: Fields) -> str:
    about = field if isinstance(field, dict) else {}
    choices = about.get("enum")
    kind = f"one of {', '.join(json.dumps(each) for each in choices)}" if choices else fields.types(name)
    rest = (
        ""
        if name in fields.required
        else f", default {json.dumps(about['default'])}"
        if "default" in about
        else ", optional"
    )
    text = f": {about['description']}" if about.get("description") else ""
    return f"{name} ({kind}{rest}){text}"


def schema_of(run: Run) -> dict[str, Any] | None:
    """Return the schema that a run asks with; None: it has none."""
    schema = ((run.status.get("pause") or {}).get("input") or {}).get("schema")
    return schema if isinstance(schema, dict) and schema else None


def is_mapping(schema: dict[str, Any]) -> bool:
    """Return whether a mapping is asked for."""
    return "object" in types_of(schema, schema) or bool(Fields(schema).known)


def _outline(schema: Any, root: dict[str, Any]) -> str:
    types = types_of(schema, root)
    if isinstance(schema, dict) and schema.get("enum"):
        return str(schema["enum"][0])
    return "true" if types == ["boolean"] else f"<{types[0] if types else 'value'}>"
