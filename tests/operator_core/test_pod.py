"""What an attempt's pod looks like: the operator's part, the templates over it, and what is kept whatever they say."""

from __future__ import annotations

import ast
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from penstock_operator.api.execution import Template
from penstock_operator.core.faults import Unusable
from penstock_operator.core.model import CreatePod
from penstock_operator.core.pod import pod_manifest
from penstock_operator.core.policy import Policy, policy_of
from penstock_operator.core.revisions import Definition, of_flow
from tests.support.builders import ENGINE_IMAGE, RUN_UID, flow, flow_spec, observed, pod_name, run
from tests.support.cases import decide

JSON = dict[str, Any]


def manifest(
    spec: JSON | None = None, *, policy: Policy | None = None, secure: bool = True, attempt: int = 1, **metadata: Any
) -> JSON:
    flowrun = run({"flowSpec": flow_spec(), **(spec or {})}, **metadata)
    assert flowrun.spec.flow_spec is not None
    definition = Definition(flowrun.spec.flow_spec)
    return pod_manifest(flowrun, definition, policy or Policy(), attempt, engine_image=ENGINE_IMAGE, secure=secure)


def engine(pod: JSON) -> JSON:
    return next(dict(c) for c in pod["spec"]["containers"] if c["name"] == "engine")


def env(pod: JSON) -> JSON:
    return {v["name"]: v.get("value", v.get("valueFrom")) for v in engine(pod)["env"]}


