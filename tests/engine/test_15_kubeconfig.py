"""The way to the API server: kubeconfig files, programs that give tokens, the pod's own account."""

from __future__ import annotations

import base64
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from penstock.kube import access, kubeconfig
from penstock.kube.client import Trust
from penstock.kube.errors import NoAccessError
from penstock.kube.execplugin import ExecToken

PEM = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def config(path: Path, *, current: str = "c", cluster: Any = None, user: Any = None, context: Any = None) -> str:
    document = {
        "current-context": current,
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u", **(context or {})}}],
        "clusters": [{"name": "k", "cluster": {"server": "https://api.example:6443/", **(cluster or {})}}],
        "users": [{"name": "u", "user": user or {}}],
    }
    path.write_text(json.dumps(document))
    return str(path)


def test_what_a_context_says(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text(PEM)
    path = config(
        tmp_path / "config",
        cluster={
            "certificate-authority": "ca.pem",
            "tls-server-name": "kubernetes",
            "proxy-url": "http://proxy.example:3128",
            "insecure-skip-tls-verify": False,
        },
        user={"client-certificate-data": b64("cert"), "client-key-data": b64("key"), "tokenFile": "token"},
        context={"namespace": "team-a"},
    )
    login = kubeconfig.load([path])
    assert (login.server, login.namespace) == ("https://api.example:6443", "team-a")
    assert (login.ca_data, login.server_name, login.proxy) == (PEM, "kubernetes", "http://proxy.example:3128")
    assert (login.certificate, login.key) == ("cert", "key")
    assert login.token_file == str(tmp_path / "token")


def test_several_files_are_merged_and_the_first_wins(tmp_path: Path) -> None:
    first = tmp_path / "first.yaml"
    first.write_text("current-context: b\nclusters:\n- {name: k, cluster: {server: http://first}}\n")
    (tmp_path / "sub").mkdir()
    second = config(tmp_path / "sub" / "second", user={"tokenFile": "t"})
    third = tmp_path / "third.yaml"
    third.write_text(
        "current-context: c\ncontexts:\n- {name: b, context: {cluster: k, user: u, namespace: of-b}}\n"
        "clusters:\n- {name: k, cluster: {server: http://third}}\n"
    )
    login = kubeconfig.load([str(tmp_path / "absent"), str(first), second, str(third)])
    assert (login.server, login.namespace) == ("http://first", "of-b")
    assert login.token_file == str(tmp_path / "sub" / "t")
    assert kubeconfig.load([second], "c").server == "https://api.example:6443"


BROKEN: list[tuple[dict[str, Any] | str, str]] = [
    ("]", "is no YAML"),
    ("- a\n", "is no kubeconfig: it is a list"),
    ("{}", "has no current-context: choose one by `kubectl config use-context"),
    ({"current": "x"}, "has no context 'x'"),
    ({"context": {"cluster": "x"}}, "has no cluster 'x'"),
    ({"context": {"user": "x"}}, "has no user 'x'"),
    ({"cluster": {"server": "api.example"}}, "server is 'api.example', which is no URL"),
    ({"cluster": {"certificate-authority": "absent.pem"}}, "names a certificate that cannot be read"),
    ({"user": {"client-key-data": "%"}}, "names a certificate that cannot be read: client-key-data"),
    ({"user": {"client-key-data": b64("k")}}, "a client certificate needs its key"),
    ({"user": {"auth-provider": {"name": "gcp"}}}, "exec plugin"),
    ({"user": {"username": "u", "password": "p"}}, "no API server takes passwords"),
    ({"user": {"as": "other"}}, "acting as another user"),
]


@pytest.mark.parametrize(("given", "words"), BROKEN, ids=[words for _, words in BROKEN])
def test_what_cannot_be_used_says_why_in_one_line(tmp_path: Path, given: Any, words: str) -> None:
    path = tmp_path / "config"
    if isinstance(given, str):
        path.write_text(given)
    else:
        config(path, **given)
    with pytest.raises(NoAccessError) as error:
        access.find({"KUBECONFIG": str(path)})
    assert words in str(error.value)
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)


