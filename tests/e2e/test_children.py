"""12. Runs that a flow starts: they end with their parent, are found again by its next attempt, and tell their lines through a retry."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from penstock.clusterruns.connection import Connection, used
from penstock.flow_runs import create_flow_run, get_result, run_flow_run, wait_for_flow_run
from penstock.kube.access import find
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
from tests.support.everyfunction import here as in_this_process
from tests.support.flows import flow, run
from tests.support.world import until

ROOT = Path(__file__).parents[2]


@pytest.fixture
def here(space: Space) -> Iterator[Space]:
    """A namespace whose default account may start runs; this process asks the same API server."""
    space.apply(*rights(space, "default"), flow("child", CHILD), flow("parent", PARENT))
    with asking(space):
        yield space


def test_a_cancelled_parent_ends_twenty_children(here: Space) -> None:
    """The parent first, then those that run and those that wait; their hooks run."""
    here.apply(run("parent", ref="parent", parameters={"count": 20}))
    until(
        "children run",
        lambda: kinds(children(here, "parent")).count("Running") >= 3 and len(children(here, "parent")) == 20,
        60,
    )
    here.kubectl("patch", "fr", "parent", "--type=merge", "-p", '{"spec":{"desiredState":"Cancelled"}}')
    ended = here.finish("parent", 30)
    assert ended["state"]["type"] == "Cancelled"
    until("all have ended", lambda: set(kinds(children(here, "parent"))) == {"Cancelled"}, 60)
    found = children(here, "parent")
    assert len(found) == 20
    for each in found:
        assert each["status"]["state"]["message"].startswith("cancelled with its parent, the run parent")
        assert each["spec"]["desiredState"] == "Running"
    ran = [each for each in found if each["status"].get("startTime")]
    assert any("TIDYING" in here.log(each["metadata"]["name"]) for each in ran)


def test_a_killed_parent_finds_its_children_while_the_server_is_away(here: Space) -> None:
    """Its second attempt starts none anew, and hears of their ends."""
    here.apply(run("parent", ref="parent", parameters={"count": 6, "seconds": 8}))
    until("all are there", lambda: len(children(here, "parent")) == 6, 60)
    before = {each["metadata"]["uid"] for each in children(here, "parent")}
    pod = here.status("parent")["attempt"]["podName"]
    here.kubectl("delete", "pod", pod, "--grace-period=1", "--wait=false")
    until(
        "a second attempt runs",
        lambda: here.status("parent")["attempt"]["number"] == 2 and here.state("parent")[0] == "Running",
        60,
    )
    with here.cluster.server_away():
        pass
    status = here.finish("parent", 90)
    assert status["state"]["type"] == "Completed", (status["state"], here.log("parent", 2))
    assert status["result"]["json"] == "15"
    assert {each["metadata"]["uid"] for each in children(here, "parent")} == before
    assert all(each["status"]["attempt"]["number"] == 1 for each in children(here, "parent"))


def test_waits_outside_a_parent_while_the_server_is_away(here: Space, tmp_path: Path) -> None:
    """With the rights of a role, which a server that comes back knows a moment later; and as a namespace, for they are many."""
    found: dict[str, Any] = json.loads(json.dumps(yaml.safe_load(here.cluster.kubeconfig.read_text())))
    found["users"][0]["user"] = {"token": here.kubectl("create", "token", "default").strip()}
    login = tmp_path / "kubeconfig"
    login.write_text(json.dumps(found))
    made = Connection(find({"KUBECONFIG": str(login)}))
    with used(made), ThreadPoolExecutor(6) as pool:
        views = [create_flow_run("child", {"n": n, "seconds": 12}, namespace=here.name) for n in range(6)]
        waits = [pool.submit(wait_for_flow_run, view, timeout=90) for view in views]
        until("all run", lambda: all(here.state(view.name)[0] == "Running" for view in views), 60)
        assert len(made.watches) == 5
        with here.cluster.server_away():
            pass
        assert [wait.result().state.result() for wait in waits] == list(range(6))
    made.close()


def test_a_deleted_parent_takes_its_children_along(here: Space) -> None:
    here.apply(run("parent", ref="parent", parameters={"count": 2}))
    until("they run", lambda: kinds(children(here, "parent")) == ["Running", "Running"], 60)
    names = [each["metadata"]["name"] for each in children(here, "parent")]
    here.kubectl("delete", "fr", "parent")
    until("runs and pods are gone", lambda: not any(here.get("fr", name) or here.pods(name) for name in names), 60)


def test_lines_through_a_retry_and_what_comes_of_it(here: Space, caplog: pytest.LogCaptureFixture) -> None:
    """Logs of both attempts in order, a line between; a crash is known with its reason; the result is read."""
    here.apply(flow("twice", TWICE, runPolicy=TWICE_POLICY))
    caplog.set_level("INFO", "penstock.runs")
    view = create_flow_run("twice", namespace=here.name)
    ended = wait_for_flow_run(view, stream_states=True, stream_logs=True, timeout=90)
    assert ended.state.is_completed(), ended.state
    told_through_a_retry([record.getMessage().removeprefix(f"{view.name} | ") for record in caplog.records])
    assert get_result(ended) == WHOLE
    crashed = run_flow_run("twice", {"crash": True}, namespace=here.name, timeout=90)
    assert crashed.is_crashed()
    assert "exit code 3" in (crashed.message or "")


@pytest.mark.timeout(300)
def test_every_function_in_each_kind_of_code(here: Space, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a pod and in a plain process, sync and async: the same calls give the same, and in a pod the runs are the pod's."""
    monkeypatch.setenv("PENSTOCK_HOME", str(tmp_path))  # a result that is not there is looked for among all that are
    names = {kind: f"every-{kind}" for kind in KINDS}
    here.apply(*(run(name, every(kind, name)) for kind, name in names.items()))
    for kind in KINDS:
        assert in_this_process(kind, kind) == SAID
    for name in names.values():
        status = here.finish(name, 120)
        assert status["state"]["type"] == "Completed", (status["state"], here.log(name))
        assert json.loads(status["result"]["json"]) == SAID
        assert here.run(name)["spec"]["displayName"] == "Me"
        assert len(children(here, name)) == 7


