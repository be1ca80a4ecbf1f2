"""What `helm template` renders: the CRDs of `crds/`, the policies, and rights that are no wider than the table in the code."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from penstock_operator.api.admission import images_policy, policies
from penstock_operator.api.crd import crds
from penstock_operator.runtime.rights import engine_rules, lease_rules, operator_rules
from tests.support.cluster import program
from tests.support.helms import helm_program

ROOT = Path(__file__).parents[2]
# The CRDs are long: libyaml reads them in a tenth of the time.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def render(*arguments: str, by: str = "helm") -> list[dict[str, Any]]:
    """Render the chart as a user would, by one of the two helms."""
    command = [
        helm_program(by),
        "template",
        "penstock",
        str(ROOT / "charts/penstock"),
        "--namespace",
        "penstock-system",
        *arguments,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [d for d in yaml.load_all(done.stdout, LOADER) if d]


EVERYTHING = (
    "replicas=2,namespaces={a,b},engine.serviceAccount.create=true,engine.serviceAccount.name=x,engine.serviceAccount.startRuns=true,"
    "engine.resources.limits.memory=1Gi,networkPolicy.enabled=true,metrics.serviceMonitor.enabled=true,metrics.rules.enabled=true,"
    "metrics.dashboard.enabled=true,restrict.images={x/*},podSecurityContext.runAsUser=null,fullnameOverride=y,"
    "ui.enabled=true,ui.ingress.enabled=true,ui.ingress.host=runs.example"
)


@pytest.mark.parametrize(
    "values", ["logLevel=info", EVERYTHING, "crds.keep=false,admissionPolicies.enabled=false,aggregateRoles=false"]
)
def test_helm_3_renders_the_same(values: str) -> None:
    assert render("--set", values, by="helm3") == render("--set", values)


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


@pytest.mark.parametrize("name", ["penstock", "acme"])
def test_the_lease_that_is_asked_for_is_granted(name: str) -> None:
    """Under any name of the release: two replicas without the right would both wait for ever."""
    documents = render("--set", f"replicas=2,fullnameOverride={name}")
    (container,) = of(documents, "Deployment")[f"penstock-system/{name}-operator"]["spec"]["template"]["spec"][
        "containers"
    ]
    granted = of(documents, "Role")[f"penstock-system/{name}-lease"]["rules"]
    assert f"--lease-name={name}-operator" in container["args"]
    assert [rule["resourceNames"] for rule in granted if "resourceNames" in rule] == [[f"{name}-operator"]]


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


def bindings(*arguments: str) -> dict[str, list[str]]:
    """Whom the engine's role is bound to, by the binding's namespace (none: in all)."""
    documents = [d for d in render(*arguments) if d["kind"] in ("RoleBinding", "ClusterRoleBinding")]
    return {
        d["metadata"].get("namespace", ""): [s["name"] for s in d["subjects"]]
        for d in documents
        if d["metadata"]["name"] == "penstock-engine"
    }


@pytest.mark.parametrize(
    ("values", "bound"),
    [
        ("", {"": ["system:serviceaccounts"]}),
        ("engine.namespaces={a,b}", {"a": ["system:serviceaccounts:a"], "b": ["system:serviceaccounts:b"]}),
        ("namespaces={a,b}", {"a": ["system:serviceaccounts:a"], "b": ["system:serviceaccounts:b"]}),
        ("namespaces={a,b},engine.namespaces={a}", {"a": ["system:serviceaccounts:a"]}),
        ("admissionPolicies.enabled=false", {}),
        ("admissionPolicies.enabled=false,engine.namespaces={a}", {"a": ["system:serviceaccounts:a"]}),
        ("admissionPolicies.enabled=false,namespaces={a}", {"a": ["system:serviceaccounts:a"]}),
    ],
)
def test_whose_pods_may_report(values: str, bound: dict[str, list[str]]) -> None:
    """Every namespace's only where the policy narrows it; without the policies nobody's that was not named."""
    assert bindings(*(("--set", values) if values else ())) == bound


def notes(*arguments: str) -> str:
    """What `helm install` says."""
    chart = str(ROOT / "charts/penstock")
    command = [program("helm"), "install", "--dry-run=client", "penstock", chart, "--namespace", "p", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.partition("NOTES:")[2]


def test_notes_say_what_is_open_without_the_policies() -> None:
    """In one plain sentence; and how to bind the engine's role, where it is bound nowhere."""
    off = "admissionPolicies.enabled=false"
    assert "policies are off" not in notes()
    said = " ".join(notes("--set", off).split())
    assert "any of its ServiceAccounts may write any state of any FlowRun" in said
    assert "--clusterrole=penstock-engine" in said
    assert "--clusterrole" not in notes("--set", f"{off},engine.namespaces={{a}}")


def test_images_that_may_be_named() -> None:
    """Globs become expressions for whole images; without the value there is no such policy."""
    patterns = "restrict.images={registry.example/team/*,python:3.12}"
    policy = of(render("--set", patterns), "ValidatingAdmissionPolicy")["/flow-images.penstock.dev"]
    wanted = r"[r'^registry\.example/team/.*$', r'^python:3\.12$']"
    assert policy == images_policy(wanted)[0]
    assert "/flow-images.penstock.dev" in of(render("--set", patterns), "ValidatingAdmissionPolicyBinding")
    assert not any("images" in d["metadata"]["name"] for d in render())


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ("restrict.images={a'b}", "no image is called"),
        ("restrict.images={a},admissionPolicies.enabled=false", "admissionPolicies.enabled=true"),
        ("namespaces={a},engine.namespaces={b}", "b is none of `namespaces`"),
    ],
)
def test_values_that_can_not_be_meant(values: str, why: str) -> None:
    """An error that teaches, instead of a rule that is not there."""
    command = [program("helm"), "template", "penstock", str(ROOT / "charts/penstock"), "--set", values]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert why in done.stderr


def test_the_engine_may_do_one_thing() -> None:
    """A stolen token of a run's pod can patch flowruns/status, and the policy narrows that to its own report."""
    assert engine_rules() == [{"apiGroups": ["penstock.dev"], "resources": ["flowruns/status"], "verbs": ["patch"]}]


@pytest.mark.parametrize(("replicas", "elects"), [(1, False), (2, True)])
def test_two_replicas_elect_a_leader(replicas: int, elects: bool) -> None:
    """One replica needs no Lease; two do. The strategy is the same, since a server refuses what is left of another one."""
    spec = of(render("--set", f"replicas={replicas}"), "Deployment")["penstock-system/penstock-operator"]["spec"]
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
    assert ("--leader-elect" in spec["template"]["spec"]["containers"][0]["args"]) == elects


def test_lint() -> None:
    """`helm lint` finds nothing."""
    render()
    done = subprocess.run(
        [program("helm"), "lint", str(ROOT / "charts/penstock")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
