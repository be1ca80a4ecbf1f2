"""The answer to a pause: from `key=value` on a command line, typed and checked by the schema that the run asks with. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from penstock_reading.asking import command, is_mapping, question, schema_of
from penstock_reading.typed import BadValueError, Fields, value_of

from . import parameters
from .errors import CliError
from .exits import Exit
from .nearness import near

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .api import Json
    from .runs import Run

__all__ = ["answer"]


def answer(run: Run, given: Sequence[str], program: str) -> Any:
    """Return what goes into `spec.inputs` for the pause that a run is in.

    Args:
        run: it waits for an answer.
        given: what was typed: `key=value`, `key:=json`, `@file`; or one plain value where no mapping is asked for.
        program: what the user called this program.

    Raises:
        CliError: something is missing, unknown or wrong; what is asked is told with it.
    """
    schema = schema_of(run)
    if schema is None:
        if not given:
            return True  # nothing is asked for: any value lets it go on
        return (
            _plain(given[0]) if len(given) == 1 and "=" not in given[0] else parameters.read(given, None, what="answer")
        )
    if not is_mapping(schema):
        return _single(run, schema, given, program)
    fields = Fields(schema)
    try:
        read = parameters.read(given, schema, what="answer")
    except CliError as error:
        raise _refused(run, str(error).removeprefix("error: "), program) from error
    unknown = [] if fields.open else [key for key in read if key not in fields.known]
    if unknown:
        raise _refused(run, f"it does not ask for {unknown[0]!r}.{near(unknown[0], fields.known)}", program)
    missing = [name for name in fields.required if name not in read]
    if missing:
        raise _refused(run, f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing", program)
    return _checked(run, schema, read, program)


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

    from .formats import checker

    try:
        wrong = bad_parameter(schema, value, checker())
    except Unusable:
        return value  # the engine knows better what it asked
    if wrong is not None:
        raise _refused(run, wrong.removeprefix("parameters.").removeprefix("parameters: "), program)
    return value


def _refused(run: Run, why: str, program: str) -> CliError:
    asked = "\n".join(f"  {each}" for each in question(run))
    return CliError(f"error: {why}. {run.name} asks:\n{asked}\nto answer: {command(run, program)}", Exit.USAGE)
