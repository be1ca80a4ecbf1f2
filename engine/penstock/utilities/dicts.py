"""Nested dicts: flat and back, reading and writing by a path, merging, dropping keys. Neighbours: `collections`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator


def dict_to_flatdict(dct: dict[Any, Any]) -> dict[tuple[Any, ...], Any]:
    """One level, its keys the tuples of keys that lead to each value; empty dicts stay values."""
    flat: dict[tuple[Any, ...], Any] = {}
    for key, value in dct.items():
        if isinstance(value, dict) and value:
            flat.update({(key, *path): item for path, item in dict_to_flatdict(value).items()})
        else:
            flat[(key,)] = value
    return flat


def flatdict_to_dict(dct: dict[tuple[Any, ...], Any]) -> dict[Any, Any]:
    """The nested dict of a flat one; the way back of `dict_to_flatdict`."""
    nested: dict[Any, Any] = {}
    for path, value in dct.items():
        level = nested
        for key in path[:-1]:
            level = level.setdefault(key, {})
        level[path[-1]] = value
    return nested


def remove_nested_keys(keys_to_remove: Iterable[Any], obj: Any) -> Any:
    """A copy of nested dicts without some keys; other objects come back as they are."""
    if not isinstance(obj, dict):
        return obj
    dropped = list(keys_to_remove)
    return {key: remove_nested_keys(dropped, value) for key, value in obj.items() if key not in dropped}


def _path(keys: str | Iterable[Any]) -> list[Any]:
    return keys.replace("[", ".").replace("]", "").split(".") if isinstance(keys, str) else list(keys)


def get_from_dict(dct: Any, keys: str | Iterable[Any], default: Any = None) -> Any:
    """The value at a path into dicts and lists.

    Args:
        dct: where to begin.
        keys: the steps, or a text such as `a.b[1]`; a number in it is a place in a list, and in a dict the key as it
            stands, else the whole number.
        default: for a path that leads nowhere.
    """
    found = dct
    for key in _path(keys):
        try:
            found = found[_step(found, key)]
        except (TypeError, KeyError, IndexError):
            return default
    return found


def _step(level: Any, key: Any) -> Any:
    """A key as the level has it: a mapping may have the text, or the number that it says; all else is counted."""
    if not isinstance(key, str) or not key.lstrip("-").isdecimal():
        return key
    if isinstance(level, Mapping):
        return key if key in level or str(int(key)) != key else int(key)
    return int(key)


def set_in_dict(dct: dict[Any, Any], keys: str | Iterable[Any], value: Any) -> None:
    """Put a value at a path; dicts on the way are made.

    Raises:
        TypeError: something on the way is no dict.
    """
    *way, last = _path(keys)
    level = dct
    for key in way:
        level = level.setdefault(key, {})
        if not isinstance(level, dict):
            raise TypeError(f"Key path exists and contains a non-dict value: {keys}")
    level[last] = value


def deep_merge(dct: dict[Any, Any], merge: dict[Any, Any]) -> dict[Any, Any]:
    """A new dict with the items of both; where both hold dicts these are merged, else the second wins."""
    merged = dict(dct)
    for key, value in merge.items():
        mine = merged.get(key)
        merged[key] = deep_merge(mine, value) if isinstance(mine, dict) and isinstance(value, dict) else value
    return merged


def deep_merge_dicts(*dicts: dict[Any, Any]) -> dict[Any, Any]:
    """`deep_merge` of any number, from left to right."""
    merged: dict[Any, Any] = {}
    for each in dicts:
        merged = deep_merge(merged, each)
    return merged


def distinct(iterable: Iterable[Any], key: Callable[[Any], Hashable] | None = None) -> Iterator[Any]:
    """The elements without those whose key was met before."""
    seen = set()
    for item in iterable:
        mark = item if key is None else key(item)
        if mark not in seen:
            seen.add(mark)
            yield item


def listrepr(objs: Iterable[object], sep: str = " ") -> str:
    """The `repr` of each, joined."""
    return sep.join(repr(obj) for obj in objs)


def ensure_iterable(obj: Any) -> Any:
    """The object if it is a collection, else a list of it."""
    return obj if isinstance(obj, list | tuple | set | frozenset | dict) else [obj]
