"""Watches: order, selectors, resumption, bookmarks, tables, and their end."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.dev.apiserver.rows import MERGE, TABLE, widget
from tests.support.apiserver import Client, Embedded

WIDGETS = "/apis/example.dev/v1/namespaces/default/widgets"


def make(client: Client, name: str, **spec: Any) -> dict[str, Any]:
    answer = client.call("POST", WIDGETS, widget(name, **spec))
    assert answer.code == 201, answer.body
    return answer.body


def patch(client: Client, name: str, body: Any) -> None:
    assert client.call("PATCH", f"{WIDGETS}/{name}", body, MERGE).code == 200


def brief(event: dict[str, Any]) -> tuple[str, str]:
    return event["type"], event["object"]["metadata"]["name"]


def version(client: Client) -> str:
    return str(client.call("GET", WIDGETS)["metadata.resourceVersion"])


def test_changes_come_in_order_after_a_version(client: Client) -> None:
    since = version(client)
    made = make(client, "w-order")
    patch(client, "w-order", {"spec": {"size": 2}})
    client.call("DELETE", f"{WIDGETS}/w-order")
    with client.watch(f"{WIDGETS}?watch=1&resourceVersion={since}") as events:
        seen = [next(events) for _ in range(3)]
    assert [brief(event) for event in seen] == [("ADDED", "w-order"), ("MODIFIED", "w-order"), ("DELETED", "w-order")]
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in seen]
    assert versions == sorted(set(versions))
    assert versions[0] == int(made["metadata"]["resourceVersion"])


def test_live_changes_follow_what_is_there(client: Client) -> None:
    make(client, "w-there")
    with client.watch(f"{WIDGETS}?watch=1&fieldSelector=metadata.name%3Dw-there") as events:
        assert brief(next(events)) == ("ADDED", "w-there")
        patch(client, "w-there", {"spec": {"size": 2}})
        event = next(events)
    assert brief(event) == ("MODIFIED", "w-there")
    assert event["object"]["spec"]["size"] == 2


def test_an_object_enters_and_leaves_a_selector(client: Client) -> None:
    since = version(client)
    make(client, "w-select")
    patch(client, "w-select", {"spec": {"color": "green"}})
    patch(client, "w-select", {"spec": {"size": 2}})
    patch(client, "w-select", {"spec": {"color": "red"}})
    with client.watch(f"{WIDGETS}?watch=1&resourceVersion={since}&fieldSelector=spec.color%3Dgreen") as events:
        seen = [next(events)["type"] for _ in range(3)]
    assert seen == ["ADDED", "MODIFIED", "DELETED"]


def test_watch_list_ends_with_its_bookmark(client: Client) -> None:
    make(client, "w-list")
    query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    with client.watch(f"{WIDGETS}?{query}&fieldSelector=metadata.name%3Dw-list") as events:
        assert brief(next(events)) == ("ADDED", "w-list")
        end = next(events)
        patch(client, "w-list", {"spec": {"size": 2}})
        assert next(events)["type"] == "MODIFIED"
    assert end["type"] == "BOOKMARK"
    assert end["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


def test_bookmarks_come_when_asked_for(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock_dev.apiserver.watching.BOOKMARK_SECONDS", 0.02)
    current = version(client)
    with client.watch(f"{WIDGETS}?watch=1&allowWatchBookmarks=true&resourceVersion={current}") as events:
        event = next(events)
    assert event == {
        "type": "BOOKMARK",
        "object": {"kind": "Widget", "apiVersion": "example.dev/v1", "metadata": {"resourceVersion": current}},
    }


def test_a_watch_ends_at_its_timeout(client: Client) -> None:
    with client.watch(f"{WIDGETS}?watch=1&resourceVersion={version(client)}&timeoutSeconds=1") as events:
        assert list(events) == []


def test_a_version_of_an_earlier_life_is_gone(client: Client) -> None:
    with client.watch(f"{WIDGETS}?watch=1&resourceVersion=99999999") as events:
        (event,) = events
    assert event["type"] == "ERROR"
    assert (event["object"]["code"], event["object"]["reason"]) == (410, "Expired")


def test_rows_come_in_tables_and_the_columns_once(client: Client) -> None:
    make(client, "w-table")
    query = "watch=1&fieldSelector=metadata.name%3Dw-table"
    with client.watch(f"{WIDGETS}?{query}", Accept=TABLE) as events:
        first = next(events)["object"]
        patch(client, "w-table", {"spec": {"size": 5}})
        second = next(events)["object"]
    assert [column["name"] for column in first["columnDefinitions"]] == [
        "Name",
        "Size",
        "Phase",
        "Ready",
        "Since",
        "Tags",
        "Age",
    ]
    assert second["columnDefinitions"] == []
    assert second["rows"][0]["cells"][:2] == ["w-table", 5]
    assert second["rows"][0]["object"]["kind"] == "PartialObjectMetadata"


def test_events_are_watched_in_both_forms(client: Client) -> None:
    body = {
        "metadata": {"name": "both"},
        "involvedObject": {"namespace": "default", "name": "x"},
        "message": "m",
        "reason": "R",
        "type": "Normal",
    }
    assert client.call("POST", "/api/v1/namespaces/default/events", body).code == 201
    with client.watch(
        "/apis/events.k8s.io/v1/namespaces/default/events?watch=1&fieldSelector=regarding.name%3Dx"
    ) as events:
        event = next(events)["object"]
    assert (event["apiVersion"], event["note"]) == ("events.k8s.io/v1", "m")


def test_stopping_the_server_ends_watches() -> None:
    with (
        Embedded() as server,
        server.client() as client,
        client.http.stream("GET", "/api/v1/namespaces?watch=1") as answer,
    ):
        lines = answer.iter_lines()
        assert json.loads(next(lines))["type"] == "ADDED"
        server.stop()
        for _ in lines:
            pass
