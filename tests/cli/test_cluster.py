"""Which cluster a command talks to, and what version says of it."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from penstock_cli.devserver import running
from penstock_cli.versions import warnings
from tests.cli.conftest import Penstock
from tests.support.cli import Stage


def written(folder: Path, document: dict[str, Any]) -> Path:
    path = folder / ".penstock/kubeconfig"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(document))
    return path


def test_a_penstock_dev_of_this_folder_is_found(
    at: Stage, penstock: Penstock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, json.loads(at.kubeconfig.read_text()))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KUBECONFIG")
    at.run("one")
    done = penstock("get", "fr", "-o", "name")
    assert (done.code, done.out) == (0, "flowrun.penstock.dev/one\n")
    assert done.err == "(using the penstock dev of this folder: .penstock/kubeconfig)\n"
    # What the user says comes first.
    assert penstock("get", "fr", "-o", "name", "--kubeconfig", str(at.kubeconfig)).err == ""
    monkeypatch.setenv("KUBECONFIG", str(at.kubeconfig))
    assert penstock("get", "fr", "-o", "name").err == ""
    assert str(tmp_path / "none") in penstock("get", "fr", "--kubeconfig", str(tmp_path / "none")).err


@pytest.mark.parametrize(
    "changed",
    [
        {"users": [{"name": "x", "user": {"exec": {"command": "true"}}}]},
        {"users": [{"name": "x", "user": {"token": "t", "tokenFile": "/t"}}]},
        {"users": []},
        {"clusters": [{"name": "x", "cluster": {"server": "https://example.com:PORT"}}]},
        {"clusters": [{"name": "x", "cluster": {"server": "http://127.0.0.1:PORT"}}]},
        {"clusters": [{"name": "x", "cluster": {"server": "https://127.0.0.1:PORT", "proxy-url": "http://x"}}]},
        {
            "clusters": [
                {"name": "x", "cluster": {"server": "https://127.0.0.1:PORT", "insecure-skip-tls-verify": True}}
            ]
        },
        {"clusters": [{"name": "x", "cluster": {"server": "https://127.0.0.1:1"}}]},
        {"clusters": "x"},
    ],
)
def test_only_what_penstock_dev_writes_is_taken(tmp_path: Path, changed: dict[str, Any]) -> None:
    """A folder from elsewhere must not name programs and servers; and a penstock dev that has ended is none."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        document = {
            "clusters": [{"name": "x", "cluster": {"server": f"https://127.0.0.1:{port}"}}],
            "users": [{"name": "x", "user": {"token": "t"}}],
        }
        path = written(tmp_path, document)
        assert running(tmp_path) == path
        written(tmp_path, json.loads(json.dumps({**document, **changed}).replace("PORT", str(port))))
        assert running(tmp_path) is None
        path.write_text("{")
        assert running(tmp_path) is None
        path.unlink()
        assert running(tmp_path) is None


def test_a_context_is_chosen(at: Stage, penstock: Penstock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = json.loads(at.kubeconfig.read_text())
    document["contexts"].append(
        {"name": "other", "context": {**document["contexts"][0]["context"], "namespace": "elsewhere"}}
    )
    path = tmp_path / "config"
    path.write_text(json.dumps(document))
    monkeypatch.setenv("KUBECONFIG", str(path))
    assert penstock("get", "fr", "--context", "other").err == "No resources found in elsewhere namespace.\n"
    done = penstock("get", "fr", "--context", "none")
    assert done.code == 1
    assert "none" in done.err


def test_version_of_everything(at: Stage, penstock: Penstock) -> None:
    done = penstock("version")
    assert (done.code, done.err) == (0, "")
    assert [line[0] for line in done.lines] == ["client", "cluster", "operator"]
    found = json.loads(penstock("version", "-o", "json").out)
    assert found["cluster"]["server"] == at.server.url
    assert penstock("version", "-o", "jsonpath={.client.version}").out == found["client"]["version"]
    named = penstock("version", "-o", "name").out.splitlines()
    assert named == [f"client/{found['client']['version']}", f"cluster/{found['cluster']['version']}"]


def test_version_without_a_cluster(penstock: Penstock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    done = penstock("version")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[1].startswith("cluster   none: KUBECONFIG is")
    assert "cluster" not in penstock("version", "--client").out


def operator(version: str, engine: str) -> dict[str, str]:
    return {"where": "ns/op", "version": version, "image": "", "engine": engine}


@pytest.mark.parametrize(
    ("found", "warned"),
    [
        ({}, ""),
        ({"operators": [operator("1.2.0", "e:1.2.9")]}, ""),
        ({"operators": [operator("1.3.0", "e:1.3.0")]}, "the operator ns/op is 1.3.0, this program 1.2.3"),
        ({"operators": [operator("1.2.0", "e:1.1.0")]}, "is 1.2.0, its engine image 1.1.0"),
        ({"operators": [operator("1.2.0", "e@sha256:0")]}, ""),
        ({"operators": [operator("", "")]}, ""),
        ({"cluster": {"version": "v1.29.7"}}, "Kubernetes v1.29 is older than 1.30"),
        ({"cluster": {"version": "v1.30.0"}}, ""),
    ],
)
def test_what_does_not_fit_is_warned_of(found: dict[str, Any], warned: str) -> None:
    told = "; ".join(warnings({"client": {"version": "1.2.3"}, **found}))
    assert warned in told
    assert bool(told) == bool(warned)


def test_operators_are_found(monkeypatch: pytest.MonkeyPatch, penstock: Penstock, at: Stage) -> None:
    """On a cluster: from the Deployment that the chart makes."""
    from penstock_cli.api import Api

    labels = {"app.kubernetes.io/version": "9.9.9"}
    containers = [{"image": "r/operator:9.9.9", "args": ["--x", "--engine-image=r/engine:9.8.0"]}]
    deployment = {
        "metadata": {"namespace": "ns", "name": "op", "labels": labels},
        "spec": {"template": {"spec": {"containers": containers}}},
    }
    answers: dict[str, Any] = {
        "/version": {"gitVersion": "v1.36.0"},
        "/apis/apps/v1/deployments": {"items": [deployment]},
    }
    monkeypatch.setattr(Api, "get", lambda self, path, params=None, accept="": answers[path])
    done = penstock("version")
    assert done.out.splitlines()[2:] == ["operator  9.9.9 (r/operator:9.9.9) in ns/op", "engine    r/engine:9.8.0"]
    assert len(done.err.splitlines()) == 2
