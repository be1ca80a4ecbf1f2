"""API servers with the generated CRDs and policies, real ones and the embedded one, and a fresh namespace for each test."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from penstock_dev.subjects import subjects
from penstock_operator.api.admission import policies
from penstock_operator.api.crd import crds
from tests.support.apiserver import Embedded
from tests.support.realserver import (
    ASSETS_NEW,
    ASSETS_OLD,
    MISSING,
    GivenServer,
    RealServer,
    other_apiserver,
    real_server,
)
from tests.support.world import World, until

OTHERS = {"oldest": ASSETS_OLD, "newest": ASSETS_NEW}


@dataclass(frozen=True)
class EmbeddedServer:
    """The embedded API server, asked as the real ones are."""

    embedded: Embedded

    @property
    def admin_token(self) -> str:
        return self.embedded.server.token

    def client(self) -> httpx.Client:
        made = self.embedded.client().http
        del made.headers["Authorization"]
        return made


@pytest.fixture(scope="session", params=["embedded", "given", *OTHERS])
def server(request: pytest.FixtureRequest) -> Iterator[EmbeddedServer | RealServer | GivenServer]:
    """An API server of that kind or version, with our definitions."""
    if request.param == "embedded":
        with Embedded(crds=crds(), policies=policies(), objects=subjects()) as embedded:
            yield EmbeddedServer(embedded)
        return
    real = real_server()
    if real is None:
        pytest.skip(MISSING)
    if isinstance(real, RealServer):
        real.controllers = False  # what is asked for here the API server answers by itself
    if request.param in OTHERS:
        variable = OTHERS[request.param]
        other = other_apiserver(variable)
        if other is None or isinstance(real, GivenServer):
            pytest.skip(
                f"the {request.param} API server that we serve: set {variable} to a folder with its kube-apiserver"
            )
        real.apiserver = other
    try:
        real.start()
        with real.client() as client:
            world = World(client, real.admin_token)
            world.apply([*crds(), *policies()])
            _wait_for_policies(world)
        yield real
    finally:
        real.stop()


def _wait_for_policies(world: World) -> None:
    """A policy takes effect some time after it was stored: ask until it refuses what it must."""
    world.make("/api/v1/namespaces", {"metadata": {"name": world.namespace}})
    body = {"metadata": {"name": "probe"}, "spec": {"flowRef": {"name": "f"}, "parameters": {"x": 1}}}
    body |= {"apiVersion": "penstock.dev/v1alpha1", "kind": "FlowRun"}
    until("the CRD is served", lambda: world.call("POST", world.runs, body).code in (201, 409))
    change = {"spec": {"parameters": {"x": 2}}}
    until(
        "the spec policy is in force",
        lambda: world.merge("probe", change | {"spec": {"parameters": {"x": 2}}}, "?dryRun=All").code == 422,
    )
    writer = [{"apiGroups": ["penstock.dev"], "resources": ["flowruns/status"], "verbs": ["patch"]}]
    token = world.account("probe", writer)
    state = {"status": {"state": {"type": "Pending", "name": "Pending"}}}
    until("the status policy is in force", lambda: world.merge("probe", state, "/status?dryRun=All", token).code == 422)


@pytest.fixture
def world(server: EmbeddedServer | RealServer | GivenServer) -> Iterator[World]:
    """A namespace of the test's own."""
    with server.client() as client:
        world = World(client, server.admin_token)
        world.make("/api/v1/namespaces", {"metadata": {"name": world.namespace}})
        accounts = f"/api/v1/namespaces/{world.namespace}/serviceaccounts"
        answer = world.call("POST", accounts, {"metadata": {"name": "default"}})
        assert answer.code in (201, 409), answer.text  # where controllers run, they may have made it
        yield world
        world.call("DELETE", f"/api/v1/namespaces/{world.namespace}")
