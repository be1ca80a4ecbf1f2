"""Finding upstreams in the inputs of a run, and putting their results in their place.

Looked into: list, tuple, named tuple, set, frozenset, dict (keys too), dataclasses, pydantic models, annotations. A
collection that holds none of them is passed on as the same object; otherwise the containers on the path are rebuilt
with their type. Cycles end, by the ids on the current path.
Neighbours: `life` waits for what is found; `collections` of the utilities visits with user functions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock.base.annotations import BaseAnnotation, allow_failure, opaque, quote
from penstock.base.exceptions import UpstreamTaskError
from penstock.core.state import State
from penstock.core.state_parts import CANCELLED, COMPLETED, CRASHED, FAILED, PAUSED, PENDING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Upstream:
    """Base class of futures: something whose state a run can wait for."""

    __slots__ = ()


_UPSTREAM = (Upstream, State)  # made once: a union in a call is made by each call


def listed(wait_for: Any) -> list[Any]:
    """What a run waits for, as a list that can be read again; a single future counts, other single values do not."""
    if isinstance(wait_for, _UPSTREAM):
        return [wait_for]
    try:
        return list(wait_for)
    except TypeError:
        return []


def is_future(value: Any) -> bool:
    """Whether the value is a future; says nothing to a type checker, which knows states and futures apart by use."""
    return isinstance(value, Upstream)


def id_of(upstream: Upstream | State) -> Any:
    """Id of the task run behind a future or a state; None for a state that no task run went through."""
    if isinstance(upstream, State):
        return upstream.state_details.task_run_id
    return upstream.task_run_id  # type: ignore[attr-defined]


SCALARS = frozenset({int, str, float, bool, bytes, type(None), complex, bytearray, type, range})
_PLAIN = (list, tuple, set, frozenset, dict)

Found = list[tuple[Any, bool]]


def scan(value: Any, found: Found, allow: bool = False, path: frozenset[int] = frozenset()) -> bool:
    """Collect the upstreams in `value`; True when something has to be replaced (also an annotation to take off)."""
    kind = value.__class__
    if kind in SCALARS:
        return False
    if kind is list or kind is tuple or kind is set or kind is frozenset:
        hit = False
        inner = None
        for item in value:
            if item.__class__ not in SCALARS:
                if inner is None:
                    if id(value) in path:
                        return False
                    inner = path | {id(value)}
                hit |= scan(item, found, allow, inner)
        return hit
    if kind is dict:
        if not value or id(value) in path:
            return False
        inner = path | {id(value)}
        hit = False
        for key, item in value.items():
            if key.__class__ not in SCALARS:
                hit |= scan(key, found, allow, inner)
            if item.__class__ not in SCALARS:
                hit |= scan(item, found, allow, inner)
        return hit
    if isinstance(value, _UPSTREAM):
        found.append((value, allow))
        return True
    if isinstance(value, BaseAnnotation):
        return _scan_annotation(value, found, allow, path)
    if id(value) in path:
        return False
    inner = path | {id(value)}
    if isinstance(value, dict):
        return scan(dict(value), found, allow, inner)
    if isinstance(value, _PLAIN):
        return scan(list(value), found, allow, inner)
    hit = False
    for _, item in fields_of(value):
        hit |= scan(item, found, allow, inner)
    return hit


def _scan_annotation(value: BaseAnnotation[Any], found: Found, allow: bool, path: frozenset[int]) -> bool:
    if isinstance(value, quote):
        return True
    inside = value.value
    if isinstance(value, opaque) and not isinstance(inside, Upstream | State | BaseAnnotation):
        return True
    scan(inside, found, allow or isinstance(value, allow_failure), path)
    return True


def fields_of(value: Any) -> Iterable[tuple[str, Any]]:
    """Names and values of the fields of a dataclass or a pydantic model; nothing for other objects."""
    kind = value.__class__
    names = getattr(kind, "__dataclass_fields__", None)
    if names is not None:
        return [(name, getattr(value, name)) for name in names if hasattr(value, name)]
    names = getattr(kind, "__pydantic_fields__", None)
    if names is not None:
        extra = getattr(value, "__pydantic_extra__", None) or {}
        return [(name, value.__dict__[name]) for name in names if name in value.__dict__] + list(extra.items())
    return ()


def replace(
    value: Any, give: Callable[[Any, bool], Any], allow: bool = False, path: frozenset[int] = frozenset()
) -> Any:
    """The value with every upstream replaced by `give(upstream, allow_failure)` and annotations taken off."""
    kind = value.__class__
    if kind in SCALARS:
        return value
    if isinstance(value, _UPSTREAM):
        return give(value, allow)
    if isinstance(value, BaseAnnotation):
        inside = value.value
        if isinstance(value, quote):
            return inside
        if isinstance(value, opaque) and not isinstance(inside, Upstream | State | BaseAnnotation):
            return inside
        return replace(inside, give, allow or isinstance(value, allow_failure), path)
    if id(value) in path:
        return value
    inner = path | {id(value)}
    if isinstance(value, dict):
        pairs = [(replace(key, give, allow, inner), replace(item, give, allow, inner)) for key, item in value.items()]
        if all(a is c and b is d for (a, b), (c, d) in zip(value.items(), pairs, strict=True)):
            return value
        return rebuild_dict(value, pairs)
    if isinstance(value, _PLAIN):
        items = [replace(item, give, allow, inner) for item in value]
        if all(a is b for a, b in zip(value, items, strict=True)):
            return value
        return rebuild_sequence(value, items)
    changed = {}
    for name, item in fields_of(value):
        new = replace(item, give, allow, inner)
        if new is not item:
            changed[name] = new
    return with_fields(value, changed) if changed else value


def rebuild_dict(value: dict[Any, Any], pairs: list[tuple[Any, Any]]) -> Any:
    """A dict of the same kind with other items."""
    if type(value) is dict:
        return dict(pairs)
    import copy

    new = copy.copy(value)
    new.clear()
    new.update(pairs)
    return new


def rebuild_sequence(value: Any, items: list[Any]) -> Any:
    """A collection of the same kind with other elements."""
    kind = type(value)
    if hasattr(value, "_fields"):
        return kind(*items)
    return getattr(kind, "rebuilt_as", kind)(items)


def with_fields(value: Any, changed: dict[str, Any]) -> Any:
    """A copy of a dataclass or model with some fields set, without validation or `__post_init__`."""
    import copy

    new = copy.copy(value)
    for name, item in changed.items():
        if name in getattr(new, "__dict__", ()):
            new.__dict__[name] = item
        elif getattr(new, "__pydantic_extra__", None) and name in new.__pydantic_extra__:
            new.__pydantic_extra__[name] = item
        else:
            object.__setattr__(new, name, item)
    return new


def not_ready(state: State, allow: bool) -> bool:
    """Whether an upstream in this state holds its dependants back."""
    kind = state.type
    if kind is COMPLETED:
        return False
    if allow:
        return kind in (CRASHED, CANCELLED, PAUSED) or kind not in (FAILED, PENDING)
    return True


def given_value(state: State, allow: bool, result: Any) -> Any:
    """What takes the place of an upstream in this state; `result` is that of a COMPLETED one."""
    if state.type is COMPLETED:
        return result
    return result if state.type is FAILED and allow else None


def refuse(run_id: Any) -> UpstreamTaskError:
    """The error that holds a run back."""
    return UpstreamTaskError(f"Upstream task run '{run_id}' did not reach a 'COMPLETED' state.")
