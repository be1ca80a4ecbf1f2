"""Templates as kubectl's `-o jsonpath=` has them: `{.items[*].metadata.name}`, `{range .items[*]}{.metadata.name} {end}`.

kubectl's dialect is its own: dots escaped by backslashes in a label's name, `range`, texts between braces. No library for Python reads it,
so this reads all that kubectl's documentation shows, and says what it does not know. A key that is missing is empty, as in `kubectl get`.
Pure; source of the rules: kubernetes.io/docs/reference/kubectl/jsonpath, compared with kubectl by a test.
"""

from __future__ import annotations

import json
import operator
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["JsonPathError", "Template", "parse"]

_NAME = re.compile(r"(?:\\.|[^\s.\[\]{}()'\"=!<>|,*@$?&])+")
_INTEGER = re.compile(r"-?\d+$")
_SLICE = re.compile(r"(-?\d*):(-?\d*)(?::(\d*))?$")
_STRING = re.compile(r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"")
_COMPARISON = re.compile(r"==|!=|<=|>=|<|>")
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


class JsonPathError(ValueError):
    """The template cannot be read; the message says where, and what would be right."""


Step = "Callable[[Any, Any], Iterator[Any]]"
"""From the root and one value to the values that it leads to."""


@dataclass(frozen=True, slots=True)
class _Text:
    text: str


@dataclass(frozen=True, slots=True)
class _Path:
    """Steps from the current value, or from the root."""

    steps: tuple[Callable[[Any, Any], Iterator[Any]], ...]
    from_root: bool = False

    def values(self, root: Any, current: Any) -> list[Any]:
        """Return what the path leads to."""
        found = [root if self.from_root else current]
        for step in self.steps:
            found = [value for each in found for value in step(root, each)]
        return found


@dataclass(frozen=True, slots=True)
class _Range:
    path: _Path
    body: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Template:
    """A template that was read."""

    parts: tuple[Any, ...]

    def render(self, document: Any) -> str:
        """Return the text for a document; values of one path stand with a blank between."""
        return "".join(_rendered(self.parts, document, document))


def parse(text: str) -> Template:
    """Read a template; one without braces that begins like a path is taken as a path.

    Raises:
        JsonPathError: it is none that this knows.
    """
    if "{" not in text and text[:1] in (".", "$", "["):
        text = f"{{{text}}}"
    parts, _ = _parts(_split(text), inside=False)
    return Template(tuple(parts))


# --- what comes out


def _rendered(parts: Sequence[Any], root: Any, current: Any) -> Iterator[str]:
    for part in parts:
        if isinstance(part, _Text):
            yield part.text
        elif isinstance(part, _Path):
            yield " ".join(_shown(value) for value in part.values(root, current))
        else:
            for value in part.path.values(root, current):
                yield from _rendered(part.body, root, value)


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


# --- reading: texts and braces first


def _split(text: str) -> list[tuple[bool, str]]:
    """Return the pieces of a template: whether it stood in braces, and what it says."""
    pieces, at = [], 0
    while at < len(text):
        begin = text.find("{", at)
        if begin < 0:
            begin = len(text)
        if begin > at:
            pieces.append((False, text[at:begin]))
        if begin == len(text):
            break
        end = _closing(text, begin)
        pieces.append((True, text[begin + 1 : end].strip()))
        at = end + 1
    return pieces


def _closing(text: str, begin: int) -> int:
    at = begin + 1
    while at < len(text):
        if text[at] in "'\"" and (quoted := _STRING.match(text, at)):
            at = quoted.end()
        elif text[at] == "}":
            return at
        else:
            at += 1
    raise JsonPathError(f"{text[begin:]!r} has no closing brace")


def _parts(pieces: list[tuple[bool, str]], *, inside: bool) -> tuple[list[Any], list[tuple[bool, str]]]:
    found: list[Any] = []
    while pieces:
        (braces, text), *pieces = pieces
        if not braces:
            found.append(_Text(text))
        elif text == "end":
            if not inside:
                raise JsonPathError("{end} without {range ...}")
            return found, [(False, ""), *pieces]
        elif text == "range" or text.startswith("range "):
            path = _Reader(text.removeprefix("range").strip()).whole()
            body, pieces = _parts(pieces, inside=True)
            if not pieces:
                raise JsonPathError(f"{{{text}}} has no {{end}}")
            found.append(_Range(path, tuple(body)))
        elif quoted := _STRING.fullmatch(text):
            found.append(_Text(_unquoted(quoted.group())))
        else:
            found.append(_Reader(text).whole())
    return found, []


def _unquoted(text: str) -> str:
    inner = text[1:-1]
    if text[0] == "'":
        inner = inner.replace("\\'", "'").replace('"', '\\"')
    try:
        return str(json.loads(f'"{inner}"'))
    except ValueError:
        raise JsonPathError(f"{text} is no text: escapes are those of JSON, \\n, \\t, \\u00e9") from None


