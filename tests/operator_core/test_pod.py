"""What an attempt's pod looks like: the operator's part, the templates over it, and what is kept whatever they say."""

from __future__ import annotations

import ast
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from penstock_operator.core.faults import Unusable
from penstock_operator.core.merge import strategic_merge
from penstock_operator.core.pod import pod_manifest
from penstock_operator.core.policy import Policy
from penstock_operator.core.revisions import Definition, of_flow
from tests.support.builders import ENGINE_IMAGE, RUN_UID, flow, flow_spec, pod_name, run

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
            "terminationGracePeriodSeconds": 30,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65532,
                "runAsGroup": 65532,
                "fsGroup": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "volumes": [
                {"name": "tmp", "emptyDir": {}},
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
                        {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                        {"name": "POD_UID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}},
                        {"name": "NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
                        {"name": "HOME", "value": "/tmp"},
                    ],
                    "volumeMounts": [
                        {"name": "tmp", "mountPath": "/tmp"},
                        {"name": "penstock-intent", "mountPath": "/run/penstock/podinfo", "readOnly": True},
                    ],
                }
            ],
        },
    }


def test_without_security_defaults_all_of_it_is_left_to_the_template() -> None:
    pod = manifest(secure=False)
    assert "securityContext" not in pod["spec"]
    assert "securityContext" not in engine(pod)
    assert [v["name"] for v in pod["spec"]["volumes"]] == ["penstock-intent"]
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
                        "volumes": [{"name": "tmp", "emptyDir": {"medium": "Memory"}}],
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
    assert {"name": "tmp", "emptyDir": {"medium": "Memory"}} in pod["spec"]["volumes"]
    assert pod["metadata"]["labels"]["team"] == "x"
    assert pod["metadata"]["annotations"]["note"] == "y"


def test_kept_whatever_the_template_says() -> None:
    hostile = {
        "metadata": {
            "labels": {"penstock.dev/attempt": "9", "app.kubernetes.io/managed-by": "me"},
            "annotations": {"penstock.dev/intent": "Cancelled"},
        },
        "spec": {
            "restartPolicy": "Always",
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 1,
            "volumes": [{"name": "penstock-intent", "emptyDir": {}}, {"name": "mine", "emptyDir": {}}],
            "containers": [
                {
                    "name": "engine",
                    "terminationMessagePath": "/x",
                    "terminationMessagePolicy": "FallbackToLogsOnError",
                    "env": [
                        {"name": "PENSTOCK_FLOWRUN", "value": "other"},
                        {"name": "POD_NAME", "value": "other"},
                        {"name": "PENSTOCK_LOGGING_LEVEL", "value": "DEBUG"},
                    ],
                    "volumeMounts": [
                        {"name": "mine", "mountPath": "/run/penstock/podinfo"},
                        {"name": "penstock-intent", "mountPath": "/elsewhere"},
                        {"name": "mine", "mountPath": "/data"},
                    ],
                }
            ],
        },
    }
    pod, plain = manifest({"template": hostile}), manifest()
    for name in ("labels", "annotations", "ownerReferences", "name"):
        assert pod["metadata"][name] == plain["metadata"][name]
    for name in ("restartPolicy", "automountServiceAccountToken", "terminationGracePeriodSeconds"):
        assert pod["spec"][name] == plain["spec"][name]
    for name in ("terminationMessagePath", "terminationMessagePolicy"):
        assert engine(pod)[name] == engine(plain)[name]
    assert env(pod) == {**env(plain), "PENSTOCK_LOGGING_LEVEL": "DEBUG"}
    assert [m["mountPath"] for m in engine(pod)["volumeMounts"]] == ["/tmp", "/data", "/run/penstock/podinfo"]
    assert [v["name"] for v in pod["spec"]["volumes"]] == ["tmp", "mine", "penstock-intent"]


def test_labels_of_kueue_reach_the_pod_and_others_do_not() -> None:
    labels = manifest(labels={"kueue.x-k8s.io/queue-name": "q", "team": "x"})["metadata"]["labels"]
    assert labels["kueue.x-k8s.io/queue-name"] == "q"
    assert "team" not in labels


def test_a_template_that_takes_the_engine_away_is_refused() -> None:
    with pytest.raises(Unusable, match="engine"):
        manifest({"template": {"spec": {"containers": [{"name": "engine", "$patch": "delete"}]}}})


MERGES: list[tuple[str, JSON, JSON, JSON]] = [
    ("maps are merged", {"a": {"x": 1}}, {"a": {"y": 2}}, {"a": {"x": 1, "y": 2}}),
    ("null removes", {"a": 1, "b": 2}, {"a": None}, {"b": 2}),
    ("scalars and plain lists are replaced", {"a": [1], "b": 1}, {"a": [2], "b": 2}, {"a": [2], "b": 2}),
    (
        "containers by name, deeply",
        {"containers": [{"name": "a", "image": "1", "tty": True}]},
        {"containers": [{"name": "a", "image": "2"}, {"name": "b"}]},
        {"containers": [{"name": "a", "image": "2", "tty": True}, {"name": "b"}]},
    ),
    (
        "volumes by name, as a whole: one source each",
        {"volumes": [{"name": "a", "emptyDir": {}}]},
        {"volumes": [{"name": "a", "secret": {"secretName": "s"}}]},
        {"volumes": [{"name": "a", "secret": {"secretName": "s"}}]},
    ),
    (
        "$patch: delete in a list",
        {"volumes": [{"name": "a"}, {"name": "b"}]},
        {"volumes": [{"name": "a", "$patch": "delete"}]},
        {"volumes": [{"name": "b"}]},
    ),
    (
        "$patch: replace in a map",
        {"securityContext": {"runAsUser": 1}},
        {"securityContext": {"$patch": "replace", "fsGroup": 2}},
        {"securityContext": {"fsGroup": 2}},
    ),
    (
        "tolerations have no key: replaced",
        {"tolerations": [{"key": "a"}]},
        {"tolerations": [{"key": "b"}]},
        {"tolerations": [{"key": "b"}]},
    ),
]


@pytest.mark.parametrize(("base", "patch", "want"), [m[1:] for m in MERGES], ids=[m[0] for m in MERGES])
def test_strategic_merge(base: JSON, patch: JSON, want: JSON) -> None:
    before = repr(base), repr(patch)
    assert strategic_merge(base, patch) == want
    assert (repr(base), repr(patch)) == before


@pytest.mark.parametrize(
    ("patch", "says"),
    [
        ({"containers": {}}, "template.spec.containers must be a list"),
        ({"containers": ["a"]}, r"template.spec.containers\[0\] must be a map"),
        ({"containers": [{"image": "x"}]}, r"template.spec.containers\[0\] has no name"),
        (
            {"containers": [{"name": "a", "env": [{"value": "x"}]}]},
            r"template.spec.containers\[0\].env\[0\] has no name",
        ),
        ({"securityContext": 1}, "template.spec.securityContext must be a map, not int"),
        ({"restartPolicy": {}}, "template.spec.restartPolicy is a map"),
    ],
)
def test_a_template_that_is_no_pod(patch: JSON, says: str) -> None:
    with pytest.raises(Unusable, match=says):
        strategic_merge({"securityContext": {}, "restartPolicy": "Never"}, patch)


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
