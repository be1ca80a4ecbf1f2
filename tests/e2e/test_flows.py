"""Flows and their revisions, refusals, and what a person reads."""

from __future__ import annotations

import json

from tests.support.cluster import Space
from tests.support.flows import QUICK_FLOW, flow, run
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
    import os
    import signal

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
    """14. It says what it waits for, and starts when the Flow appears."""
    space.apply(run("early", ref="not-yet"))
    status = space.wait_type("early", "Scheduled")
    assert status["state"]["name"] == "AwaitingFlow"
    assert "not-yet" in status["state"]["message"]
    assert space.pods("early") == []
    space.apply(flow("not-yet", QUICK_FLOW, parameters={"x": 5}))
    status = space.finish("early")
    assert status["state"]["type"] == "Completed"
    assert status["result"]["json"] == "6"


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
    files = {
        "main.py": "from penstock import flow\nfrom helper import word\n\n@flow\ndef go():\n    return word()\n",
        "helper.py": "def word():\n    return 'found'\n",
    }
    space.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "files"}, "data": files})
    spec = {"entrypoint": "main.py:go", "source": {"configMap": {"name": "files"}}}
    space.apply({"apiVersion": "penstock.dev/v1alpha1", "kind": "Flow", "metadata": {"name": "several"}, "spec": spec})
    direct = run("direct")
    direct["spec"]["flowSpec"] = spec
    space.apply(run("by-flow", ref="several"), direct)
    for name in ("by-flow", "direct"):
        assert space.finish(name)["result"]["json"] == '"found"'


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


def test_events_tell_the_story(space: Space) -> None:
    """One Event for each change of the state's type."""
    space.apply(run("told", QUICK_FLOW))
    space.finish("told")

    def reasons() -> list[str]:
        items = json.loads(space.kubectl("get", "events", "--field-selector=involvedObject.name=told", "-o", "json"))[
            "items"
        ]
        return [e["reason"] for e in items]

    until("the last event is there", lambda: "Completed" in reasons())
    assert sorted(reasons()) == ["Completed", "Running", "Submitting"]