class _Reader:
    """Reads one path."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def whole(self) -> _Path:
        """Read all of it as a path."""
        path = self.path()
        if self._at < len(self._text):
            raise self._error(f"{self._text[self._at :]!r} is not understood")
        return path

    def path(self) -> _Path:
        steps: list[Any] = []
        root = self._take("$")
        if not root:
            self._take("@")
        while True:
            if self._take(".."):
                steps.append(_deep)
                if not self._text.startswith("[", self._at):
                    steps.append(self._named())
            elif self._take("."):
                if not self._text.startswith("[", self._at) and self._text != ".":
                    steps.append(self._named())
            elif self._take("["):
                steps.append(self._bracket())
            elif not steps and not root and _NAME.match(self._text, self._at):
                steps.append(self._named())  # `{items[0].kind}`
            else:
                return _Path(tuple(steps), root)

    def _take(self, sign: str) -> bool:
        if self._text.startswith(sign, self._at):
            self._at += len(sign)
            return True
        return False

    def _error(self, why: str) -> JsonPathError:
        return JsonPathError(f"{{{self._text}}}: {why}")

    def _named(self) -> Any:
        if self._take("*"):
            return _every
        found = _NAME.match(self._text, self._at)
        if found is None:
            raise self._error("a name is missing behind a dot")
        self._at = found.end()
        return _field(re.sub(r"\\(.)", r"\1", found.group()))

    def _bracket(self) -> Any:
        if self._take("?("):
            return self._filter()
        end = self._at
        while end < len(self._text) and self._text[end] != "]":
            quoted = _STRING.match(self._text, end)
            end = quoted.end() if quoted else end + 1
        if end >= len(self._text):
            raise self._error("a bracket is not closed")
        inner, self._at = self._text[self._at : end].strip(), end + 1
        if inner == "*":
            return _every
        steps = []
        for part in re.findall(rf"{_STRING.pattern}|[^,]+", inner):
            if quoted := _STRING.fullmatch(part.strip()):
                steps.append(_field(re.sub(r"\\(.)", r"\1", quoted.group()[1:-1])))
            elif _INTEGER.match(part.strip()):
                steps.append(_element(int(part)))
            elif sliced := _SLICE.match(part.strip()):
                steps.append(_slice(*(int(number) if number else None for number in sliced.groups())))
            else:
                raise self._error(f"[{inner}] is not understood: use [0], [1:3], [*], ['name'] or [?(@.name=='x')]")
        if not steps:
            raise self._error("an empty bracket")
        return lambda root, value: (each for step in steps for each in step(root, value))

    def _filter(self) -> Any:
        left = self._operand()
        compare = _COMPARISON.match(self._text, self._at)
        right = None
        if compare:
            self._at = compare.end()
            self._blanks()
            right = self._operand()
        if not self._take(")]"):
            rest = self._text[self._at :]
            if rest.startswith(("&&", "||")):
                raise self._error("kubectl's filters have neither && nor ||; for `and` write two: [?(...)][?(...)]")
            raise self._error(f"the filter is not closed by )] before {rest!r}")
        test = _OPERATORS[compare.group()] if compare else None
        return _matching(left, test, right)

    def _operand(self) -> Any:
        self._blanks()
        if quoted := _STRING.match(self._text, self._at):
            self._at = quoted.end()
            found: Any = _constant(_unquoted(quoted.group()))
        elif literal := re.compile(r"(true|false|null|-?\d+(\.\d+)?)(?=[\s)=!<>])").match(self._text, self._at):
            self._at = literal.end()
            found = _constant(json.loads(literal.group(1)))
        else:
            found = self.path().values
        self._blanks()
        return found

    def _blanks(self) -> None:
        while self._text.startswith(" ", self._at):
            self._at += 1


# --- steps


def _constant(value: Any) -> Callable[[Any, Any], list[Any]]:
    return lambda _root, _value: [value]


def _field(name: str) -> Callable[[Any, Any], Iterator[Any]]:
    def step(_root: Any, value: Any) -> Iterator[Any]:
        if isinstance(value, dict) and name in value:
            yield value[name]

    return step


def _element(at: int) -> Callable[[Any, Any], Iterator[Any]]:
    def step(_root: Any, value: Any) -> Iterator[Any]:
        if isinstance(value, list) and -len(value) <= at < len(value):
            yield value[at]

    return step


def _slice(begin: int | None, end: int | None, by: int | None) -> Callable[[Any, Any], Iterator[Any]]:
    def step(_root: Any, value: Any) -> Iterator[Any]:
        if isinstance(value, list):
            yield from value[begin : end : by or 1]

    return step


def _every(_root: Any, value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        yield from value
    elif isinstance(value, dict):
        yield from (value[key] for key in sorted(value))


def _deep(root: Any, value: Any) -> Iterator[Any]:
    """The value and all below it."""
    if isinstance(value, (dict, list)):
        yield value
        for each in _every(root, value):
            yield from _deep(root, each)


def _matching(left: Any, test: Any, right: Any) -> Callable[[Any, Any], Iterator[Any]]:
    def holds(root: Any, value: Any) -> bool:
        found = left(root, value)
        if test is None:
            return bool(found)
        try:
            return any(test(a, b) for a in found for b in right(root, value))
        except TypeError:
            return False  # values of two kinds have no order

    def step(root: Any, value: Any) -> Iterator[Any]:
        if isinstance(value, list):
            yield from (each for each in value if holds(root, each))

    return step
