"""Label and field selectors: text in, a predicate on objects out.

Grammar and error texts are those of a real server. Which fields may be selected is said by the kind; every kind has
`metadata.name` and, when namespaced, `metadata.namespace`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from .status import bad_request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Predicate = Callable[[Mapping[str, Any]], bool]

_SET = re.compile(r"^([^\s!=(),]+)\s+(in|notin)\s*\(([^()]*)\)$")
_EQUAL = re.compile(r"^([^\s!=(),]+)\s*(==|=|!=)\s*([^\s!=(),]*)$")
_EXISTS = re.compile(r"^(!?)\s*([^\s!=(),]+)$")
_KEY = re.compile(r"^([a-z0-9A-Z]([-a-z0-9A-Z.]*[a-z0-9A-Z])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$")
_VALUE = re.compile(r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$")


def _split(text: str) -> list[str]:
    """Split at commas outside parentheses."""
    parts, depth, start = [], 0, 0
    for i, char in enumerate(text):
        depth += (char == "(") - (char == ")")
        if char == "," and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    return [part.strip() for part in [*parts, text[start:]] if part.strip()]


def labels(text: str) -> Predicate | None:
    """Return the predicate of a `labelSelector` parameter, None for the one that takes everything.

    Raises:
        ApiError: 400 with the server's words when it cannot be parsed.
    """
    tests = [_label_test(part) for part in _split(text)]
    if not tests:
        return None

    def matches(obj: Mapping[str, Any]) -> bool:
        have = obj["metadata"].get("labels") or {}
        return all(test(have) for test in tests)

    return matches


def _label_test(part: str) -> Callable[[Mapping[str, str]], bool]:
    if found := _SET.match(part):
        key, word, inner = found.groups()
        values = {value.strip() for value in inner.split(",")}
        _check(key, *values)
        if word == "in":
            return lambda have: have.get(key) in values
        return lambda have: have.get(key) not in values
    if found := _EQUAL.match(part):
        key, operator, value = found.groups()
        _check(key, value)
        if operator == "!=":
            return lambda have: have.get(key) != value
        return lambda have: have.get(key) == value
    if found := _EXISTS.match(part):
        absent, key = found.groups()
        _check(key)
        return (lambda have: key not in have) if absent else (lambda have: key in have)
    raise bad_request(f"unable to parse requirement: found '{part}', expected: a label requirement")


def _check(key: str, *values: str) -> None:
    if not _KEY.match(key) or len(key.rsplit("/", 1)[-1]) > 63:
        raise bad_request(
            f'unable to parse requirement: <nil>: Invalid value: "{key}": name part must consist of alphanumeric characters, '
            "'-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or "
            "'123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
        )
    for value in values:
        if not _VALUE.match(value) or len(value) > 63:
            raise bad_request(
                f'unable to parse requirement: values[0][{key}]: Invalid value: "{value}": a valid label must be an empty '
                "string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
                "character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
                "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
            )


def at(obj: Mapping[str, Any], path: str) -> Any:
    """Return the value at a dotted path, None where something is missing."""
    value: Any = obj
    for name in path.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def text_of(value: Any) -> str:
    """Return a selectable value as selectors compare it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def fields(text: str, selectable: Mapping[str, str]) -> Predicate | None:
    """Return the predicate of a `fieldSelector` parameter.

    Args:
        text: the parameter.
        selectable: field label → path in the object.
    """
    tests: list[tuple[str, bool, str]] = []
    for part in (piece for piece in text.split(",") if piece.strip()):
        found = re.match(r"^([^=!]+)(==|=|!=)(.*)$", part.strip())
        if not found:
            raise bad_request(f"invalid field selector: {text!r}; can't understand '{part}'")
        name, operator, value = found.groups()
        if name not in selectable:
            raise bad_request(f"field label not supported: {name}")
        tests.append((selectable[name], operator != "!=", value.replace("\\,", ",").replace("\\=", "=")))
    if not tests:
        return None
    return lambda obj: all((text_of(at(obj, path)) == value) is wanted for path, wanted, value in tests)
