"""Keys of stored results: a canonical form of inputs, equal in every process.

Two values have one form if they are equal by type, value and attributes. Objects are taken apart by what pickle would
keep of them; the order of dicts and sets does not count, but in an `OrderedDict`. Iterators are not read.
Neighbours: `policies` hash what is made here; `hashing` offers it to users; `code_forms` knows classes and functions.
"""

from __future__ import annotations

import enum
import threading
from collections import OrderedDict
from collections.abc import Iterable
from copyreg import dispatch_table
from datetime import timezone
from functools import cached_property, partial
from hashlib import sha256
from io import IOBase
from pathlib import PurePath
from types import BuiltinFunctionType, CodeType, FunctionType, MappingProxyType, MethodType, ModuleType
from typing import Any
from weakref import WeakKeyDictionary

from penstock.base.texts import text_of
from penstock.core.inputs import fields_of
from penstock.storage.code_forms import class_parts, code_parts, found_by_name, function_parts, is_local


class Unhashable(ValueError):  # noqa: N818  (carries where it was found, for the message)
    """Something in an input has no stable form."""


def canonical(value: Any) -> bytes:
    """The bytes that stand for a value.

    Raises:
        Unhashable: it has no stable form; says where.
    """
    parts: list[bytes] = []
    try:
        _write(value, parts, ())
    except RecursionError as exc:
        raise Unhashable("a value is nested too deeply") from exc
    return b"".join(parts)


_names: WeakKeyDictionary[type, str] = WeakKeyDictionary()
_naming = threading.local()


def _class_name(kind: type) -> str:
    """Module and name of a class; with a digest of what it is made of where another one may have that name.

    A class that is met again in what it is made of goes by its name alone. So a digest depends on where it was begun, and
    only that of the first is kept.
    """
    name = _names.get(kind)
    if name is None:
        begun: tuple[type, ...] = getattr(_naming, "begun", ())
        name = _made_name(kind, begun) if is_local(kind) else f"{kind.__module__}.{kind.__qualname__}"
        if not begun:
            _names[kind] = name
    return name


def _made_name(kind: type, begun: tuple[type, ...]) -> str:
    name = f"{kind.__module__}.{kind.__name__}"  # where it was made is lost when it is sent to another process
    if kind in begun:
        return name
    _naming.begun = (*begun, kind)
    try:
        parts = [_class_name(base) for base in kind.__bases__], class_parts(kind)
        return f"{name}#{sha256(canonical(parts)).hexdigest()[:16]}"
    finally:
        _naming.begun = begun


Path = tuple[int, ...]  # ids of what a value is inside of


def _write(value: Any, out: list[bytes], path: Path) -> None:
    kind = type(value)
    if value is None or kind is bool or kind is int or kind is float or kind is complex:
        out.append(f"{kind.__name__}:{value!r};".encode())
    elif kind is str:
        raw = value.encode("utf-8", "surrogatepass")
        out += (b"str:%d:" % len(raw), raw)
    elif kind is bytes or kind is bytearray:
        out += (b"%s:%d:" % (b"bytes" if kind is bytes else b"bytearray", len(value)), bytes(value))
    elif id(value) in path:
        out.append(b"around:%d;" % (len(path) - path.index(id(value))))
    elif kind is list or kind is tuple:
        inner = (*path, id(value))
        out.append(f"{kind.__name__}:{len(value)}[".encode())
        for item in value:
            _write(item, out, inner)
        out.append(b"]")
    elif kind is set or kind is frozenset:
        inner = (*path, id(value))
        items = sorted(_form(item, inner) for item in value)
        out += (f"{kind.__name__}:{len(items)}[".encode(), *items, b"]")
    elif kind is dict:
        _write_pairs(value.items(), out, (*path, id(value)))
    else:
        _write_object(value, out, (*path, id(value)))


def _form(value: Any, path: Path) -> bytes:
    parts: list[bytes] = []
    _write(value, parts, path)
    return b"".join(parts)


