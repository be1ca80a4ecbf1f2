"""21. The chart of an older commit, 50 runs in flight: upgraded, rolled back, removed, installed again. Nothing is stuck, nothing is doubled.

Operators are processes with the arguments, the token and the source that their Deployment's pod says; the test is the engines and the scheduler.
The older commit is the one before the last change of the CRDs, so that the definitions change under the runs too.
"""

from __future__ import annotations

import os
import subprocess
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from penstock_operator.api.constants import LABEL_FLOW_RUN
from penstock_operator.api.crd import crds
from tests.support.cluster import NAMESPACE, ROOT
from tests.support.helms import HELMS, helm_program
from tests.support.played import Stage, open_stage, seen
from tests.support.played_engine import begin, complete, said
from tests.support.realserver import MISSING, RealServer, assets
from tests.support.release import Release
from tests.support.world import until

pytestmark = [pytest.mark.real, pytest.mark.timeout(240), pytest.mark.xdist_group("upgrade")]
CHART = ROOT / "charts/penstock"
FROM = "PENSTOCK_UPGRADE_FROM"
RELEASE = "acme"
SET = "image.tag=old"
NEW = "image.tag=new"
STANDBY = f"{NEW},replicas=2"

RUNNING = [f"running-{n:02}" for n in range(20)]
PAUSED = [f"paused-{n:02}" for n in range(10)]
PENDING = [f"pending-{n:02}" for n in range(10)]  # a pod that nobody has scheduled yet
WAITING = [f"waiting-{n:02}" for n in range(5)]  # for the slot that the first of them has
LATER = [f"later-{n:02}" for n in range(5)]  # nobody's turn for years
PODS = [*RUNNING, *PAUSED, *PENDING, WAITING[0]]
STATES = {
    **dict.fromkeys(RUNNING, "Running/Running"),
    **dict.fromkeys(PAUSED, "Paused/Paused"),
    **dict.fromkeys(PENDING, "Pending/Submitting"),
    **dict.fromkeys(WAITING, "Scheduled/AwaitingConcurrencySlot"),
    WAITING[0]: "Pending/Submitting",
    **dict.fromkeys(LATER, "Scheduled/Scheduled"),
}


