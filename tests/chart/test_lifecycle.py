"""The chart's life on a real API server: installed, upgraded, rolled back, removed, installed again; and what users apply shows no drift."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.cluster import program
from tests.support.helms import HELMS, helm_program
from tests.support.realserver import MISSING, RealServer, assets
from tests.support.world import until

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts/penstock"
SETTINGS = Path(__file__).with_name("settings.yaml")
pytestmark = [pytest.mark.real, pytest.mark.timeout(300), pytest.mark.xdist_group("chart-lifecycle")]


@dataclass(frozen=True)
class Admin:
    """helm and kubectl of an administrator."""

    server: RealServer
    helm_program: str

    def run(self, name: str, *arguments: str, stdin: str = "", ok: bool = True) -> str:
        path = self.helm_program if name == "helm" else program(name)
        command = [path, "--kubeconfig", str(self.server.kubeconfig), *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=120, check=False)
        assert not ok or done.returncode == 0, f"{name} {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def helm(self, *arguments: str, ok: bool = True) -> str:
        return self.run("helm", *arguments, ok=ok)

    def kubectl(self, *arguments: str, stdin: str = "", ok: bool = True) -> str:
        return self.run("kubectl", *arguments, stdin=stdin, ok=ok)


@pytest.fixture(scope="module", params=HELMS)
def admin(request: pytest.FixtureRequest) -> Iterator[Admin]:
    helm, folder = helm_program(request.param), assets()
    if folder is None:
        pytest.skip(MISSING)
    server = RealServer(folder)
    try:
        server.start()
        yield Admin(server, helm)
    finally:
        server.stop()


WHERE = ("-n", "penstock-system", "--create-namespace")
RUN: dict[str, Any] = {
    "apiVersion": "penstock.dev/v1alpha1",
    "kind": "FlowRun",
    "metadata": {"name": "one", "namespace": "default"},
    "spec": {"flowRef": {"name": "etl"}, "parameters": {"day": "x"}, "runPolicy": {"retries": {"infrastructure": 1}}},
}
FLOW: dict[str, Any] = {
    "apiVersion": "penstock.dev/v1alpha1",
    "kind": "Flow",
    "metadata": {"name": "etl", "namespace": "default"},
    "spec": {
        "entrypoint": "etl.py:main",
        "source": {"inline": "def main(): ...\n"},
        "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
        "results": {"storage": "file:///r"},
        "schedules": [{"name": "daily", "cron": "0 3 * * *"}],
        "concurrency": {"limit": 1},
        "historyLimits": {"completed": 3},
    },
}


def test_a_life(admin: Admin) -> None:
    """Runs outlive everything; each refusal says what helps."""
    admin.helm("install", "penstock", str(CHART), *WHERE)
    admin.kubectl("wait", "--for=condition=Established", "crd/flowruns.penstock.dev", "crd/flows.penstock.dev")
    admin.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all([FLOW, RUN]))

    # A second release would install what there is once only.
    said = admin.helm("install", "other", str(CHART), "-n", "other", "--create-namespace", ok=False)
    assert 'belongs to the release "penstock" in namespace "penstock-system"' in said
    apart = "crds.enabled=false,admissionPolicies.enabled=false"
    spaces = "namespaces={default},engine.namespaces={default}"
    admin.helm("install", "other", str(CHART), "-n", "other", "--create-namespace", "--set", apart, "--set", spaces)
    admin.helm("uninstall", "other", "-n", "other")

    # There is no Prometheus operator here, and so no kind ServiceMonitor.
    more = ("--set", "metrics.service.enabled=true,metrics.serviceMonitor.enabled=false")
    admin.helm("upgrade", "penstock", str(CHART), *WHERE[:2], "--values", str(SETTINGS), *more)
    assert "penstock-metrics" in admin.kubectl(
        "-n", "penstock-system", "get", "service", "-l", "team=platform,scrape=yes"
    )
    admin.helm("rollback", "penstock", "1", *WHERE[:2])
    assert "penstock-metrics" not in admin.kubectl("-n", "penstock-system", "get", "service")

    admin.helm("uninstall", "penstock", *WHERE[:2])
    assert "one" in admin.kubectl("get", "flowruns")
    # Under another name: the error's own commands, for both CRDs.
    said = admin.helm("install", "second", str(CHART), *WHERE, ok=False)
    commands = [line.strip() for line in said.splitlines() if line.strip().startswith("kubectl ")]
    assert len(commands) == 2, said
    for kind in ("flowruns", "flows"):
        for command in commands:
            admin.kubectl(*command.replace("flowruns.penstock.dev", f"{kind}.penstock.dev").split()[1:])
    admin.helm("install", "second", str(CHART), *WHERE)
    assert "one" in admin.kubectl("get", "flowruns")


def test_without_helm(admin: Admin) -> None:
    """kubectl apply -k, twice; the second time changes nothing."""
    admin.kubectl("apply", "--server-side", "--force-conflicts", "-k", str(ROOT / "gitops/install"))
    again = admin.kubectl("apply", "--server-side", "-k", str(ROOT / "gitops/install"))
    assert "created" not in again


def test_it_explains_itself(admin: Admin) -> None:
    """What kubectl shows of a field is what stands behind it in the models."""
    for kind in ("flowrun", "flow"):
        for path in (kind, f"{kind}.spec", f"{kind}.status", f"{kind}.spec.runPolicy.retries"):
            text = admin.kubectl("explain", path)
            assert "<no description>" not in text, path
        recursive = admin.kubectl("explain", kind, "--recursive")
        assert "<no description>" not in recursive
    assert "secretKeyRef" in admin.kubectl("explain", "flow.spec.env.valueFrom")
    assert "Name of the Secret" in admin.kubectl("explain", "flowrun.spec.env.valueFrom.secretKeyRef.name")


def test_no_drift(admin: Admin) -> None:
    """Applied, read back, applied again: nothing changes, by client and by server; and a diff shows nothing."""
    documents = yaml.safe_dump_all([FLOW, {**RUN, "metadata": {**RUN["metadata"], "name": "two"}}])
    until(
        "the resources are served",
        lambda: "unchanged" in admin.kubectl("apply", "-f", "-", stdin=documents, ok=False),
        30,
    )
    assert admin.kubectl("diff", "-f", "-", stdin=documents) == ""
    server = admin.kubectl(
        "apply", "--server-side", "--field-manager=argocd-controller", "--force-conflicts", "-f", "-", stdin=documents
    )
    before = versions(admin)
    assert admin.kubectl("diff", "--server-side", "--field-manager=argocd-controller", "-f", "-", stdin=documents) == ""
    admin.kubectl("apply", "--server-side", "--field-manager=argocd-controller", "-f", "-", stdin=documents)
    assert versions(admin) == before, server


def versions(admin: Admin) -> dict[str, str]:
    found = json.loads(admin.kubectl("get", "flows,flowruns", "-o", "json"))["items"]
    return {f"{o['kind']}/{o['metadata']['name']}": o["metadata"]["resourceVersion"] for o in found}


def test_an_edited_run_is_refused_in_words(admin: Admin) -> None:
    """On each path: client-side, server-side, Helm."""
    words = "a FlowRun is one execution: give the new one another name"
    changed = yaml.safe_dump({**RUN, "spec": {**RUN["spec"], "parameters": {"day": "y"}}})
    until("the policy is in force", lambda: words in admin.kubectl("apply", "-f", "-", stdin=changed, ok=False), 30)
    forced = ("apply", "--server-side", "--force-conflicts", "-f", "-")
    assert words in admin.kubectl(*forced, stdin=changed, ok=False)
    other = yaml.safe_dump({**RUN, "spec": {**RUN["spec"], "flowRef": {"name": "another"}}})
    assert words in admin.kubectl(*forced, stdin=other, ok=False)


def test_a_chart_with_an_edited_run_is_refused_in_words(admin: Admin, tmp_path: Path) -> None:
    chart = tmp_path / "flows"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: flows\nversion: 1.0.0\n")
    made = {**RUN, "metadata": {"name": "by-helm"}}
    (chart / "templates/run.yaml").write_text(yaml.safe_dump(made))
    admin.helm("install", "flows", str(chart))
    (chart / "templates/run.yaml").write_text(
        yaml.safe_dump({**made, "spec": {**made["spec"], "parameters": {"day": "z"}}})
    )
    said = admin.helm("upgrade", "flows", str(chart), ok=False)
    assert "a FlowRun is one execution: give the new one another name" in said
    # Unchanged, an upgrade changes nothing (but Helm's own marks on who owns which field).
    (chart / "templates/run.yaml").write_text(yaml.safe_dump(made))
    before = content(admin)
    admin.helm("upgrade", "flows", str(chart))
    assert content(admin) == before


def content(admin: Admin) -> dict[str, Any]:
    found = json.loads(admin.kubectl("get", "flowrun", "by-helm", "-o", "json"))
    del found["metadata"]["resourceVersion"]
    found["metadata"].pop("managedFields", None)
    return dict(found)
