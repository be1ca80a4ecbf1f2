"""Runs that a flow starts, and results that last, on a real kubelet: cancelled, killed and retried, followed, without an API server.

What may go on by itself is applied at once; each story then looks at its own. The twenty come last, for the node has two cores.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from penstock.flow_runs import create_flow_run, get_result, wait_for_flow_run
from tests.node.conftest import WITH_BUCKETS, Claim, NodeCluster
from tests.node.test_fates import pod_of
from tests.support.children import (
    CHILD,
    PARENT,
    TWICE,
    TWICE_POLICY,
    WHOLE,
    asking,
    children,
    kinds,
    rights,
    told_through_a_retry,
)
from tests.support.cluster import Space
from tests.support.everyfunction import KINDS, SAID, every
from tests.support.flows import flow, run
from tests.support.hundred import HUNDRED, SUM, TASKS, done_again
from tests.support.s3server import MISSING, found, serving
from tests.support.world import until

pytestmark = pytest.mark.timeout(300)
ACCOUNT = "starts-runs"
KILLED: list[str] = []  # the children of the parent whose pod was deleted, by uid
# They end when the gate opens, and each body notes that it began, and that it ended.
GATED = """
    import pathlib, time
    from penstock import flow

    GATE = pathlib.Path("/results/gates")

    @flow
    def main(n: int):
        with open(GATE / "begun", "a") as begun:
            begun.write(f"{n}\\n")
        while not (GATE / "open").exists():
            time.sleep(0.1)
        with open(GATE / "passed", "a") as passed:
            passed.write(f"{n}\\n")
        return n
"""
# Waits for some, and starts one more when the gate opens.
GATES = """
    import pathlib, time
    from penstock import flow, task
    from penstock.flow_runs import run_flow_run

    GATE = pathlib.Path("/results/gates")

    def ended(n):
        return run_flow_run("gated", {"n": n}, raise_final_state=True).result()

    @task
    def child(n):
        return ended(n)

    @task
    def late(n):
        while not (GATE / "open").exists():
            time.sleep(0.1)
        with open(GATE / "passed", "a") as passed:
            passed.write("late\\n")
        return ended(n)

    @flow
    def main(count: int):
        first, last = child.map(range(count)), late.submit(count)
        return sum(first.result()) + last.result()
"""


def hundred(place: str, claim: Claim, storage: str, **engine: Any) -> dict[str, Any]:
    """A run of a hundred tasks that keeps its results there; what its bodies note lies on the claim."""
    folder = f"hundred-{place}"
    claim.make(folder)
    claim.touch(f"{folder}/open-80", f"{folder}/open-90")
    made = run(folder, HUNDRED, parameters={"folder": f"/results/{folder}"})
    template = claim.pod()
    template["spec"]["containers"][0] |= engine
    made["spec"]["flowSpec"] |= {"results": {"storage": storage, "persist": True}, "template": template}
    return made


@pytest.fixture(scope="module")
def begun(node: NodeCluster, space: Space, claim: Claim) -> Iterator[Space]:
    """Everything applied, and a parent's pod deleted once its children are there; this process asks the same API server."""
    account = {"template": {"spec": {"serviceAccountName": ACCOUNT}}}
    claim.make("gates")
    with ExitStack() as stack:
        runs = [hundred("claim", claim, "file:///results/store")]
        if found():
            server = stack.enter_context(serving(host=node.this_machine()))
            bucket = server.bucket()
            node.make_image(WITH_BUCKETS)
            space.kubectl(*bucket.secret())
            known = [{"secretRef": {"name": "bucket"}}]
            runs.append(hundred("bucket", claim, bucket.url, envFrom=known, image=WITH_BUCKETS))
        space.apply(
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT}},
            *rights(space, ACCOUNT),
            flow("child", CHILD),
            flow("parent", PARENT, **account),
            flow("gated", GATED, template=claim.pod()),
            flow("twice", TWICE, runPolicy=TWICE_POLICY),
            *runs,
            run("kills", ref="parent", parameters={"count": 5, "seconds": 20}),
            *(run(f"every-{kind}", every(kind, f"pod-{kind}"), template=account["template"]) for kind in KINDS),
        )
        space.wait("kills", lambda _: len(children(space, "kills")) == 5, "all children are there", 120)
        KILLED.extend(each["metadata"]["uid"] for each in children(space, "kills"))
        space.kubectl("delete", "pod", str(pod_of(space, "kills")["metadata"]["name"]), "--wait=false")
        stack.enter_context(asking(space))
        yield space


