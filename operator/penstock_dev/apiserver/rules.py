"""CEL rules of a CustomResourceDefinition (`x-kubernetes-validations`): compiled once, evaluated on every write.

What a rule sees follows the real server: only what the schema describes (values under `preserve-unknown-fields` are invisible),
of `metadata` only name and generateName, times as timestamps. A rule that names `oldSelf` is a transition rule: it runs on
updates where an old value of the same place exists. Lists are correlated only when they are of type `map`.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import celgo
from .status import FieldError, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .schema import Schema

_FUNCTIONS = frozenset(
    (
        "size", "matches", "startsWith", "endsWith", "contains", "has", "all", "exists", "exists_one", "map", "filter", "int", "uint",
        "double", "string", "bool", "bytes", "type", "dyn", "duration", "timestamp", "getFullYear", "getMonth", "getDate",
        "getDayOfMonth", "getDayOfWeek", "getDayOfYear", "getHours", "getMinutes", "getSeconds", "getMilliseconds",
    )
)  # fmt: skip
_REASONS = {
    "FieldValueInvalid": "FieldValueInvalid",
    "FieldValueForbidden": "FieldValueForbidden",
    "FieldValueRequired": "FieldValueRequired",
    "FieldValueDuplicate": "FieldValueDuplicate",
}


@dataclass(frozen=True, slots=True)
class Rule:
    """One compiled rule."""

    source: str
    program: Any
    transition: bool
    optional_old_self: bool
    message: str
    message_program: Any
    reason: str
    field_path: str


class RuleError(Exception):
    """A rule that cannot be served: wrong CEL, or a function outside the library's reach."""


def compile_rules(schema: Schema, path: str = "") -> Iterator[tuple[str, str]]:
    """Compile the rules of a schema and everything below, in place.

    Yields:
        (path of the rule in the schema document, what is wrong with it) for each rule that cannot be served.
    """
    compiled = []
    for i, document in enumerate(schema.document.get("x-kubernetes-validations", ())):
        try:
            compiled.append(_rule(document))
        except RuleError as error:
            yield f"{path}.x-kubernetes-validations[{i}].rule", str(error)
    schema.rules = tuple(compiled)
    for name, below in schema.properties.items():
        yield from compile_rules(below, f"{path}.properties[{name}]")
    if schema.items is not None:
        yield from compile_rules(schema.items, f"{path}.items")
    if schema.additional is not None and not schema.additional.free:
        yield from compile_rules(schema.additional, f"{path}.additionalProperties")


def _rule(document: dict[str, Any]) -> Rule:
    text = document["rule"]
    program = _program(text)
    expression = document.get("messageExpression", "")
    return Rule(
        source=text,
        program=program,
        transition="oldSelf" in program.variables(),
        optional_old_self=document.get("optionalOldSelf", False),
        message=document.get("message", ""),
        message_program=_program(expression) if expression else None,
        reason=_REASONS.get(document.get("reason", ""), "FieldValueInvalid"),
        field_path=document.get("fieldPath", ""),
    )


def _program(text: str) -> Any:
    import cel  # a quarter of the server's import time, needed only once a CRD with rules is there

    try:
        program = cel.compile(celgo.translated(text))
    except ValueError as error:
        raise RuleError(f"compilation failed: {error}") from error
    for name in program.functions():
        if name[0].isalpha() and name not in _FUNCTIONS:
            raise RuleError(
                f"the embedded development control plane does not evaluate the CEL function {name}(); use a real cluster for it"
            )
    return program


def has_rules(schema: Schema) -> bool:
    """Tell whether any rule exists at or below a schema."""
    return bool(
        schema.rules
        or any(has_rules(sub) for sub in schema.properties.values())
        or (schema.items is not None and has_rules(schema.items))
        or (schema.additional is not None and not schema.additional.free and has_rules(schema.additional))
    )


_ABSENT: Any = object()


