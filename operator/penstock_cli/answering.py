"""The answer to a pause: from `key=value` on a command line, typed and checked by the schema that the run asks with. Pure."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

from . import parameters
from .errors import CliError
from .exits import Exit
from .nearness import near
from .terminal import line
from .typed import BadValueError, Fields, types_of, value_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .api import Json
    from .runs import Run

__all__ = ["answer", "command", "question"]


def answer(run: Run, given: Sequence[str], program: str) -> Any:
    """Return what goes into `spec.inputs` for the pause that a run is in.

    Args:
        run: it waits for an answer.
        given: what was typed: `key=value`, `key:=json`, `@file`; or one plain value where no mapping is asked for.
        program: what the user called this program.

    Raises:
        CliError: something is missing, unknown or wrong; what is asked is told with it.
    """
    schema = _schema(run)
    if schema is None:
        if not given:
            return True  # nothing is asked for: any value lets it go on
        return _plain(given[0]) if len(given) == 1 and "=" not in given[0] else parameters.read(given, None, option="")
    if not _is_mapping(schema):
        return _single(run, schema, given, program)
    fields = Fields(schema)
    read = parameters.read(given, schema, option="")
    unknown = [] if fields.open else [key for key in read if key not in fields.known]
    if unknown:
        raise _refused(run, f"it does not ask for {unknown[0]!r}.{near(unknown[0], fields.known)}", program)
    missing = [name for name in fields.required if name not in read]
    if missing:
        raise _refused(run, f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing", program)
    return _checked(run, schema, read, program)


def command(run: Run, program: str) -> str:
    """Return the command that answers; to be copied, and changed where it says `<string>` and the like."""
    schema = _schema(run)
    where = "" if run.namespace == "default" else f" -n {shlex.quote(run.namespace)}"
    start = f"{program} resume {shlex.quote(run.name)}{where}"
    if schema is None:
        return start
    if not _is_mapping(schema):
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
    schema = _schema(run)
    if schema is not None and _is_mapping(schema):
        fields = Fields(schema)
        for name, field in fields.known.items():
            yield line(_field(name, field, fields))
    elif schema is not None:
        yield f"({' or '.join(types_of(schema, schema)) or 'any JSON'})"
    if asked.get("error"):
        yield line(f"the last answer was refused: {asked['error']}")
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


def _schema(run: Run) -> Json | None:
    schema = ((run.status.get("pause") or {}).get("input") or {}).get("schema")
    return schema if isinstance(schema, dict) and schema else None


def _is_mapping(schema: Json) -> bool:
    return "object" in types_of(schema, schema) or bool(Fields(schema).known)


def _outline(schema: Any, root: Json) -> str:
    types = types_of(schema, root)
    if isinstance(schema, dict) and schema.get("enum"):
        return str(schema["enum"][0])
    return "true" if types == ["boolean"] else f"<{types[0] if types else 'value'}>"


def _plain(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _single(run: Run, schema: Json, given: Sequence[str], program: str) -> Any:
    if len(given) != 1:
        raise _refused(run, "one value is asked for", program)
    try:
        value = value_of(schema, given[0].removeprefix("value="), schema)
    except BadValueError as error:
        raise _refused(run, str(error), program) from error
    return _checked(run, schema, value, program)


def _checked(run: Run, schema: Json, value: Any, program: str) -> Any:
    from penstock_operator.core.faults import Unusable
    from penstock_operator.core.parameters import bad_parameter

    try:
        wrong = bad_parameter(schema, value)
    except Unusable:
        return value  # the engine knows better what it asked
    if wrong is not None:
        raise _refused(run, wrong.removeprefix("parameters.").removeprefix("parameters: "), program)
    return value


def _refused(run: Run, why: str, program: str) -> CliError:
    asked = "\n".join(f"  {each}" for each in question(run))
    return CliError(f"error: {why}. {run.name} asks:\n{asked}\nto answer: {command(run, program)}", Exit.USAGE)
