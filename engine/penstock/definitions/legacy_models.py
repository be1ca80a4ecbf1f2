"""JSON schemas of parameters whose types are those of `pydantic.v1`. Neighbours: `callables` asks for them."""

from __future__ import annotations

import sys
from typing import Any, get_args


def is_of_v1(hint: Any) -> bool:
    """Whether the type, or one inside it, is a model or a type of `pydantic.v1`; nothing is imported for it."""
    if "pydantic.v1" not in sys.modules:
        return False
    if isinstance(hint, type) and any(kind.__module__.startswith("pydantic.v1.") for kind in hint.__mro__):
        return True
    return any(is_of_v1(inner) for inner in get_args(hint))


def schema_of_v1(name: str, hint: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The schema of one parameter, and the definitions that it refers to; both empty where there is none."""
    from pydantic import v1

    try:
        fields: dict[str, Any] = {name: (hint, ...)}
        whole = v1.create_model("Parameters", **fields).schema(ref_template="#/definitions/{model}")
    except Exception:  # noqa: BLE001  (no schema for this type)
        return {}, {}
    found = {key: value for key, value in whole["properties"][name].items() if key != "title"}
    if "$ref" in found:
        found = {"allOf": [found]}
    return found, whole.get("definitions", {})
