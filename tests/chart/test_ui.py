"""The page in the cluster: it is asked for, has no rights to lend, and is reached by who was named."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.test_render import ROOT, notes, of, render
from tests.support.cluster import program

SETTINGS = Path(__file__).with_name("settings.yaml")
PAGE = "penstock-system/penstock-ui"
ON = ("--set", "ui.enabled=true")


def page(*arguments: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The page's Deployment and the spec of its pod."""
    deployment = of(render(*arguments), "Deployment")[PAGE]
    return deployment, deployment["spec"]["template"]["spec"]


def test_off_by_default() -> None:
    """Asked for, it is a Deployment, a Service and an account; no Ingress."""
    before = {(d["kind"], d["metadata"]["name"]) for d in render()}
    after = {(d["kind"], d["metadata"]["name"]) for d in render(*ON)}
    assert after - before == {(kind, "penstock-ui") for kind in ("Deployment", "Service", "ServiceAccount")}
    assert before <= after


def test_it_has_nothing_to_lend() -> None:
    """No token in its pod, no role for its account or for anything that a pod of the release could be taken for."""
    documents = render("--set", "ui.enabled=true,networkPolicy.enabled=true,namespaces={a,b}")
    pod = of(documents, "Deployment")[PAGE]["spec"]["template"]["spec"]
    account = of(documents, "ServiceAccount")[PAGE]
    assert pod["serviceAccountName"] == account["metadata"]["name"]
    assert (pod["automountServiceAccountToken"], account["automountServiceAccountToken"]) == (False, False)
    assert not any("projected" in volume or "secret" in volume for volume in pod["volumes"])
    bound = {s["name"] for d in documents if d["kind"].endswith("Binding") for s in d.get("subjects", [])}
    assert "penstock-ui" not in bound


def test_as_hardened_as_the_operator() -> None:
    """Both containers run as the same values say."""
    documents = render(*ON)
    own, operators = (
        of(documents, "Deployment")[name]["spec"]["template"]["spec"]
        for name in (PAGE, "penstock-system/penstock-operator")
    )
    assert own["securityContext"] == operators["securityContext"]
    for key in ("securityContext", "image", "imagePullPolicy"):
        assert own["containers"][0][key] == operators["containers"][0][key]
    (container,) = own["containers"]
    for probe in ("livenessProbe", "readinessProbe"):
        assert container[probe]["httpGet"]["port"] == "http"
    assert container["resources"]["limits"]["memory"]


def test_each_finds_the_other() -> None:
    """Service, Ingress, policies and pod by labels and ports; operator and page are not taken for each other."""
    documents = render("--set", "ui.enabled=true,networkPolicy.enabled=true,ui.ingress.enabled=true,ui.ingress.host=x")
    labels = of(documents, "Deployment")[PAGE]["spec"]["template"]["metadata"]["labels"]
    others = of(documents, "Deployment")["penstock-system/penstock-operator"]["spec"]["template"]["metadata"]["labels"]
    policies = of(documents, "NetworkPolicy")
    service = of(documents, "Service")[PAGE]["spec"]
    for selector in (service["selector"], policies[PAGE]["spec"]["podSelector"]["matchLabels"]):
        assert selector.items() <= labels.items()
        assert not selector.items() <= others.items()
    operators = policies["penstock-system/penstock-operator"]["spec"]["podSelector"]["matchLabels"]
    assert not operators.items() <= labels.items()
    (container,) = of(documents, "Deployment")[PAGE]["spec"]["template"]["spec"]["containers"]
    assert service["ports"][0]["targetPort"] == container["ports"][0]["name"] == "http"
    (rule,) = of(documents, "Ingress")[PAGE]["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    assert path["backend"]["service"] == {"name": "penstock-ui", "port": {"name": service["ports"][0]["name"]}}


def test_who_may_reach_it() -> None:
    """The named peers and nobody else; out to the API server and DNS."""
    documents = render("--values", str(SETTINGS))
    policy = of(documents, "NetworkPolicy")[PAGE]["spec"]
    peers = yaml.safe_load(SETTINGS.read_text())["networkPolicy"]["uiFrom"]
    assert policy["ingress"] == [{"ports": [{"port": "http"}], "from": peers}]
    ports = [port["port"] for rule in policy["egress"] for port in rule["ports"]]
    assert ports == [443, 6443, 53, 53]


def test_every_setting_is_at_its_place() -> None:
    """What the values say of the page is said in its own objects, and what is fixed stays."""
    given = yaml.safe_load(SETTINGS.read_text())
    documents = render("--values", str(SETTINGS))
    deployment, pod = page("--values", str(SETTINGS))
    ui = given["ui"]
    for name in ("nodeSelector", "tolerations", "affinity", "priorityClassName"):
        assert pod[name] == ui[name], name
    for name in ("hostUsers", "dnsPolicy", "dnsConfig", "hostAliases"):
        assert pod[name] == given[name], name
    assert deployment["metadata"]["annotations"] == ui["deploymentAnnotations"]
    template = deployment["spec"]["template"]["metadata"]
    assert template["annotations"] == ui["podAnnotations"]
    assert (template["labels"]["tier"], template["labels"]["team"]) == ("system", "platform")
    (container,) = pod["containers"]
    assert container["args"][-1] == "--log-level=debug"
    assert container["env"] == ui["extraEnv"]
    assert container["livenessProbe"]["httpGet"] == {"path": "/livez", "port": "http"}
    assert container["livenessProbe"]["failureThreshold"] == 7
    ingress = of(documents, "Ingress")[PAGE]
    assert ingress["spec"]["tls"] == [{"hosts": ["runs.example.com"], "secretName": "runs-tls"}]
    assert ingress["spec"]["ingressClassName"] == "inner"
    assert ingress["metadata"]["annotations"] == ui["ingress"]["annotations"]
    service = of(documents, "Service")[PAGE]
    assert service["metadata"]["annotations"] == ui["service"]["annotations"]
    assert service["metadata"]["labels"]["tier"] == "system"
    assert service["spec"]["ports"][0]["port"] == 8000


def test_it_shows_the_namespaces_that_are_served() -> None:
    """Those of the release."""
    _, pod = page("--set", "ui.enabled=true,namespaces={a,b}")
    assert [a for a in pod["containers"][0]["args"] if "namespace" in a] == ["--namespace=a", "--namespace=b"]


def test_an_ingress_for_every_name_is_refused() -> None:
    """It would answer for every host of the Ingress controller."""
    chart = str(ROOT / "charts/penstock")
    command = [program("helm"), "template", "penstock", chart, "--set", "ui.enabled=true,ui.ingress.enabled=true"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "needs ui.ingress.host" in done.stderr


@pytest.mark.parametrize(
    ("values", "said", "not_said"),
    [
        ("ui.enabled=false", (), ("port-forward",)),
        ("ui.enabled=true", ("service/penstock-ui 8080:80", "docs/ui.md"), ("tlsSecret",)),
        ("ui.enabled=true,ui.ingress.enabled=true,ui.ingress.host=x", ("TLS must end before it",), ()),
        ("ui.enabled=true,ui.ingress.enabled=true,ui.ingress.host=x,ui.ingress.tlsSecret=s", (), ("TLS must",)),
    ],
)
def test_notes_tell_how_it_is_reached(values: str, said: tuple[str, ...], not_said: tuple[str, ...]) -> None:
    """By the one who installs it, at once; and what is still open."""
    text = notes("--set", values)
    for words in said:
        assert words in text
    for words in not_said:
        assert words not in text