def _write_pairs(items: Iterable[tuple[Any, Any]], out: list[bytes], path: Path) -> None:
    pairs = sorted([(_form(key, path), item) for key, item in items], key=_first)
    out.append(b"dict:%d[" % len(pairs))
    for key, item in pairs:
        out.append(key)
        _write(item, out, path)
    out.append(b"]")


def _first(pair: tuple[bytes, Any]) -> bytes:
    return pair[0]


def _write_object(value: Any, out: list[bytes], path: Path) -> None:
    kind: Any = type(value)
    code = _CODE.get(kind)
    if code is not None:
        code(value, out, path)
    elif isinstance(value, type):
        out.append(f"class:{_class_name(value)};".encode())
    elif isinstance(value, enum.Enum):
        name: Any = value.name
        out.append(f"enum:{_class_name(kind)}.{name};".encode())
        if name is None:  # a combination of flags that has no name
            _write(value.value, out, path)
    elif kind.__module__ in _PLAIN_REPR and getattr(value, "tzinfo", None).__class__ in _PLAIN_ZONES:
        out.append(f"{kind.__module__}.{kind.__qualname__}:{value!r};".encode())
    elif isinstance(value, PurePath) and kind.__module__.partition(".")[0] == "pathlib":
        out.append(f"path:{kind.__name__}:".encode())
        _write(str(value), out, path)
    else:
        out.append(f"{_class_name(kind)}:".encode())
        if hasattr(kind, "__pydantic_fields__") and hasattr(kind, "__pydantic_private__"):
            # Which fields were given, and which are defaults, tells no two equal models apart.
            _write((dict(fields_of(value)), value.__pydantic_private__ or None), out, path)
        elif kind.__name__ == "DataFrame" and kind.__module__.partition(".")[0] == "pandas":
            # How its columns lie in memory, which it pickles too, tells no two equal frames apart.
            columns = [value.iloc[:, place].array for place in range(value.shape[1])]
            _write((value.columns, value.index, columns, value.attrs), out, path)
        elif kind.__module__.partition(".")[0] == "numpy" and getattr(getattr(value, "flags", None), "fnc", False):
            _write_reduced(value.copy("C"), kind, out, path)  # how it lies in memory tells no two equal arrays apart
        else:
            _write_reduced(value, kind, out, path)


_PLAIN_REPR = ("datetime", "uuid", "decimal", "fractions")
_PLAIN_ZONES = (type(None), timezone)


def _write_reduced(value: Any, kind: Any, out: list[bytes], path: Path) -> None:
    """Write what a pickle of the object would hold besides its class."""
    by_pickle = dispatch_table.get(kind)
    try:
        reduced: Any = by_pickle(value) if by_pickle is not None else value.__reduce_ex__(4)
    except Exception as exc:
        if not isinstance(exc, TypeError) or isinstance(value, IOBase):  # cloudpickle would read a file
            raise Unhashable(f"{kind.__name__} cannot be hashed: {text_of(exc)}") from exc
        out.append(pickled(value))
        return
    if isinstance(reduced, str):
        _write_global(value, reduced, out, path)
        return
    parts: list[Any] = [*reduced, None, None, None]
    make, arguments, state, items, pairs = parts[:5]
    if by_pickle is None and kind.__reduce__ is object.__reduce__ and kind.__reduce_ex__ is object.__reduce_ex__:
        arguments = list(arguments[1:])  # after the class
        state = _attributes(kind, state)
    elif isinstance(value, set | frozenset) and kind.__reduce__ in (set.__reduce__, frozenset.__reduce__):
        arguments = frozenset(value)
        state = _attributes(kind, state)
    else:
        _write(make, out, path)
    if kind.__module__.startswith("pandas."):
        state = _without_cache(state)
    _write((arguments, state or None), out, path)
    if items is not None:
        _write(list(items), out, path)
    if pairs is not None and isinstance(value, OrderedDict):
        _write(list(pairs), out, path)
    elif pairs is not None:
        _write_pairs(pairs, out, path)


