"""How the engine's client logs in by a kubeconfig, on a real API server: each way is asked as whom the server sees it.

Here and not with the other tests of kubeconfigs, for here a real server runs already.
"""

from __future__ import annotations

import base64
import contextlib
import json
import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from penstock.clusterruns.connection import Connection
from penstock.kube.access import find
from penstock.kube.errors import ApiError, NoAccessError
from tests.support.realserver import RealServer

pytestmark = pytest.mark.real
WHO = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@dataclass
class Login:
    """A kubeconfig in a folder of its own, to be changed before it is used."""

    server: RealServer
    folder: Path
    cluster: dict[str, Any] = field(default_factory=dict)
    user: dict[str, Any] = field(default_factory=dict)

    @property
    def certificate(self) -> tuple[str, str]:
        return self.server.client_certificate("ann", "team-a")

    def file(self, name: str, text: str, mode: int = 0o600) -> str:
        path = self.folder / name
        path.write_text(text)
        path.chmod(mode)
        return name

    def plugin(self, script: str, **entry: Any) -> None:
        """An exec entry; the program counts its calls in `calls`."""
        self.file("plugin", f"#!/bin/sh\ncd {self.folder}\necho x >> calls\n{script}\n", 0o700)
        version = "client.authentication.k8s.io/v1"
        self.user = {"exec": {"apiVersion": version, "command": "./plugin", "interactiveMode": "Never", **entry}}

    @property
    def calls(self) -> int:
        return len((self.folder / "calls").read_text().split())

    def connection(self, context: str = "c", **environ: str) -> Connection:
        document = {
            "current-context": context,
            "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
            "clusters": [{"name": "k", "cluster": {"server": self.server.url, **self.cluster}}],
            "users": [{"name": "u", "user": self.user}],
        }
        path = self.folder / "config"
        path.write_text(json.dumps(document))
        return Connection(find({"KUBECONFIG": str(path), **environ}))

    def who(self, **environ: str) -> str:
        """Ask the server who this is; "" with what it said where it does not know."""
        with closing(self.connection(**environ)) as made:
            return ask(made)


def ask(made: Connection) -> str:
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    answer = made.ask(lambda cluster: cluster.create(WHO, body)).result(60)
    return str(answer["status"]["userInfo"]["username"])


@pytest.fixture
def login(real_server: RealServer, tmp_path: Path) -> Login:
    return Login(real_server, tmp_path, cluster={"certificate-authority-data": b64(real_server.ca.read_text())})


def credential(**status: str) -> str:
    """A script that prints what a plugin must."""
    answer = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}
    return f"cat <<'END'\n{json.dumps(answer)}\nEND"


def by_data(it: Login) -> None:
    certificate, key = it.certificate
    it.user = {"client-certificate-data": b64(certificate), "client-key-data": b64(key)}


def by_files(it: Login) -> None:
    certificate, key = it.certificate
    it.user = {"client-certificate": it.file("ann.pem", certificate), "client-key": it.file("ann.key", key)}
    it.cluster = {"certificate-authority": it.file("ca.pem", it.server.ca.read_text())}


def by_plugin_certificate(it: Login) -> None:
    certificate, key = it.certificate
    it.plugin(credential(clientCertificateData=certificate, clientKeyData=key))


def by_token(it: Login) -> None:
    it.user = {"token": it.server.admin_token}


def by_token_file(it: Login) -> None:
    it.user = {"tokenFile": it.file("token", f"{it.server.admin_token}\n")}


def by_plugin_token(it: Login) -> None:
    it.plugin(credential(token=it.server.admin_token))


def by_plugin_environment(it: Login) -> None:
    """What the plugin is told: its own variables, and the cluster that it is asked for."""
    answer = credential(token="TOKEN").replace("TOKEN", it.server.admin_token)
    told = f'case "$KUBERNETES_EXEC_INFO" in *"{it.server.url}"*) ;; *) exit 4 ;; esac\n[ "$OWN" = yes ] || exit 5\n'
    it.plugin(told + answer, provideClusterInfo=True, env=[{"name": "OWN", "value": "yes"}])


def unchecked(it: Login) -> None:
    by_token(it)
    it.cluster = {"insecure-skip-tls-verify": True}


def unchecked_with_a_certificate(it: Login) -> None:
    by_data(it)
    it.cluster = {"insecure-skip-tls-verify": True}


def by_another_name(it: Login) -> None:
    """The name that the certificate is checked for, where the address is another."""
    by_token(it)
    it.cluster = {**it.cluster, "tls-server-name": "kubernetes.default.svc"}


