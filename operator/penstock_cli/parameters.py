"""Parameters from a command line: `-p key=value`, `-p key:=json`, `-p @file.yaml`; typed and checked by the flow's schema before anything is made.

Neighbours: `penstock_reading.typed` says what a text means, `penstock_operator.core.parameters` is the check that the operator makes too.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock_reading.typed import BadValueError, Fields

from .documents import STANDARD_INPUT, check_values, documents, text_of
from .errors import CliError
from .exits import Exit
from .nearness import near

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .api import Json

__all__ = ["check", "read"]


def read(given: Sequence[str], schema: Json | None, *, what: str = "parameters") -> Json:
    """Return the parameters that a command line gives; a later file's win over an earlier one's, and single ones over all files.

    Args:
        given: what stood behind each option.
        schema: the flow's `parametersSchema`.
        what: what they are in messages: `parameters`, behind `-p`; or the `answer` to a pause, without an option.

    Raises:
        CliError: one of them cannot be read.
    """
    fields = Fields(schema or {})
    option = "-p " if what == "parameters" else ""
    from_files: Json = {}
    single: Json = {}
    for text in given:
        if text.startswith("@"):
            from_files.update(_file(text.removeprefix("@"), what))
            continue
        key, value = _single(text, fields, option, what)
        if key in single:
            raise _refused(f"{key!r} is given twice; for several values write a list: {option}'{key}:=[1, 2]'")
        single[key] = value
    try:
        check_values(single, "", what)
    except CliError as error:
        raise CliError(str(error), Exit.USAGE) from error
    return {**from_files, **single}


def check(flow: str, schema: Json | None, own: Json, given: Mapping[str, Any]) -> None:
    """Check the parameters of a run as the operator will.

    Args:
        flow: the flow's name, for messages.
        schema: its `parametersSchema`; None: it has none, and nothing is known of its parameters.
        own: the flow's own parameters, which those of the run are laid over.
        given: the run's.

    Raises:
        CliError: a key is none of the flow's, one is missing, or a value is wrong.
    """
    _sendable(given)
    if schema is None:
        return
    fields = Fields(schema)
    unknown = [] if fields.open else [key for key in given if key not in fields.known]
    if unknown:
        known = ", ".join(fields.known)
        raise _refused(f"{flow} has no parameter {unknown[0]!r}.{near(unknown[0], fields.known)} It takes: {known}")
    effective = {**own, **given}
    missing = [name for name in fields.required if name not in effective]
    if missing:
        wanted = ", ".join(f"{name} ({fields.types(name)})" for name in missing)
        example = " ".join(f"-p {name}=..." for name in missing)
        raise _refused(f"{flow} needs {wanted}: {example}")
    from penstock_operator.core.faults import Unusable
    from penstock_operator.core.parameters import bad_parameter

    from .formats import checker

    try:
        wrong = bad_parameter(schema, effective, checker())
    except Unusable as error:
        raise CliError(f"error: the flow {flow} cannot be run: {error}") from error
    if wrong is not None:
        raise _refused(f"{flow}: {wrong}")


def _sendable(given: Mapping[str, Any]) -> None:
    """Refuse what would arrive as something else: integers beyond 64 bits, for one."""
    from penstock.base.jsonvalues import NotJsonError, parameters_to_json

    try:
        parameters_to_json(given)
    except NotJsonError as error:
        raise _refused(str(error)) from error


def _refused(why: str) -> CliError:
    return CliError(f"error: {why}", Exit.USAGE)


def _single(text: str, fields: Fields, option: str, what: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    as_json = key.endswith(":")
    key = key.removesuffix(":")
    if not equals or not key:
        raise _refused(f"{option}{text!r}: write key=value, key:=JSON, or @FILE")
    if as_json:
        try:
            return key, json.loads(value, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            raise _refused(f"{option}{text!r}: {value!r} is no JSON ({error}); a text is {option}{key}=TEXT") from error
    if key not in fields.known:
        return key, value
    try:
        return key, fields.value(key, value)
    except BadValueError as error:
        raise _refused(f"{what}.{key}: {error}") from error


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _file(name: str, what: str) -> Json:
    """Return the mapping that a YAML or JSON file holds."""
    source = STANDARD_INPUT if name == "-" else name
    text = text_of(None if name == "-" else Path(name))
    try:
        found = list(documents(text, source))
        if not found:
            return {}
        where = f"{source}:{found[-1].line}"
        if len(found) > 1:
            raise _refused(f"{where}: a second document; one mapping of names to values is wanted")
        values = found[0].value
        if not isinstance(values, dict):
            raise _refused(f"{where}: a mapping of names to values is wanted")
        check_values(values, where, what)
    except CliError as error:
        raise CliError(str(error), Exit.USAGE) from error
    return values
