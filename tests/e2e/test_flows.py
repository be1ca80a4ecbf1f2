"""Flows and their revisions, refusals, and what a person reads."""

from __future__ import annotations

import json
import os
import signal
from base64 import b64encode
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from tests.support.cluster import RealCluster, Space
from tests.support.flows import GATED_FLOW, QUICK_FLOW, flow, run
from tests.support.world import until


def versioned(word: str) -> str:
    return f"""
        import os, time
        from penstock import flow
        from penstock.runtime import flow_run

        @flow
        def main():
            print(f"PID={{os.getpid()}}", flush=True)
            if flow_run.attempt == 1:
                time.sleep(300)
            return "{word}"
    """


def test_a_run_keeps_its_revision(space: Space) -> None:
    """13. The Flow is changed between two attempts of a run: the run goes on with what it began with."""
    space.apply(flow("versions", versioned("first")))
    space.apply(run("kept", ref="versions"))
    status = space.wait_type("kept", "Running")
    revision = status["flow"]["revision"]
    space.apply(flow("versions", versioned("second")))
    os.kill(space.pid("kept"), signal.SIGTERM)
    status = space.finish("kept")
    assert status["state"]["type"] == "Completed"
    assert status["result"]["json"] == '"first"'
    assert status["flow"]["revision"] == revision


def test_a_run_waits_for_its_flow(space: Space) -> None:
    """14. It says what it waits for and which Flows are spelt like it, and starts when the Flow appears."""
    space.apply(run("early", ref="not-yet"))
    status = space.wait_type("early", "Scheduled")
    assert status["state"]["name"] == "AwaitingFlow"
    assert "not-yet" in status["state"]["message"]
    assert "did you mean" not in status["state"]["message"]
    assert space.pods("early") == []
    space.apply(flow("not-yot", QUICK_FLOW))
    space.wait("early", lambda s: "did you mean 'not-yot'?" in s["state"]["message"], "it names the near one")
    space.apply(run("too-late", ref="never", runPolicy={"pendingDeadlineSeconds": 1}))
    state = space.finish("too-late")["state"]
    assert (state["type"], state["name"]) == ("Crashed", "AwaitingFlow")
    space.apply(flow("not-yet", QUICK_FLOW, parameters={"x": 5}))
    status = space.finish("early")
    assert status["state"]["type"] == "Completed"
    assert status["result"]["json"] == "6"


def test_a_source_that_is_missing_is_named_and_waited_for(space: Space) -> None:
    """Of a Flow and of a flowSpec, within 5 s; both go on within seconds when it comes."""
    spec = {"entrypoint": "main.py:go", "source": {"configMap": {"name": "late"}}}
    direct = run("direct")
    direct["spec"]["flowSpec"] = spec
    flow_of_it = {"apiVersion": "penstock.dev/v1alpha1", "kind": "Flow", "metadata": {"name": "by-map"}, "spec": spec}
    space.apply(flow_of_it, run("by-flow", ref="by-map"), direct)
    for name in ("by-flow", "direct"):
        state = space.wait_type(name, "Pending", seconds=5)["state"]
        assert state["name"] == "ConfigError"
        assert "ConfigMap 'late' does not exist" in state["message"]
        assert space.pods(name) == []
    main = "from penstock import flow\n\n@flow\ndef go():\n    return 7\n"
    space.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "late"}, "data": {"main.py": main}})
    for name in ("by-flow", "direct"):
        space.wait(name, lambda s: s["state"]["name"] != "ConfigError", "it goes on", seconds=8)
        assert space.finish(name)["result"]["json"] == "7"


def test_a_flow_that_is_deleted_before_the_first_pod_is_waited_for(space: Space) -> None:
    """Nothing was executed of it: the run uses the Flow that comes under the name."""
    if not isinstance(space.cluster, RealCluster):
        pytest.skip("what keeps the pod from being made is a quota, which the embedded API server does not have")
    none = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
    space.apply(none)
    until("the quota is counted", lambda: "used" in ((space.get("resourcequota", "none") or {}).get("status") or {}))
    space.apply(flow("short-lived", versioned("first")))
    space.apply(run("patient", ref="short-lived"))
    space.wait("patient", lambda s: s["state"]["name"] == "QuotaExceeded", "its pod is refused")
    revision = space.status("patient")["flow"]["revision"]
    space.kubectl("delete", "flow", "short-lived")
    until("its revision has gone with it", lambda: space.get("configmap", revision) is None)
    # What was refused is tried again after a while; a change of the run is looked at sooner.
    space.kubectl("annotate", "flowrun", "patient", "look=again")
    space.kubectl("delete", "resourcequota", "none")
    space.wait("patient", lambda s: s["state"]["name"] == "AwaitingFlow", "it waits for its Flow", seconds=60)
    space.apply(flow("short-lived", QUICK_FLOW))
    status = space.finish("patient")
    assert (status["state"]["type"], status["result"]["json"]) == ("Completed", "2")
    assert status["flow"]["revision"] != revision


