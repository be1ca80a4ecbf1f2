"""Calling functions by parameter name, and describing their parameters."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from penstock.base.exceptions import ReservedArgumentError, SignatureMismatchError
from penstock.definitions.binding import Binder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class ParameterSchema:
    """JSON schema of a function's parameters, as an object."""

    def __init__(self, properties: dict[str, Any], required: list[str], definitions: dict[str, Any]) -> None:
        self.title = "Parameters"
        self.type = "object"
        self.properties = properties
        self.required = required
        self.definitions = definitions

    def model_dump(self, **_: Any) -> dict[str, Any]:
        """As a dict."""
        return {
            "title": self.title,
            "type": self.type,
            "properties": self.properties,
            "required": self.required,
            "definitions": self.definitions,
        }

    to_dict = model_dump

    def model_dump_for_openapi(self) -> dict[str, Any]:
        """As a dict, without `required` when nothing is."""
        return {name: value for name, value in self.model_dump().items() if value or name != "required"}

    def __eq__(self, other: object) -> bool:
        if isinstance(other, ParameterSchema):
            return self.model_dump() == other.model_dump()
        return isinstance(other, dict) and self.model_dump() == other

    __hash__ = None  # type: ignore[assignment]


def get_call_parameters(
    fn: Callable[..., Any], call_args: tuple[Any, ...], call_kwargs: dict[str, Any], apply_defaults: bool = True
) -> dict[str, Any]:
    """Values by parameter name.

    Raises:
        ParameterBindError: the arguments do not fit.
    """
    bound = Binder(fn).bind(call_args, call_kwargs)
    if apply_defaults:
        return bound
    given = inspect.signature(fn).bind(*call_args, **call_kwargs).arguments
    return dict(given)


def get_parameter_defaults(fn: Callable[..., Any]) -> dict[str, Any]:
    """Default values by parameter name."""
    return dict(Binder(fn).defaults)


def parameters_to_args_kwargs(
    fn: Callable[..., Any], parameters: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Positional and keyword arguments that pass these values.

    Raises:
        SignatureMismatchError: a name is unknown.
    """
    binder = Binder(fn)
    unknown = set(parameters) - set(binder.names)
    if unknown:
        raise SignatureMismatchError.from_bad_params(list(binder.names), list(parameters))
    return binder.call_form(parameters)


def call_with_parameters(fn: Callable[..., Any], parameters: dict[str, Any]) -> Any:
    """Call a function with values by parameter name.

    Raises:
        SignatureMismatchError: a name is unknown.
    """
    args, kwargs = parameters_to_args_kwargs(fn, parameters)
    return fn(*args, **kwargs)


def raise_for_reserved_arguments(fn: Callable[..., Any], reserved_arguments: Iterable[str]) -> None:
    """Refuse functions that use a parameter name that the engine needs.

    Raises:
        ReservedArgumentError: it does.
    """
    names = inspect.signature(fn).parameters
    for reserved in reserved_arguments:
        if reserved in names:
            raise ReservedArgumentError(f"{reserved!r} is a reserved argument name and cannot be used.")


def parameter_docstrings(docstring: str | None) -> dict[str, str]:
    """Descriptions of parameters in a Google-style docstring."""
    found: dict[str, str] = {}
    section = False
    name = None
    base = 0
    for line in inspect.cleandoc(docstring or "").splitlines():
        if line.strip() in ("Args:", "Arguments:", "Parameters:"):
            section, base = True, 0
            continue
        if not section or not line.strip():
            continue
        indent = len(line) - len(line.lstrip())
        if indent == 0:
            break
        base = base or indent
        if indent == base and ":" in line:
            head, _, text = line.strip().partition(":")
            name = head.split("(")[0].strip()
            found[name] = text.strip()
        elif name is not None:
            found[name] = f"{found[name]}\n{line.strip()}".strip()
    return found


def parameter_schema(fn: Callable[..., Any]) -> ParameterSchema:
    """JSON schema of the function's parameters; what has none is described without a type."""
    import pydantic
    import pydantic_core

    from penstock.definitions.hints import described_default, hints_of
    from penstock.definitions.legacy_models import is_of_v1, schema_of_v1

    hints = hints_of(fn)
    described = parameter_docstrings(inspect.getdoc(fn))
    properties: dict[str, Any] = {}
    required: list[str] = []
    adapters: dict[str, Any] = {}
    definitions: dict[str, Any] = {}
    for position, parameter in enumerate(inspect.signature(fn).parameters.values()):
        if parameter.name in ("self", "cls"):
            continue  # nobody gives them by hand; the others keep their places
        hint, default = described_default(hints.get(parameter.name, parameter.annotation), parameter.default)
        entry = properties[parameter.name] = {"title": parameter.name, "position": position}
        legacy = is_of_v1(hint)
        if legacy:
            schema, more = schema_of_v1(parameter.name, hint)
            entry.update(schema)
            definitions.update(more)
        adapter = None if legacy else _adapter_of(pydantic, hint)
        if adapter is not None:
            adapters[parameter.name] = adapter
        if default is not inspect.Parameter.empty:
            try:
                entry["default"] = pydantic_core.to_jsonable_python(default)
            except Exception:  # noqa: BLE001  (whatever a value's own encoder raises: such a default is not shown)
                continue
        elif parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            required.append(parameter.name)
    schemas, shared = pydantic.TypeAdapter.json_schemas(
        [(name, "validation", adapter) for name, adapter in adapters.items()], ref_template="#/definitions/{model}"
    )
    for (name, _), schema in schemas.items():
        properties[name].update({key: value for key, value in schema.items() if key != "title"})
    for name, text in described.items():
        if name in properties:
            properties[name]["description"] = text
    return ParameterSchema(properties, required, {**definitions, **shared.get("$defs", {})})


def _adapter_of(pydantic: Any, hint: Any) -> Any:
    """What makes the schema of a type; None where there is none, as for classes that pydantic does not know."""
    if hint is Any:
        return None
    try:
        adapter = pydantic.TypeAdapter(hint, config=pydantic.ConfigDict(arbitrary_types_allowed=True))
    except Exception:  # noqa: BLE001  (a model of its own refuses the config)
        try:
            adapter = pydantic.TypeAdapter(hint)
        except Exception:  # noqa: BLE001  (no schema for this type)
            return None
    try:
        adapter.json_schema()
    except Exception:  # noqa: BLE001  (no JSON form)
        return None
    return adapter
