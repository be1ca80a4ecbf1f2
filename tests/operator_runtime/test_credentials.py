"""Where the API server is, and as whom: kubeconfig, exec plugins, the pod's own account."""

from __future__ import annotations

import base64
import json
import ssl
import sys
from pathlib import Path
from typing import Any

import pytest

from penstock_operator.runtime import credentials
from penstock_operator.runtime.credentials import Credentials
from penstock_operator.runtime.errors import NoClusterError


def clock() -> float:
    return 0.0


def kubeconfig(folder: Path, *, cluster: Any = None, user: Any = None, namespace: str | None = None) -> Path:
    document = {
        "current-context": "c",
        "contexts": [
            {"name": "other", "context": {"cluster": "nope", "user": "nope"}},
            {
                "name": "c",
                "context": {"cluster": "c", "user": "u", **({"namespace": namespace} if namespace else {})},
            },
        ],
        "clusters": [{"name": "c", "cluster": {"server": "https://api:6443/", **(cluster or {})}}],
        "users": [{"name": "u", "user": user or {}}],
    }
    path = folder / "config"
    path.write_text(json.dumps(document))
    return path


def load(path: Path, **environ: str) -> Credentials:
    return credentials.load({"KUBECONFIG": str(path), **environ}, clock=clock)


@pytest.fixture
def pem(tmp_path: Path) -> dict[str, str]:
    """A certificate and its key."""
    import subprocess

    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x", "-days", "2"]
    files = {name: tmp_path / f"{name}.pem" for name in ("cert", "key")}
    subprocess.run(
        [*command, "-keyout", str(files["key"]), "-out", str(files["cert"])], check=True, capture_output=True
    )
    return {name: path.read_text() for name, path in files.items()}


def test_a_token(tmp_path: Path) -> None:
    found = load(kubeconfig(tmp_path, user={"token": "t"}, namespace="ns"))
    assert (found.endpoint.server, found.endpoint.namespace) == ("https://api:6443", "ns")
    assert found.token() == "t"
    assert not found.blocking


def test_certificates_as_data_and_as_files(tmp_path: Path, pem: dict[str, str]) -> None:
    data = {name: base64.b64encode(text.encode()).decode() for name, text in pem.items()}
    (tmp_path / "client.crt").write_text(pem["cert"])
    path = kubeconfig(
        tmp_path,
        cluster={"certificate-authority-data": data["cert"]},
        user={"client-certificate": "client.crt", "client-key-data": data["key"]},
    )
    found = load(path)
    assert found.endpoint.ca == found.endpoint.certificate == pem["cert"]
    context = found.ssl_context()
    assert isinstance(context, ssl.SSLContext)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert found.ssl_context() is context, "made once"
    assert found.token() is None


def test_insecure_is_the_users_choice(tmp_path: Path) -> None:
    context = load(kubeconfig(tmp_path, cluster={"insecure-skip-tls-verify": True})).ssl_context()
    assert context is not None
    assert context.verify_mode is ssl.CERT_NONE


def test_plain_http_has_no_tls(tmp_path: Path) -> None:
    assert load(kubeconfig(tmp_path, cluster={"server": "http://127.0.0.1:1"})).ssl_context() is None


def test_a_token_file_is_read_again_after_a_minute(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("first\n")
    now = [0.0]
    path = kubeconfig(tmp_path, user={"tokenFile": "token"})
    found = credentials.load({"KUBECONFIG": str(path)}, clock=lambda: now[0])
    assert found.token() == "first"
    (tmp_path / "token").write_text("second")
    assert found.token() == "first"
    now[0] = 61
    assert found.token() == "second"
    (tmp_path / "token").write_text("third")
    found.forget_token()
    assert found.token() == "third"
    (tmp_path / "token").unlink()
    found.forget_token()
    assert found.token() == "third", "the folder is being swapped: the last one is good for longer than that"


PLUGIN = """
import json, pathlib, sys
runs = pathlib.Path(sys.argv[1]); count = int(runs.read_text()) + 1 if runs.exists() else 1; runs.write_text(str(count))
print(json.dumps({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
                  "status": {"token": f"token-{count}"}}))
"""


def test_an_exec_plugin(tmp_path: Path) -> None:
    """Through the kubernetes package's loader, which is imported only for this."""
    (tmp_path / "plugin.py").write_text(PLUGIN)
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": sys.executable,
        "args": [str(tmp_path / "plugin.py"), str(tmp_path / "runs")],
        "interactiveMode": "Never",
    }
    found = load(kubeconfig(tmp_path, user={"exec": plugin}, namespace="ns"))
    assert found.blocking
    assert (found.endpoint.server, found.endpoint.namespace) == ("https://api:6443", "ns")
    assert (found.token() or "").startswith("token-")