@pytest.fixture(scope="session")
def older(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source as it was before the CRDs changed last, or at the commit that the environment names."""
    revision = os.environ.get(FROM)
    if not revision:
        changed = git("rev-list", "-1", "HEAD", "--", "charts/penstock/files/crds")
        revision = f"{changed}^"
    if not git("rev-parse", "--verify", "--quiet", revision):
        pytest.skip(f"no older commit here to upgrade from: a whole clone has one, or name one in {FROM}")
    folder = tmp_path_factory.mktemp("older")
    archive = folder / "source.tar"
    git("archive", "--output", str(archive), revision, "charts", "operator", "engine")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return folder


def git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()


@pytest.fixture(scope="module", params=HELMS)
def release(request: pytest.FixtureRequest, older: Path) -> Iterator[Release]:
    """The older chart on a server of its own."""
    helm, folder = helm_program(request.param), assets()
    if folder is None:
        pytest.skip(MISSING)
    server = RealServer(folder)
    made = Release(server, helm, {"old": older})
    try:
        server.start()
        made.start()
        yield made
    finally:
        made.stop()
        server.stop()


@pytest.fixture
def stage(release: Release) -> Iterator[Stage]:
    with release.server.client(release.server.admin_token) as client:
        yield open_stage(client, "team")


def in_flight(stage: Stage) -> None:
    """50 runs, each where it is held."""
    spec = {"entrypoint": "a.py:f", "concurrency": {"limit": 1}}
    flow = {"apiVersion": "penstock.dev/v1alpha1", "kind": "Flow", "metadata": {"name": "one"}, "spec": spec}
    stage.send("POST", stage.runs.replace("flowruns", "flows"), flow)
    for name in [*RUNNING, *PAUSED, *PENDING]:
        stage.apply(name, {"flowSpec": {"entrypoint": "a.py:f"}, "parameters": {"n": 1}})
    for name in LATER:
        stage.apply(name, {"flowSpec": {"entrypoint": "a.py:f"}, "scheduledTime": "2100-01-01T00:00:00Z"})
    stage.apply(WAITING[0], {"flowRef": {"name": "one"}})
    stage.await_pods(PODS)
    for name in WAITING[1:]:
        stage.apply(name, {"flowRef": {"name": "one"}})
    for name in [*RUNNING, *PAUSED]:
        begin(stage, name)
    stage.watch_for({name: is_in("Running/Running") for name in [*RUNNING, *PAUSED]}, 30)
    for name in PAUSED:
        stage.report(name, said("Paused", message="asks"))


def is_in(*states: str) -> Any:
    return lambda status: seen(status)["state"] in states


def reached(stage: Stage, wanted: dict[str, str], seconds: float = 30) -> None:
    """Wait until the runs are in these states."""
    stage.watch_for({name: is_in(state) for name, state in wanted.items()}, seconds)
    found = {name: seen(stage.statuses.get(name, {}))["state"] for name in wanted}
    assert found == wanted


def pods(client: httpx.Client) -> dict[str, str]:
    """Every pod of the runs: its uid by its name."""
    items = client.get("/api/v1/namespaces/team/pods").raise_for_status().json()["items"]
    return {item["metadata"]["name"]: item["metadata"]["uid"] for item in items}


def definitions(client: httpx.Client) -> dict[str, Any]:
    """The schemas that are served."""
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    items = client.get(path).raise_for_status().json()["items"]
    return {item["metadata"]["name"]: item["spec"]["versions"][0]["schema"] for item in items}


def one_after_the_other(stage: Stage, names: list[str]) -> None:
    """End runs that share a slot, each when it has its pod."""
    left = set(names)

    def turn() -> set[str]:
        items = stage.send("GET", f"{stage.core}/pods")["items"]
        return {item["metadata"]["labels"][LABEL_FLOW_RUN] for item in items} & left

    while left:
        until("the slot is given to the next one", lambda: bool(turn()))
        for name in turn():
            begin(stage, name)
            complete(stage, name)
            left.discard(name)


def helm_tested(release: Release) -> None:
    """`helm test`: its pod makes a FlowRun and reads what came of it; the engine of that run is played here."""

    def engine() -> None:
        with release.server.client(release.server.admin_token) as client:
            stage = Stage(client, NAMESPACE)
            until("the test made its FlowRun", lambda: bool(stage.send("GET", stage.runs)["items"]))
            name = stage.adopt(stage.send("GET", stage.runs)["items"][0])
            begin(stage, name)
            complete(stage, name, result="42")

    with ThreadPoolExecutor(1) as pool:
        playing = pool.submit(engine)
        assert "Succeeded" in release.helm("test", RELEASE, "--timeout=60s")
        playing.result()


def test_50_runs_in_flight(release: Release, stage: Stage, older: Path) -> None:
    """Each of them completes, by the pod that it had; each operator found the runs where the one before had left them."""
    old, wait = str(older / "charts/penstock"), ("--wait", "--timeout=60s")
    release.helm("install", RELEASE, old, "--create-namespace", *wait, "--set", SET)
    before = definitions(stage.client)
    in_flight(stage)
    reached(stage, STATES)
    had = pods(stage.client)
    assert len(had) == len(PODS)

    # Upgraded: another source, other definitions. Five end while it happens.
    for name in RUNNING[:5]:
        complete(stage, name)
    release.helm("upgrade", RELEASE, str(CHART), *wait, "--set", NEW)
    served = definitions(stage.client)
    assert served == {crd["metadata"]["name"]: crd["spec"]["versions"][0]["schema"] for crd in crds()}
    assert served != before or os.environ.get(FROM), "this upgrade was to change the definitions"
    done = dict.fromkeys(RUNNING[:5], "Completed/Completed")
    reached(stage, {**STATES, **done})
    stage.apply("fresh", {"flowSpec": {"entrypoint": "a.py:f"}})
    stage.pod("fresh")

    # Rolled back, while five paused runs go on.
    for name in PAUSED[:5]:
        stage.report(name, said("Running"))
    release.helm("rollback", RELEASE, "1", *wait)
    assert definitions(stage.client) == before
    resumed = dict.fromkeys(PAUSED[:5], "Running/Running")
    reached(stage, {**STATES, **done, **resumed})

    # Removed: runs, pods and definitions stay. Ten end meanwhile, five of them unheard.
    release.helm("uninstall", RELEASE, *wait)
    assert stage.client.get(f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments").json()["items"] == []
    for name in RUNNING[5:10]:
        complete(stage, name)
    for name in RUNNING[10:15]:
        complete(stage, name, reported=False)
    assert {n: seen(s)["state"] for n, s in stage.look().items() if n in RUNNING[5:15]} == dict.fromkeys(
        RUNNING[5:15], "Running/Running"
    )
    assert pods(stage.client).items() >= had.items()

    # Installed again, with a standby: everything that waits is let go.
    release.helm("install", RELEASE, str(CHART), *wait, "--set", STANDBY)
    for name in [*PENDING, "fresh"]:
        begin(stage, name)
    for name in [*RUNNING[15:], *PAUSED, *PENDING, "fresh"]:
        complete(stage, name)
    one_after_the_other(stage, WAITING)
    ended = [*RUNNING, *PAUSED, *PENDING, *WAITING, "fresh"]
    reached(stage, {**dict.fromkeys(ended, "Completed/Completed"), **dict.fromkeys(LATER, "Scheduled/Scheduled")}, 40)
    for name, found in stage.look().items():
        if name in ended:
            assert found["attempt"]["number"] == 1, name
            assert not found.get("attempts"), f"{name}: an attempt was counted as lost"
    helm_tested(release)
    release.helm("uninstall", RELEASE, *wait)
    last = pods(stage.client)
    assert last.items() >= had.items()
    assert len(last) == len(ended), "a run has another pod"
    assert stage.look().keys() == {*ended, *LATER}