def test_parameters_go_over_the_flows(space: Space) -> None:
    """Top level only, and a null is a value (created, not applied: `kubectl apply` itself leaves nulls out)."""
    text = """
        from penstock import flow

        @flow
        def main(a=0, b=0, c=0):
            return [a, b, c]
    """
    space.apply(flow("merged", text, parameters={"a": {"x": 1, "y": 2}, "b": 7}))
    over = run("over", ref="merged", parameters={"a": {"x": 3}, "c": None})
    space.kubectl("create", "-f", "-", stdin=json.dumps(over))
    assert json.loads(space.finish("over")["result"]["json"]) == [{"x": 3}, 7, None]


def test_files_of_a_config_map(space: Space) -> None:
    """source.configMap: several modules, mounted as the source folder, by a Flow and by a flowSpec."""
    main = """
        from pathlib import Path
        from penstock import flow
        from helper import word

        @flow
        def go():
            return word() + (Path(__file__).parent / "model.bin").read_bytes().hex()
    """
    # kubectl keeps what is no UTF-8 in binaryData: a file of bytes, and a module in another encoding.
    latin = "# -*- coding: latin-1 -*-\ndef word():\n    return 'caf\u00e9'\n".encode("latin-1")
    binary = {"model.bin": b"\xff\xfe\x00", "helper.py": latin}
    space.apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "files"},
            "data": {"main.py": dedent(main)},
            "binaryData": {name: b64encode(content).decode() for name, content in binary.items()},
        }
    )
    spec = {"entrypoint": "main.py:go", "source": {"configMap": {"name": "files"}}}
    space.apply({"apiVersion": "penstock.dev/v1alpha1", "kind": "Flow", "metadata": {"name": "several"}, "spec": spec})
    direct = run("direct")
    direct["spec"]["flowSpec"] = spec
    space.apply(run("by-flow", ref="several"), direct)
    for name in ("by-flow", "direct"):
        assert json.loads(space.finish(name)["result"]["json"]) == "caf\u00e9fffe00"
    recorded = space.status("by-flow")["flow"]
    assert recorded["revision"] == f"several-{recorded['revisionDigest'][:10]}"


def test_something_else_under_a_revisions_name_is_never_executed(space: Space) -> None:
    """Planted before the first attempt it is a conflict; put in its place later it ends the run."""
    space.apply(flow("planted", versioned("ours")))
    until("its revision is known", lambda: (space.get("flow", "planted") or {}).get("status", {}).get("revision"))
    revision = (space.get("flow", "planted") or {})["status"]["revision"]
    evil = {"flow.json": '{"entrypoint":"etl.py:main"}', "etl.py": dedent(versioned("theirs"))}
    planted: dict[str, Any] = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": revision}, "data": evil}
    space.apply(planted)
    space.apply(run("meets-it", ref="planted"))
    status = space.wait_type("meets-it", "Scheduled")
    assert f"ConfigMap '{revision}' is in the way" in status["state"]["message"]
    assert space.pods("meets-it") == []
    space.kubectl("delete", "configmap", revision)
    # It looks again every half a minute; a change of the run is looked at sooner.
    space.kubectl("annotate", "flowrun", "meets-it", "look=again")
    space.wait_type("meets-it", "Running", seconds=60)
    space.kubectl("delete", "configmap", revision)
    space.apply(planted)
    space.apply(flow("planted", versioned("later")))
    os.kill(space.pid("meets-it"), signal.SIGTERM)
    status = space.finish("meets-it")
    assert (status["state"]["type"], status["state"]["name"]) == ("Crashed", "RevisionChanged"), status
    assert len(space.pods("meets-it")) == 1


