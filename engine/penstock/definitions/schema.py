"""What a signature says of its parameters, as pydantic models: one that checks values, and one that makes the JSON schema.

The only place where a signature becomes either. Fields are numbered and parameter names are aliases, so that names which
pydantic reserves work. The schema is the one that Prefect's `parameter_schema` gives, with definitions below
`definitions`; `docs/build.md` lists what differs on purpose. Neighbours: `hints` resolves annotations, `validation` checks
by the model, `callables` hands out the schema.
"""

from __future__ import annotations

import inspect
import math
import warnings
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, get_origin

import pydantic
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import PydanticSerializationError, PydanticUndefined

from penstock.base.exceptions import ParameterTypeError, SerializationError, SignatureMismatchError
from penstock.definitions.binding import signature_of
from penstock.definitions.docstrings import parameter_docstrings
from penstock.definitions.hints import Unresolved, hints_of
from penstock.definitions.legacy_models import is_of_v1, schema_of_v1

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from pydantic_core import core_schema

EMPTY = inspect.Parameter.empty
_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_REFERENCE = "#/definitions/{model}"
# Values may be of any class: of one that pydantic does not know, `isinstance` decides.
_CONFIG = pydantic.ConfigDict(arbitrary_types_allowed=True, protected_namespaces=())


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a signature.

    Attributes:
        name: as the function has it.
        kind: of `inspect.Parameter`.
        position: its place in the signature, from 0.
        written: its annotation, resolved; `Unresolved` where that cannot be.
        hint: the type of its values; `Any` where nothing is known, with what a default `Field(...)` says of them.
        field: such a default; None for others.
        default: its value when it is not given; `EMPTY`: it must be, or it is made by a `default_factory` of the field.
    """

    name: str
    kind: Any
    position: int
    written: Any
    hint: Any
    field: Any
    default: Any

    @property
    def variadic(self) -> bool:
        """Whether it is `*args` or `**kwargs`."""
        return self.kind in _VARIADIC

    @property
    def factory(self) -> Any:
        """What makes its value when it is not given; None: nothing does."""
        return None if self.field is None else self.field.default_factory

    def absent_value(self) -> Any:
        """Its value in a call that does not give it, made anew by a factory; `EMPTY`: there is none."""
        return self.default if self.factory is None else self.field.get_default(call_default_factory=True)


def parameters_of(signature: inspect.Signature, hints: Mapping[str, Any]) -> tuple[Parameter, ...]:
    """The parameters of a signature.

    Args:
        signature: what to describe.
        hints: resolved annotations by name; the signature's own where there is none.
    """
    found = []
    for position, each in enumerate(signature.parameters.values()):
        written = hints.get(each.name, each.annotation)
        unknown = written is EMPTY or isinstance(written, str | Unresolved) or get_origin(written) is ClassVar
        hint = Any if unknown else written
        field, default = None, each.default
        if isinstance(default, FieldInfo):
            field, default, bare = default, default.default, copy(default)
            bare.default, bare.default_factory = PydanticUndefined, None
            hint = Annotated[hint, bare]
            if default is PydanticUndefined or default is ...:
                default = EMPTY
        found.append(Parameter(each.name, each.kind, position, written, hint, field, default))
    return tuple(found)


def unresolved_in(parameters: Iterable[Parameter]) -> Iterable[tuple[str, Unresolved]]:
    """The parameters whose annotation cannot be resolved, but for `*args` and `**kwargs`, which are not checked."""
    for each in parameters:
        if isinstance(each.written, Unresolved) and not each.variadic:
            yield each.name, each.written


def checking_model(parameters: Sequence[Parameter]) -> type[pydantic.BaseModel]:
    """The model that checks and converts values, field by field; what `*args` and `**kwargs` collect is taken as it is, as Prefect does."""
    fields: dict[str, Any] = {
        _field_name(each): (Any if each.variadic else each.hint, pydantic.Field(alias=each.name)) for each in parameters
    }
    config = pydantic.ConfigDict(**_CONFIG, extra="forbid")
    return pydantic.create_model("Parameters", __config__=config, **fields)


def _field_name(parameter: Parameter) -> str:
    return f"p{parameter.position}"


def values_by_name(parameters: Iterable[Parameter], checked: pydantic.BaseModel) -> dict[str, Any]:
    """What a model of `checking_model` holds, by the names of the parameters."""
    values = checked.__dict__
    return {each.name: values[_field_name(each)] for each in parameters}


def schema_of(fn: Callable[..., Any]) -> dict[str, Any]:
    """The schema of a function's parameters, with `properties`, `required` and `definitions`."""
    return schema_of_signature(signature_of(fn), hints_of(fn), inspect.getdoc(fn))


