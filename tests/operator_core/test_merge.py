"""Templates over pods: what kubectl makes of them, what is done otherwise, and what is no template at all."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from penstock_operator.api.podspec import POD_SPEC
from penstock_operator.core.faults import Unusable
from penstock_operator.core.merge import strategic_merge
from penstock_operator.core.pod import pod_manifest
from penstock_operator.core.policy import policy_of
from penstock_operator.core.revisions import Definition
from tests.support.builders import ENGINE_IMAGE, flow_spec, run
from tests.support.cluster import program
from tests.support.shapes import misshapen
from tests.support.templates import pairs, without_nothing

JSON = dict[str, Any]


def containers(*env: JSON, **more: Any) -> JSON:
    return {"containers": [{"name": "engine", **({"env": list(env)} if env else {}), **more}]}


def var(name: str, value: str = "") -> JSON:
    return {"name": name, "value": value}


MERGES: list[tuple[str, JSON, JSON, JSON]] = [
    (
        "maps are merged",
        {"nodeSelector": {"x": "1"}},
        {"nodeSelector": {"y": "2"}},
        {"nodeSelector": {"x": "1", "y": "2"}},
    ),
    ("null removes", {"hostname": "a", "subdomain": "b"}, {"hostname": None}, {"subdomain": "b"}),
    (
        "scalars and lists without a key are replaced",
        {"tolerations": [{"key": "a"}], "hostname": "a"},
        {"tolerations": [{"key": "b"}], "hostname": "b"},
        {"tolerations": [{"key": "b"}], "hostname": "b"},
    ),
    (
        "containers by name, deeply",
        {"containers": [{"name": "a", "image": "1", "tty": True}]},
        {"containers": [{"name": "a", "image": "2"}, {"name": "b"}]},
        {"containers": [{"name": "a", "image": "2", "tty": True}, {"name": "b"}]},
    ),
    (
        "a list is known by its place, not by its name",
        {"nodeSelector": {"env": "test"}},
        {"nodeSelector": {"env": "prod", "ports": "no", "volumes": "x", "containers": "y"}, "overhead": {"env": "1"}},
        {"nodeSelector": {"env": "prod", "ports": "no", "volumes": "x", "containers": "y"}, "overhead": {"env": "1"}},
    ),
    (
        "what is not known is merged like a map, and the API server's to judge",
        {"later": {"a": {"b": 1}, "list": [1]}},
        {"later": {"a": {"c": 2}, "list": [2]}, "nodeSelctor": {"env": "x"}},
        {"later": {"a": {"b": 1, "c": 2}, "list": [2]}, "nodeSelctor": {"env": "x"}},
    ),
    (
        "$patch: delete in a list",
        {"volumes": [{"name": "a"}, {"name": "b"}]},
        {"volumes": [{"name": "a", "$patch": "delete"}]},
        {"volumes": [{"name": "b"}]},
    ),
    (
        "$patch: delete, and the item made anew",
        containers(image="1", tty=True),
        {"containers": [{"name": "engine", "$patch": "delete"}, {"name": "engine", "image": "2"}]},
        {"containers": [{"name": "engine", "image": "2"}]},
    ),
    (
        "$patch: replace in a list, by an item of its own",
        containers(var("A"), var("B")),
        containers({"$patch": "replace"}, var("C")),
        containers(var("C")),
    ),
    (
        "$patch: replace in a map",
        {"securityContext": {"runAsUser": 1}},
        {"securityContext": {"$patch": "replace", "fsGroup": 2}},
        {"securityContext": {"fsGroup": 2}},
    ),
    (
        "$patch: replace where nothing was",
        {},
        {"dnsConfig": {"$patch": "replace", "searches": ["a"]}},
        {"dnsConfig": {"searches": ["a"]}},
    ),
    (
        "$retainKeys",
        {"securityContext": {"runAsUser": 1, "fsGroup": 1}},
        {"securityContext": {"$retainKeys": ["fsGroup"], "fsGroup": 2}},
        {"securityContext": {"fsGroup": 2}},
    ),
    (
        "$setElementOrder",
        {"containers": [{"name": "a"}, {"name": "b"}]},
        {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]},
        {"containers": [{"name": "b"}, {"name": "a"}]},
    ),
    (
        "$deleteFromPrimitiveList, and a set of values",
        {"volumes": [{"name": "v", "ephemeral": {"volumeClaimTemplate": {"metadata": {"finalizers": ["a", "b"]}}}}]},
        {
            "volumes": [
                {
                    "name": "v",
                    "ephemeral": {
                        "volumeClaimTemplate": {
                            "metadata": {"$deleteFromPrimitiveList/finalizers": ["a"], "finalizers": ["c"]}
                        }
                    },
                }
            ]
        },
        {"volumes": [{"name": "v", "ephemeral": {"volumeClaimTemplate": {"metadata": {"finalizers": ["b", "c"]}}}}]},
    ),
    # --- what kubectl would lose, or a server refuse
    (
        "ports of one number and two protocols",
        containers(),
        containers(ports=[{"containerPort": 53, "protocol": "TCP"}, {"containerPort": 53, "protocol": "UDP"}]),
        containers(ports=[{"containerPort": 53, "protocol": "TCP"}, {"containerPort": 53, "protocol": "UDP"}]),
    ),
    (
        "they are told apart over a Flow's, too",
        containers(ports=[{"containerPort": 53, "name": "t"}, {"containerPort": 53, "protocol": "UDP", "name": "u"}]),
        containers(ports=[{"containerPort": 53, "protocol": "UDP", "name": "dns"}]),
        containers(
            ports=[{"containerPort": 53, "name": "t"}, {"containerPort": 53, "protocol": "UDP", "name": "dns"}],
        ),
    ),
    (
        "host aliases of one address",
        {"hostAliases": [{"ip": "10.0.0.1", "hostnames": ["a"]}]},
        {"hostAliases": [{"ip": "10.0.0.2", "hostnames": ["b"]}, {"ip": "10.0.0.2", "hostnames": ["c"]}]},
        {
            "hostAliases": [
                {"ip": "10.0.0.2", "hostnames": ["b"]},
                {"ip": "10.0.0.2", "hostnames": ["c"]},
                {"ip": "10.0.0.1", "hostnames": ["a"]},
            ]
        },
    ),
    (
        "spread constraints of Flow and run",
        {"topologySpreadConstraints": [{"topologyKey": "zone", "maxSkew": 1}]},
        {"topologySpreadConstraints": [{"topologyKey": "host", "maxSkew": 1}]},
        {"topologySpreadConstraints": [{"topologyKey": "host", "maxSkew": 1}, {"topologyKey": "zone", "maxSkew": 1}]},
    ),
    (
        "a volume has one source",
        {"volumes": [{"name": "a", "emptyDir": {}}]},
        {"volumes": [{"name": "a", "image": {"reference": "r:1"}}]},
        {"volumes": [{"name": "a", "image": {"reference": "r:1"}}]},
    ),
    (
        "a variable has one value",
        containers(var("A", "1"), {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "x"}}}),
        containers({"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}, var("B", "2")),
        containers({"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}, var("B", "2")),
    ),
    (
        "a probe has one way",
        containers(livenessProbe={"exec": {"command": ["a"]}, "periodSeconds": 5}),
        containers(livenessProbe={"httpGet": {"port": 80}}),
        containers(livenessProbe={"httpGet": {"port": 80}, "periodSeconds": 5}),
    ),
    # --- the order of variables
    (
        "a variable sees what stands before it in its own list, whatever it takes the place of",
        containers(var("TARGET", "/default")),
        containers(var("BASE", "/data"), var("TARGET", "$(BASE)/out")),
        containers(var("BASE", "/data"), var("TARGET", "$(BASE)/out")),
    ),
    (
        "a run's variable sees the Flow's",
        containers(var("A", "1"), var("B", "2")),
        containers(var("X", "$(B)/$$(A)")),
        containers(var("B", "2"), var("X", "$(B)/$$(A)"), var("A", "1")),
    ),
    (
        "a Flow's variable sees what the run puts in place of another",
        containers(var("BASE", "/x"), var("TARGET", "$(BASE)/out")),
        containers(var("NEW", "1"), var("BASE", "/data")),
        containers(var("NEW", "1"), var("BASE", "/data"), var("TARGET", "$(BASE)/out")),
    ),
    (
        "and what only the run brings",
        containers(var("TARGET", "$(BASE)/out")),
        containers(var("BASE", "/data")),
        containers(var("BASE", "/data"), var("TARGET", "$(BASE)/out")),
    ),
    (
        "what stands behind in one's own list stays unseen, as Kubernetes has it",
        containers(var("A", "1")),
        containers(var("X", "$(Y)"), var("Y", "$(X)")),
        containers(var("X", "$(Y)"), var("Y", "$(X)"), var("A", "1")),
    ),
    (
        "a chain across both",
        containers(var("Q", "$(P)"), var("R", "$(Q)")),
        containers(var("Z", "$(R)"), var("P", "/p")),
        containers(var("P", "/p"), var("Q", "$(P)"), var("R", "$(Q)"), var("Z", "$(R)")),
    ),
]


@pytest.mark.parametrize(("base", "patch", "want"), [m[1:] for m in MERGES], ids=[m[0] for m in MERGES])
def test_strategic_merge(base: JSON, patch: JSON, want: JSON) -> None:
    before = repr(base), repr(patch)
    assert strategic_merge(base, patch) == want
    assert (repr(base), repr(patch)) == before


REFUSED: list[tuple[JSON, str]] = [
    ({"containers": {}}, "template.spec.containers must be a list, not map"),
    ({"containers": ["a"]}, r"template.spec.containers\[0\] must be a map, not str"),
    ({"containers": [None]}, r"template.spec.containers\[0\] must not be null"),
    ({"containers": [{"image": "x"}]}, r"template.spec.containers\[0\] has no name"),
    ({"containers": [{"name": 7}]}, r"containers\[0\].name must be a string, not int: write it in quotes"),
    (containers({"value": "x"}), r"template.spec.containers\[0\].env\[0\] has no name"),
    (containers({"name": "A", "value": 1}), r"env\[0\].value must be a string, not int: write it in quotes"),
    (containers({"name": "A", "value": True}), r"env\[0\].value must be a string, not bool: write it in quotes"),
    (containers({"name": "A", "valueFrom": "x"}), r"env\[0\].valueFrom must be a map, not str"),
    ({"securityContext": 1}, "template.spec.securityContext must be a map, not int"),
    ({"restartPolicy": {}}, "template.spec.restartPolicy must be a string, not map"),
    ({"hostNetwork": "yes"}, "template.spec.hostNetwork must be true or false, not str"),
    ({"priority": True}, "template.spec.priority must be a whole number, not bool"),
    ({"nodeSelector": {"gpu": True}}, "template.spec.nodeSelector.gpu must be a string, not bool: write it in quotes"),
    (
        containers(resources={"limits": {"cpu": None, "memory": []}}),
        "resources.limits.memory must be a string or a number",
    ),
    (containers(args=["a", None]), r"args\[1\] must not be null"),
    # two of one name in one list
    (
        {"containers": [{"name": "a"}, {"name": "b"}, {"name": "a"}]},
        r"containers\[2\] is a second item of name 'a': the first is .*\[0\]",
    ),
    (containers(var("A"), var("A")), r"containers\[0\].env\[1\] is a second item of name 'A'"),
    ({"volumes": [{"name": "v"}, {"name": "v"}]}, r"volumes\[1\] is a second item"),
    (
        containers(volumeMounts=[{"name": n, "mountPath": "/x"} for n in "ab"]),
        r"volumeMounts\[1\] is a second item of mountPath",
    ),
    (
        containers(ports=[{"containerPort": 1, "name": n} for n in "ab"]),
        r"ports\[1\] .* containerPort 1, protocol 'TCP'",
    ),
    # directives
    (
        {"containers": [{"name": "engine", "$patch": "replace", "tty": True}]},
        r"containers\[0\]: an item \$patch: replace stands for",
    ),
    (
        {"containers": [{"name": "engine", "$patch": "merge"}]},
        r"containers\[0\].\$patch must be replace or delete, not 'merge'",
    ),
    ({"containers": [{"$patch": "delete"}]}, r"containers\[0\] has no name, by which \$patch: delete"),
    ({"securityContext": {"$patch": "merge"}}, r"securityContext.\$patch must be replace or delete"),
    ({"$patch": "replace", "containers": [{"image": "x"}]}, r"template.spec.containers\[0\] has no name"),
    ({"$deleteFromPrimitiveList/tolerations": ["a"]}, r"\$deleteFromPrimitiveList/tolerations is no directive"),
    ({"$setElementOrder/tolerations": []}, r"\$setElementOrder/tolerations is no directive"),
    ({"$other": 1}, r"\$other is no directive"),
    ({"nodeSelector": {"$setElementOrder/a": []}}, r"nodeSelector.\$setElementOrder/a is no directive"),
    ({"$retainKeys": ["a"], "hostname": "x"}, r"\$retainKeys does not keep 'hostname'"),
    (
        {"$setElementOrder/volumes": [{"name": "a"}], "volumes": [{"name": "b"}]},
        "must name what the list beside it holds",
    ),
]


@pytest.mark.parametrize(("patch", "says"), REFUSED)
def test_a_template_that_is_none(patch: JSON, says: str) -> None:
    with pytest.raises(Unusable, match=says):
        strategic_merge(containers(), patch)


# --- nothing that a template may hold raises anything else --------------------------------------------------------------------------------


@pytest.mark.parametrize("of_flow", [True, False], ids=["flowSpec", "run"])
def test_whatever_stands_in_a_template_has_a_plain_end(of_flow: bool) -> None:
    """Each place of a PodSpec holding each wrong thing, and directives around it: a pod, or an end that names the place."""
    said = [made_of(spec, of_flow=of_flow) for spec in misshapen(POD_SPEC)]
    assert len(said) > 5000
    refused = [words for words in said if words is not None]
    assert len(refused) > len(said) / 2
    assert {words.partition(" (")[0] for words in refused} == {"template.spec", "template.spec.containers"}


def made_of(spec: JSON, *, of_flow: bool) -> str | None:
    """Return what is wrong with a template, None if a pod was made with it."""
    template = {"template": {"spec": spec}}
    flowrun = run({"flowSpec": flow_spec(**template)} if of_flow else {"flowSpec": flow_spec(), **template})
    assert flowrun.spec.flow_spec is not None
    policy = policy_of(flowrun.spec.flow_spec, flowrun.spec)
    definition = Definition(flowrun.spec.flow_spec)
    try:
        pod = pod_manifest(flowrun, definition, policy, 1, engine_image=ENGINE_IMAGE, secure=True)
    except Unusable as told:
        return str(told)
    assert pod["spec"]["containers"][0]["name"] == "engine"
    return None


# --- kubectl itself -----------------------------------------------------------------------------------------------------------------------


def by_kubectl(folder: Path, template: JSON, bases: list[JSON]) -> list[JSON]:
    """Return what kubectl makes of each PodSpec under one template."""
    head = {"apiVersion": "v1", "kind": "Pod"}
    documents = [{**head, "metadata": {"name": f"p{i}"}, "spec": base} for i, base in enumerate(bases)]
    (folder / "pods.json").write_text("\n".join(json.dumps(d) for d in documents))
    command = [program("kubectl"), "patch", "--local", "-f", "pods.json", "--type=strategic", "-o", "json", "-p"]
    done = subprocess.run(
        [*command, json.dumps({"spec": template})], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stderr}\n{json.dumps(template)}"
    decoder, rest, out = json.JSONDecoder(), done.stdout.strip(), []
    while rest:
        document, end = decoder.raw_decode(rest)
        out.append(document["spec"])
        rest = rest[end:].strip()
    assert len(out) == len(bases)
    return out


def test_kubectl_makes_the_same_of_it(tmp_path: Path) -> None:
    """200 pairs from a fixed seed; MERGE_PATCHES makes more of them (each template costs a kubectl)."""
    for template, bases in pairs(20261121, int(os.environ.get("MERGE_PATCHES", "8")), 25):
        for base, want in zip(bases, by_kubectl(tmp_path, template, bases), strict=True):
            assert strategic_merge(base, template) == without_nothing(want), json.dumps([base, template])