def test_where_it_is_looked_for(tmp_path: Path) -> None:
    account = tmp_path / "account"
    account.mkdir()
    (account / "token").write_text("of-the-pod")
    (account / "namespace").write_text("team-b\n")
    home = tmp_path / "home"
    (home / ".kube").mkdir(parents=True)
    config(home / ".kube" / "config", user={"token": "of-home"})
    given = config(tmp_path / "given", user={"token": "given"})
    cluster = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}
    run = {"PENSTOCK_FLOWRUN": "r", "PENSTOCK_NAMESPACE": "team-a", "PENSTOCK_API_SERVER": "http://127.0.0.1:1"}

    def found(environ: dict[str, str], place: Path = account) -> tuple[str, str, str | None]:
        way = access.find(environ, str(home), str(place))
        return way.server, way.namespace, way.token.read()

    assert found({**cluster, **run, "KUBECONFIG": given}) == ("http://127.0.0.1:1", "team-a", "of-the-pod")
    assert found({**cluster, "KUBECONFIG": given}) == ("https://api.example:6443", "default", "given")
    assert found(cluster) == ("https://[fd00::1]:443", "team-b", "of-the-pod")
    assert found(cluster, tmp_path) == ("https://api.example:6443", "default", "of-home")
    with pytest.raises(NoAccessError, match=r"KUBECONFIG is not set.*penstock dev"):
        access.find({}, str(tmp_path), str(tmp_path))
    with pytest.raises(NoAccessError, match="there is no kubeconfig /absent"):
        access.find({"KUBECONFIG": "/absent"})


def test_a_proxy_of_the_kubeconfig_goes_before_the_environments(tmp_path: Path) -> None:
    path = config(tmp_path / "a", cluster={"proxy-url": "http://own:1"}, user={"token": "t"})
    environ = {"KUBECONFIG": path, "HTTPS_PROXY": "http://other:2"}
    assert access.find(environ).proxy == "http://own:1"
    assert access.find({**environ, "KUBECONFIG": config(tmp_path / "b", user={"token": "t"})}).proxy == "http://other:2"
    assert access.find({**environ, "KUBECONFIG": path}).trust == Trust()


def plugin(tmp_path: Path, status: dict[str, Any], **more: Any) -> dict[str, Any]:
    """An exec entry whose program notes each call, and what it was told."""
    answer = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}
    program = tmp_path / "give-token"
    program.write_text(
        f"#!/bin/sh\necho \"$1 $OWN $KUBERNETES_EXEC_INFO\" >> {tmp_path}/calls\ncat <<'END'\n{json.dumps(answer)}\nEND\n"
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "./give-token",
        "args": ["--for=x"],
        "env": [{"name": "OWN", "value": "yes"}],
        "interactiveMode": "Never",
        "provideClusterInfo": True,
        **more,
    }


def calls(tmp_path: Path) -> list[str]:
    return (tmp_path / "calls").read_text().splitlines()


def test_a_program_is_asked_once_until_its_token_expires_or_is_refused(tmp_path: Path) -> None:
    entry = plugin(tmp_path, {"token": "secret", "expirationTimestamp": "2026-11-21T12:00:00Z"})
    login = kubeconfig.load([config(tmp_path / "config", user={"exec": entry})])
    now = 1_795_262_000.0  # some 20 minutes before
    token = ExecToken(login, lambda *_: None, lambda: now)
    assert [token.read(), token.read()] == ["secret", "secret"]
    (only,) = calls(tmp_path)
    assert only.startswith("--for=x yes ")
    told = json.loads(only.removeprefix("--for=x yes "))
    assert told["kind"] == "ExecCredential"
    assert told["spec"]["interactive"] is False
    assert told["spec"]["cluster"]["server"] == "https://api.example:6443"
    token.forget()
    token.read()
    assert len(calls(tmp_path)) == 2
    now += 3600
    token.read()
    assert len(calls(tmp_path)) == 3


def test_a_program_may_give_a_certificate(tmp_path: Path) -> None:
    entry = plugin(tmp_path, {"clientCertificateData": "CERT", "clientKeyData": "KEY"})
    login = kubeconfig.load([config(tmp_path / "config", user={"exec": entry})])
    given: list[tuple[str, str]] = []
    assert ExecToken(login, lambda *pair: given.append(pair), lambda: 0.0).read() is None
    assert given == [("CERT", "KEY")]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"command": "none-such-program", "installHint": "install it by hand"},
            "cannot be run: .*; install it by hand",
        ),
        ({"command": "false"}, "failed with exit code 1"),
        ({"command": "true"}, "did not print an ExecCredential"),
        ({"apiVersion": "client.authentication.k8s.io/v1alpha1"}, "speaks 'client.authentication.k8s.io/v1alpha1'"),
        ({"apiVersion": "client.authentication.k8s.io/v1beta1"}, "answers in 'client.authentication.k8s.io/v1'"),
        ({"interactiveMode": "Always"}, "asks a person, and there is no terminal"),
    ],
)
def test_a_program_that_does_not_do(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    login = kubeconfig.load([config(tmp_path / "c", user={"exec": {**plugin(tmp_path, {"token": "x"}), **change}})])
    with pytest.raises(NoAccessError, match=words):
        ExecToken(login, lambda *_: None, lambda: 0.0).read()


def test_a_kubeconfig_costs_nothing_until_it_is_read() -> None:
    import subprocess
    import sys

    code = "import penstock.flow_runs, sys; print(sorted({'yaml', 'httpx', 'ssl', 'subprocess', 'pydantic'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ})
    assert done.stdout.strip() == "[]"
