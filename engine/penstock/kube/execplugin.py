"""Tokens and certificates that a program gives: kubeconfig's exec plugins (`client.authentication.k8s.io`).

The program is asked when a credential is needed, and again when it has expired or the server refused it. Several threads may
ask; one of them runs the program. What it prints on standard error goes to the user, as it does with kubectl.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any

from penstock.kube.errors import NoAccessError
from penstock.kube.kubeconfig import Login
from penstock.kube.times import read_time

VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
PROGRAM_SECONDS = 60.0


class ExecToken:
    """A token source that asks a program.

    Args:
        login: A context whose user has an exec entry.
        certificates: Told of a client certificate and key, as PEM, whenever the program gives them.
        now: The wall clock, seconds since 1970.
    """

    def __init__(self, login: Login, certificates: Callable[[str, str], None], now: Callable[[], float]) -> None:
        self._login = login
        self._certificates = certificates
        self._now = now
        self._lock = threading.Lock()
        self._token: str | None = None
        self._expires: float | None = None
        self._known = False

    def read(self) -> str | None:
        """Give the token, from the program if need be.

        Raises:
            NoAccessError: The program cannot be run, or gives nothing.
        """
        with self._lock:
            if not self._known or (self._expires is not None and self._now() >= self._expires):
                self._ask()
            return self._token

    def forget(self) -> None:
        """Ask again the next time: the server refused the token."""
        self._known = False

    def _ask(self) -> None:
        entry, login = self._login.exec or {}, self._login
        version, command = str(entry.get("apiVersion") or ""), str(entry.get("command") or "")
        if version not in VERSIONS:
            raise NoAccessError(
                f"{login.source}: the exec plugin speaks {version!r}; {' and '.join(VERSIONS)} are known"
            )
        interactive = (
            entry.get("interactiveMode", "IfAvailable") != "Never" and sys.stdin is not None and sys.stdin.isatty()
        )
        if entry.get("interactiveMode") == "Always" and not interactive:
            raise NoAccessError(
                f"{login.source}: the exec plugin {command} asks a person, and there is no terminal here"
            )
        status = _status(login, self._run(entry, command, version, interactive=interactive), version)
        self._token = str(status["token"]) if status.get("token") else None
        if status.get("clientCertificateData") and status.get("clientKeyData"):
            self._certificates(str(status["clientCertificateData"]), str(status["clientKeyData"]))
        expires = read_time(status.get("expirationTimestamp"))
        self._expires = expires.timestamp() if expires is not None else None
        self._known = True

    def _run(self, entry: Mapping[str, Any], command: str, version: str, *, interactive: bool) -> str:
        import subprocess

        login = self._login
        spec: dict[str, Any] = {"interactive": interactive}
        if entry.get("provideClusterInfo"):
            spec["cluster"] = login.cluster_info
        environ = dict(os.environ)
        for pair in entry.get("env") or ():
            environ[str(pair.get("name"))] = str(pair.get("value") or "")
        environ["KUBERNETES_EXEC_INFO"] = json.dumps({"apiVersion": version, "kind": "ExecCredential", "spec": spec})
        # A bare name is found by PATH; a path is relative to the file.
        program = os.path.join(login.folder, command) if os.sep in command else command
        try:
            done = subprocess.run(
                [program, *map(str, entry.get("args") or ())],
                env=environ,
                stdin=None if interactive else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                timeout=PROGRAM_SECONDS,
                check=False,
            )
        except OSError as error:
            hint = str(entry.get("installHint") or "").strip()
            raise NoAccessError(
                f"{login.source}: the exec plugin {command} cannot be run: {error.strerror or error}{f'; {hint}' if hint else ''}"
            ) from error
        except subprocess.TimeoutExpired as error:
            raise NoAccessError(
                f"{login.source}: the exec plugin {command} gave no answer within {PROGRAM_SECONDS:g} s"
            ) from error
        if done.returncode:
            raise NoAccessError(f"{login.source}: the exec plugin {command} failed with exit code {done.returncode}")
        return done.stdout.decode("utf-8", "replace")


def _status(login: Login, text: str, version: str) -> Mapping[str, Any]:
    try:
        document = json.loads(text)
        status: Mapping[str, Any] = document["status"]
        said = document.get("apiVersion")
        given = bool(status.get("token") or status.get("clientCertificateData"))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise NoAccessError(f"{login.source}: the exec plugin did not print an ExecCredential with a status") from error
    if said != version:
        raise NoAccessError(f"{login.source}: the exec plugin answers in {said!r}, and was asked in {version!r}")
    if not given:
        raise NoAccessError(f"{login.source}: the exec plugin gave neither a token nor a certificate")
    return status
