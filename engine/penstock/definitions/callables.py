"""Calling functions by parameter name, and describing their parameters."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from penstock.base.exceptions import ReservedArgumentError, SignatureMismatchError
from penstock.definitions.binding import Binder
from penstock.definitions.other_binding import binder_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class ParameterSchema:
    """JSON schema of a function's parameters, as an object.

    Args:
        properties: a schema for each parameter.
        required: names of those that must be given.
        definitions: schemas that are referred to as `#/definitions/NAME`.
        title: of the whole.
        type: of the whole.
    """

    def __init__(
        self,
        properties: dict[str, Any] | None = None,
        required: list[str] | None = None,
        definitions: dict[str, Any] | None = None,
        title: str = "Parameters",
        type: str = "object",
    ) -> None:
        self.title = title
        self.type = type
        self.properties = properties or {}
        self.required = required or []
        self.definitions = definitions or {}

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
    binder = binder_of(fn)
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


def parameter_schema(fn: Callable[..., Any]) -> ParameterSchema:
    """JSON schema of the function's parameters; what has none is described without a type."""
    from penstock.definitions.schema import schema_of

    return ParameterSchema(**schema_of(fn))
