"""Values on their way through JSON and the API server: what would arrive as something else is refused here, with its path.

The rule: a value passes when it comes back equal, or when a signature can make it again from what comes back. Between here
and a pod are Python's JSON, Go's (which reads a number without point or exponent as a signed integer of 64 bits, else as a
float, and writes `1.0` as `1`), and JSON as it is stored. So

* refused: integers beyond 64 bits (rounded without a word), NaN and infinities (no JSON), sets (no order, no JSON), bytes
  (no text), keys that are no strings (`{1: a}` comes back as `{"1": a}`), lone surrogates (no UTF-8), secrets of pydantic
  (only asterisks would go out), what refers to itself or is nested too deep;
* passes: `1.0`, which comes back as `1`, equal to it, and as `1.0` for `x: float`; tuples, pydantic models, dataclasses, dates,
  Paths, UUIDs, Enums, Decimals: as pydantic's JSON mode writes them. A model makes its own sets and bytes again.

Pure; pydantic is imported only for values that are not plain JSON. Neighbours: `json_form` shows what it can and never
raises; the command line checks what it read from files by `check_json`.
"""

from __future__ import annotations

import collections
import dataclasses
import json
import math
import os
import re
from collections.abc import ItemsView, KeysView, Mapping, ValuesView
from typing import TYPE_CHECKING, Any

from penstock.base.exceptions import NotJsonError, TooLargeError

if TYPE_CHECKING:
    from typing import Final

__all__ = [
    "DEEPEST",
    "INTEGER_LEAST",
    "INTEGER_MOST",
    "LARGEST_BYTES",
    "NotJsonError",
    "TooLargeError",
    "check_json",
    "check_size",
    "json_size",
    "parameters_to_json",
    "step",
    "to_json",
]

INTEGER_LEAST: Final = -(2**63)
INTEGER_MOST: Final = 2**63 - 1
DEEPEST: Final = 100  # as whoever reads it: the pod's client and the operator
LARGEST_BYTES: Final = 1_000_000  # an API server takes 1.5 MiB for a whole object, and its store the same
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*\Z")


class _LossyError(NotJsonError):
    """JSON has no such thing, but a type may make it again from what JSON has."""


class _StrangerError(NotJsonError):
    """A value of a type that nothing here knows to write."""


def to_json(value: Any, path: str = "value") -> Any:
    """Give the form in which a value goes out: dicts with text keys, lists, texts, numbers, booleans, None.

    Args:
        value: Any value; it is not changed.
        path: What the value is called in errors.

    Raises:
        NotJsonError: Something in it would arrive as something else.
    """
    try:
        return _Walk().form(value, path)
    except (_LossyError, _StrangerError) as error:
        # Which kind it is of is of use inside only.
        raise NotJsonError(error.path, error.reason) from error.__cause__


def parameters_to_json(parameters: Mapping[str, Any], path: str = "parameters") -> dict[str, Any]:
    """Give parameters as they go out, see `to_json`.

    Raises:
        NotJsonError: Something in them would arrive as something else.
        TooLargeError: They are larger than 1 MB as JSON.
    """
    form: dict[str, Any] = to_json(parameters, path)
    check_size(form, path)
    return form


def check_size(form: Mapping[str, Any], path: str, largest: int = LARGEST_BYTES) -> None:
    """Refuse what no object in a cluster can hold.

    Args:
        form: A JSON object.
        path: What it is called in errors.
        largest: Bytes that it may have.

    Raises:
        TooLargeError: It has more; names its largest member.
    """
    size = json_size(form)
    if size > largest:
        most, name = max((json_size(item), name) for name, item in form.items())
        raise TooLargeError(
            path,
            f"{size / 1e6:.1f} MB as JSON, and an object in a cluster holds 1 MB; {step(path, name)} alone has "
            f"{most / 1e6:.1f} MB. Hand large values over by reference: write them to a results store "
            "(penstock.results.ResultStore, or a file on a shared volume or bucket) and pass the key.",
        )


def check_json(value: Any, path: str = "value") -> None:
    """Refuse what was read as JSON or YAML and would not arrive as it is.

    Raises:
        NotJsonError: It names the path.
    """
    to_json(value, path)