@pytest.mark.parametrize(("place", "location"), [("claim", "file:///results/store/"), ("bucket", "s3://")])
def test_a_hundred_tasks_killed_at_the_sixtieth_go_on(begun: Space, claim: Claim, place: str, location: str) -> None:
    """The next pod reaches the same volume, or the same bucket of a real server: only the task that was running is done again."""
    name = f"hundred-{place}"
    if place == "bucket" and not found():
        pytest.skip(MISSING)
    until("it is at the sixtieth", lambda: claim.there(f"{name}/at-60"), 90)
    begun.kubectl("delete", "pod", str(pod_of(begun, name)["metadata"]["name"]), "--wait=false")
    begun.wait(name, lambda s: s["attempt"]["number"] == 2, "the attempt is judged", 90)
    claim.touch(f"{name}/open-60")
    status = begun.finish(name, 120)
    assert (status["state"]["type"], status["result"]["json"]) == ("Completed", SUM), status
    progress = status["report"]["progress"]
    assert (progress["total"], progress["cached"]) == (TASKS, 59)
    assert status["result"]["location"].startswith(location)
    assert done_again("\n".join(claim.lines(f"{name}/calls"))) == [60]


def test_lines_through_a_retry(begun: Space, caplog: pytest.LogCaptureFixture) -> None:
    """Both pods' logs by way of the kubelet, in order, with a line between that says why there is a second one."""
    caplog.set_level(logging.INFO, "penstock.runs")
    view = create_flow_run("twice", namespace=begun.name)
    ended = wait_for_flow_run(view, stream_states=True, stream_logs=True, timeout=120)
    assert ended.state.is_completed(), ended.state
    told_through_a_retry([record.getMessage().removeprefix(f"{view.name} | ") for record in caplog.records])
    assert get_result(ended) == WHOLE


@pytest.mark.parametrize("kind", KINDS)
def test_every_function(begun: Space, kind: str) -> None:
    """In a pod, with the rights of its account: what they give on the other control planes, too."""
    status = begun.finish(f"every-{kind}", 120)
    assert status["state"]["type"] == "Completed", status["state"]
    assert json.loads(status["result"]["json"]) == SAID


def test_a_killed_parent_finds_its_children(begun: Space) -> None:
    """Its pod was deleted while they ran: the next attempt starts none anew, and none of them notices."""
    status = begun.finish("kills", 120)
    assert (status["state"]["type"], status["result"]["json"]) == ("Completed", "10"), status["state"]
    assert status["attempt"]["number"] == 2
    found = children(begun, "kills")
    assert {each["metadata"]["uid"] for each in found} == set(KILLED)
    assert {each["status"]["attempt"]["number"] for each in found} == {1}


def test_an_api_server_that_goes_away_between_parent_and_children(
    begun: Space, node: NodeCluster, claim: Claim
) -> None:
    """Children end while nobody can be told, and one more is asked for: nothing is lost, nothing doubled, and the parent's waits go on."""
    count = 4
    fields = {"template": claim.pod(serviceAccountName=ACCOUNT)}
    begun.apply(flow("gates", GATES, **fields), run("gates", ref="gates", parameters={"count": count}))
    begun.wait("gates", lambda _: kinds(children(begun, "gates")) == ["Running"] * count, "all but one run", 120)
    until("their bodies have begun", lambda: len(claim.lines("gates/begun")) == count, 60)
    before = {each["metadata"]["uid"] for each in children(begun, "gates")}
    everyone = [*(str(n) for n in range(count)), "late"]
    with node.server_away():
        claim.touch("gates/open")
        until("all have passed", lambda: sorted(claim.lines("gates/passed")) == everyone)
    status = begun.finish("gates", 150)
    assert (status["state"]["type"], status["result"]["json"]) == ("Completed", "10"), status["state"]
    assert status["attempt"]["number"] == 1
    found = children(begun, "gates")
    assert len(found) == count + 1
    assert before < {each["metadata"]["uid"] for each in found}
    assert [each["status"]["attempt"]["number"] for each in found] == [1] * len(found)
    assert [len(begun.pods(each["metadata"]["name"])) for each in found] == [1] * len(found)
    bodies = sorted(str(n) for n in range(count + 1))
    assert sorted(claim.lines("gates/begun")) == bodies
    assert sorted(claim.lines("gates/passed")) == [*bodies, "late"]


def test_a_cancelled_parent_ends_twenty_children(begun: Space) -> None:
    """Those whose pods run, and those that have none yet."""
    begun.apply(run("cancels", ref="parent", parameters={"count": 20}))
    begun.wait("cancels", lambda _: len(children(begun, "cancels")) == 20, "twenty are there", 90)
    until("some run", lambda: kinds(children(begun, "cancels")).count("Running") >= 3, 90)
    begun.kubectl("patch", "fr", "cancels", "--type=merge", "-p", '{"spec":{"desiredState":"Cancelled"}}')
    assert begun.finish("cancels", 60)["state"]["type"] == "Cancelled"
    until("all have ended", lambda: set(kinds(children(begun, "cancels"))) == {"Cancelled"}, 90)
    for each in children(begun, "cancels"):
        assert each["status"]["state"]["message"].startswith("cancelled with its parent, the run cancels")