def test_what_the_server_does_not_know_is_told(space: Space) -> None:
    """A field that is misspelt is not dropped; what is merely odd is a condition of a run that goes on."""
    aliases = [{"ip": "10.1.2.3", "hostnames": [name]} for name in ("a.example", "b.example")]
    ports = [{"name": p.lower(), "containerPort": 5353, "protocol": p} for p in ("TCP", "UDP")]
    odd = {"hostAliases": aliases, "containers": [{"name": "engine", "ports": ports}]}
    space.apply(
        run("selector", QUICK_FLOW, template={"spec": {"nodeSelctor": {"env": "prod"}}}),
        run("limits", QUICK_FLOW, resources={"limts": {"memory": "1Gi"}}),
        run("kept", QUICK_FLOW, template={"spec": {"restartPolicy": "Always"}}),
        run("odd", QUICK_FLOW, template={"spec": odd}),
    )
    for name, words in (
        ("selector", 'unknown field "spec.nodeSelctor"'),
        ("limits", 'unknown field "spec.containers[0].resources.limts"'),
        ("kept", "template.spec (run).restartPolicy is Never in every run's pod"),
    ):
        state = space.finish(name)["state"]
        assert (state["type"], state["name"]) == ("Failed", "InvalidFlow"), state
        assert words in state["message"]
        assert space.pods(name) == []
    status = space.finish("odd")
    assert status["state"]["type"] == "Completed"
    spec = space.pods("odd")[0]["spec"]
    assert spec["hostAliases"] == aliases
    assert [p["protocol"] for p in spec["containers"][0]["ports"]] == ["TCP", "UDP"]
    if isinstance(space.cluster, RealCluster):  # the embedded server warns of unknown fields only
        assert "10.1.2.3" in next(c["message"] for c in status["conditions"] if c["type"] == "Warned")


def test_pods_that_share_a_folder_for_temporary_files_keep_their_own(space: Space) -> None:
    """24 at once, each with the same volume at /tmp: each returns what its own source says."""
    if isinstance(space.cluster, RealCluster):
        pytest.skip("the folder is the node's, and the node is the same on both control planes")
    shared = {
        "volumes": [{"name": "tmp", "persistentVolumeClaim": {"claimName": "shared"}}],
        "containers": [{"name": "engine", "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}]}],
    }
    text = "from penstock import flow\n\n@flow\ndef main():\n    return {number}\n"
    space.apply(*(run(f"s{n}", text.format(number=n), template={"spec": shared}) for n in range(24)))
    results = {n: space.finish(f"s{n}", seconds=100)["result"]["json"] for n in range(24)}
    assert results == {n: str(n) for n in range(24)}


def test_environment_reaches_the_flow(space: Space) -> None:
    """env of Flow and run, a Secret's value among them."""
    text = """
        import os
        from penstock import flow

        @flow
        def main():
            return [os.environ["A"], os.environ["B"], os.environ["PASSWORD"]]
    """
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db"}, "stringData": {"password": "s3cret"}}
    reference = {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}}
    space.apply(secret, flow("env", text, env=[{"name": "A", "value": "flow"}, {"name": "B", "value": "flow"}]))
    space.apply(run("envs", ref="env", env=[{"name": "B", "value": "run"}, reference]))
    assert json.loads(space.finish("envs")["result"]["json"]) == ["flow", "run", "s3cret"]


def test_refusals_say_what_is_wrong(space: Space) -> None:
    """16. Bad YAML, unknown fields, two flows, a long name, a terminal run patched back."""
    bad = space.kubectl("apply", "-f", "-", stdin="kind: FlowRun\n  spec: [", ok=False)
    assert "yaml" in bad.lower()
    unknown = run("typo", ref="f")
    unknown["spec"]["paramters"] = {"x": 1}
    assert 'unknown field "spec.paramters"' in space.apply(unknown, ok=False)
    both = run("both", QUICK_FLOW)
    both["spec"]["flowRef"] = {"name": "f"}
    assert "exactly one of spec.flowRef and spec.flowSpec" in space.apply(both, ok=False)
    assert "at most 52 characters" in space.apply(run("n" * 53, ref="f"), ok=False)
    wrong = run("wrong", ref="f")
    wrong["spec"]["desiredState"] = "Stopped"
    assert 'supported values: "Running", "Paused", "Suspended", "Cancelled"' in space.apply(wrong, ok=False)
    space.apply(run("done", QUICK_FLOW))
    space.finish("done")
    back = '{"status":{"state":{"type":"Running","name":"Running"}}}'
    refused = space.kubectl("patch", "fr", "done", "--subresource=status", "--type=merge", "-p", back, ok=False)
    assert "a terminal state is final" in refused
    assert space.state("done") == ("Completed", "Completed")


def test_events_tell_the_story(space: Space, tmp_path: Path) -> None:
    """One Event for each change of the state's type; that a run began is not written where its end is known first."""
    space.apply(run("told", GATED_FLOW, parameters={"gate": str(tmp_path / "gate")}))
    space.wait("told", lambda s: s["state"]["type"] == "Running", "it runs")
    (tmp_path / "gate").touch()
    space.finish("told")

    def reasons() -> list[str]:
        items = json.loads(space.kubectl("get", "events", "--field-selector=involvedObject.name=told", "-o", "json"))[
            "items"
        ]
        return [e["reason"] for e in items]

    until("the last event is there", lambda: "Completed" in reasons())
    assert sorted(reasons()) == ["Completed", "Running", "Submitting"]