def json_size(value: Any) -> int:
    """Give the bytes of a JSON value as it is sent."""
    return len(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass"))


def step(path: str, key: str | int) -> str:
    """Give the path of a member: `a.b`, `a[3]`, `a["x y"]`."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    return f"{path}.{key}" if _PLAIN_KEY.match(key) else f"{path}[{json.dumps(key)}]"


class _Walk:
    """One way through a value; remembers what it is inside of."""

    __slots__ = ("_inside",)

    def __init__(self) -> None:
        self._inside: list[int] = []

    def form(self, value: Any, path: str) -> Any:
        """The JSON form of a value, checked."""
        kind = type(value)
        if value is None or kind is bool:
            return value
        if kind is str:
            return _text(value, path)
        if kind is int:
            return _integer(value, path)
        if kind is float:
            return _number(value, path)
        if kind is dict or kind is list or kind is tuple:
            return self._within(value, path)
        return self._other(value, path)

    def _within(self, value: Any, path: str) -> Any:
        if id(value) in self._inside:
            raise NotJsonError(path, "it contains itself, and JSON cannot say that")
        if len(self._inside) >= DEEPEST:
            raise NotJsonError(path, f"it is nested deeper than {DEEPEST} levels")
        self._inside.append(id(value))
        try:
            if isinstance(value, Mapping):
                return {_key(key, path): self.form(item, step(path, _key(key, path))) for key, item in value.items()}
            return [self.form(item, step(path, index)) for index, item in enumerate(value)]
        finally:
            self._inside.pop()

    def _other(self, value: Any, path: str) -> Any:
        """What is not plain JSON: subclasses of it, collections, and what pydantic knows."""
        import enum

        if isinstance(value, enum.Enum):
            return self.form(value.value, path)
        if isinstance(value, str):
            return _text(str.__str__(value), path)
        if isinstance(value, bool | int):
            return _integer(int(value), path)
        if isinstance(value, float):
            return _number(float(value), path)
        if isinstance(value, set | frozenset):
            raise _LossyError(path, f"{_a(_name(type(value)))} has no order and no form in JSON; pass a sorted list")
        if isinstance(value, bytes | bytearray | memoryview):
            raise _LossyError(
                path,
                f"{type(value).__name__} have no form in JSON; decode them, write base64, or pass a file's address",
            )
        if isinstance(value, os.PathLike):
            return self.form(os.fspath(value), path)  # pydantic writes a Path, and no PurePath
        if isinstance(value, type):
            return _known_to_pydantic(value, path)
        if hasattr(type(value), "__pydantic_serializer__") or dataclasses.is_dataclass(value):
            return self._typed(value, path)
        if isinstance(value, Mapping | list | tuple | collections.deque):
            return self._within(value, path)
        return _known_to_pydantic(value, path)

    def _typed(self, value: Any, path: str) -> Any:
        """A model or a dataclass: its type reads its own form, and may make sets, bytes and keys again."""
        if id(value) in self._inside:
            raise NotJsonError(path, "it contains itself, and JSON cannot say that")
        _no_secrets(value, path, ())
        self._inside.append(id(value))
        try:
            form = _written(value, path)
            self.form(form, path)
            for name, item in vars(value).items() if hasattr(value, "__dict__") else ():
                self.form(item, step(path, name))
        except _LossyError:
            if not _reads_itself(value, form):
                raise
        except _StrangerError:
            pass  # a member that only the type knows to write, and it has written it
        finally:
            self._inside.pop()
        return form


def _written(value: Any, path: str) -> Any:
    import pydantic_core

    try:
        return pydantic_core.to_jsonable_python(value)
    except Exception as error:
        raise NotJsonError(path, f"{type(value).__name__} cannot be written as JSON: {error}") from error


def _reads_itself(value: Any, form: Any) -> bool:
    """Whether a typed value comes back equal from its form."""
    import pydantic

    try:
        return bool(pydantic.TypeAdapter(type(value)).validate_json(json.dumps(form)) == value)
    except Exception:  # noqa: BLE001  (validators and comparisons of the user's)
        return False


def _text(value: str, path: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise NotJsonError(
            path,
            f"the text has a lone surrogate (\\u{ord(value[error.start]):04x}) at {error.start}, which no UTF-8 can hold; "
            "it comes from bytes that were decoded with errors='surrogateescape'",
        ) from None
    return value


def _integer(value: int, path: str) -> int:
    if not INTEGER_LEAST <= value <= INTEGER_MOST:
        raise NotJsonError(
            path,
            f"an integer of {value.bit_length()} bits and a sign: the API server rounds what is beyond 64 bits in all without a word: pass a text",
        )
    return value


def _number(value: float, path: str) -> float:
    if not math.isfinite(value):
        raise NotJsonError(path, f"{value} is no number in JSON; pass null, or the text {str(value)!r}")
    return value


def _key(key: Any, path: str) -> str:
    if not isinstance(key, str):
        raise _LossyError(
            path, f"the key {key!r} is {_a(_name(type(key)))}: JSON has text keys only, so it would come back as text"
        )
    # A key of a str-Enum goes out as its value.
    return _text(str.__str__(key), f"{path}, key {key!r}")


def _known_to_pydantic(value: Any, path: str) -> Any:
    """Dates, Paths, UUIDs, Decimals and their like; anything else is refused."""
    import pydantic_core

    kind = type(value)
    _no_secrets(value, path, ())
    lazy = any(hasattr(kind, name) for name in ("__next__", "__anext__", "__await__"))
    if hasattr(kind, "add_done_callback"):
        raise NotJsonError(
            path, f"{_a(_name(kind))} has no form in JSON; pass its result(): another pod cannot wait for it"
        )
    if lazy or issubclass(kind, range | KeysView | ValuesView | ItemsView):
        # pydantic would use up a generator to write it.
        raise NotJsonError(path, f"{_a(_name(kind))} has no form in JSON; pass what it gives, as a list")
    try:
        form = pydantic_core.to_jsonable_python(value)
    except Exception as error:
        raise _StrangerError(
            path,
            f"{_a(_name(kind))} has no form in JSON; pass plain values, a pydantic model or a dataclass",
        ) from error
    return _Walk().form(form, path)


def _no_secrets(value: Any, path: str, inside: tuple[int, ...]) -> None:
    """Refuse pydantic's secrets: their JSON form is a row of asterisks."""
    from pydantic import BaseModel, SecretBytes, SecretStr
    from pydantic.types import Secret

    if isinstance(value, SecretStr | SecretBytes | Secret):
        raise NotJsonError(
            path, "a secret goes out as asterisks; let the flow read it from a Secret (env with valueFrom, or a file)"
        )
    if id(value) in inside or len(inside) > DEEPEST:
        return
    inside = (*inside, id(value))
    if isinstance(value, BaseModel) or hasattr(type(value), "__pydantic_fields__"):
        for name, item in vars(value).items():
            _no_secrets(item, step(path, name), inside)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            _no_secrets(item, step(path, str(key)), inside)
    elif isinstance(value, list | tuple | set | frozenset):
        for index, item in enumerate(value):
            _no_secrets(item, step(path, index), inside)


def _name(kind: type) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _a(name: str) -> str:
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"
