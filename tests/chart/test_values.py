"""The chart's values: what is not in the table is refused with its place, and each of them does something."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from penstock_dev.chart import VALUES, values
from penstock_dev.generate import RENDERED, rendered
from penstock_operator.runtime.app import Operator
from penstock_operator.runtime.config import Config
from penstock_operator.runtime.credentials import Credentials, Endpoint
from penstock_operator.runtime.rights import starter_rules
from penstock_operator.settings import parse
from tests.chart.test_render import of, render
from tests.support.cluster import program
from tests.support.helms import HELMS, helm_program

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts/penstock"
SETTINGS = Path(__file__).with_name("settings.yaml")


@pytest.mark.parametrize(
    ("setting", "place"),
    [
        ("replcas=3", "replcas"),
        ("image.tg=1", "/image"),
        ("engine.serviceAccount.nme=x", "/engine/serviceAccount"),
        ("metrics.rules.enable=true", "/metrics/rules"),
        ("podSecurity=bogus", "/podSecurity"),
        ("replicas=many", "/replicas"),
        ("replicas=-1", "/replicas"),
        ("image.digest=latest", "/image/digest"),
        ("crds.enabled=yes-please", "/crds/enabled"),
        ("namespaces={Team A}", "/namespaces/0"),
        ("networkPolicy.apiServerPorts={0}", "/networkPolicy/apiServerPorts/0"),
        ("logFormat=xml", "/logFormat"),
    ],
)
@pytest.mark.parametrize("helm", HELMS)
def test_refused_with_its_place(helm: str, setting: str, place: str) -> None:
    command = [helm_program(helm), "template", "p", str(CHART), "--set", setting]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    # Helm 3.17 joins a place by dots, the later ones by slashes.
    assert place in done.stderr or place.lstrip("/").replace("/", ".") in done.stderr
    assert place.split("/")[-1] in done.stderr


def test_every_value_is_used() -> None:
    """A value that no template reads is a promise that nothing keeps."""
    templates = "".join(p.read_text() for p in (CHART / "templates").iterdir())
    unused = []
    for value in VALUES:
        name = value.path.split(".")[-1]
        if not re.search(rf'[.$"]{name}\b', templates):
            unused.append(value.path)
    assert unused == []


def test_the_defaults_are_the_tables() -> None:
    read = yaml.safe_load(values())
    for value in VALUES:
        node: Any = read
        for key in value.path.split("."):
            node = node[key]
        assert node == value.default, value.path


def operator(*arguments: str) -> dict[str, Any]:
    deployment = of(render(*arguments), "Deployment")["penstock-system/penstock-operator"]
    return dict(deployment["spec"]["template"]["spec"])


def test_image_by_digest() -> None:
    digest = "sha256:" + "0" * 64
    (container,) = operator("--set", f"image.digest={digest}")["containers"]
    assert container["image"] == f"penstock/operator@{digest}"


def test_the_arguments_are_the_operators() -> None:
    """What the chart writes is what the program reads: the engine's template survives shell, YAML and $(…)."""
    (container,) = operator(
        "--set", "replicas=2,engine.resources.limits.memory=1Gi,engine.labels.team=$(X),engine.serviceAccount.name=runner",
        "--set-json", 'engine.env=[{"name":"QUOTED","value":"a \\"b\\" c"}]',
        "--set-json", 'engine.spec={"runtimeClassName":"gvisor"}',
    )["containers"]  # fmt: skip
    # The kubelet reads $$( as $(.
    arguments = [a.replace("$$(", "$(") for a in container["args"]]
    config = parse(arguments, {}).config
    assert config.leader_elect
    assert config.engine_template is not None
    spec = config.engine_template.spec
    assert spec is not None
    assert spec["serviceAccountName"] == "runner"
    assert spec["runtimeClassName"] == "gvisor"
    (engine,) = spec["containers"]
    assert engine["env"] == [{"name": "QUOTED", "value": 'a "b" c'}]
    assert engine["resources"] == {"limits": {"memory": "1Gi"}}
    assert config.engine_template.metadata is not None
    assert config.engine_template.metadata.labels == {"team": "$(X)"}


