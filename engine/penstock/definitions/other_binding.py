"""Binding arguments of what is not called as it shows: methods, and functions that wrap others.

Loaded for the first of these. Neighbours: `binding` has the usual way, on which this builds.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from penstock.base.exceptions import ParameterBindError
from penstock.definitions.binding import Binder, plain_binder, signature_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


def binder_of(fn: Callable[..., Any]) -> Binder:
    """What binds calls of the function: by the names of what it wraps, in the form that the function itself takes."""
    plain = plain_binder(fn)
    if plain is not None:
        return plain
    shown, called = signature_of(fn), signature_of(fn, follow=False)
    return Binder(fn, shown) if shown == called else WrapperBinder(fn, shown, called)


def out_of_fields(binder: Binder, parameters: dict[str, Any]) -> dict[str, Any]:
    """Bound parameters, with what pydantic's fields hold for those that are left out: `x: int = Field(3)`.

    Args:
        binder: what bound them.
        parameters: by name; one that is left out is the field itself.

    Raises:
        ParameterBindError: the field of one that is left out has no default.
    """
    from pydantic_core import PydanticUndefined

    found = dict(parameters)
    for name, default in binder.defaults.items():
        if type(default).__name__ != "FieldInfo" or name not in parameters or parameters[name] is not default:
            continue
        value = default.get_default(call_default_factory=True)
        if value is PydanticUndefined or value is ...:
            given = {key: each for key, each in parameters.items() if each is not binder.defaults.get(key, binder)}
            exc = TypeError(f"missing a required argument: {name!r}")
            raise ParameterBindError.from_bind_failure(binder.fn, exc, (), given)
        found[name] = value
    return found


class MethodBinder(Binder):
    """Binds calls of a method: its instance (or class) is a parameter, under its name, and no argument of the call.

    So results of one instance are not those of another, and names of runs may tell which it is.

    Args:
        fn: the bound method.
    """

    __slots__ = ("inner", "own", "target")

    def __init__(self, fn: Any) -> None:
        super().__init__(fn)
        self.inner = binder_of(fn)
        first = next(iter(inspect.signature(fn.__func__).parameters.values()), None)
        named = first is not None and first.kind is not inspect.Parameter.VAR_POSITIONAL
        self.own = frozenset((first.name,)) if named and first is not None else frozenset()
        self.target = dict.fromkeys(self.own, fn.__self__)

    def bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Values by parameter name, defaults applied, the instance first; raises as `Binder.bind`."""
        return {**self.target, **self.inner.bind(args, kwargs)}

    def bind_mapping(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Bind values that are given by name, and the instance; raises as `Binder.bind_mapping`."""
        return {**self.target, **self.inner.bind_mapping(self._given(parameters))}

    def call_form(self, parameters: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Positional and keyword arguments that pass these values, but for the instance."""
        return self.inner.call_form(self._given(parameters))

    def signature_of(self, names: Iterable[str]) -> inspect.Signature:
        """The signature by which parameters of these names were bound."""
        found = self.inner.signature_of([name for name in names if name not in self.own])
        return self.signature if found == self.signature else found

    def by_names(self, names: Iterable[str]) -> Binder:
        """What bound parameters of these names, but for the instance."""
        return self.inner.by_names([name for name in names if name not in self.own])

    def _given(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in parameters.items() if name not in self.own}


class WrapperBinder(Binder):
    """Binds calls of a function that wraps another one and is called in another way than that.

    Parameters have the names of what is wrapped, wherever a call fits both. A call that fits only the wrapper, because it
    adds or takes away parameters, has the wrapper's names.

    Args:
        fn: the wrapper.
        shown: the signature of what it wraps.
        called: its own.
    """

    __slots__ = ("called", "open")

    def __init__(self, fn: Callable[..., Any], shown: inspect.Signature, called: inspect.Signature) -> None:
        super().__init__(fn, shown)
        self.called = Binder(fn, called)
        self.open = len(self.called.variadic) == self.called.count  # it says nothing of its own

    def bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Values by parameter name, defaults applied; raises as `Binder.bind`, if the wrapper cannot be called so."""
        own = self.called.bind(args, kwargs)
        try:
            return super().bind(args, kwargs)
        except ParameterBindError:
            if self.open:
                raise
            return own

    def bind_mapping(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Bind values that are given by name; raises as `bind`."""
        try:
            return super().bind_mapping(parameters)
        except ParameterBindError:
            if self.open:
                raise
            return self.called.bind_mapping(parameters)

    def signature_of(self, names: Iterable[str]) -> inspect.Signature:
        """The signature by which parameters of these names were bound: the wrapper's if they are not all of the other."""
        return self.signature if self._is_shown(names) else self.called.signature

    def by_names(self, names: Iterable[str]) -> Binder:
        """What bound parameters of these names: the wrapper's if they are not all of the other."""
        return self if self._is_shown(names) else self.called

    def _is_shown(self, names: Iterable[str]) -> bool:
        known = set(names)
        return known <= self.keywords and (known == self.keywords or not known <= self.called.keywords)

    def call_form(self, parameters: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Arguments that pass these values to the wrapper; defaults of what it wraps are left to that."""
        if not self._is_shown(parameters):
            return self.called.call_form(parameters)
        kinds = inspect.Parameter
        shown, called = self.signature.parameters.values(), self.called.signature.parameters.values()
        spread = any(p.kind is kinds.VAR_POSITIONAL and parameters.get(p.name) for p in shown)
        left = {
            name: value
            for name, value in parameters.items()
            if spread or name in self.called.keywords or name not in self.defaults or value is not self.defaults[name]
        }
        args, kwargs = super().call_form(left)
        own = {parameter.kind for parameter in called}
        if spread or any(p.kind is kinds.POSITIONAL_ONLY for p in shown):
            return args, kwargs
        if kinds.VAR_KEYWORD not in own:  # it has its own names for all, and may want some by name
            by_name = {p.name for p in called if p.kind is kinds.KEYWORD_ONLY}
            at = list(zip([name for name in self.positional if name in left], args, strict=False)) if by_name else []
            if by_name.isdisjoint(name for name, _ in at):
                return args, kwargs
            return (
                tuple(value for name, value in at if name not in by_name),
                {**{name: value for name, value in at if name in by_name}, **kwargs},
            )
        # What the wrapper does not name goes to it by name: all of it, or if it takes more arguments, what has a default.
        places = [p.name for p in called if p.kind in (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD)]
        named: dict[str, Any] = {}
        first = []
        passed = zip([name for name in self.positional if name in left], args, strict=False)
        for number, (name, value) in enumerate(passed):
            if number < len(places):
                place = places[number]
                in_place = place == name or place not in self.keywords
            else:
                in_place = kinds.VAR_POSITIONAL in own and name not in self.defaults
            if in_place and not named:
                first.append(value)
            else:
                named[name] = value
        return tuple(first), {**named, **kwargs}