def _write_global(value: Any, name: str, out: list[bytes], path: Path) -> None:
    """Write what pickle takes for a name in a module; if the module has it not, another one may be called the same."""
    module = getattr(value, "__module__", None)
    out.append(f"global:{name};".encode())
    if module is None or found_by_name(value, module, name):
        return
    names = getattr(value, "__dict__", None) or {each: getattr(value, each, None) for each in _TYPE_VARIABLE}
    _write(dict(names), out, path)


_TYPE_VARIABLE = ("__bound__", "__constraints__", "__covariant__", "__contravariant__")


def _attributes(kind: Any, state: Any) -> Any:
    """A state without what cached properties have computed, for that says nothing new; slots stand among the others."""
    if type(state) is tuple and kind.__getstate__ is object.__getstate__:
        state = {**(state[0] or {}), **(state[1] or {})}
    if type(state) is not dict:
        return state
    return {
        name: item
        for name, item in state.items()
        if name != _HASH_OF_ATTRS and not isinstance(getattr(kind, name, None), cached_property)
    }


def _without_cache(state: Any) -> Any:
    """A state without what pandas keeps of it once somebody has looked, as printing does."""
    if type(state) is dict:
        return {name: item for name, item in state.items() if name != "_cache"}
    if type(state) is tuple:
        parts = [_without_cache(part) if type(part) is dict else part for part in state]
        return tuple(part for part in parts if type(part) is not dict or part)
    return state


_HASH_OF_ATTRS = "_attrs_cached_hash"  # of this process, and there as soon as somebody has asked for it


def _write_function(value: FunctionType, out: list[bytes], path: Path) -> None:
    if found_by_name(value, value.__module__, value.__qualname__) and value.__module__ != "__main__":
        out.append(f"function:{value.__module__}.{value.__qualname__};".encode())
    else:
        out.append(b"function:")
        _write(function_parts(value), out, path)


def _write_builtin(value: Any, out: list[bytes], path: Path) -> None:
    out.append(f"builtin:{value.__qualname__}:".encode())
    _write(value.__module__ if value.__module__ is not None else value.__self__, out, path)


def _write_code(value: CodeType, out: list[bytes], path: Path) -> None:
    out.append(b"code:")
    _write(code_parts(value), out, path)


def _write_method(value: MethodType, out: list[bytes], path: Path) -> None:
    out.append(b"method:")
    _write((value.__func__, value.__self__), out, path)


def _write_module(value: ModuleType, out: list[bytes], _: Path) -> None:
    out.append(f"module:{value.__name__};".encode())


def _write_partial(value: Any, out: list[bytes], path: Path) -> None:
    out.append(b"partial:")
    _write((value.func, value.args, value.keywords, vars(value) or None), out, path)


def _write_proxy(value: Any, out: list[bytes], path: Path) -> None:
    out.append(b"mappingproxy:")
    _write(dict(value), out, path)


def _write_view(value: memoryview, out: list[bytes], path: Path) -> None:
    out.append(b"memoryview:")
    _write((value.format, value.shape, value.readonly, value.tobytes()), out, path)


def _write_ellipsis(value: Any, out: list[bytes], _: Path) -> None:
    out.append(f"{value!r};".encode())


_CODE: dict[Any, Any] = {
    FunctionType: _write_function, BuiltinFunctionType: _write_builtin, CodeType: _write_code,
    MethodType: _write_method, ModuleType: _write_module, partial: _write_partial, MappingProxyType: _write_proxy,
    type(...): _write_ellipsis, type(NotImplemented): _write_ellipsis, memoryview: _write_view,
}  # fmt: skip


def pickled(value: Any) -> bytes:
    """The value by cloudpickle, for what nothing else takes apart.

    Raises:
        Unhashable: it cannot be pickled.
    """
    import cloudpickle

    try:
        dumped: bytes = cloudpickle.dumps(value)
    except Exception as exc:
        raise Unhashable(f"{type(value).__name__} cannot be hashed: {text_of(exc)}") from exc
    return b"pickle:%d:" % len(dumped) + dumped
