"""Reads a FlowRun or a Flow as an API server shows it, whatever is in it: what can't be read is left out, and named.

The CRDs admit nothing that the models refuse; another version's CRD may have. A run that nobody could read would have no state, no Event and no
end; so it is read without the field, and the decisions about it say which (`unreadable`). Neighbours: the store and live reads read by this.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeVar

from pydantic import ValidationError

from .flow import Flow
from .flowrun import FlowRun

Kind = TypeVar("Kind", FlowRun, Flow)
Path = tuple[str | int, ...]

# Leaving one field out may show what is wrong with the next.
_ROUNDS: Final = 8
_TOLD: Final = 8
# What makes an object that object; an API server sets them, and nobody else can.
_METADATA: Final = ("name", "namespace", "uid", "resourceVersion")
_IDENTITY: Final = tuple((name,) for name in _METADATA)


def read_run(raw: Mapping[str, Any]) -> FlowRun:
    """Return a FlowRun; the fields that can't be read are absent, and named in `unreadable`.

    Raises:
        ValidationError: not even its name, namespace, uid and version can be read: no API server shows that.
    """
    return _read(FlowRun, raw, {})


def read_flow(raw: Mapping[str, Any]) -> Flow:
    """Return a Flow; as `read_run`. A Flow without an entrypoint has one that nobody runs."""
    return _read(Flow, raw, {"entrypoint": "unreadable:unreadable"})


def _read(kind: type[Kind], raw: Mapping[str, Any], least: Mapping[str, Any]) -> Kind:
    lost: list[str] = []
    known: Any = {key: value for key, value in raw.items() if key in ("metadata", "spec", "status")}
    for _ in range(_ROUNDS):
        try:
            found = kind.model_validate(known)
        except ValidationError as error:
            errors = error.errors(include_url=False, include_input=False)
            if any(e["loc"][:1] == ("metadata",) and e["loc"][1:2] in _IDENTITY for e in errors):
                raise
        else:
            return found.model_copy(update={"unreadable": tuple(lost[:_TOLD])}) if lost else found
        lost += [f"{_words(e['loc'])}: {e['msg']}" for e in errors]
        before = known
        # The last of a list first: the places of the others stay what they are.
        for path in sorted({_existing(known, e["loc"]) for e in errors}, key=_order, reverse=True):
            known = _without(known, path)
        if known == before:
            break
    # Nothing of it can be read but what it is.
    found = kind.model_validate({"metadata": _least(raw), "spec": least})
    return found.model_copy(update={"unreadable": tuple(lost[:_TOLD])})


def _order(path: Path) -> list[tuple[int, str]]:
    return [(step, "") if isinstance(step, int) else (0, step) for step in path]


def _least(raw: Mapping[str, Any]) -> dict[str, Any]:
    metadata = raw["metadata"]
    return {name: metadata[name] for name in _METADATA if name in metadata}


def _existing(value: Any, place: Path) -> Path:
    """Return the part of a place that there is: a missing field is its parent's fault."""
    path: list[str | int] = []
    for step in place:
        inside = step in value if isinstance(value, Mapping) else isinstance(step, int) and isinstance(value, list)
        if not inside:
            break
        value = value[step]
        path.append(step)
    return tuple(path)


def _without(value: Any, path: Path) -> Any:
    """Return a value without what is at a path; metadata keeps what it needs, and spec stays."""
    if not path:
        return {**value, "spec": {}, "status": {}}
    head, *rest = path
    if not rest:
        if isinstance(value, list):
            return [item for n, item in enumerate(value) if n != head]
        if head == "spec" and "metadata" in value:
            return {**value, "spec": {}}
        if head == "metadata" and "spec" in value:
            return {**value, "metadata": _least(value)}
        return {key: item for key, item in value.items() if key != head}
    if isinstance(value, list):
        return [_without(item, tuple(rest)) if n == head else item for n, item in enumerate(value)]
    if head not in value:
        return value
    return {**value, head: _without(value[head], tuple(rest))}


def _words(path: Path) -> str:
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".") or "the object"
