"""Validation of flow parameters by their annotations, and their JSON form.

pydantic is imported only when a value's type is not exactly the annotated builtin. Neighbours: `flows` asks before each
run; `schema` makes the model that checks.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from penstock.base.exceptions import ParameterTypeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_EXACT = {
    int: int, str: str, float: float, bool: bool, bytes: bytes, list: list, dict: dict, set: set, tuple: tuple,
    None: type(None), "int": int, "str": str, "float": float, "bool": bool, "bytes": bytes, "list": list,
    "dict": dict, "set": set, "tuple": tuple, "None": type(None),
}  # fmt: skip


def needs_validation(fn: Any, signature: inspect.Signature) -> Any:
    """False: never; else what tells whether pydantic has to look."""
    exact: list[tuple[str, Any]] = []
    empty = inspect.Parameter.empty
    for parameter in signature.parameters.values():
        annotation = parameter.annotation
        in_field = type(parameter.default).__name__ == "FieldInfo"
        if not in_field and (annotation is empty or annotation is Any or annotation == "Any"):
            continue
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if in_field:
            exact.append((parameter.name, None))
            continue
        try:
            exact.append((parameter.name, _EXACT.get(annotation)))
        except TypeError:  # an annotation that cannot be hashed
            exact.append((parameter.name, None))
    return Exact(exact) if exact else False


class Exact:
    """The types that parameters must be of exactly, for pydantic to have nothing to do.

    Args:
        kinds: name and type of each that is annotated; None: pydantic has to look.
    """

    __slots__ = ("_kinds", "_own")

    def __init__(self, kinds: list[tuple[str, Any]]) -> None:
        self._kinds = kinds
        self._own = [name for name, kind in kinds if kind in (list, dict, set)]

    def needed(self, parameters: dict[str, Any]) -> bool:
        """Whether pydantic has to look."""
        return any(kind is None or type(parameters.get(name)) is not kind for name, kind in self._kinds)

    def owned(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """The parameters without pydantic: a list, dict or set is a copy, as it makes one, so that no call shares it."""
        if not self._own:
            return parameters
        return {**parameters, **{name: parameters[name].copy() for name in self._own}}


def validator_of(flow: Any, given: Iterable[str]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A function that validates the parameters of this flow; made once for each signature that it is called by.

    Args:
        flow: the flow.
        given: names of the parameters, which tell by which signature they were bound.
    """
    # Definitions bound to instances come and go; what is made of their signature stays with the class's.
    home, key = (flow, "_validate") if flow._unbound is None else (flow._unbound, "_validate_bound")
    signature = flow.binder.signature_of(given)
    if signature is not flow.binder.signature:
        key += "_called"
    cached = home.__dict__.get(key)
    if cached is None:
        cached = home.__dict__[key] = _make(flow, signature)
    return cached  # type: ignore[no-any-return]


def _make(flow: Any, signature: inspect.Signature) -> Callable[[dict[str, Any]], dict[str, Any]]:
    import pydantic

    from penstock.definitions.hints import hints_of
    from penstock.definitions.schema import checking_model, parameters_of, unresolved_in, values_by_name

    shown = parameters_of(signature, hints_of(flow.fn))
    for name, unresolved in unresolved_in(shown):
        raise unresolved.error(name, f"{flow.kind} {flow.name!r}") from unresolved.exc
    in_fields = [each for each in shown if each.field is not None]  # `x: int = Field(3)`
    own = flow.binder.own
    model = checking_model(shown)

    def validate(parameters: dict[str, Any]) -> dict[str, Any]:
        from penstock.base.annotations import BaseAnnotation

        for each in in_fields:
            if parameters.get(each.name) is each.field:
                value = each.absent_value()
                parameters = {**parameters, each.name: value}
                if value is inspect.Parameter.empty:
                    del parameters[each.name]
        wrapped = {name: value for name, value in parameters.items() if isinstance(value, BaseAnnotation)}
        bound = {name: parameters[name] for name in own if name in parameters}
        try:
            checked = model(**{name: value for name, value in parameters.items() if name not in bound})
        except pydantic.ValidationError as exc:
            raise ParameterTypeError.from_validation_error(exc) from None
        return {**bound, **values_by_name(shown, checked), **wrapped}

    return validate
