"""Serializers: how results become bytes. A subclass with a `type` is found by that name.

Neighbours: `results` chooses one for each store and writes its type and options into the record.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import pickle
from typing import TYPE_CHECKING, Any, ClassVar

from penstock.base.fields import invalid, own_fields, settle
from penstock.base.importtools import from_qualified_name, to_qualified_name
from penstock.base.subscripted import AS_FIELD, Of, Subscripted

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

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
_LINE = 57
"""Bytes that a line of base64 has at most."""


class Serializer(Subscripted[Of]):
    """Base class: give `type`, `dumps` and `loads`; annotated members are options.

    `Serializer(type="json")` makes the one of that name.

    Raises:
        ValueError: no serializer has that name, or an option is unknown, missing or of the wrong type.
    """

    type: str = ""
    _options: ClassVar[dict[str, Any]] = {}

    __get_pydantic_core_schema__ = AS_FIELD

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        own = {name: hint for name, hint in own_fields(cls).items() if name != "type"}
        cls._options = {**cls._options, **own}
        name = cls.__dict__.get("type")
        if isinstance(name, str) and name:
            _known[name] = cls

    def __new__(cls, *_: Any, **kwargs: Any) -> Any:
        """Make an instance; of the named subclass when the base class is called with `type`."""
        if cls is Serializer and "type" in kwargs:
            return super().__new__(by_type(kwargs["type"]))
        return super().__new__(cls)

    def __init__(self, *given: Any, **options: Any) -> None:
        options.pop("type", None)
        options.update(zip(self._options, given, strict=False))
        settle(self, self._options, options)
        self._settle()

    def _settle(self) -> None:
        """Check the options."""

    def dumps(self, obj: Any) -> bytes:
        """The object as bytes."""
        raise NotImplementedError(f"{type(self).__name__}.dumps")

    def loads(self, blob: bytes) -> Any:
        """The object of the bytes."""
        raise NotImplementedError(f"{type(self).__name__}.loads")

    def to_dict(self) -> dict[str, Any]:
        """Type and options, as needed to make an equal one."""
        options = {name: getattr(self, name) for name in self._options}
        forms = {name: value.to_dict() if isinstance(value, Serializer) else value for name, value in options.items()}
        return {"type": self.type, **forms}

    def model_dump(self, **_: Any) -> dict[str, Any]:
        """`to_dict`, under the name that pydantic has for it."""
        return self.to_dict()

    def model_dump_json(self) -> str:
        """`to_dict` as JSON."""
        return json.dumps(self.to_dict(), separators=(",", ":"))

    def model_copy(self, *, update: Mapping[str, Any] | None = None) -> Self:
        """A copy with some options changed."""
        options = {name: getattr(self, name) for name in self._options}
        return type(self)(**{**options, **(update or {})})

    @classmethod
    def model_validate(cls, form: Any) -> Serializer:
        """The serializer that `to_dict` described, or the given one."""
        return resolve(form)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash(type(self))

    def __repr__(self) -> str:
        shown = {"type": self.type, **{name: getattr(self, name) for name in self._options}}
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in shown.items())})"


def by_type(name: str) -> type[Serializer]:
    """The serializer class of that name.

    Raises:
        ValueError: there is none; lists the known ones.
    """
    try:
        return _known[name]
    except KeyError:
        known = ", ".join(sorted(_known))
        raise invalid("Serializer", "type", f"There is no serializer {name!r}; known: {known}.", name) from None


def from_dict(form: dict[str, Any]) -> Serializer:
    """The serializer that `to_dict` described."""
    options = {name: value for name, value in form.items() if name != "type"}
    return by_type(form["type"])(**options)


# Of these cloudpickle makes the same bytes as pickle, with much ado for each.
_SAME_BY_PICKLE = frozenset({type(None), bool, int, float, complex, str, bytes})


class PickleSerializer(Serializer):
    """By cloudpickle, or another module with `dumps` and `loads`.

    Args:
        picklelib: name of the module.
        picklelib_version: kept with the results; not compared.

    Raises:
        ValueError: the module cannot be imported, or lacks one of both functions.
    """

    type = "pickle"
    picklelib: str = "cloudpickle"
    picklelib_version: str | None = None

    def _settle(self) -> None:
        if self.picklelib != "cloudpickle":
            _check_module(self, "picklelib", "pickle", "dumps", "loads")

    def dumps(self, obj: Any) -> bytes:
        """The object as base64 text of its pickle."""
        if self.picklelib == "cloudpickle" and type(obj) in _SAME_BY_PICKLE:
            made = pickle.dumps(obj, pickle.HIGHEST_PROTOCOL)
            # Of what fits into one line `encodebytes` makes the same, at length.
            return binascii.b2a_base64(made) if len(made) <= _LINE else base64.encodebytes(made)
        return base64.encodebytes(from_qualified_name(self.picklelib).dumps(obj))

    def loads(self, blob: bytes) -> Any:
        """The object of the bytes."""
        return from_qualified_name(self.picklelib).loads(base64.decodebytes(blob))


def _check_module(serializer: Serializer, option: str, what: str, *functions: str) -> None:
    name = getattr(serializer, option)
    title = type(serializer).__name__
    try:
        module = from_qualified_name(name)
    except ImportError as exc:
        raise invalid(title, option, f"Failed to import requested {what} library: {name!r}.", name) from exc
    for function in functions:
        if not callable(getattr(module, function, None)):
            message = f"{what.capitalize()} library at {name!r} does not have a '{function}' method."
            raise invalid(title, option, message, name)


def prefect_json_object_encoder(obj: Any) -> Any:
    """What JSON cannot hold, as an object that names its class; of streams only that there was one."""
    if isinstance(obj, BaseException):
        form = {"__exc_type__": to_qualified_name(type(obj)), "message": str(obj)}
        # An exception of several arguments is made again of them; of one, of its message.
        return form if obj.args == (str(obj),) else {**form, "args": _jsonable(obj.args)}
    if isinstance(obj, io.IOBase):
        return {"__class__": to_qualified_name(type(obj)), "data": f"<a stream that was not read: {obj!r}>"}
    import pydantic_core

    kind = (getattr(type(obj), "__pydantic_generic_metadata__", None) or {}).get("origin") or type(obj)
    return {"__class__": to_qualified_name(kind), "data": pydantic_core.to_jsonable_python(obj)}


def prefect_json_object_decoder(result: dict[str, Any]) -> Any:
    """The object that `prefect_json_object_encoder` described; other objects, and unknown classes, are dicts.

    Raises:
        ValueError: an exception type cannot be imported, or is none.
    """
    if "__class__" in result:
        import pydantic

        try:
            kind = from_qualified_name(result["__class__"])
        except (ImportError, AttributeError):
            return result
        return pydantic.TypeAdapter(kind).validate_python(result["data"])
    if "__exc_type__" in result:
        name = result["__exc_type__"]
        try:
            kind = from_qualified_name(name)
        except (ImportError, AttributeError):
            kind = None
        if not (isinstance(kind, type) and issubclass(kind, BaseException)):
            raise ValueError(f"Invalid exception type: {name!r}")
        return kind(*(result.get("args") or [result["message"]]))
    return result


penstock_json_object_encoder = prefect_json_object_encoder
penstock_json_object_decoder = prefect_json_object_decoder


def _jsonable(args: Any) -> Any:
    import pydantic_core

    try:
        return list(pydantic_core.to_jsonable_python(args))
    except Exception:  # noqa: BLE001  (arguments that have no JSON form: the message stands for them)
        return []


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
    jsonlib: str = "json"
    object_encoder: str | None = "penstock.serializers.prefect_json_object_encoder"
    object_decoder: str | None = "penstock.serializers.prefect_json_object_decoder"
    dumps_kwargs: dict[str, Any] = {}  # noqa: RUF012  (a default, copied for each instance)
    loads_kwargs: dict[str, Any] = {}  # noqa: RUF012

    def _settle(self) -> None:
        for option, key, instead in (
            ("dumps_kwargs", "default", "object_encoder"),
            ("loads_kwargs", "object_hook", "object_decoder"),
        ):
            given = getattr(self, option)
            if key in given:
                message = f"`{key}` cannot be provided. Use `{instead}` instead."
                raise invalid(type(self).__name__, option, message, given)

    def dumps(self, obj: Any) -> bytes:
        """The object as JSON."""
        kwargs = dict(self.dumps_kwargs)
        if self.object_encoder:
            kwargs["default"] = from_qualified_name(self.object_encoder)
        text = (json if self.jsonlib == "json" else from_qualified_name(self.jsonlib)).dumps(obj, **kwargs)
        return text.encode() if isinstance(text, str) else bytes(text)

    def loads(self, blob: bytes) -> Any:
        """The object of the JSON."""
        kwargs = dict(self.loads_kwargs)
        if self.object_decoder:
            kwargs["object_hook"] = from_qualified_name(self.object_decoder)
        return (json if self.jsonlib == "json" else from_qualified_name(self.jsonlib)).loads(blob.decode(), **kwargs)


class CompressedSerializer(Serializer):
    """Compresses what another serializer makes.

    Args:
        serializer: the other one, as object, type, or description.
        compressionlib: name of a module with `compress` and `decompress`.

    Raises:
        ValueError: the module cannot be imported, or lacks one of both functions.
    """

    type = "compressed"
    serializer: Any
    compressionlib: str = "lzma"

    def _settle(self) -> None:
        self.serializer = resolve(self.serializer)
        _check_module(self, "compressionlib", "compression", "compress", "decompress")

    def dumps(self, obj: Any) -> bytes:
        """The object, serialized and compressed, as base64 text."""
        return base64.encodebytes(from_qualified_name(self.compressionlib).compress(self.serializer.dumps(obj)))

    def loads(self, blob: bytes) -> Any:
        """The object of the bytes."""
        return self.serializer.loads(from_qualified_name(self.compressionlib).decompress(base64.decodebytes(blob)))


class CompressedPickleSerializer(CompressedSerializer):
    """Compresses a pickle."""

    type = "compressed/pickle"
    serializer: Any = "pickle"


class CompressedJSONSerializer(CompressedSerializer):
    """Compresses JSON."""

    type = "compressed/json"
    serializer: Any = "json"


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
    raise TypeError(
        f"Result serializer must be a Serializer or the name of one. Got unsupported type {type(given).__name__!r}."
    )
