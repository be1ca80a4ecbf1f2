"""Expanding a map: which arguments are iterated, which go to every child.

Neighbours: `drivers.submitting` submits the children.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock.base.annotations import BaseAnnotation, allow_failure, opaque, quote, unmapped
from penstock.base.exceptions import MappingLengthMismatch, MappingMissingIterable
from penstock.core.inputs import Upstream, id_of, refuse
from penstock.core.state import State
from penstock.core.state_parts import COMPLETED, FAILED
from penstock.core.state_result import exception_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_BROADCAST = (str, bytes, bytearray)


def is_mappable(value: Any) -> bool:
    """Whether a map iterates this value."""
    if isinstance(value, (*_BROADCAST, type)):
        return False
    kind = type(value)  # what an object answers to, if it answers to everything, says nothing
    if getattr(kind, "__pydantic_fields__", None) is not None:
        return False
    return hasattr(kind, "__iter__") or (hasattr(kind, "__getitem__") and hasattr(kind, "__len__"))


def _wrappers(value: Any) -> tuple[Any, list[BaseAnnotation[Any]]]:
    """The value without the annotations that are applied to each element again, and those annotations."""
    wrappers: list[BaseAnnotation[Any]] = []
    while isinstance(value, allow_failure | quote | opaque):
        wrappers.append(value)
        value = value.value
    return value, wrappers


def _awaited(value: Upstream | State, allow: bool) -> Any:
    """What a future or a state that is mapped over stands for: its result, or the allowed failure."""
    if isinstance(value, Upstream):
        value.wait()  # type: ignore[attr-defined]
        value.seen()  # type: ignore[attr-defined]
        state = value.state  # type: ignore[attr-defined]
    else:
        state = value
    if state.type is FAILED and allow:
        return exception_of(state)
    if state.type is not COMPLETED:
        raise refuse(id_of(value) or state.id)
    stored = getattr(state.data, "read_value", None)
    return state.data if stored is None else stored()


def children_of(task: Any, parameters: dict[str, Any], explicit: set[str], *, lazy: bool) -> Iterator[dict[str, Any]]:
    """The parameters of each child.

    Args:
        task: for messages, and for which parameters are `*args` and `**kwargs`.
        parameters: bound values by name.
        explicit: names that the caller passed; defaults are never mapped.
        lazy: pull inputs on demand; lengths are checked as the inputs end.

    Raises:
        MappingMissingIterable: nothing can be iterated.
        MappingLengthMismatch: the iterables differ in length.
    """
    mapped: dict[tuple[str, Any], tuple[Any, list[BaseAnnotation[Any]]]] = {}
    fixed: dict[tuple[str, Any], Any] = {}
    variadic = task.binder.by_names(parameters).variadic
    for name, value in parameters.items():
        if name in variadic:
            items = value.items() if isinstance(value, dict) else enumerate(value)
            for key, item in items:
                _sort(mapped, fixed, (name, key), item, True)
        else:
            _sort(mapped, fixed, (name, None), value, name in explicit)
    if not mapped:
        kinds = ", ".join(f"{name}: {type(value).__name__}" for name, value in parameters.items())
        raise MappingMissingIterable(
            f"No iterable parameters were received. Parameters for map must include at least one iterable. Parameters: {kinds}"
        )
    if not lazy:
        listed = {place: (list(source), wrappers) for place, (source, wrappers) in mapped.items()}
        lengths = {place: len(source) for place, (source, _) in listed.items()}
        if len(set(lengths.values())) > 1:
            shown = ", ".join(f"{_shown(place)}: {length}" for place, length in lengths.items())
            raise MappingLengthMismatch(
                "Received iterable parameters with different lengths. Parameters for map must all be the same length. "
                f"Got lengths: {{{shown}}}"
            )
        mapped = dict(listed)
    return _zipped(variadic, parameters, mapped, fixed)


def _shown(place: tuple[str, Any]) -> str:
    return place[0] if place[1] is None else f"{place[0]}[{place[1]!r}]"


def _sort(mapped: Any, fixed: Any, place: tuple[str, Any], value: Any, explicit: bool) -> None:
    bare, wrappers = _wrappers(value)
    if isinstance(bare, unmapped):
        inner: Any = bare.value
        for wrapper in reversed(wrappers):
            inner = wrapper.rewrap(inner)
        fixed[place] = inner
        return
    if explicit and isinstance(bare, Upstream | State) and not any(isinstance(each, quote) for each in wrappers):
        bare = _awaited(bare, any(isinstance(each, allow_failure) for each in wrappers))
        value = bare
        for wrapper in reversed(wrappers):
            value = wrapper.rewrap(value)
    if explicit and is_mappable(bare):
        mapped[place] = (bare, wrappers)
    else:
        fixed[place] = value


def _zipped(variadic: set[str], parameters: dict[str, Any], mapped: Any, fixed: Any) -> Iterator[dict[str, Any]]:
    sources = {place: (iter(source), wrappers) for place, (source, wrappers) in mapped.items()}
    bare = not variadic and not any(wrappers for _, wrappers in sources.values())
    if bare and (len(sources) == 1 or _of_one_length(source for source, _ in mapped.values())):  # the usual case
        names = [name for name, _ in sources]
        child = {name: fixed.get((name, None)) for name in parameters}
        for items in zip(*(source for source, _ in sources.values()), strict=True):
            yield {**child, **dict(zip(names, items, strict=True))}
        return
    index = 0
    while True:
        row: dict[tuple[str, Any], Any] = {}
        ended = []
        for place, (source, wrappers) in sources.items():
            try:
                item = next(source)
            except StopIteration:
                ended.append(place)
                continue
            for wrapper in reversed(wrappers):
                item = wrapper.rewrap(item)
            row[place] = item
        if ended:
            if row:
                raise MappingLengthMismatch(
                    f"The iterables of a map differ in length: {', '.join(map(_shown, ended))} ended after {index} elements, "
                    f"{', '.join(map(_shown, row))} did not."
                )
            return
        yield _child(variadic, parameters, {**fixed, **row})
        index += 1


def _of_one_length(sources: Iterable[Any]) -> bool:
    """Whether they are lists, all of one length."""
    listed = list(sources)
    return all(type(source) is list for source in listed) and len({len(source) for source in listed}) == 1


def _child(variadic: set[str], parameters: dict[str, Any], values: dict[tuple[str, Any], Any]) -> dict[str, Any]:
    child: dict[str, Any] = {}
    for name, value in parameters.items():
        if name not in variadic:
            child[name] = values[name, None]
        elif isinstance(value, dict):
            child[name] = {key: values[name, key] for key in value}
        else:
            child[name] = tuple(values[name, key] for key in range(len(value)))
    return child
