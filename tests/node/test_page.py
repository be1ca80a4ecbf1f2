"""The page of the chart on a real node, by its Service: a run with its log, and what it reads through the API server's proxy of pods.

Neighbour: `test_install` looks at its pod, and at who is let in.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest

from tests.node.conftest import CHART, VALUES, NodeCluster
from tests.support.cluster import NAMESPACE, Space
from tests.support.flows import run
from tests.support.world import until

pytestmark = pytest.mark.timeout(300)
QUICK = """
    from penstock import flow

    @flow
    def main():
        print("seen on the page")
"""


@pytest.fixture(scope="module")
def page(node: NodeCluster) -> Iterator[str]:
    """Its address in the cluster: that of the Service, which kube-proxy leads to the pod."""
    node.helm("upgrade", "penstock", str(CHART), "--wait", "--timeout=120s", "--set=ui.enabled=true", *VALUES)
    service = json.loads(node.kubectl("-n", NAMESPACE, "get", "service", "penstock-ui", "-o", "json"))
    yield f"http://{service['spec']['clusterIP']}:{service['spec']['ports'][0]['port']}"
    node.helm("upgrade", "penstock", str(CHART), "--wait", "--timeout=120s", "--set=ui.enabled=false", *VALUES)


def shown(page: str, where: str, token: str) -> str:
    answer = httpx.get(page + where, headers={"Authorization": f"Bearer {token}"}, timeout=20, trust_env=False)
    assert answer.status_code == 200, answer.text
    return answer.text


def test_a_run_and_its_log(node: NodeCluster, page: str, space: Space) -> None:
    """As somebody who may view the namespace, and no more."""
    space.apply(run("paged", QUICK))
    space.finish("paged", 60)
    space.kubectl("create", "serviceaccount", "reads")
    view = ("--clusterrole=view", f"--serviceaccount={space.name}:reads")
    space.kubectl("create", "rolebinding", "reads", *view)
    token = space.kubectl("create", "token", "reads").strip()
    assert "Completed" in shown(page, f"/runs?namespace={space.name}", token)
    where = f"/runs/{space.name}/paged"
    until("the log is on the page", lambda: "seen on the page" in shown(page, where, token))
    operators = shown(page, f"/operator?namespace={space.name}", token)
    assert "Leases of the namespace penstock-system are not known" in operators


def test_the_operators_metrics_come_through_the_api_server(node: NodeCluster, page: str) -> None:
    """For whoever may `get` `pods/proxy`: the role, the queue, each watch, and rates from the second look on."""
    node.kubectl("-n", NAMESPACE, "create", "serviceaccount", "admin")
    node.kubectl(
        "create",
        "clusterrolebinding",
        "page-admin",
        "--clusterrole=cluster-admin",
        f"--serviceaccount={NAMESPACE}:admin",
    )
    token = node.kubectl("-n", NAMESPACE, "create", "token", "admin").strip()
    until("the metrics", lambda: "Watches, last heard of" in shown(page, "/operator", token), 30)
    until("rates", lambda: "/s</dd>" in shown(page, "/operator", token), 30)
    text = shown(page, "/operator", token)
    assert "flowruns" in text
    assert "<dt>Role</dt><dd>leader</dd>" in text
    assert "cannot be read" not in text
    node.kubectl("delete", "clusterrolebinding", "page-admin")
