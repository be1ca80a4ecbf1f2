"""What a PodSpec looks like: which field is a map, a list or a scalar, and by which keys Kubernetes merges its lists.

The data, `podspec.json`, is made from the API server's OpenAPI document by `make generate`. A field is known by where it stands, never by its
name alone: `env` is a list in a container and a label's key in a nodeSelector. What a newer server knows besides is simply not described.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

Scalar = Literal["string", "integer", "number", "boolean", "either", "any"]


@dataclass(frozen=True, slots=True)
class Field:
    """What a field holds."""


@dataclass(frozen=True, slots=True)
class Plain(Field):
    """A scalar; `either`: a string or a number (quantities, ports by name or number); `any`: nothing is known."""

    kind: Scalar


@dataclass(frozen=True, slots=True)
class Object(Field):
    """A map with fields of its own: one of Kubernetes' types."""

    type: str

    @property
    def fields(self) -> Mapping[str, Field]:
        """Its fields by name."""
        return _fields(self.type)


@dataclass(frozen=True, slots=True)
class Pairs(Field):
    """A map with the user's own keys."""

    value: Field


@dataclass(frozen=True, slots=True)
class Listed(Field):
    """A list.

    Attributes:
        item: what each item is.
        merge: the field that names an item where lists are merged; "": a set of plain values; None: the list is replaced as a whole.
        keys: what tells items apart to the server itself: ports of one number are two where their protocols differ.
        defaults: of these keys.
    """

    item: Field
    merge: str | None = None
    keys: tuple[str, ...] = ()
    defaults: tuple[tuple[str, str], ...] = ()


@cache
def _types() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("podspec.json").read_text())
    return found


@cache
def _fields(type_: str) -> dict[str, Field]:
    return {name: _field(raw) for name, raw in _types()[type_].items()}


def _field(raw: Any) -> Field:
    if isinstance(raw, str):
        return Plain(raw)  # type: ignore[arg-type] # the generator writes no other
    if "of" in raw:
        return Object(raw["of"])
    if "map" in raw:
        return Pairs(_field(raw["map"]))
    defaults = tuple(sorted(raw.get("defaults", {}).items()))
    return Listed(_field(raw["list"]), raw.get("merge"), tuple(raw.get("keys", ())), defaults)


POD_SPEC = Object("PodSpec")
CONTAINER = Object("Container")
