"""5. Cancelled from every state: the run ends soon, its hooks run, its pod and logs stay, and nothing runs on."""

from __future__ import annotations

import json
import time

from tests.support.cluster import Space, alive
from tests.support.flows import SLEEPER, run
from tests.support.world import until

CANCEL = '{"spec":{"desiredState":"Cancelled"}}'


def cancel(space: Space, name: str) -> float:
    """Patch as a user does; returns when, on the monotonic clock."""
    before = time.monotonic()
    space.kubectl("patch", "fr", name, "--type=merge", "-p", CANCEL)
    return before


def test_while_scheduled(space: Space) -> None:
    """At once; no pod was ever made."""
    space.apply(run("later", SLEEPER, scheduledTime="2099-01-01T00:00:00Z"))
    assert space.wait_type("later", "Scheduled")["state"]["name"] == "Scheduled"
    cancel(space, "later")
    assert space.finish("later", 5)["state"]["type"] == "Cancelled"
    assert space.pods("later") == []


def test_while_pending(space: Space) -> None:
    """The pod, which never started, is deleted."""
    never = {"spec": {"nodeSelector": {"no": "such-node"}, "schedulerName": "none-such"}}
    space.apply(run("pending", SLEEPER, template=never))
    space.wait_type("pending", "Pending")
    until("the pod is there", lambda: len(space.pods("pending")) == 1)
    cancel(space, "pending")
    assert space.finish("pending", 10)["state"]["type"] == "Cancelled"
    until("its pod is gone", lambda: space.pods("pending") == [])


def test_while_running(space: Space) -> None:
    """on_cancellation runs, Cancelled within a second, pod and logs still there."""
    text = """
        import os, time
        from penstock import flow

        def tidy(flow, flow_run, state):
            print("TIDYING", flush=True)

        @flow(on_cancellation=[tidy])
        def main():
            print(f"PID={os.getpid()}", flush=True)
            time.sleep(300)
    """
    space.apply(run("running", text))
    space.wait_type("running", "Running")
    pid = space.pid("running")
    before = cancel(space, "running")
    space.kubectl("wait", "--for=condition=Finished", "fr/running", "--timeout=20s")
    took = time.monotonic() - before
    status = space.status("running")
    assert (status["state"]["type"], status["state"]["name"]) == ("Cancelled", "Cancelled")
    assert status["report"]["type"] == "Cancelled"
    assert "TIDYING" in space.log("running")
    assert len(space.pods("running")) == 1
    until("the process is gone", lambda: not alive(pid), 5)
    # the promise is one second from the patch; the figure with its spread is in benchmarks/, here only the order of magnitude
    assert took < 3, f"{took:.1f} s from the patch to Cancelled"


def test_a_body_that_ignores_everything(space: Space) -> None:
    """SIGKILL after the grace period; Cancelled, and the process gone."""
    text = """
        import os, time
        from penstock import flow

        @flow
        def main():
            print(f"PID={os.getpid()}", flush=True)
            while True:
                try:
                    time.sleep(300)
                except BaseException:
                    print("NOT ME", flush=True)
    """
    space.apply(run("stubborn", text, runPolicy={"gracePeriodSeconds": 2}))
    space.wait_type("stubborn", "Running")
    pid = space.pid("stubborn")
    cancel(space, "stubborn")
    status = space.finish("stubborn", 20)
    assert status["state"]["type"] == "Cancelled"
    until("the process is gone", lambda: not alive(pid), 10)
    assert "NOT ME" in space.log("stubborn")


def test_a_pod_that_never_ends(space: Space) -> None:
    """Nobody runs the pod any more: the operator's own deadline (2 x grace + 30 s) ends the run."""
    node = f"lost-{space.name}"
    space.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}})
    held = {"spec": {"nodeName": node}}
    space.apply(run("held", SLEEPER, template=held, runPolicy={"gracePeriodSeconds": 0}))
    space.wait_type("held", "Pending")
    until("the pod is there", lambda: len(space.pods("held")) == 1)
    pod = space.pods("held")[0]["metadata"]["name"]
    # the test plays a node that started the engine and then died: claimed and running, and nobody at home
    uid = space.run("held")["metadata"]["uid"]
    claim = {
        "status": {"report": {"attempt": 1, "instance": "lost", "type": "Running", "time": "2026-01-01T00:00:00Z"}}
    }
    running = {
        "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}},
        "name": "engine",
        "image": "x",
        "imageID": "",
        "ready": True,
        "restartCount": 0,
    }
    status = {"status": {"phase": "Running", "startTime": "2026-01-01T00:00:00Z", "containerStatuses": [running]}}
    space.kubectl("patch", "pod", pod, "--subresource=status", "--type=merge", "-p", json.dumps(status))
    space.kubectl("patch", "fr", "held", "--subresource=status", "--type=merge", "-p", json.dumps(claim))
    assert space.run("held")["metadata"]["uid"] == uid
    space.wait_type("held", "Running")
    space.kubectl("patch", "pod", pod, "--type=merge", "-p", '{"metadata":{"finalizers":["tests.penstock.dev/held"]}}')
    before = cancel(space, "held")
    status = space.wait_type("held", "Cancelling", seconds=5)
    status = space.finish("held", 60)
    assert status["state"]["type"] == "Cancelled"
    assert "may still run" in status["state"]["message"]
    assert 25 < time.monotonic() - before < 45
    space.kubectl("delete", "node", node)
    space.kubectl("patch", "pod", pod, "--type=merge", "-p", '{"metadata":{"finalizers":null}}')


def test_a_second_cancel_changes_nothing(space: Space) -> None:
    """And a terminal run stays what it is."""
    space.apply(run("twice", SLEEPER))
    space.wait_type("twice", "Running")
    cancel(space, "twice")
    cancel(space, "twice")
    first = space.finish("twice", 10)
    cancel(space, "twice")
    refused = space.kubectl(
        "patch", "fr", "twice", "--type=merge", "-p", '{"spec":{"desiredState":"Running"}}', ok=False
    )
    assert "withdrawn" in refused
    assert space.status("twice")["state"] == first["state"]
