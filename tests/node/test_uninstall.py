"""The end, after everything else: `helm uninstall` with a run in flight, and a second life of what stays."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from penstock_operator.api.times import read_time
from tests.node.conftest import CHART, VALUES, NodeCluster
from tests.node.test_fates import running
from tests.node.test_install import flow
from tests.support.cluster import NAMESPACE, Space

pytestmark = pytest.mark.timeout(400)


# Whose pod is just starting would have no rights: those go with the release.
QUIET = timedelta(seconds=40)


def is_at_rest(status: dict[str, Any]) -> bool:
    """Whether a run needs no operator for some time: it has ended, or waits without a pod."""
    if status["state"]["name"] != "AwaitingRetry":
        return bool(status.get("completionTime"))
    return read_time(status["scheduledTime"]) - datetime.now(UTC) > QUIET


def test_uninstall_and_install_again_under_another_name(node: NodeCluster, space: Space, chain: str) -> None:
    """Runs and CRDs stay; a flow in flight goes on and reports; the next release is told how to take over, and finishes the run.

    So it does with a run that waits without a pod, if there still is one.
    """
    space.apply(
        flow("survivor", "import pathlib", "while not pathlib.Path('/tmp/go').exists(): time.sleep(0.1)", "return 1")
    )
    pod = running(space, "survivor")
    space.wait(chain, is_at_rest, "it needs no operator for some time", 180)
    node.helm("uninstall", "penstock", "--wait", "--timeout=120s")
    assert node.kubectl("get", "crd", "flowruns.penstock.dev", "-o", "name")
    assert space.state("survivor")[0] == "Running"
    space.kubectl("exec", pod, "--", "touch", "/tmp/go")
    said = node.helm("install", "second", str(CHART), *VALUES, ok=False)
    assert 'belongs to the release "penstock"' in said
    commands = [line.strip() for line in said.splitlines() if line.strip().startswith("kubectl ")]
    assert len(commands) == 2
    for kind in ("flowruns", "flows"):
        for command in commands:
            words = command.replace("flowruns.penstock.dev", f"{kind}.penstock.dev").split()[1:]
            node.kubectl(*words)
    node.helm("install", "second", str(CHART), "--wait", "--timeout=120s", *VALUES)
    status = space.finish("survivor", 120)
    assert status["attempt"]["number"] == 1
    node.kubectl("-n", NAMESPACE, "get", "deployment", "second-operator")
