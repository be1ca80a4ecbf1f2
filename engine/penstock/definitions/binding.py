"""Binding arguments to a signature, fast where the signature is simple; the slow path says what is wrong.

Neighbours: a definition holds one `Binder` for each function; `other_binding` has those of methods and of wrappers.
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


def plain_binder(fn: Callable[..., Any]) -> Binder | None:
    """What binds calls of a function that is called as it shows; None: it wraps another one, see `other_binding`."""
    function = getattr(fn, "__func__", fn) if inspect.ismethod(fn) else fn
    return Binder(fn) if wrapped_by(function) is function else None


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

    def by_names(self, names: Iterable[str]) -> Binder:
        """What bound parameters of these names: of a wrapper that is called in its own way, that of the wrapper."""
        return self

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
