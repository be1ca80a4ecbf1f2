"""What an administrator and a user meet on a cluster, from `helm install` on: `helm test`, the first run, images, upgrade and rollback."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.node.conftest import CHART, IMAGE, VALUES, NodeCluster
from tests.node.test_fates import BODY, pod_of, running
from tests.support.cluster import NAMESPACE, ROOT, Space
from tests.support.flows import run

pytestmark = pytest.mark.timeout(400)


def flow(name: str, *lines: str, **spec: Any) -> dict[str, Any]:
    body = "\n".join("        " + line for line in lines)
    made: dict[str, Any] = run(name, BODY.format(body=body))
    return {**made, "spec": {**made["spec"], **spec}}


def test_the_operator_is_hardened(node: NodeCluster) -> None:
    """As its image says, not only as the chart asks: no root, nothing to write to but /tmp."""
    where = ("-n", NAMESPACE, "exec", "deployment/penstock-operator", "--")
    assert node.kubectl(*where, "id", "-u").strip() == "65532"
    assert "Read-only file system" in node.kubectl(*where, "touch", "/opt/penstock/x", ok=False)
    assert "penstock" in node.kubectl(*where, "penstock", "--help")


def test_helm_test(node: NodeCluster) -> None:
    """A FlowRun made, run and read, with rights of its own."""
    said = node.helm("test", "penstock", "--timeout=200s")
    assert "Phase:          Succeeded" in said or "Succeeded" in said


def test_the_notes_first_run(node: NodeCluster, tmp_path: Path) -> None:
    """Copied and pasted into a shell."""
    notes = node.helm("get", "notes", "penstock")
    lines = notes.split("The first run:\n")[1].splitlines()
    block = itertools.takewhile(lambda line: not line or line.startswith("  "), lines)
    script = "\n".join(line.removeprefix("  ") for line in block)
    env = {**os.environ, "KUBECONFIG": str(node.kubeconfig)}
    done = subprocess.run(
        ["bash", "-euc", script], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Completed" in done.stdout
    node.kubectl("-n", "default", "delete", "flowrun", "hello")


def test_every_field_of_the_columns(space: Space) -> None:
    """A duration when it has ended, a pod once there is one."""
    space.apply(flow("columns", "return 1", displayName="Columns for people"))
    status = space.finish("columns", 90)
    wide = space.kubectl("get", "flowrun", "columns", "-o", "wide")
    for text in (status["duration"], status["pod"], "Columns for people", "Completed"):
        assert text in wide
    assert status["pod"] == pod_of(space, "columns")["metadata"]["name"]


def test_a_users_image(node: NodeCluster, space: Space, tmp_path: Path) -> None:
    """examples/image: two lines on the engine's image, and one more package."""
    if not shutil.which("buildah"):
        pytest.skip("a user's image is built with buildah here, which is not installed")
    name = "registry.example/team/greet:1"
    mounts = []
    if certificates := os.environ.get("PIP_CERT"):
        settings = tmp_path / "pip.conf"
        settings.write_text("[global]\ncert = /run/ca.pem\n")
        mounts = ["-v", f"{certificates}:/run/ca.pem:ro", "-v", f"{settings}:/etc/pip.conf:ro"]
    build = ["buildah", "bud", "--isolation=chroot", "--pull-never", *mounts, "-t", name, str(ROOT / "examples/image")]
    done = subprocess.run(build, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    archive = tmp_path / "greet.tar"
    subprocess.run(["buildah", "push", "-q", name, f"docker-archive:{archive}:{name}"], check=True, capture_output=True)
    node.import_image(archive, name)
    space.apply(yaml.safe_load((ROOT / "examples/image/run.yaml").read_text()))
    status = space.finish("greet", 90)
    assert status["state"]["type"] == "Completed", status["state"]
    assert "Hello, Kubernetes!" in json.loads(status["result"]["json"])


def test_defaults_of_the_administrators(node: NodeCluster, space: Space) -> None:
    """Values under `engine` reach every new engine pod, with the operator's next start."""
    more = ("--set", "engine.resources.limits.memory=200Mi,engine.labels.team=platform")
    node.helm("upgrade", "penstock", str(CHART), "--wait", "--timeout=120s", *VALUES, *more)
    space.apply(flow("defaults", "return 1"))
    assert space.finish("defaults", 90)["state"]["type"] == "Completed"
    pod = pod_of(space, "defaults")
    assert pod["spec"]["containers"][0]["resources"]["limits"] == {"memory": "200Mi"}
    assert pod["metadata"]["labels"]["team"] == "platform"
    assert pod["spec"]["containers"][0]["image"].removeprefix("docker.io/") == IMAGE.removeprefix("docker.io/")


def test_the_page(node: NodeCluster, space: Space) -> None:
    """`ui.enabled`: a pod without a token, ready by its probes; it answers to a person's token with that person's runs, and refuses without."""
    node.helm("upgrade", "penstock", str(CHART), "--wait", "--timeout=120s", "--set", "ui.enabled=true", *VALUES)
    space.apply(flow("shown", "return 1"))
    space.finish("shown", 90)
    space.kubectl("create", "serviceaccount", "looks")
    space.kubectl("create", "rolebinding", "looks", "--clusterrole=view", f"--serviceaccount={space.name}:looks")
    token = space.kubectl("create", "token", "looks").strip()
    pod = node.kubectl("-n", NAMESPACE, "get", "pod", "-l", "app.kubernetes.io/component=ui", "-o", "name").strip()
    ask = """if True:
        import os, sys
        from urllib.error import HTTPError
        from urllib.request import Request, urlopen

        assert not os.path.exists("/var/run/secrets/kubernetes.io/serviceaccount/token")
        headers = {"Authorization": sys.argv[2]} if sys.argv[2] else {}
        try:
            print(urlopen(Request("http://127.0.0.1:8080" + sys.argv[1], headers=headers), timeout=20).read().decode())
        except HTTPError as error:
            print(error.code)
    """
    reached = node.kubectl(
        "-n", NAMESPACE, "get", "endpointslices", "-l", "kubernetes.io/service-name=penstock-ui", "-o", "json"
    )
    assert [port["port"] for each in json.loads(reached)["items"] for port in each["ports"]] == [8080]

    def said(where: str, authorization: str = "") -> str:
        return node.kubectl("-n", NAMESPACE, "exec", pod, "--", "python", "-c", ask, where, authorization)

    assert said("/runs").strip() == "401"
    assert "shown" in said(f"/runs/{space.name}/shown", f"Bearer {token}")
    assert said("/runs/kube-system/shown", f"Bearer {token}").strip() == "403"
    node.helm("rollback", "penstock", "--wait", "--timeout=120s")


def test_upgrade_and_rollback_with_a_run_in_flight(node: NodeCluster, space: Space) -> None:
    """The pod is not touched; the run completes with its first attempt."""
    space.apply(
        flow(
            "in-flight",
            "import pathlib",
            "while not pathlib.Path('/tmp/go').exists(): time.sleep(0.1)",
            "return 'whole'",
        )
    )
    pod = running(space, "in-flight")
    node.helm("upgrade", "penstock", str(CHART), "--wait", "--timeout=120s", "--set", "logLevel=debug", *VALUES)
    node.helm("rollback", "penstock", "1", "--wait", "--timeout=120s")
    assert space.status("in-flight")["state"]["type"] == "Running"
    space.kubectl("exec", pod, "--", "touch", "/tmp/go")
    status = space.finish("in-flight", 60)
    assert (status["state"]["type"], status["attempt"]["number"]) == ("Completed", 1)


def test_waiting_is_not_fooled(node: NodeCluster, space: Space, tmp_path: Path) -> None:
    """helm --wait sees a failing flow fail, each time: an object without a status was taken for done."""
    chart = tmp_path / "flows"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: flows\nversion: 1.0.0\n")
    failing = flow("fails", "raise ValueError('no')")
    failing["metadata"] = {"name": "fails-{{ .Release.Name }}"}
    (chart / "templates/run.yaml").write_text(yaml.safe_dump(failing))
    for number in range(int(os.environ.get("PENSTOCK_HELM_WAITS", "3"))):
        name = f"w{number}"
        said = node.helm("install", name, str(chart), "--wait", "--timeout=90s", "-n", space.name, ok=False)
        assert "INSTALLATION FAILED" in said, said
        assert space.state(f"fails-{name}")[0] == "Failed"