def test_several_files(tmp_path: Path) -> None:
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
    first = kubeconfig(folders[0], user={"token": "t"})
    second = folders[1] / "config"
    second.write_text(json.dumps({"apiVersion": "v1", "kind": "Config"}))
    found = credentials.load({"KUBECONFIG": f"{first}:{second}:{tmp_path / 'none'}"}, clock=clock)
    assert (found.endpoint.server, found.token()) == ("https://api:6443", "t")


READ_BY_GO = """
contexts: [{{name: 2026-11-21, context: {{cluster: c, user: u, namespace: 12:30:45}}}}]
clusters: [{{name: c, cluster: {{server: "https://api:6443"}}}}]
users: [{{name: u, user: {{{}: {}}}}}]
current-context: 2026-11-21
"""


def test_a_kubeconfig_is_read_as_kubectl_reads_it(tmp_path: Path) -> None:
    """Go's YAML has no times and no numbers with colons; PyYAML has both."""
    path = tmp_path / "config"
    path.write_text(READ_BY_GO.format("token", "2026-11-21T10:00:00Z"))
    found = load(path)
    assert (found.endpoint.namespace, found.token()) == ("12:30:45", "2026-11-21T10:00:00Z")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "can't be used"),
        ("{}", "can't be used"),
        ("just a text", "it is no mapping with clusters, users and contexts"),
        ('{"current-context": "c", "contexts": []}', "can't be used"),
        (READ_BY_GO.format("token", "12345678"), "token 12345678 is no text: put it in quotes"),
        (READ_BY_GO.format("token", "on"), "token True is no text: put it in quotes"),
    ],
)
def test_a_kubeconfig_that_makes_no_sense(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(NoClusterError) as caught:
        load(path)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_certificate_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NoClusterError, match="certificate"):
        load(kubeconfig(tmp_path, cluster={"certificate-authority": "none.crt"}))


def test_nothing_at_all(tmp_path: Path) -> None:
    with pytest.raises(NoClusterError, match="penstock dev"):
        credentials.load({}, clock=clock, home=tmp_path)


def test_the_users_own(tmp_path: Path) -> None:
    (tmp_path / ".kube").mkdir()
    kubeconfig(tmp_path / ".kube", user={"token": "t"})
    assert credentials.load({}, clock=clock, home=tmp_path).token() == "t"


@pytest.mark.parametrize(
    ("host", "server"), [("10.0.0.1", "https://10.0.0.1:443"), ("fd00::1", "https://[fd00::1]:443")]
)
def test_a_pods_own_account(
    tmp_path: Path, host: str, server: str, pem: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in {"token": "t", "ca.crt": pem["cert"], "namespace": "ns"}.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(credentials, "SERVICE_ACCOUNT", tmp_path)
    found = credentials.load({"KUBERNETES_SERVICE_HOST": host}, clock=clock, home=tmp_path)
    assert (found.endpoint.server, found.endpoint.namespace, found.token()) == (server, "ns", "t")
    assert found.endpoint.proxy_by({"HTTPS_PROXY": "http://proxy:3128"}) is None, (
        "none between a pod and its own API server"
    )
    assert "kubernetes" not in sys.modules or found.blocking is False


def test_a_pod_without_an_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "SERVICE_ACCOUNT", tmp_path)
    with pytest.raises(NoClusterError, match="automountServiceAccountToken"):
        credentials.load({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, clock=clock, home=tmp_path)
