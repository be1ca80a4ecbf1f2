"""A real API server with the generated CRDs, shared by the tests of this folder that need one."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from penstock_operator.api.crd import crds
from tests.support.operatorprocess import OperatorProcess
from tests.support.realserver import MISSING, RealServer, real_server
from tests.support.warm import OF_OPERATORS, Warm
from tests.support.world import World


@pytest.fixture(scope="session")
def server() -> Iterator[RealServer]:
    """A real API server of our own: tests stop and start it."""
    real = real_server()
    if not isinstance(real, RealServer):
        pytest.skip(MISSING)
    real.controllers = False
    try:
        real.start()
        with real.client() as client:
            World(client, real.admin_token).apply(crds())
        yield real
    finally:
        real.stop()


@pytest.fixture
def world(server: RealServer) -> Iterator[World]:
    """A namespace of its own, with the account that pods need."""
    with server.client() as client:
        fresh = World(client, server.admin_token)
        fresh.make("/api/v1/namespaces", {"metadata": {"name": fresh.namespace}})
        fresh.make(f"/api/v1/namespaces/{fresh.namespace}/serviceaccounts", {"metadata": {"name": "default"}})
        yield fresh


@pytest.fixture(scope="session")
def warm_interpreter() -> Iterator[Warm]:
    with Warm(os.environ, OF_OPERATORS) as made:
        yield made


@pytest.fixture
def operators(warm_interpreter: Warm, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[OperatorProcess]]:
    """Operators that the test starts; what is left of them is killed."""
    monkeypatch.setattr(OperatorProcess, "warm", warm_interpreter)
    started: list[OperatorProcess] = []
    yield started
    for one in started:
        if one.process.poll() is None:
            one.kill()
