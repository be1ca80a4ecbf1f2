"""Keys of stored results: a canonical form of inputs, equal in every process.

Canonical for builtins, dataclasses, enums, dates, paths, pydantic models, and objects of ordinary classes by their
members; what pickles in a way of its own goes through cloudpickle.
Neighbours: `cache_policies` hash what is made here; `utilities.hashing` offers it to users.
"""

from __future__ import annotations

import enum
from pathlib import PurePath
from typing import Any

from penstock.base.texts import text_of
from penstock.core.inputs import fields_of


class Unhashable(ValueError):  # noqa: N818  (carries where it was found, for the message)
    """Something in an input has no stable form."""


def canonical(value: Any) -> bytes:
    """The bytes that stand for a value.

    Raises:
        Unhashable: it has no stable form; says where.
    """
    parts: list[bytes] = []
    _write(value, parts, ())
    return b"".join(parts)


def _write(value: Any, out: list[bytes], path: tuple[int, ...]) -> None:
    kind = value.__class__
    if value is None or kind is bool or kind is int or kind is float or kind is complex:
        out.append(f"{kind.__name__}:{value!r};".encode())
    elif kind is str:
        raw = value.encode("utf-8", "surrogatepass")
        out += (b"str:%d:" % len(raw), raw)
    elif kind is bytes or kind is bytearray:
        out += (b"bytes:%d:" % len(value), bytes(value))
    elif id(value) in path:
        raise Unhashable("a value contains itself")
    elif kind is list or kind is tuple:
        inner = (*path, id(value))
        out.append(f"{kind.__name__}:{len(value)}[".encode())
        for item in value:
            _write(item, out, inner)
        out.append(b"]")
    elif kind is set or kind is frozenset:
        items = sorted(canonical(item) for item in value)
        out += (f"set:{len(items)}[".encode(), *items, b"]")
    elif kind is dict:
        pairs = sorted((canonical(key), item) for key, item in value.items()) if value else []
        inner = (*path, id(value))
        out.append(b"dict:%d[" % len(pairs))
        for key, item in pairs:
            out.append(key)
            _write(item, out, inner)
        out.append(b"]")
    else:
        _write_object(value, out, (*path, id(value)))


def _write_object(value: Any, out: list[bytes], path: tuple[int, ...]) -> None:
    kind: Any = type(value)
    name = f"{kind.__module__}.{kind.__qualname__}"
    if isinstance(value, enum.Enum):
        out.append(f"enum:{name}.{value.name};".encode())
    elif isinstance(value, PurePath):
        out.append(f"path:{value};".encode())
    elif kind.__module__ == "datetime" or kind.__module__ in ("uuid", "decimal", "fractions"):
        out.append(f"{name}:{value!r};".encode())
    elif isinstance(value, dict):
        out.append(f"{name}:".encode())
        _write(dict(value), out, path)
    elif isinstance(value, list | tuple | set | frozenset):
        out.append(f"{name}:".encode())
        _write(list(value) if isinstance(value, list | tuple) else frozenset(value), out, path)
    elif not isinstance(value, type) and (
        hasattr(kind, "__dataclass_fields__") or hasattr(kind, "__pydantic_fields__")
    ):
        out.append(f"{name}:".encode())
        _write(dict(fields_of(value)), out, path)
    elif (
        kind.__flags__ & _HEAP_TYPE
        and not isinstance(value, type)
        and kind.__reduce__ is object.__reduce__
        and (kind.__reduce_ex__ is object.__reduce_ex__)
    ):
        out.append(f"{name}:".encode())
        _write(_state_of(value), out, path)
    else:
        out.append(pickled(value))


_HEAP_TYPE = 1 << 9  # of `type.__flags__`: classes that Python code defines


def _state_of(value: Any) -> Any:
    """What a pickle of an ordinary object would hold besides its class.

    Raises:
        Unhashable: it cannot be pickled.
    """
    try:
        _, (_, *arguments), state, *_ = value.__reduce_ex__(4)
    except Exception as exc:
        raise Unhashable(f"{type(value).__name__} cannot be hashed: {text_of(exc)}") from exc
    return arguments, state


def pickled(value: Any) -> bytes:
    """The value by cloudpickle.

    Raises:
        Unhashable: it cannot be pickled.
    """
    import cloudpickle

    try:
        dumped: bytes = cloudpickle.dumps(value)
    except Exception as exc:
        raise Unhashable(f"{type(value).__name__} cannot be hashed: {text_of(exc)}") from exc
    return b"pickle:%d:" % len(dumped) + dumped
