"""Volumes that are written from objects: what is fetched again and when, and what stays when its source is gone."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from penstock_dev.node.downward import Host
from penstock_dev.node.sources import Bundle, Missing, Sources, Token
from penstock_dev.node.volumes import ACCOUNT_PATH, Volumes, with_account_volume

pytestmark = pytest.mark.anyio
HOST = Host("node", "127.0.0.1", 2, 1024)


class Shelf:
    """Stands in for the API server."""

    def __init__(self) -> None:
        self.config_maps: dict[str, Bundle] = {}
        self.asked: list[str] = []

    async def config_map(self, _: str, name: str) -> Bundle:
        self.asked.append(name)
        if name not in self.config_maps:
            raise Missing(f'configmap "{name}" not found')
        return self.config_maps[name]

    async def token(self, _: object, audience: str | None, seconds: int) -> Token:
        self.asked.append(f"token for {audience}")
        return Token(f"token-{len(self.asked)}", seconds)


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def volumes(shelf: Shelf, tmp_path: Path) -> Volumes:
    return Volumes(tmp_path / "v", tmp_path / "claims", cast("Sources", shelf), HOST)


def pod(*volumes: dict[str, Any], **annotations: str) -> dict[str, Any]:
    meta = {"name": "p", "namespace": "ns", "uid": "u", "annotations": annotations}
    return {"metadata": meta, "spec": {"containers": [{"name": "main"}], "volumes": list(volumes)}}


def read(volumes: Volumes, name: str, path: str) -> str:
    return (volumes.path(name) / path).read_text()


async def test_a_config_map_is_fetched_again_unless_it_is_immutable(shelf: Shelf, volumes: Volumes) -> None:
    shelf.config_maps = {"plain": Bundle({"a": b"1"}, immutable=False), "fixed": Bundle({"a": b"1"}, immutable=True)}
    one = pod({"name": "v", "configMap": {"name": "plain"}}, {"name": "w", "configMap": {"name": "fixed"}})
    for volume in one["spec"]["volumes"]:
        await volumes.set_up(one, volume, 0)
    shelf.config_maps["plain"] = Bundle({"a": b"2", "b": b"new"}, immutable=False)
    await volumes.refresh(one, 1, fetch=False)
    assert (shelf.asked, read(volumes, "v", "a")) == (["plain", "fixed"], "1")
    await volumes.refresh(one, 2, fetch=True)
    assert shelf.asked == ["plain", "fixed", "plain"]
    assert (read(volumes, "v", "a"), read(volumes, "v", "b"), read(volumes, "w", "a")) == ("2", "new", "1")


async def test_files_stay_when_their_source_is_deleted(shelf: Shelf, volumes: Volumes) -> None:
    shelf.config_maps = {"plain": Bundle({"a": b"1"}, immutable=False)}
    one = pod({"name": "v", "configMap": {"name": "plain"}})
    await volumes.set_up(one, one["spec"]["volumes"][0], 0)
    shelf.config_maps.clear()
    await volumes.refresh(one, 1, fetch=True)
    assert read(volumes, "v", "a") == "1"


async def test_what_is_optional_may_be_missing(shelf: Shelf, volumes: Volumes) -> None:
    shelf.config_maps = {"plain": Bundle({"a": b"1"}, immutable=False)}
    items = [{"key": "a", "path": "a"}, {"key": "none", "path": "none"}]
    one = pod(
        {"name": "absent", "configMap": {"name": "none", "optional": True}},
        {"name": "partly", "configMap": {"name": "plain", "optional": True, "items": items}},
        {"name": "must", "configMap": {"name": "plain", "items": items}},
    )
    absent, partly, must = one["spec"]["volumes"]
    await volumes.set_up(one, absent, 0)
    await volumes.set_up(one, partly, 0)
    assert [entry.name for entry in volumes.path("absent").iterdir() if not entry.name.startswith("..")] == []
    assert [entry.name for entry in volumes.path("partly").iterdir() if not entry.name.startswith("..")] == ["a"]
    with pytest.raises(Missing, match="references non-existent configmap key: none"):
        await volumes.set_up(one, must, 0)


async def test_a_token_is_renewed_before_it_ends(shelf: Shelf, volumes: Volumes) -> None:
    sources = [{"serviceAccountToken": {"path": "token", "expirationSeconds": 1000, "audience": "vault"}}]
    one = pod({"name": "v", "projected": {"sources": sources}})
    await volumes.set_up(one, one["spec"]["volumes"][0], 0)
    for now, wanted in ((1, "token-1"), (799, "token-1"), (800, "token-2"), (1500, "token-2"), (1600, "token-3")):
        await volumes.refresh(one, now, fetch=True)
        assert read(volumes, "v", "token") == wanted, now
    assert shelf.asked == ["token for vault"] * 3


async def test_the_downward_api_follows_the_pod(volumes: Volumes) -> None:
    volume = {
        "name": "v",
        "downwardAPI": {"items": [{"path": "i", "fieldRef": {"fieldPath": "metadata.annotations['intent']"}}]},
    }
    await volumes.set_up(pod(volume, intent="Running"), volume, 0)
    await volumes.refresh(pod(volume, intent="Cancelled"), 1, fetch=False)
    assert read(volumes, "v", "i") == "Cancelled"


@pytest.mark.parametrize(
    ("volume", "message"),
    [
        ({"name": "v", "nfs": {"server": "x"}}, "no volumes of the kind nfs"),
        ({"name": "v", "projected": {"sources": [{"clusterTrustBundle": {}}]}}, "cannot project clusterTrustBundle"),
        ({"name": "v", "hostPath": {"path": "/no/such/path", "type": "Directory"}}, "/no/such/path is not a directory"),
    ],
)
async def test_what_there_is_not(volumes: Volumes, volume: dict[str, Any], message: str) -> None:
    with pytest.raises(Missing, match=message):
        await volumes.set_up(pod(volume), volume, 0)


async def test_the_accounts_volume_is_added_where_no_admission_does() -> None:
    plain = pod()
    made = with_account_volume(plain)
    assert made["spec"]["containers"][0]["volumeMounts"][0]["mountPath"] == ACCOUNT_PATH
    assert "volumeMounts" not in plain["spec"]["containers"][0]
    assert with_account_volume(made) == made
    plain["spec"]["automountServiceAccountToken"] = False
    assert with_account_volume(plain) == plain