def test_openshift() -> None:
    """No user is fixed where the cluster chooses one."""
    spec = operator("--set", "podSecurity=none,podSecurityContext.runAsUser=null,podSecurityContext.runAsGroup=null")
    assert spec["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert "--pod-security=none" in spec["containers"][0]["args"]


def test_several_replicas_are_spread_and_drained_one_by_one() -> None:
    documents = render(
        "--set", "replicas=2", "--set-json", 'topologySpreadConstraints=[{"maxSkew":1,"topologyKey":"zone"}]'
    )
    budget = of(documents, "PodDisruptionBudget")["penstock-system/penstock-operator"]
    template = of(documents, "Deployment")["penstock-system/penstock-operator"]["spec"]["template"]
    labels = template["metadata"]["labels"]
    (constraint,) = template["spec"]["topologySpreadConstraints"]
    for selector in (budget["spec"]["selector"], constraint["labelSelector"]):
        assert selector["matchLabels"].items() <= labels.items()
    assert of(render(), "PodDisruptionBudget") == {}


def test_what_users_of_other_charts_set() -> None:
    """Each at its place; what the chart relies on (selectors, what probes ask, /tmp) stays the chart's."""
    documents = render("--values", str(SETTINGS))
    deployment = of(documents, "Deployment")["penstock-system/penstock-operator"]
    template = deployment["spec"]["template"]
    pod, (container,) = template["spec"], template["spec"]["containers"]
    given = yaml.safe_load(SETTINGS.read_text())
    for name in ("hostUsers", "dnsPolicy", "dnsConfig", "hostAliases", "automountServiceAccountToken"):
        assert pod[name] == given[name], name
    assert deployment["spec"]["revisionHistoryLimit"] == 0
    assert deployment["spec"]["strategy"] == {"type": "Recreate"}
    assert deployment["metadata"]["annotations"] == given["deploymentAnnotations"]
    assert container["livenessProbe"] == {
        "httpGet": {"path": "/livez", "port": "health"},
        "periodSeconds": 20,
        "timeoutSeconds": 5,
        "failureThreshold": 7,
    }
    assert (
        [v["name"] for v in pod["volumes"]] == [m["name"] for m in container["volumeMounts"]] == ["tmp", "certificates"]
    )
    assert deployment["spec"]["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    once = {"CustomResourceDefinition", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", "Secret"}
    for document in [*documents, template]:
        if document.get("kind") not in once:
            assert document["metadata"]["labels"]["team"] == "platform", document
    assert deployment["metadata"]["labels"]["app.kubernetes.io/name"] == "penstock", (
        "the chart's own label goes over it"
    )
    account = of(documents, "ServiceAccount")["penstock-system/penstock"]
    assert (account["metadata"]["labels"]["tier"], account["automountServiceAccountToken"]) == ("system", False)
    assert of(documents, "PodDisruptionBudget")["penstock-system/penstock-operator"]["spec"]["minAvailable"] == "50%"
    (endpoint,) = of(documents, "ServiceMonitor")["penstock-system/penstock-operator"]["spec"]["endpoints"]
    assert (endpoint["scrapeTimeout"], endpoint["metricRelabelings"]) == ("5s", [{"action": "labeldrop", "regex": "x"}])
    assert "penstock-system/of-mine" in of(documents, "Secret")


def test_without_roles() -> None:
    """Nothing of RBAC but what `helm test` brings for itself."""
    kinds = [d["kind"] for d in render("--no-hooks", "--set", "rbac.create=false")]
    assert not [kind for kind in kinds if "Role" in kind]


def test_names_can_be_given() -> None:
    """fullnameOverride is the name of everything that has one of ours; nameOverride a label."""
    documents = render("--set", "fullnameOverride=x,nameOverride=y")
    names = {d["metadata"]["name"] for d in documents if not d["metadata"]["name"].endswith("penstock.dev")}
    assert all(name == "x" or name.startswith("x-") for name in names), names
    deployment = of(documents, "Deployment")["penstock-system/x-operator"]
    assert deployment["metadata"]["labels"]["app.kubernetes.io/name"] == "y"
    assert of(documents, "ServiceAccount").keys() >= {"penstock-system/x"}


def test_the_engines_account() -> None:
    """Made where runs are; the right to start runs only where it was asked for."""
    where = ("--set", "engine.namespaces={a,b},engine.serviceAccount.create=true,engine.serviceAccount.name=runner")
    assert {"a/runner", "b/runner"} <= of(render(*where), "ServiceAccount").keys()
    assert "a/penstock-start-runs" not in of(render(*where), "Role")
    documents = render(*where, "--set", "engine.serviceAccount.startRuns=true")
    assert of(documents, "Role")["a/penstock-start-runs"]["rules"] == starter_rules()
    assert {verb for rule in starter_rules() for verb in rule["verbs"]} == {"create", "get", "list", "watch", "patch"}


def test_monitoring() -> None:
    """Off by default; each piece finds the other by its labels."""
    kinds = {d["kind"] for d in render()}
    assert kinds.isdisjoint({"Service", "ServiceMonitor", "PrometheusRule", "NetworkPolicy"})
    documents = render(
        "--set",
        "metrics.serviceMonitor.enabled=true,metrics.rules.enabled=true,metrics.dashboard.enabled=true,networkPolicy.enabled=true",
    )
    service = of(documents, "Service")["penstock-system/penstock-metrics"]
    monitor = of(documents, "ServiceMonitor")["penstock-system/penstock-operator"]
    labels = of(documents, "Deployment")["penstock-system/penstock-operator"]["spec"]["template"]["metadata"]["labels"]
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert service["spec"]["selector"].items() <= labels.items()
    policy = of(documents, "NetworkPolicy")["penstock-system/penstock-operator"]["spec"]
    assert policy["podSelector"]["matchLabels"].items() <= labels.items()
    dashboard = of(documents, "ConfigMap")["penstock-system/penstock-dashboard"]
    assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(dashboard["data"]["penstock.json"])["title"] == "Penstock"


def exported() -> set[str]:
    """The names under which Prometheus knows what the operator exports."""
    credentials = Credentials(Endpoint("http://nowhere", "n"), lambda: None, clock=lambda: 0.0)
    registry = Operator(Config(), credentials, lambda _: None).metrics.registry  # type: ignore[arg-type,return-value]
    names = set()
    for metric in registry.collect():
        suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}.get(metric.type, [""])
        names |= {metric.name + suffix for suffix in suffixes}
    return names


@pytest.mark.parametrize("file", ["rules.yaml", "dashboard.json"])
def test_what_is_asked_for_is_exported(file: str) -> None:
    """Rules and dashboard name no metric that is not there."""
    text = (CHART / "files" / file).read_text()
    asked = set(re.findall(r"\bpenstock_[a-z_]+", text))
    assert len(asked) > 5
    assert asked - exported() == set()


def test_the_manifests_without_helm_are_the_charts() -> None:
    """`kubectl apply -k gitops/install` installs what `helm install` does."""
    program("helm")
    assert (ROOT / RENDERED).read_text() == rendered(ROOT), "run `make generate`"
