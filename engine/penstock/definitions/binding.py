"""Binding arguments to a signature, fast where the signature is simple; the slow path says what is wrong.

Neighbours: `flows` and `tasks` hold one `Binder` for each function.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from penstock.base.exceptions import ParameterBindError
from penstock.base.source import wrapped_by

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


def signature_of(fn: Callable[..., Any], follow: bool = True) -> inspect.Signature:
    """The signature of a function; of one that does not tell: whatever is passed.

    Args:
        fn: the function, or any object that can be called.
        follow: give that of what it wraps, as its users see it.
    """
    kinds = inspect.Parameter
    try:
        return inspect.signature(fn, follow_wrapped=follow)
    except (TypeError, ValueError):  # a C function, or an object that answers to every name
        return inspect.Signature([kinds("args", kinds.VAR_POSITIONAL), kinds("kwargs", kinds.VAR_KEYWORD)])


def binder_of(fn: Callable[..., Any]) -> Binder:
    """What binds calls of the function: by the names of what it wraps, in the form that the function itself takes."""
    function = getattr(fn, "__func__", fn) if inspect.ismethod(fn) else fn
    if wrapped_by(function) is function:
        return Binder(fn)
    shown, called = signature_of(fn), signature_of(fn, follow=False)
    return Binder(fn, shown) if shown == called else WrapperBinder(fn, shown, called)


class Binder:
    """Binds calls of one function.

    Args:
        fn: the function.
        signature: what calls are bound to; default: that of the function, or of what it wraps.
    """

    __slots__ = ("count", "defaults", "fn", "keywords", "names", "positional", "signature", "simple", "variadic")

    own: frozenset[str] = frozenset()  # names that are bound already

    def __init__(self, fn: Callable[..., Any], signature: inspect.Signature | None = None) -> None:
        self.fn = fn
        self.signature = signature if signature is not None else signature_of(fn)
        kinds = inspect.Parameter
        parameters = self.signature.parameters.values()
        self.simple = all(p.kind in (kinds.POSITIONAL_OR_KEYWORD, kinds.KEYWORD_ONLY) for p in parameters)
        self.variadic = {p.name for p in parameters if p.kind in (kinds.VAR_POSITIONAL, kinds.VAR_KEYWORD)}
        self.names = tuple(p.name for p in parameters)
        self.keywords = frozenset(self.names)
        self.positional = tuple(p.name for p in parameters if p.kind is kinds.POSITIONAL_OR_KEYWORD)
        self.count = len(self.names)
        self.defaults = {p.name: p.default for p in parameters if p.default is not kinds.empty}

    @property
    def given_by_name(self) -> set[str]:
        """Names that a call may give by keyword, besides those of `**kwargs`."""
        kinds = inspect.Parameter
        by_name = (kinds.POSITIONAL_OR_KEYWORD, kinds.KEYWORD_ONLY)
        return {p.name for p in self.signature.parameters.values() if p.kind in by_name}

    def bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Values by parameter name, defaults applied.

        Raises:
            ParameterBindError: the arguments do not fit.
        """
        if self.simple:
            if not kwargs:
                if len(args) == self.count == len(self.positional):
                    return dict(zip(self.names, args, strict=True)) if args else {}
                if not args and len(self.defaults) == self.count:
                    return dict(self.defaults)
            bound = self._bind_simple(args, kwargs)
            if bound is not None:
                return bound
        try:
            full = self.signature.bind(*args, **kwargs)
        except TypeError as exc:
            raise ParameterBindError.from_bind_failure(self.fn, exc, args, dict(kwargs)) from None
        full.apply_defaults()
        return full.arguments

    def _bind_simple(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any] | None:
        if len(args) > len(self.positional):
            return None
        given = dict(zip(self.positional, args, strict=False))
        for name, value in kwargs.items():
            if name in given or name not in self.keywords:
                return None
            given[name] = value
        if len(given) == self.count and not kwargs:
            return given
        ordered = {}
        defaults = self.defaults
        for name in self.names:
            if name in given:
                ordered[name] = given[name]
            elif name in defaults:
                ordered[name] = defaults[name]
            else:
                return None
        return ordered

    def call_form(self, parameters: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Positional and keyword arguments that pass these values."""
        if self.simple and len(parameters) == self.count == len(self.positional):
            try:
                return tuple([parameters[name] for name in self.names]), {}
            except KeyError:
                pass
        args: list[Any] = []
        kwargs: dict[str, Any] = {}
        kinds = inspect.Parameter
        spread = False
        for parameter in self.signature.parameters.values():
            name, kind = parameter.name, parameter.kind
            if name not in parameters:
                spread = True
                continue
            value = parameters[name]
            if kind is kinds.VAR_POSITIONAL:
                args.extend(value)
            elif kind is kinds.VAR_KEYWORD:
                twice = [each for each in value if each in self.given_by_name]
                if twice:
                    name = getattr(self.fn, "__name__", type(self.fn).__name__)
                    raise TypeError(f"{name}() got multiple values for argument(s): {', '.join(map(str, twice))}")
                kwargs.update(value)
            elif kind is kinds.KEYWORD_ONLY or (spread and kind is kinds.POSITIONAL_OR_KEYWORD):
                kwargs[name] = value
            else:
                args.append(value)
        return tuple(args), kwargs

    def signature_of(self, names: Iterable[str]) -> inspect.Signature:
        """The signature by which parameters of these names were bound."""
        return self.signature

    def absent_values(self) -> dict[str, Any]:
        """The values of parameters that may be left out, by name."""
        kinds = inspect.Parameter
        empty: dict[Any, Any] = {kinds.VAR_POSITIONAL: (), kinds.VAR_KEYWORD: {}}
        return {
            p.name: empty.get(p.kind, p.default)
            for p in self.signature.parameters.values()
            if p.kind in empty or p.default is not kinds.empty
        }

    def bind_mapping(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Bind values that are given by name, as `run_engine` does.

        Raises:
            ParameterBindError: a name is unknown, or a value is missing.
        """
        known = dict(parameters)
        extra_name = next(
            (p.name for p in self.signature.parameters.values() if p.kind is inspect.Parameter.VAR_KEYWORD), None
        )
        unknown = [name for name in known if name not in self.keywords]
        if unknown and extra_name is None:
            exc = TypeError(f"got an unexpected keyword argument {unknown[0]!r}")
            raise ParameterBindError.from_bind_failure(self.fn, exc, (), known) from None
        if unknown and extra_name is not None:
            known = {name: value for name, value in known.items() if name in self.keywords}
            known[extra_name] = {**known.get(extra_name, {}), **{name: parameters[name] for name in unknown}}
        known = {**self.absent_values(), **known}
        for name in self.names:
            if name not in known:
                exc = TypeError(f"missing a required argument: {name!r}")
                raise ParameterBindError.from_bind_failure(self.fn, exc, (), dict(parameters)) from None
        return {name: known[name] for name in self.names}


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