def schema_of_signature(
    signature: inspect.Signature, hints: Mapping[str, Any], docstring: str | None
) -> dict[str, Any]:
    """The schema of a signature; what has none is described without a type.

    Args:
        signature: what to describe.
        hints: resolved annotations by name.
        docstring: the function's, in Google's style: descriptions of parameters are taken from it.
    """
    described = parameter_docstrings(docstring)
    # Nobody gives an instance or a class by hand; the others keep their places.
    shown = [each for each in parameters_of(signature, hints) if each.name not in ("self", "cls")]
    legacy = {each.name: schema_of_v1(each.name, each.hint) for each in shown if is_of_v1(each.hint)}
    fields = {}
    for each in shown:
        hint = Any if each.name in legacy else _hint_in_schema(each)
        field = _field_in_schema(each, described.get(each.name))
        fields[_field_name(each)] = (hint if _has_schema(hint, field) else Any, field)
    schema = _json_schema(fields)
    properties = schema.get("properties", {})
    definitions = dict(schema.get("$defs", {}))
    for name, (own, more) in legacy.items():
        properties[name].update(own)
        definitions.update(more)
    return {"properties": properties, "required": schema.get("required", []), "definitions": definitions}


def _hint_in_schema(parameter: Parameter) -> Any:
    if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
        return list[parameter.hint]  # type: ignore[name-defined]
    if parameter.kind is inspect.Parameter.VAR_KEYWORD:
        return dict[str, parameter.hint]  # type: ignore[name-defined]
    return parameter.hint


def _field_in_schema(parameter: Parameter, described: str | None) -> Any:
    """What the schema says of a parameter besides its type."""
    if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
        default: Any = {"default": []}
    elif parameter.kind is inspect.Parameter.VAR_KEYWORD:
        default = {"default": {}}
    elif parameter.factory is not None:
        default = {"default_factory": parameter.factory}
    else:
        default = {} if parameter.default is EMPTY else {"default": parameter.default}
    own = _metadata(parameter)
    said = parameter.field.description if parameter.field is not None else None
    text = said or described or own.description
    extra = own.json_schema_extra if isinstance(own.json_schema_extra, dict) else {}
    if text is not None:
        default["description"] = text
    return pydantic.Field(
        alias=parameter.name, validation_alias=parameter.name, title=parameter.name,
        json_schema_extra={"position": parameter.position, **extra}, **default,
    )  # fmt: skip


def _metadata(parameter: Parameter) -> Any:
    """What fields say of a parameter, whether they stand in its annotation or as its default."""
    try:
        return FieldInfo.from_annotation(parameter.hint)
    except Exception:  # noqa: BLE001  (an annotation that pydantic refuses)
        return FieldInfo()


def _has_schema(hint: Any, field: Any) -> bool:
    try:
        _json_schema({"p": (hint, field)})
    except Exception:  # noqa: BLE001  (whatever pydantic, or a type's own code, raises)
        return False
    return True


def _json_schema(fields: Mapping[str, Any]) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a type of no schema, a default of no JSON form: both are left out
        model: Any = pydantic.create_model("Parameters", __config__=_CONFIG, **fields)
        schema: dict[str, Any] = pydantic.TypeAdapter(model).json_schema(
            by_alias=True, ref_template=_REFERENCE, schema_generator=_Generator
        )
    return schema


