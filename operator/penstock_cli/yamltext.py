"""Objects as YAML, as kubectl writes them. Apart from `render`, because tables need no YAML, and its reader takes long to load."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from .render import without_bookkeeping
from .terminal import unsafe

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["as_yaml"]


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks, so that a flow's source can be read."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def as_yaml(document: Mapping[str, Any]) -> str:
    """Return an object or a list as YAML."""
    text = _yaml(document, readable=True)
    # What a terminal would act on is written by its number, as YAML can.
    return _yaml(document, readable=False) if unsafe(text) else text


def _yaml(document: Mapping[str, Any], *, readable: bool) -> str:
    return yaml.dump(without_bookkeeping(document), Dumper=_Dumper, width=10_000, allow_unicode=readable)