def test_the_pod_of_a_plain_run() -> None:
    assert manifest() == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": pod_name(),
            "namespace": "default",
            "labels": {
                "app.kubernetes.io/managed-by": "penstock",
                "penstock.dev/flow-run": "etl",
                "penstock.dev/flow-run-uid": RUN_UID,
                "penstock.dev/attempt": "1",
            },
            "annotations": {"penstock.dev/intent": "Running"},
            "ownerReferences": [
                {
                    "apiVersion": "penstock.dev/v1alpha1",
                    "kind": "FlowRun",
                    "name": "etl",
                    "uid": RUN_UID,
                    "controller": True,
                    "blockOwnerDeletion": False,
                }
            ],
        },
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": True,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 30,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65532,
                "runAsGroup": 65532,
                "fsGroup": 65532,
                "fsGroupChangePolicy": "OnRootMismatch",
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "volumes": [
                {"name": "penstock-tmp", "emptyDir": {}},
                {
                    "name": "penstock-intent",
                    "downwardAPI": {
                        "items": [
                            {
                                "path": "intent",
                                "fieldRef": {"fieldPath": "metadata.annotations['penstock.dev/intent']"},
                            }
                        ]
                    },
                },
                {"name": "penstock-scratch", "emptyDir": {}},
            ],
            "containers": [
                {
                    "name": "engine",
                    "image": ENGINE_IMAGE,
                    "command": ["python", "-m", "penstock.pod"],
                    "terminationMessagePath": "/dev/termination-log",
                    "terminationMessagePolicy": "File",
                    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                    "env": [
                        {"name": "PENSTOCK_NAMESPACE", "value": "default"},
                        {"name": "PENSTOCK_FLOWRUN", "value": "etl"},
                        {"name": "PENSTOCK_FLOWRUN_UID", "value": RUN_UID},
                        {"name": "PENSTOCK_ATTEMPT", "value": "1"},
                        {"name": "PENSTOCK_ENTRYPOINT", "value": "etl.py:main"},
                        {"name": "PENSTOCK_GRACE_SECONDS", "value": "30"},
                        {"name": "PENSTOCK_RUN_DIR", "value": "/run/penstock/scratch"},
                        {"name": "PENSTOCK_LASTING_PATHS", "value": ""},
                        {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                        {"name": "POD_UID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}},
                        {"name": "NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
                        {"name": "HOME", "value": "/tmp"},
                    ],
                    "volumeMounts": [
                        {"name": "penstock-tmp", "mountPath": "/tmp"},
                        {"name": "penstock-intent", "mountPath": "/run/penstock/podinfo", "readOnly": True},
                        {"name": "penstock-scratch", "mountPath": "/run/penstock/scratch"},
                    ],
                }
            ],
        },
    }


def test_without_security_defaults_all_of_it_is_left_to_the_template() -> None:
    pod = manifest(secure=False)
    assert "securityContext" not in pod["spec"]
    assert "securityContext" not in engine(pod)
    assert [v["name"] for v in pod["spec"]["volumes"]] == ["penstock-intent", "penstock-scratch"]
    assert "HOME" not in env(pod)


def test_a_flow_ref_mounts_its_revision_and_says_its_flow() -> None:
    flowrun = run({"flowRef": {"name": "etl"}})
    definition = of_flow(flow(), None)
    pod = pod_manifest(flowrun, definition, Policy(), 1, engine_image=ENGINE_IMAGE, secure=True)
    assert {"name": "penstock-flow", "configMap": {"name": definition.revision}} in pod["spec"]["volumes"]
    assert {"name": "penstock-flow", "mountPath": "/run/penstock/flow", "readOnly": True} in engine(pod)["volumeMounts"]
    assert pod["metadata"]["labels"]["penstock.dev/flow"] == "etl"


def test_a_flow_spec_mounts_its_config_map_itself() -> None:
    pod = manifest({"flowSpec": {"entrypoint": "etl.py:main", "source": {"configMap": {"name": "code"}}}})
    assert {"name": "penstock-flow", "configMap": {"name": "code"}} in pod["spec"]["volumes"]


def test_results_and_grace_reach_the_engine() -> None:
    results = {"storage": "s3://bucket/x", "persist": True, "preview": "Never"}
    pod = manifest({"flowSpec": flow_spec(results=results)}, policy=Policy(grace=7))
    assert pod["spec"]["terminationGracePeriodSeconds"] == 7
    assert {k: v for k, v in env(pod).items() if k.startswith("PENSTOCK_RESULTS") or k == "PENSTOCK_GRACE_SECONDS"} == {
        "PENSTOCK_RESULTS_STORAGE": "s3://bucket/x",
        "PENSTOCK_RESULTS_PERSIST_BY_DEFAULT": "true",
        "PENSTOCK_RESULTS_PREVIEW": "Never",
        "PENSTOCK_GRACE_SECONDS": "7",
    }


def test_the_policy_of_a_run_reaches_its_pod() -> None:
    flow_policy = {"gracePeriodSeconds": 7, "livenessSeconds": 90}
    seen = observed(run({"flowSpec": flow_spec(runPolicy=flow_policy), "runPolicy": {"gracePeriodSeconds": 9}}))
    (made,) = (effect for effect in decide(seen).effects if isinstance(effect, CreatePod))
    assert made.manifest["spec"]["terminationGracePeriodSeconds"] == 9
    probe = made.manifest["spec"]["containers"][0]["livenessProbe"]
    assert "90" in " ".join(probe["exec"]["command"])


@pytest.mark.parametrize("of_run", [False, True])
def test_references_of_variables_reach_the_engine_as_they_are(of_run: bool) -> None:
    references: list[JSON] = [
        {"configMapKeyRef": {"name": "settings", "key": "a", "optional": True}},
        {"secretKeyRef": {"name": "db", "key": "password", "optional": False}},
        {"fieldRef": {"fieldPath": "status.podIP"}},
        {"resourceFieldRef": {"containerName": "engine", "resource": "limits.memory"}},
    ]
    variables = [{"name": f"V{number}", "valueFrom": reference} for number, reference in enumerate(references)]
    spec = {"flowSpec": flow_spec(), "env": variables} if of_run else {"flowSpec": flow_spec(env=variables)}
    assert [env(manifest(spec))[f"V{number}"] for number in range(4)] == references


def test_the_intent_is_what_is_wanted_when_the_pod_is_made() -> None:
    pod = manifest({"desiredState": "Paused", "inputs": {"a": 1}})
    assert pod["metadata"]["annotations"]["penstock.dev/intent"] == "Paused 015abd7f"


def test_merge_order_the_later_wins() -> None:
    pod = manifest(
        {
            "flowSpec": flow_spec(
                image="flow:1",
                env=[{"name": "A", "value": "flow"}, {"name": "B", "value": "flow"}, {"name": "C", "value": "flow"}],
                resources={"limits": {"cpu": "1", "memory": "1Gi"}},
                template={
                    "spec": {
                        "containers": [{"name": "engine", "env": [{"name": "B", "value": "template"}]}],
                        "nodeSelector": {"disk": "ssd"},
                        "volumes": [{"name": "penstock-tmp", "emptyDir": {"medium": "Memory"}}],
                    }
                },
            ),
            "image": "run:2",
            "env": [{"name": "C", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
            "resources": {"limits": {"memory": "2Gi"}},
            "template": {
                "metadata": {"labels": {"team": "x"}, "annotations": {"note": "y"}},
                "spec": {"nodeSelector": {"zone": "a"}, "containers": [{"name": "proxy", "image": "proxy:1"}]},
            },
        }
    )
    container = engine(pod)
    assert container["image"] == "run:2"
    assert container["resources"] == {"limits": {"cpu": "1", "memory": "2Gi"}}
    assert [env(pod)[name] for name in "ABC"] == ["flow", "template", {"fieldRef": {"fieldPath": "metadata.name"}}]
    assert pod["spec"]["nodeSelector"] == {"disk": "ssd", "zone": "a"}
    assert [c["name"] for c in pod["spec"]["containers"]] == ["engine", "proxy"]
    assert {"name": "penstock-tmp", "emptyDir": {"medium": "Memory"}} in pod["spec"]["volumes"]
    assert pod["metadata"]["labels"]["team"] == "x"
    assert pod["metadata"]["annotations"]["note"] == "y"


OVERRULED: list[tuple[str, JSON, str]] = [
    ("restartPolicy", {"restartPolicy": "OnFailure"}, r"\(run\).restartPolicy is Never .* runPolicy.retries"),
    ("no token", {"automountServiceAccountToken": False}, r"automountServiceAccountToken is true .* reports with"),
    (
        "a grace that is none",
        {"terminationGracePeriodSeconds": 3601},
        "terminationGracePeriodSeconds is 3601: .* 0 to 3600",
    ),
    (
        "a volume",
        {"volumes": [{"name": "penstock-intent", "emptyDir": {}}]},
        r"volumes\[0\]: penstock-intent is Penstock's",
    ),
    (
        "the scratch volume",
        {"volumes": [{"name": "a"}, {"name": "penstock-scratch"}]},
        r"volumes\[1\]: penstock-scratch",
    ),
    (
        "message path",
        {"terminationMessagePath": "/x"},
        r"containers\[0\].terminationMessagePath is /dev/termination-log",
    ),
    ("message policy", {"terminationMessagePolicy": "FallbackToLogsOnError"}, "terminationMessagePolicy is File"),
    (
        "a variable",
        {"env": [{"name": "A"}, {"name": "PENSTOCK_FLOWRUN", "value": "x"}]},
        r"env\[1\]: .* PENSTOCK_FLOWRUN",
    ),
    ("the pod's name", {"env": [{"name": "POD_NAME", "value": "x"}]}, r"env\[0\]: Penstock sets POD_NAME"),
    (
        "a mount",
        {"volumeMounts": [{"name": "a", "mountPath": "/run/penstock/flow/"}]},
        r"volumeMounts\[0\]: /run/penstock/flow/",
    ),
    (
        "a mount of ours",
        {"volumeMounts": [{"name": "penstock-flow", "mountPath": "/x"}]},
        r"volumeMounts\[0\]: penstock-flow",
    ),
]
_OF_THE_POD = ("restartPolicy", "automountServiceAccountToken", "terminationGracePeriodSeconds", "volumes")


@pytest.mark.parametrize(("part", "says"), [row[1:] for row in OVERRULED], ids=[row[0] for row in OVERRULED])
def test_what_is_kept_is_told(part: JSON, says: str) -> None:
    """A field that would be overruled ends the run with the place, instead of being found in production."""
    spec = part if set(part) & set(_OF_THE_POD) else {"containers": [{"name": "engine", **part}]}
    with pytest.raises(Unusable, match=says) as told:
        manifest({"template": {"spec": spec}})
    assert told.value.of_run
    with pytest.raises(Unusable, match=says.replace("run", "flow", 1) if "(run" in says else says) as told:
        manifest({"flowSpec": flow_spec(template={"spec": spec})})
    assert not told.value.of_run


def test_what_is_kept_may_be_said_as_it_is() -> None:
    engine_says = {"terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"}
    spec = {"restartPolicy": "Never", "automountServiceAccountToken": True, "terminationGracePeriodSeconds": 30}
    assert manifest({"template": {"spec": {**spec, "containers": [{"name": "engine", **engine_says}]}}}) == manifest()


@pytest.mark.parametrize("part", ["labels", "annotations"])
def test_what_is_under_our_prefix_is_ours(part: str) -> None:
    with pytest.raises(Unusable, match=rf"template.metadata.{part} \(run\): penstock.dev/attempt is Penstock's own"):
        manifest({"template": {"metadata": {part: {"penstock.dev/attempt": "9"}}}})


def test_a_variable_of_ours_in_the_shortcut_is_told() -> None:
    with pytest.raises(Unusable, match=r"env \(run\)\[0\]: Penstock sets PENSTOCK_ATTEMPT itself"):
        manifest({"env": [{"name": "PENSTOCK_ATTEMPT", "value": "7"}]})
    assert (
        env(manifest({"env": [{"name": "PENSTOCK_LOGGING_LEVEL", "value": "DEBUG"}]}))["PENSTOCK_LOGGING_LEVEL"]
        == "DEBUG"
    )


def test_the_label_by_which_pods_are_found_is_told() -> None:
    with pytest.raises(Unusable, match=r"labels \(run\).app.kubernetes.io/managed-by is penstock in every run's pod"):
        manifest({"template": {"metadata": {"labels": {"app.kubernetes.io/managed-by": "Helm"}}}})
    same = {"template": {"metadata": {"labels": {"app.kubernetes.io/managed-by": "penstock"}}}}
    assert manifest(same) == manifest()


@pytest.mark.parametrize(
    ("spec", "want"),
    [
        ({}, 30),
        ({"template": {"spec": {"terminationGracePeriodSeconds": 120}}}, 120),
        ({"flowSpec": flow_spec(template={"spec": {"terminationGracePeriodSeconds": 120}})}, 120),
        (
            {
                "flowSpec": flow_spec(template={"spec": {"terminationGracePeriodSeconds": 120}}),
                "runPolicy": {"gracePeriodSeconds": 7},
            },
            7,
        ),
        (
            {
                "flowSpec": flow_spec(runPolicy={"gracePeriodSeconds": 7}),
                "template": {"spec": {"terminationGracePeriodSeconds": 120}},
            },
            120,
        ),
        (
            {"template": {"spec": {"terminationGracePeriodSeconds": 5}}, "runPolicy": {"gracePeriodSeconds": 5}},
            5,
        ),
    ],
)
def test_the_grace_of_a_template_is_taken(spec: JSON, want: int) -> None:
    flowrun = run({"flowSpec": flow_spec(), **spec})
    policy = policy_of(flowrun.spec.flow_spec, flowrun.spec)
    pod = manifest(spec, policy=policy)
    assert pod["spec"]["terminationGracePeriodSeconds"] == policy.grace == want
    assert env(pod)["PENSTOCK_GRACE_SECONDS"] == str(want)


def test_two_graces_in_one_place_are_told() -> None:
    spec = {"template": {"spec": {"terminationGracePeriodSeconds": 5}}, "runPolicy": {"gracePeriodSeconds": 6}}
    with pytest.raises(Unusable, match=r"is 5, and runPolicy\.gracePeriodSeconds beside it 6: say it once"):
        manifest(spec)


@pytest.mark.parametrize("path", ["/tmp", "/tmp/"])
def test_a_volume_of_the_users_at_tmp_takes_the_place_of_ours(path: str) -> None:
    claim = {"name": "tmp", "persistentVolumeClaim": {"claimName": "shared"}}
    spec = {
        "volumes": [claim],
        "containers": [{"name": "engine", "volumeMounts": [{"name": "tmp", "mountPath": path}]}],
    }
    pod = manifest({"template": {"spec": spec}})
    assert [v["name"] for v in pod["spec"]["volumes"]] == ["tmp", "penstock-intent", "penstock-scratch"]
    mounts = {m["mountPath"]: m["name"] for m in engine(pod)["volumeMounts"]}
    assert mounts == {
        path: "tmp",
        "/run/penstock/podinfo": "penstock-intent",
        "/run/penstock/scratch": "penstock-scratch",
    }


def test_a_volume_that_is_named_tmp_is_not_tmp() -> None:
    """A user's claim of that name is mounted where the user says, and nowhere else."""
    claim = {"name": "tmp", "persistentVolumeClaim": {"claimName": "shared"}}
    spec = {
        "volumes": [claim],
        "containers": [{"name": "engine", "volumeMounts": [{"name": "tmp", "mountPath": "/data"}]}],
    }
    pod = manifest({"template": {"spec": spec}})
    mounts = {m["mountPath"]: m["name"] for m in engine(pod)["volumeMounts"]}
    assert (mounts["/tmp"], mounts["/data"]) == ("penstock-tmp", "tmp")
    assert {"name": "penstock-tmp", "emptyDir": {}} in pod["spec"]["volumes"]


def test_all_may_be_replaced_but_what_is_kept() -> None:
    spec = {"$patch": "replace", "containers": [{"name": "side", "image": "s:1"}, {"name": "engine", "image": "e:1"}]}
    pod = manifest({"template": {"spec": spec}})
    assert [c["name"] for c in pod["spec"]["containers"]] == ["engine", "side"]
    assert "securityContext" not in pod["spec"]
    assert [v["name"] for v in pod["spec"]["volumes"]] == ["penstock-intent", "penstock-scratch"]
    assert (engine(pod)["image"], pod["spec"]["restartPolicy"]) == ("e:1", "Never")


def test_labels_of_kueue_reach_the_pod_and_others_do_not() -> None:
    labels = manifest(labels={"kueue.x-k8s.io/queue-name": "q", "team": "x"})["metadata"]["labels"]
    assert labels["kueue.x-k8s.io/queue-name"] == "q"
    assert "team" not in labels


def test_a_template_that_takes_the_engine_away_is_refused() -> None:
    with pytest.raises(Unusable, match="engine"):
        manifest({"template": {"spec": {"containers": [{"name": "engine", "$patch": "delete"}]}}})


# --- the liveness probe -------------------------------------------------------------------------------------------------------------------


def probe(tmp_path: Path, beat: str | None, seconds: int = 30) -> int:
    """Run the probe's own command against a beat file."""
    settings = engine(manifest(policy=Policy(liveness=seconds)))["livenessProbe"]
    assert (settings["periodSeconds"], settings["timeoutSeconds"], settings["failureThreshold"]) == (60, 10, 2)
    command = settings["exec"]["command"]
    assert command[:4] == ["python", "-I", "-S", "-c"]
    ast.parse(command[4])
    if beat is not None:
        (tmp_path / "beat").write_text(beat)
    environment = {"PENSTOCK_RUN_DIR": str(tmp_path)}
    return subprocess.run([sys.executable, *command[1:]], env=environment, check=False, timeout=30).returncode


def test_no_probe_by_default() -> None:
    assert "livenessProbe" not in engine(manifest())


def sleeper() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)


def test_the_probe_passes_without_a_beat_and_without_a_process(tmp_path: Path) -> None:
    assert probe(tmp_path, None) == 0
    assert probe(tmp_path, "not a beat\n") == 0
    assert probe(tmp_path, f"999999999 {time.monotonic_ns() - 10**12} 0\n") == 0


def test_the_probe_fails_for_a_process_that_neither_beats_nor_computes(tmp_path: Path) -> None:
    process = sleeper()
    try:
        old = time.monotonic_ns() - 40 * 10**9
        assert probe(tmp_path, f"{process.pid} {old} {10**12}\n") == 1
        assert probe(tmp_path, f"{process.pid} {time.monotonic_ns()} 0\n") == 0
        # It has used 10 s of CPU since its beat: it computes.
        assert probe(tmp_path, f"{process.pid} {old} {-10 * 10**9}\n") == 0
    finally:
        process.communicate()


def test_the_administrators_template_lies_under_everything() -> None:
    """What Flow and run say wins; what only the administrator says holds."""
    base = Template.model_validate(
        {
            "metadata": {"labels": {"team": "platform", "cost": "1"}},
            "spec": {
                "serviceAccountName": "runner",
                "nodeSelector": {"pool": "flows"},
                "containers": [
                    {"name": "engine", "resources": {"limits": {"memory": "1Gi"}}, "env": [{"name": "A", "value": "1"}]}
                ],
            },
        }
    )
    spec = {"template": {"metadata": {"labels": {"team": "data"}}, "spec": {"nodeSelector": {"pool": "gpu"}}}}
    flowrun = run({"flowSpec": flow_spec(), **spec, "env": [{"name": "A", "value": "2"}]})
    assert flowrun.spec.flow_spec is not None
    definition = Definition(flowrun.spec.flow_spec)
    pod = pod_manifest(flowrun, definition, Policy(), 1, engine_image=ENGINE_IMAGE, secure=True, base=base)
    assert pod["spec"]["serviceAccountName"] == "runner"
    assert pod["spec"]["nodeSelector"] == {"pool": "gpu"}
    assert engine(pod)["resources"] == {"limits": {"memory": "1Gi"}}
    assert env(pod)["A"] == "2"
    assert {"team": "data", "cost": "1"}.items() <= pod["metadata"]["labels"].items()