def check_rules(new: Any, old: Any, schema: Schema, path: str, errors: list[FieldError], warnings: list[str]) -> None:
    """Evaluate the rules at and below a place.

    Args:
        new: the value.
        old: the stored value of the same place; `ABSENT` when there is none.
        schema: its schema, rules compiled.
        path: its place, "" at the root.
        errors: receives the violations.
        warnings: receives those of values that are as they were (ratcheting: no reason to refuse).
    """
    if new is None:
        return
    if schema.rules:
        _evaluate(new, old, schema, path, errors, warnings)
    if isinstance(new, dict):
        before = old if isinstance(old, dict) else {}
        for name, value in new.items():
            below = schema.child(name)
            if below is not None and not below.free:
                where = f"{path}.{name}" if path else name
                check_rules(value, before.get(name, _ABSENT), below, where, errors, warnings)
    elif isinstance(new, list) and schema.items is not None:
        before_items = _correlated(old, schema)
        for i, value in enumerate(new):
            previous = before_items.get(_key(value, schema), _ABSENT) if before_items else _ABSENT
            check_rules(value, previous, schema.items, f"{path}[{i}]", errors, warnings)


ABSENT = _ABSENT


def _key(value: Any, schema: Schema) -> tuple[Any, ...]:
    return tuple(str(value.get(key)) for key in schema.map_keys) if isinstance(value, dict) else ()


def _correlated(old: Any, schema: Schema) -> dict[tuple[Any, ...], Any]:
    if schema.list_type != "map" or not isinstance(old, list):
        return {}
    return {_key(value, schema): value for value in old}


def _evaluate(new: Any, old: Any, schema: Schema, path: str, errors: list[FieldError], warnings: list[str]) -> None:
    import cel

    values: dict[str, Any] = {"self": visible(new, schema, root=not path)}
    if old is not _ABSENT and old is not None:
        values["oldSelf"] = visible(old, schema, root=not path)
    context = cel.Context(variables=values, functions=celgo.FUNCTIONS)
    for rule in schema.rules:
        if rule.transition and "oldSelf" not in values:
            continue
        violation = _violated(rule, context, path, new)
        if violation is None:
            continue
        if not rule.transition and new == old:
            warnings.append(f"{violation.field or '<nil>'}: {violation.message}")
        else:
            errors.append(violation)


def _violated(rule: Rule, context: Any, path: str, new: Any) -> FieldError | None:
    try:
        holds = rule.program.execute(context)
    except (KeyError, TypeError, RuntimeError, ValueError, OverflowError, ArithmeticError) as error:
        what = f"no such key: {error.args[0]}" if isinstance(error, KeyError) else str(error)
        return _violation(rule, path, new, f"{what} evaluating rule: {rule.message or rule.source}")
    return None if holds is True else _violation(rule, path, new, _message(rule, context))


def _message(rule: Rule, context: Any) -> str:
    if rule.message_program is not None:
        try:
            text = rule.message_program.execute(context)
        except (KeyError, TypeError, RuntimeError, ValueError):
            text = ""
        if isinstance(text, str) and text.strip():
            return text
    return rule.message or f"failed rule: {rule.source}"


def _violation(rule: Rule, path: str, new: Any, message: str) -> FieldError:
    where = path + rule.field_path if path else rule.field_path.removeprefix(".")
    if rule.reason == "FieldValueRequired":
        return FieldError(rule.reason, where, f"Required value: {message}")
    if rule.reason == "FieldValueForbidden":
        return FieldError(rule.reason, where, f"Forbidden: {message}")
    # Objects and lists are not printed: they may be large.
    shown = "" if isinstance(new, dict | list) else f"{quoted(new)}: "
    return FieldError(rule.reason, where, f"Invalid value: {shown}{message}")


def visible(value: Any, schema: Schema, *, root: bool = False) -> Any:
    """Return what CEL sees of a value: described fields only, times and durations as such."""
    if isinstance(value, dict):
        out = {}
        for name, item in value.items():
            if root and name == "metadata":
                out[name] = {key: item[key] for key in ("name", "generateName") if key in item}
            elif root and name in ("apiVersion", "kind"):
                out[name] = item
            else:
                below = schema.child(name)
                if below is not None and not below.free:
                    out[name] = visible(item, below)
        return out
    if isinstance(value, list):
        return [visible(item, schema.items) for item in value] if schema.items is not None else value
    if isinstance(value, str):
        return _meant(value, schema.format)
    if schema.type == "number" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value


def _meant(text: str, form: str) -> Any:
    """What a text of a format is for CEL; where it is none, the text."""
    if form in ("date-time", "date"):
        try:
            found = dt.datetime.fromisoformat(text)
        except ValueError:
            return text
        return found if found.tzinfo is not None else found.replace(tzinfo=dt.UTC)
    if form == "duration":
        lasts = celgo.duration(text)
        return text if lasts is None else lasts
    if form == "byte":
        read = celgo.octets(text)
        return text if read is None else read
    return text
