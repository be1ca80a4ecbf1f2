"""Serializers: how results become bytes. A subclass with a `type` is found by that name.

Neighbours: `results` chooses one for each store and writes its type and options into the record.
"""

from __future__ import annotations

import base64
import json
from typing import Any, ClassVar

__all__ = [
    "CompressedJSONSerializer",
    "CompressedPickleSerializer",
    "CompressedSerializer",
    "JSONSerializer",
    "PickleSerializer",
    "Serializer",
    "prefect_json_object_decoder",
    "prefect_json_object_encoder",
]

_known: dict[str, type[Serializer]] = {}


class Serializer:
    """Base class: give `type`, `dumps` and `loads`. `Serializer(type="json")` makes the one of that name.

    Raises:
        ValueError: no serializer has that name; lists the known ones.
    """

    type: str = ""
    options: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        name = cls.__dict__.get("type")
        if isinstance(name, str) and name:
            _known[name] = cls

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Make an instance; of the named subclass when the base class is called with `type`."""
        if cls is Serializer and "type" in kwargs:
            return super().__new__(by_type(kwargs["type"]))
        return super().__new__(cls)

    def __init__(self, **kwargs: Any) -> None:
        kwargs.pop("type", None)
        if kwargs:
            raise TypeError(f"{type(self).__name__} takes no option {', '.join(kwargs)}.")

    def dumps(self, obj: Any) -> bytes:
        """The object as bytes."""
        raise NotImplementedError(f"{type(self).__name__}.dumps")

    def loads(self, blob: bytes) -> Any:
        """The object of the bytes."""
        raise NotImplementedError(f"{type(self).__name__}.loads")

    def to_dict(self) -> dict[str, Any]:
        """Type and options, as needed to make an equal one."""
        return {"type": self.type, **{name: getattr(self, name) for name in self.options}}

    model_dump = to_dict

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash(type(self))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in self.options)})"


def by_type(name: str) -> type[Serializer]:
    """The serializer class of that name.

    Raises:
        ValueError: there is none; lists the known ones.
    """
    try:
        return _known[name]
    except KeyError:
        raise ValueError(f"There is no serializer {name!r}; known: {', '.join(sorted(_known))}.") from None


def from_dict(form: dict[str, Any]) -> Serializer:
    """The serializer that `to_dict` described."""
    options = {name: value for name, value in form.items() if name != "type"}
    return by_type(form["type"])(**options)


def _import(name: str) -> Any:
    import importlib

    module, _, attribute = name.rpartition(".")
    try:
        return importlib.import_module(name)
    except ImportError:
        if not module:
            raise
        return getattr(importlib.import_module(module), attribute)


class PickleSerializer(Serializer):
    """By cloudpickle, or another module with `dumps` and `loads`.

    Args:
        picklelib: name of the module.

    Raises:
        ValueError: the module cannot be imported, or lacks one of both functions.
    """

    type = "pickle"
    options = ("picklelib",)

    def __init__(self, picklelib: str = "cloudpickle", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.picklelib = picklelib
        if picklelib != "cloudpickle":
            _check_module(picklelib, "pickle", "dumps", "loads")

    def dumps(self, obj: Any) -> bytes:
        """The object as base64 text of its pickle."""
        return base64.encodebytes(_import(self.picklelib).dumps(obj))

    def loads(self, blob: bytes) -> Any:
        """The object of the bytes."""
        return _import(self.picklelib).loads(base64.decodebytes(blob))


def _check_module(name: str, what: str, *functions: str) -> None:
    try:
        module = _import(name)
    except ImportError as exc:
        raise ValueError(f"Failed to import requested {what} library: {name!r}.") from exc
    for function in functions:
        if not callable(getattr(module, function, None)):
            raise ValueError(f"{what.capitalize()} library at {name!r} does not have a '{function}' method.")  # noqa: TRY004  (a bad option)


def prefect_json_object_encoder(obj: Any) -> Any:
    """What JSON cannot hold, as an object that names its class: exceptions by pickle, the rest by pydantic."""
    if isinstance(obj, BaseException):
        return {"__exc_type__": _class_name(type(obj)), "message": str(obj), "args": _jsonable(obj.args)}
    import pydantic_core

    return {"__class__": _class_name(type(obj)), "data": pydantic_core.to_jsonable_python(obj)}


def prefect_json_object_decoder(result: dict[str, Any]) -> Any:
    """The object that `prefect_json_object_encoder` described; other objects are dicts."""
    if "__class__" in result and "data" in result:
        import pydantic

        return pydantic.TypeAdapter(_import(result["__class__"])).validate_python(result["data"])
    if "__exc_type__" in result:
        return _import(result["__exc_type__"])(*(result.get("args") or [result["message"]]))
    return result


penstock_json_object_encoder = prefect_json_object_encoder
penstock_json_object_decoder = prefect_json_object_decoder


def _jsonable(args: Any) -> Any:
    import pydantic_core

    try:
        return list(pydantic_core.to_jsonable_python(args))
    except Exception:  # noqa: BLE001  (arguments that have no JSON form: the message stands for them)
        return []


def _class_name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


class JSONSerializer(Serializer):
    """As JSON.

    Args:
        jsonlib: name of a module with `dumps` and `loads`.
        object_encoder: dotted name of a function for what JSON cannot hold; None: such objects are refused.
        object_decoder: dotted name of the function that reads it back.
        dumps_kwargs: more arguments for `dumps`.
        loads_kwargs: more arguments for `loads`.

    Raises:
        ValueError: `default` or `object_hook` is given as an argument instead of by encoder or decoder.
    """

    type = "json"
    options = ("jsonlib", "object_encoder", "object_decoder", "dumps_kwargs", "loads_kwargs")

    def __init__(
        self,
        jsonlib: str = "json",
        object_encoder: str | None = "penstock.serializers.prefect_json_object_encoder",
        object_decoder: str | None = "penstock.serializers.prefect_json_object_decoder",
        dumps_kwargs: dict[str, Any] | None = None,
        loads_kwargs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.jsonlib = jsonlib
        self.object_encoder = object_encoder
        self.object_decoder = object_decoder
        self.dumps_kwargs = dict(dumps_kwargs or {})
        self.loads_kwargs = dict(loads_kwargs or {})
        if "default" in self.dumps_kwargs:
            raise ValueError("`default` cannot be provided. Use `object_encoder` instead.")
        if "object_hook" in self.loads_kwargs:
            raise ValueError("`object_hook` cannot be provided. Use `object_decoder` instead.")

    def dumps(self, obj: Any) -> bytes:
        """The object as JSON."""
        kwargs = dict(self.dumps_kwargs)
        if self.object_encoder:
            kwargs["default"] = _import(self.object_encoder)
        text = (json if self.jsonlib == "json" else _import(self.jsonlib)).dumps(obj, **kwargs)
        return text.encode() if isinstance(text, str) else bytes(text)

    def loads(self, blob: bytes) -> Any:
        """The object of the JSON."""
        kwargs = dict(self.loads_kwargs)
        if self.object_decoder:
            kwargs["object_hook"] = _import(self.object_decoder)
        return (json if self.jsonlib == "json" else _import(self.jsonlib)).loads(blob.decode(), **kwargs)


class CompressedSerializer(Serializer):
    """Compresses what another serializer makes.

    Args:
        serializer: the other one, as object, type, or description.
        compressionlib: name of a module with `compress` and `decompress`.

    Raises:
        ValueError: the module cannot be imported, or lacks one of both functions.
    """

    type = "compressed"
    options = ("compressionlib",)

    def __init__(self, serializer: Any = "pickle", compressionlib: str = "lzma", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.serializer = resolve(serializer)
        self.compressionlib = compressionlib
        _check_module(compressionlib, "compression", "compress", "decompress")

    def dumps(self, obj: Any) -> bytes:
        """The object, serialized and compressed."""
        return bytes(_import(self.compressionlib).compress(self.serializer.dumps(obj)))

    def loads(self, blob: bytes) -> Any:
        """The object of the bytes."""
        return self.serializer.loads(_import(self.compressionlib).decompress(blob))

    def to_dict(self) -> dict[str, Any]:
        """Type and options."""
        return {**super().to_dict(), "serializer": self.serializer.to_dict()}

    model_dump = to_dict


class CompressedPickleSerializer(CompressedSerializer):
    """Compresses a pickle."""

    type = "compressed/pickle"

    def __init__(self, serializer: Any = "pickle", compressionlib: str = "lzma", **kwargs: Any) -> None:
        super().__init__(serializer, compressionlib, **kwargs)


class CompressedJSONSerializer(CompressedSerializer):
    """Compresses JSON."""

    type = "compressed/json"

    def __init__(self, serializer: Any = "json", compressionlib: str = "lzma", **kwargs: Any) -> None:
        super().__init__(serializer, compressionlib, **kwargs)


def resolve(given: Any) -> Serializer:
    """The serializer that an option means: an object, a type, or a description.

    Raises:
        ValueError: nothing has that type.
        TypeError: it is something else.
    """
    if isinstance(given, Serializer):
        return given
    if isinstance(given, str):
        return by_type(given)()
    if isinstance(given, dict):
        return from_dict(given)
    raise TypeError(f"A serializer, or the name of one, is expected; {type(given).__name__} was given.")
