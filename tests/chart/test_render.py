"""What `helm template` renders: the CRDs of `crds/`, the policies, and rights that are no wider than the table in the code."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from penstock_operator.api.admission import policies
from penstock_operator.api.crd import crds
from penstock_operator.runtime.rights import engine_rules, lease_rules, operator_rules
from tests.support.cluster import program

ROOT = Path(__file__).parents[2]


def render(*arguments: str) -> list[dict[str, Any]]:
    """Render the chart as a user would."""
    try:
        helm = program("helm")
    except FileNotFoundError as missing:
        pytest.skip(str(missing))
    command = [
        helm,
        "template",
        "penstock",
        str(ROOT / "charts/penstock"),
        "--namespace",
        "penstock-system",
        *arguments,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [d for d in yaml.safe_load_all(done.stdout) if d]


def of(documents: list[dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    return {f"{d['metadata'].get('namespace', '')}/{d['metadata']['name']}": d for d in documents if d["kind"] == kind}


def test_crds_are_those_of_the_folder() -> None:
    """The same definitions, kept when the chart goes."""
    rendered = {d["metadata"]["name"]: d for d in render() if d["kind"] == "CustomResourceDefinition"}
    for crd in crds():
        found = rendered.pop(crd["metadata"]["name"])
        assert found["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
        assert found == crd
    assert rendered == {}
    assert of(render("--set", "crds.enabled=false"), "CustomResourceDefinition") == {}


def test_policies_are_those_of_the_code() -> None:
    """Both policies and both bindings, unless they are switched off."""
    wanted = {(d["kind"], d["metadata"]["name"]): d for d in policies()}
    found = {(d["kind"], d["metadata"]["name"]): d for d in render() if "AdmissionPolicy" in d["kind"]}
    assert found == wanted
    off = render("--set", "admissionPolicies.enabled=false")
    assert not any("AdmissionPolicy" in d["kind"] for d in off)


def test_cluster_wide_rights() -> None:
    """One ClusterRole each for operator and engine; the lease in the operator's own namespace."""
    documents = render()
    roles = of(documents, "ClusterRole")
    assert roles["/penstock-operator"]["rules"] == operator_rules()
    assert roles["/penstock-engine"]["rules"] == engine_rules()
    assert of(documents, "Role")["penstock-system/penstock-lease"]["rules"] == lease_rules()


def test_namespaced_rights() -> None:
    """A list of namespaces: Roles there, and no ClusterRole but those that aggregate to users' own."""
    documents = render("--set", "namespaces={a,b}")
    roles = of(documents, "Role")
    for namespace in ("a", "b"):
        assert roles[f"{namespace}/penstock-operator"]["rules"] == operator_rules()
        assert roles[f"{namespace}/penstock-engine"]["rules"] == engine_rules()
    assert sorted(of(documents, "ClusterRole")) == ["/penstock-edit", "/penstock-view"]
    assert of(documents, "ClusterRoleBinding") == {}
    arguments = of(documents, "Deployment")["penstock-system/penstock-operator"]["spec"]["template"]["spec"][
        "containers"
    ][0]["args"]
    assert "--namespace=a" in arguments
    assert "--namespace=b" in arguments


def test_the_engine_may_do_one_thing() -> None:
    """A stolen token of a run's pod can patch flowruns/status, and the policy narrows that to its own report."""
    assert engine_rules() == [{"apiGroups": ["penstock.dev"], "resources": ["flowruns/status"], "verbs": ["patch"]}]


@pytest.mark.parametrize(("replicas", "strategy", "elects"), [(1, "Recreate", False), (2, "RollingUpdate", True)])
def test_two_replicas_elect_a_leader(replicas: int, strategy: str, elects: bool) -> None:
    """One replica never meets another; two need the lease."""
    spec = of(render("--set", f"replicas={replicas}"), "Deployment")["penstock-system/penstock-operator"]["spec"]
    assert spec["strategy"]["type"] == strategy
    assert ("--leader-elect" in spec["template"]["spec"]["containers"][0]["args"]) == elects


def test_lint() -> None:
    """`helm lint` finds nothing."""
    render()
    done = subprocess.run(
        [program("helm"), "lint", str(ROOT / "charts/penstock")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
