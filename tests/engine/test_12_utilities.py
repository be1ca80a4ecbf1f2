"""Helpers under `penstock.utilities` that users import: collections and nested dicts."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.utilities import collections as under_test
from penstock.utilities.collections import StopVisiting, visit_collection


@pytest.mark.parametrize(
    ("name", "args", "result"),
    [
        (
            "dict_to_flatdict",
            ({"a": {"b": 1, "c": {"d": 2}}, "e": {}},),
            {("a", "b"): 1, ("a", "c", "d"): 2, ("e",): {}},
        ),
        ("flatdict_to_dict", ({("a", "b"): 1, ("a", "c", "d"): 2, ("e",): 3},), {"a": {"b": 1, "c": {"d": 2}}, "e": 3}),
        ("remove_nested_keys", (["a"], {"a": 1, "b": {"a": 2, "c": 3}}), {"b": {"c": 3}}),
        ("remove_nested_keys", (["a"], [1]), [1]),
        ("get_from_dict", ({"a": {"b": [1, 2]}}, "a.b[1]"), 2),
        ("get_from_dict", ({"a": {"b": [0, {"c": 5}]}}, ["a", "b", 1, "c"]), 5),
        ("get_from_dict", ({"a": 1}, "a.b.c", "no"), "no"),
        ("get_from_dict", ({"a": [1]}, "a[3]"), None),
        ("deep_merge", ({"a": {"b": 1}}, {"a": {"c": 2}}), {"a": {"b": 1, "c": 2}}),
        ("deep_merge", ({"a": {"b": 1}}, {"a": 2}), {"a": 2}),
        ("deep_merge_dicts", ({"a": 1}, {"b": 2}, {"a": 3}), {"a": 3, "b": 2}),
        ("listrepr", ([1, "a"],), "1 'a'"),
        ("ensure_iterable", (3,), [3]),
        ("ensure_iterable", ([3],), [3]),
    ],
)
def test_nested_dicts(name: str, args: tuple[Any, ...], result: Any) -> None:
    assert getattr(under_test, name)(*args) == result


def test_a_value_is_put_at_a_path() -> None:
    target: dict[str, Any] = {"a": {"x": 1}, "n": 1}
    under_test.set_in_dict(target, "a.b.c", 2)
    assert target == {"a": {"x": 1, "b": {"c": 2}}, "n": 1}
    with pytest.raises(TypeError, match="non-dict value"):
        under_test.set_in_dict(target, "n.m", 2)


def test_the_first_of_equals_stays() -> None:
    assert list(under_test.distinct([1, 2, 1, 3])) == [1, 2, 3]
    assert list(under_test.distinct(["a", "A", "b"], key=str.lower)) == ["a", "b"]


def test_a_visitor_stops_at_an_object_and_goes_on_beside_it() -> None:
    def negate(value: Any) -> Any:
        if value == [2]:
            raise StopVisiting
        return -value if isinstance(value, int) else value

    assert visit_collection([1, [2], [3]], negate, return_data=True) == [-1, [2], [-3]]
