"""With a data folder, objects, versions and identity survive a restart, also one that tears the last line."""

from __future__ import annotations

from pathlib import Path

from penstock_dev.apiserver.persistence import Persistence
from penstock_dev.apiserver.store import Store
from tests.dev.apiserver.rows import definition, widget
from tests.support.apiserver import Client, Embedded

WIDGETS = "/apis/example.dev/v1/namespaces/default/widgets"
CRASHED = {"snapshot": '{"version":0,"objects":{}}'}


def fill(client: Client) -> str:
    """Make two widgets and delete one; returns the last version."""
    for name in ("a", "b"):
        assert client.call("POST", WIDGETS, widget(name)).code == 201
    assert client.call("DELETE", f"{WIDGETS}/b").code == 200
    return str(client.call("GET", WIDGETS)["metadata.resourceVersion"])


def names(client: Client) -> list[str]:
    return [item["metadata"]["name"] for item in client.call("GET", WIDGETS).body["items"]]


def test_restart_keeps_everything(tmp_path: Path) -> None:
    with Embedded(data=tmp_path, crds=[definition()]) as server, server.client() as client:
        last = fill(client)
        before = client.call("GET", f"{WIDGETS}/a").body
        identity = (server.server.token, server.server.ca)
    with Embedded(data=tmp_path, crds=[definition()]) as server, server.client() as client:
        assert (server.server.token, server.server.ca) == identity
        assert client.call("GET", f"{WIDGETS}/a").body == before
        assert names(client) == ["a"]
        again = client.call("POST", WIDGETS, widget("c"))
        assert int(again["metadata.resourceVersion"]) > int(last)
        with client.watch(f"{WIDGETS}?watch=1&resourceVersion={int(last) - 1}") as events:
            assert next(events)["object"]["code"] == 410


def test_a_torn_last_line_is_dropped(tmp_path: Path) -> None:
    with Embedded(data=tmp_path, crds=[definition()]) as server, server.client() as client:
        fill(client)
        changes = (tmp_path / "changes.jsonl").read_text()
    (tmp_path / "snapshot.json").write_text(CRASHED["snapshot"])
    (tmp_path / "changes.jsonl").write_text(changes + changes.splitlines()[-1][:40])
    with Embedded(data=tmp_path) as server, server.client() as client:
        assert names(client) == ["a"]


def test_the_log_alone_is_enough_after_a_crash(tmp_path: Path) -> None:
    with Embedded(data=tmp_path, crds=[definition()]) as server, server.client() as client:
        last = fill(client)
        changes = (tmp_path / "changes.jsonl").read_text()
    (tmp_path / "snapshot.json").write_text(CRASHED["snapshot"])
    (tmp_path / "changes.jsonl").write_text(changes)
    with Embedded(data=tmp_path) as server, server.client() as client:
        assert names(client) == ["a"]
        assert client.call("GET", WIDGETS)["metadata.resourceVersion"] == last


def test_the_log_is_compacted_while_it_grows(tmp_path: Path) -> None:
    store, kept = Store(), Persistence(tmp_path, compact_after=10)
    kept.follow(store)
    for i in range(25):
        store.put("a", {"metadata": {"name": f"x{i % 3}"}})
    assert len((tmp_path / "changes.jsonl").read_text().splitlines()) == 5
    again = Store()
    Persistence(tmp_path).load(again)
    assert (again.version, again.objects("a")) == (25, store.objects("a"))
    kept.close(store)


def test_keys_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    with Embedded(data=tmp_path):
        assert (tmp_path / "keys.json").stat().st_mode & 0o777 == 0o600


def test_memory_only_by_default(tmp_path: Path) -> None:
    with Embedded() as server, server.client() as client:
        assert client.call("POST", "/api/v1/namespaces", {"metadata": {"name": "x"}}).code == 201
    with Embedded() as server, server.client() as client:
        assert client.call("GET", "/api/v1/namespaces/x").code == 404
    assert list(tmp_path.iterdir()) == []