def test_the_example(here: Space) -> None:
    here.kubectl("apply", "-f", str(ROOT / "examples/children.yaml"))
    status = here.finish("regions", 90)
    assert (status["state"]["type"], status["result"]["json"]) == ("Completed", '{"north": 3, "south": 6, "west": 9}')
    assert len(children(here, "regions")) == 3


def test_parameters_arrive_as_they_were_sent(here: Space) -> None:
    text = """
        import datetime, decimal, enum, pathlib, uuid
        from penstock import flow
        from pydantic import BaseModel

        class Line(BaseModel):
            tags: set[int]
            price: decimal.Decimal

        @flow
        def main(
            least: int, most: int, share: float, whole: float, plain, text: str, day: datetime.date, path: pathlib.Path,
            key: uuid.UUID, line: Line,
        ):
            return repr((least, most, share, whole, plain, text, day, path, key, line.tags, line.price))
    """
    import datetime
    import decimal
    import uuid

    import pydantic

    class Line(pydantic.BaseModel):
        tags: set[int] = {3, 1}
        price: decimal.Decimal = decimal.Decimal("1.10")

    here.apply(flow("echo", text))
    sent: dict[str, Any] = {
        "least": -(2**63), "most": 2**63 - 1, "share": 0.1, "whole": 1.0, "plain": 2.0, "text": "é\u2028😀<&>\0",
        "day": datetime.date(2026, 11, 21), "path": Path("/a b"), "key": uuid.UUID(int=7), "line": Line(),
    }  # fmt: skip
    found = run_flow_run("echo", sent, namespace=here.name, timeout=60).result()
    # What no annotation makes a float again has come back as an equal integer.
    expected = {**sent, "plain": 2, "line": None}
    assert found == repr((*list(expected.values())[:-1], {1, 3}, decimal.Decimal("1.10"))).replace(
        "PosixPath", "PosixPath"
    )