@pytest.mark.parametrize(
    ("way", "want"),
    [
        (by_data, "ann"), (by_files, "ann"), (by_plugin_certificate, "ann"), (by_token, "admin"), (by_token_file, "admin"),
        (by_plugin_token, "admin"), (by_plugin_environment, "admin"), (unchecked, "admin"), (unchecked_with_a_certificate, "ann"),
        (by_another_name, "admin"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)  # fmt: skip
def test_who_the_server_sees(way: Callable[[Login], None], want: str, login: Login) -> None:
    way(login)
    assert login.who() == want


def test_a_token_that_is_refused_is_asked_for_again(login: Login) -> None:
    """The plugin's first one is dead, as one of its cache may be; and a file is read again when it has changed."""
    login.plugin(
        f"if [ $(wc -l < calls) = 1 ]; then\n{credential(token='dead')}\nelse\n{credential(token=login.server.admin_token)}\nfi"
    )
    with closing(login.connection()) as made:
        assert [ask(made), ask(made)] == ["admin", "admin"]
    assert login.calls == 2
    login.user = {"tokenFile": login.file("token", "dead")}
    with closing(login.connection()) as made:
        login.file("token", login.server.admin_token)
        assert ask(made) == "admin"


def test_a_token_that_has_expired_is_asked_for_again_before_it_is_used(login: Login) -> None:
    login.plugin(credential(token=login.server.admin_token, expirationTimestamp="2020-01-01T00:00:00Z"))
    with closing(login.connection()) as made:
        assert [ask(made), ask(made)] == ["admin", "admin"]
    assert login.calls == 2


@dataclass
class Tunnel:
    """A proxy that tunnels by CONNECT, and notes where to."""

    asked: list[str] = field(default_factory=list)
    _listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._through, args=(client,), daemon=True).start()

    def _through(self, client: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(4096)
        target = head.split(b" ")[1].decode()
        self.asked.append(target)
        host, _, port = target.rpartition(":")
        with client, socket.create_connection((host, int(port))) as server, contextlib.suppress(OSError):
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            while True:
                for one in select.select([client, server], [], [])[0]:
                    data = one.recv(65536)
                    if not data:
                        return
                    (server if one is client else client).sendall(data)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture
def tunnel() -> Iterator[Tunnel]:
    made = Tunnel()
    threading.Thread(target=made.serve, daemon=True).start()
    yield made
    made.close()


def test_through_a_proxy(login: Login, tunnel: Tunnel) -> None:
    """Of the cluster's entry, and a client certificate goes through it. That of the environment is not for this machine's own addresses."""
    by_data(login)
    login.cluster = {**login.cluster, "proxy-url": tunnel.url}
    assert login.who() == "ann"
    assert tunnel.asked == [login.server.url.removeprefix("https://")]
    del login.cluster["proxy-url"]
    assert login.who(HTTPS_PROXY=tunnel.url) == "ann"
    assert len(tunnel.asked) == 1


def test_another_context_and_a_second_file(login: Login, tmp_path: Path) -> None:
    """Two files, merged: the first names the context, the second has who it is."""
    by_token(login)
    login.connection().close()
    first = tmp_path / "first"
    made = {"name": "other", "context": {"cluster": "k", "user": "bob", "namespace": "kube-system"}}
    certificate, key = login.server.client_certificate("bob", "team-b")
    bob = {"name": "bob", "user": {"client-certificate-data": b64(certificate), "client-key-data": b64(key)}}
    first.write_text(json.dumps({"current-context": "other", "contexts": [made], "users": [bob]}))
    access = find({"KUBECONFIG": f"{first}:{tmp_path / 'config'}"})
    assert access.namespace == "kube-system"
    with closing(Connection(access)) as both:
        assert ask(both) == "bob"


def wrong_authority(it: Login) -> None:
    by_token(it)
    it.cluster = {"certificate-authority": str(it.server.folder / "client-ca.crt")}


def no_authority(it: Login) -> None:
    by_token(it)
    it.cluster = {}


def another_servers_name(it: Login) -> None:
    by_token(it)
    it.cluster = {**it.cluster, "tls-server-name": "elsewhere.example"}


def dead_token(it: Login) -> None:
    it.user = {"token": "dead"}


def somebody_elses_certificate(it: Login) -> None:
    certificate, _ = it.server.client_certificate("ann", "team-a")
    _, key = it.server.client_certificate("bob", "team-a")
    it.user = {"client-certificate-data": b64(certificate), "client-key-data": b64(key)}


def failing_plugin(it: Login) -> None:
    it.plugin("exit 3")


@pytest.mark.parametrize(
    ("way", "words"),
    [
        (wrong_authority, "certificate verify failed"),
        (no_authority, "certificate verify failed"),
        (another_servers_name, "Hostname mismatch"),
        (dead_token, "Unauthorized"),
        (somebody_elses_certificate, "its certificates cannot be used"),
        (failing_plugin, "./plugin failed with exit code 3"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_does_not_do_says_why_in_one_line(way: Callable[[Login], None], words: str, login: Login) -> None:
    way(login)
    with pytest.raises((ApiError, NoAccessError)) as error:
        login.who()
    assert words in str(error.value)
    assert "\n" not in str(error.value)
    assert "PRIVATE" not in str(error.value)
