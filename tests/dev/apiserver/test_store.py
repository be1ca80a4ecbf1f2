"""The store: one counter, replay, and what it forgets."""

from __future__ import annotations

from typing import Any

import pytest

from penstock_dev.apiserver.store import HISTORY, Change, Store


def obj(name: str, namespace: str = "n") -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": namespace}}


def test_one_counter_for_all_buckets() -> None:
    store = Store()
    versions = [store.put(bucket, obj("x"))["metadata"]["resourceVersion"] for bucket in "aba"]
    assert versions == ["1", "2", "3"]


def test_a_stored_object_is_never_changed() -> None:
    store = Store()
    first = store.put("a", obj("x"))
    store.put("a", {**first, "spec": 1})
    store.remove("a", first)
    assert first == {"metadata": {"name": "x", "namespace": "n", "resourceVersion": "1"}}


def test_objects_come_by_namespace_and_name() -> None:
    store = Store()
    for namespace, name in (("b", "a"), ("a", "c"), ("a", "b")):
        store.put("x", obj(name, namespace))
    assert [o["metadata"]["name"] for o in store.objects("x")] == ["b", "c", "a"]
    assert [o["metadata"]["name"] for o in store.objects("x", "a")] == ["b", "c"]


def test_replay_after_a_version() -> None:
    store = Store()
    made = store.put("a", obj("x"))
    store.put("b", obj("y"))
    store.remove("a", made)
    changes = store.since(1)
    assert changes is not None
    assert [(change.type, change.bucket, change.version) for change in changes] == [
        ("ADDED", "b", 2),
        ("DELETED", "a", 3),
    ]


@pytest.mark.parametrize(
    ("asked", "known"), [(0, False), (1, True), (HISTORY, True), (HISTORY + 1, True), (HISTORY + 2, False)]
)
def test_what_is_forgotten(asked: int, known: bool) -> None:
    store = Store()
    for _ in range(HISTORY + 1):
        store.put("a", obj("x"))
    assert (store.since(asked) is not None) is known


def test_a_listener_hears_until_it_leaves() -> None:
    store = Store()
    heard: list[Change] = []
    leave = store.listen(heard.append)
    store.put("a", obj("x"))
    leave()
    store.put("a", obj("x"))
    assert [change.type for change in heard] == ["ADDED"]