class _Generator(GenerateJsonSchema):
    """Describes classes that pydantic does not know by nothing, and leaves out defaults that JSON cannot say."""

    def is_instance_schema(self, schema: core_schema.IsInstanceSchema) -> dict[str, Any]:
        """Nothing is known of such a value."""
        return {}

    def function_before_schema(self, schema: core_schema.BeforeValidatorFunctionSchema) -> dict[str, Any]:
        """Functions of users that come first are there to take other values too: all are let through."""
        return self._let_through(schema, super().function_before_schema(schema))

    def function_wrap_schema(self, schema: core_schema.WrapValidatorFunctionSchema) -> dict[str, Any]:
        """As those that come first."""
        return self._let_through(schema, super().function_wrap_schema(schema))

    def _let_through(self, schema: Any, usual: dict[str, Any]) -> dict[str, Any]:
        function = schema["function"]["function"]
        module = str(getattr(getattr(function, "func", function), "__module__", ""))
        if "json_schema_input_schema" in schema or module.partition(".")[0] == "pydantic":
            return usual
        return {"anyOf": [usual, {}]}

    def encode_default(self, dft: Any) -> Any:
        """The JSON form of a default; what is in a set stands in the same order in every process, as in pydantic from 2.13 on.

        Raises:
            PydanticSerializationError: it has none: the schema then shows no default.
        """
        form = super().encode_default(_in_order(dft))
        if not _is_json(form):
            raise PydanticSerializationError("it has no JSON form")
        return form


def _in_order(value: Any) -> Any:
    if isinstance(value, set | frozenset):
        return sorted(map(_in_order, value), key=repr)
    if type(value) is dict:
        return {name: _in_order(each) for name, each in value.items()}
    return [*map(_in_order, value)] if type(value) in (list, tuple) else value


class _WholeGenerator(_Generator):
    """Describes a model whatever its fields are; of a signature each parameter is tried by itself."""

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> dict[str, Any]:
        """Nothing is known of such a value."""
        return {}


def schema_of_model(model: type[pydantic.BaseModel]) -> dict[str, Any]:
    """The schema of a model for a resource, described as those of parameters are; types that have none are described by nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found: dict[str, Any] = carried(model.model_json_schema(schema_generator=_WholeGenerator))
    return found


def carried(schema: Any) -> Any:
    """A schema without the defaults that no resource can carry: integers beyond 64 bits, halves of letters."""
    if isinstance(schema, list):
        return [carried(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    below = {name: carried(value) for name, value in schema.items()}
    return {name: value for name, value in below.items() if name != "default" or _can_be_carried(value)}


def _can_be_carried(value: Any) -> bool:
    from penstock.base.jsonvalues import NotJsonError, check_json

    try:
        check_json(value, "")
    except NotJsonError:
        return False
    return True


def _is_json(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_json(item) for key, item in value.items())
    if isinstance(value, list | tuple):
        return all(map(_is_json, value))
    return value is None or isinstance(value, str | int)


def json_values(fn: Callable[..., Any], given: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The JSON form of parameter values that Python code gives, from which the signature makes the same values again.

    Args:
        fn: the function.
        given: values by name; not all need be given.
        where: what they are, in errors.

    Raises:
        ParameterTypeError: a value is not of its type.
        SignatureMismatchError: the function has no such parameter.
        SerializationError: a value has no JSON form that means the same.
    """
    shown = {each.name: each for each in parameters_of(signature_of(fn), hints_of(fn))}
    if not any(each.kind is inspect.Parameter.VAR_KEYWORD for each in shown.values()):
        unknown = [name for name in given if name not in shown]
        if unknown:
            raise SignatureMismatchError.from_bad_params(list(shown), list(given))
    known = [shown[name] for name in given if name in shown]
    model = checking_model(known)
    try:
        checked = model(**{name: given[name] for name in given if name in shown})
    except pydantic.ValidationError as exc:
        raise ParameterTypeError.from_validation_error(exc) from None
    found = {name: value for name, value in given.items() if name not in shown}
    for name, value in values_by_name(known, checked).items():
        found[name] = _json_value(checking_model([shown[name]]), shown[name], value, f"{where}: {name}")
    return {name: found[name] for name in given}


def _json_value(model: type[pydantic.BaseModel], parameter: Parameter, value: Any, where: str) -> Any:
    field = _field_name(parameter)
    try:
        form = model(**{parameter.name: value}).model_dump(mode="json", by_alias=True, warnings=False)[parameter.name]
        if isinstance(value, set | frozenset):
            form = sorted(form, key=repr)
        again = getattr(model(**{parameter.name: form}), field)
        same = bool(again == value) and _is_json(form)
    except Exception as exc:
        raise SerializationError(f"{where} cannot be written as JSON: {type(exc).__name__}: {exc}") from exc
    if not same:
        raise SerializationError(
            f"{where}: {form!r} is what JSON has for it, and it comes back as {again!r}: give what the annotation makes of JSON"
        )
    return form
