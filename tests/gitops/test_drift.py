"""What no comparison of Git and cluster could tell from an edit: a default inside a list, where tools compare the whole list."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from penstock_operator.api.crd import crds


def defaults_in_lists(schema: dict[str, Any], path: str, *, inside: bool) -> Iterator[str]:
    """Yield the places of defaults below `items`."""
    if inside and "default" in schema:
        yield path
    for name, below in schema.get("properties", {}).items():
        yield from defaults_in_lists(below, f"{path}.{name}", inside=inside)
    for key in ("items", "additionalProperties"):
        if isinstance(below := schema.get(key), dict):
            yield from defaults_in_lists(below, f"{path}[]", inside=inside or key == "items")


@pytest.mark.parametrize("crd", crds(), ids=lambda crd: crd["spec"]["names"]["kind"])
def test_no_default_inside_a_list(crd: dict[str, Any]) -> None:
    spec = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    assert list(defaults_in_lists(spec, "spec", inside=False)) == []
    probe = {"properties": {"a": {"items": {"properties": {"b": {"default": 1}}}}}}
    assert list(defaults_in_lists(probe, "spec", inside=False)) == ["spec.a[].b"], "it finds one"
