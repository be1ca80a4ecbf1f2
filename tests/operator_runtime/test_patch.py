"""Merge patches: applied to the old object they give the new one, and they say no more than that."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock_operator.runtime.patch import merge_patch
from tests.support.fakeapi import _merged as apply


@pytest.mark.parametrize(
    ("old", "new", "patch"),
    [
        ({}, {}, {}),
        ({"a": 1}, {"a": 1}, {}),
        ({"a": 1}, {"a": 2}, {"a": 2}),
        ({"a": 1}, {}, {"a": None}),
        ({}, {"a": {"b": 1}}, {"a": {"b": 1}}),
        (
            {"attempt": {"number": 1, "podUID": "u"}},
            {"attempt": {"number": 2}},
            {"attempt": {"number": 2, "podUID": None}},
        ),
        ({"a": [1, 2]}, {"a": [1]}, {"a": [1]}),
        ({"a": {"b": 1}}, {"a": [1]}, {"a": [1]}),
        ({"a": [1]}, {"a": {"b": 1}}, {"a": {"b": 1}}),
        ({"a": {"b": {"c": 1, "d": 2}}}, {"a": {"b": {"c": 1}}}, {"a": {"b": {"d": None}}}),
    ],
)
def test_cases(old: dict[str, Any], new: dict[str, Any], patch: dict[str, Any]) -> None:
    assert merge_patch(old, new) == patch


LEAF = st.one_of(st.booleans(), st.integers(0, 3), st.text(max_size=2), st.lists(st.integers(0, 2), max_size=2))
TREE = st.recursive(LEAF, lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3), max_leaves=8)
OBJECT = st.dictionaries(st.sampled_from("abcd"), TREE, max_size=4)


@settings(deadline=None)
@given(OBJECT, OBJECT)
def test_it_turns_the_old_into_the_new(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert apply(old, merge_patch(old, new)) == new
    assert (merge_patch(old, new) == {}) == (old == new)
