"""The two control planes of the stories, one of each per test process, and a namespace for each story; and a real one without a node."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterator

import httpx
import pytest

from tests.support.audit import check_all_granted
from tests.support.cluster import Cluster, DevCluster, RealCluster, Space, WithoutNode, program
from tests.support.realserver import MISSING, RealServer, assets, real_server
from tests.support.world import until

_numbers = itertools.count(1)
PLANES = ["dev", "real"]


@pytest.fixture(scope="session", params=PLANES)
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A running Penstock: API server, operator, node."""
    made: Cluster
    program("kubectl")
    if request.param == "dev":
        made = DevCluster()
    else:
        server = real_server()
        if server is None:
            pytest.skip(MISSING)
        made = RealCluster(server=server)
    try:
        yield made.start()
        if isinstance(made, RealCluster) and isinstance(made.server, RealServer):
            check_all_granted(made.server)
        if isinstance(made, DevCluster):
            made.check_all_granted()
    finally:
        made.stop()


@pytest.fixture
def space(cluster: Cluster) -> Iterator[Space]:
    """A namespace of the story's own; its end ends every pod in it."""
    name = f"story-{os.getpid()}-{next(_numbers)}"
    cluster.kubectl(
        "apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    )
    until(
        "the namespace has its account",
        lambda: bool(cluster.kubectl("-n", name, "get", "sa", "default", "--ignore-not-found")),
    )
    yield Space(cluster, name)
    cluster.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="session")
def plane() -> Iterator[RealCluster]:
    """A real control plane and an operator; whoever uses it plays kubelet and engine."""
    folder = assets()
    if folder is None:
        pytest.skip(MISSING)
    made = WithoutNode(server=RealServer(folder), operator_arguments=("--leader-elect",))
    try:
        made.start()
        yield made
        check_all_granted(made.own)
    finally:
        made.stop()


@pytest.fixture(scope="session")
def admin(plane: RealCluster) -> Iterator[httpx.Client]:
    """Its administrator's client."""
    with plane.client() as made:
        yield made
