"""A run of a hundred persisted tasks, killed at the sixtieth, goes on from what it has kept: on a claim and in a bucket, as the examples have it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.cluster import ROOT, RealCluster, Space
from tests.support.flows import flow, run
from tests.support.hundred import HUNDRED, SUM, TASKS, done_again
from tests.support.s3server import Bucket, S3Server, serving
from tests.support.world import until

EXAMPLES = ROOT / "examples"


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with serving() as server:
        yield server


PLACES = ["claim", "bucket"]


@pytest.fixture(params=PLACES)
def kept(request: pytest.FixtureRequest, space: Space) -> dict[str, Any]:
    """The fields of a Flow that say where its results go, and the variables by which another process reads them."""
    engine: dict[str, Any] = {"name": "engine"}
    if request.param == "bucket":
        bucket: Bucket = request.getfixturevalue("s3").bucket()
        space.kubectl(*bucket.secret())
        engine["envFrom"] = [{"secretRef": {"name": "bucket"}}]
        return {
            "results": {"storage": bucket.url, "persist": True},
            "template": {"spec": {"containers": [engine]}},
            "environ": bucket.server.environment,
        }
    engine["volumeMounts"] = [{"name": "results", "mountPath": "/results"}]
    claim = {"name": "results", "persistentVolumeClaim": {"claimName": "results"}}
    return {
        "results": {"storage": "file:///results", "persist": True},
        "template": {"spec": {"volumes": [claim], "containers": [engine]}},
        "environ": {},
    }


@pytest.fixture(params=["volume", "bucket"])
def example(request: pytest.FixtureRequest, space: Space, tmp_path: Path) -> Path:
    """The file to apply; the bucket is named as its first lines say."""
    path = EXAMPLES / f"{request.param}.yaml"
    if request.param == "volume":
        return path
    bucket: Bucket = request.getfixturevalue("s3").bucket()
    space.kubectl(*bucket.secret())
    named = path.read_text().replace("s3://my-bucket/backfill", bucket.url)
    assert bucket.url in named
    edited = tmp_path / "bucket.yaml"
    edited.write_text(named)
    return edited


def penstock(space: Space, *words: str, **environ: str) -> str:
    """Run the command in the namespace; its output."""
    env = {**os.environ, "KUBECONFIG": str(space.cluster.kubeconfig), **environ}
    command = [sys.executable, "-m", "penstock_cli", *words, "-n", space.name]
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=90, check=False)
    assert done.returncode in (0, 1), done.stderr
    return done.stdout + done.stderr


def test_killed_at_the_sixtieth(space: Space, kept: dict[str, Any], tmp_path: Path) -> None:
    """By the loss of its pod, by kill -9, by its user: of what ended nothing is done again, by a new attempt, a retry, a run that repeats."""
    environ = kept.pop("environ")
    space.apply(flow("hundred", HUNDRED, **kept))
    space.apply(run("hundred", ref="hundred", parameters={"folder": str(tmp_path)}))

    def at(number: int) -> int:
        until(f"it is at {number}", lambda: (tmp_path / f"at-{number}").exists(), 60)
        return int((tmp_path / f"at-{number}").read_text())

    at(60)
    space.kubectl("delete", "pod", space.pods("hundred")[0]["metadata"]["name"], "--grace-period=1", "--wait=false")
    space.wait("hundred", lambda s: s["attempt"]["number"] == 2, "the attempt is judged", 60)
    (tmp_path / "open-60").touch()
    os.kill(at(80), signal.SIGKILL)
    space.wait("hundred", lambda s: s["attempt"]["number"] == 3, "the attempt is judged", 60)
    (tmp_path / "open-80").touch()
    at(90)
    penstock(space, "cancel", "hundred")
    assert space.finish("hundred", 60)["state"]["type"] == "Cancelled"
    (tmp_path / "open-90").touch()
    penstock(space, "retry", "hundred")
    repeats = run("third", ref="hundred", parameters={"folder": str(tmp_path)}, rerunOf={"name": "hundred-2"})
    for name, reused in (("hundred-2", 89), ("third", TASKS)):
        if name == "third":
            space.apply(repeats)
        status = space.finish(name, 60)
        assert (status["state"]["type"], status["result"]["json"]) == ("Completed", SUM), status
        assert status["result"]["location"].startswith(("file://", "s3://"))
        progress = status["report"]["progress"]
        assert (progress["total"], progress["cached"]) == (TASKS, reused)
    again = done_again((tmp_path / "calls").read_text())
    assert again == [60, 80, 90], "only what ran when it was killed is done again"
    if environ:
        assert penstock(space, "result", "third", "step:59", **environ) == "60\n"
        assert penstock(space, "result", "third", **environ) == f"{SUM}\n"
    else:
        assert penstock(space, "result", "third", "step:59").startswith(("60\n", "error: the results of flowrun"))


def test_the_examples(space: Space, example: Path) -> None:
    """As their first lines say: the pod deleted while it runs, and the tasks afterwards."""
    if isinstance(space.cluster, RealCluster):
        pytest.skip("the story above runs on both control planes; of the examples one will do")
    space.kubectl("apply", "-f", str(example))
    until("it works", lambda: "Completed" in penstock(space, "tasks", "backfill"), 60)
    space.kubectl("delete", "pod", "-l", "penstock.dev/flow-run=backfill", "--wait=false")
    status = space.finish("backfill", 90)
    assert (status["state"]["type"], status["result"]["json"]) == ("Completed", "1453"), status
    assert status["attempt"]["number"] == 2
    assert status["report"]["progress"]["cached"] > 0
    assert "Cached" in penstock(space, "tasks", "backfill")


@pytest.mark.parametrize("required", [False, True])
def test_a_bucket_that_refuses_the_pod(required: bool, space: Space, s3: S3Server) -> None:
    """The run goes on and says what is lost, or fails by its setting; no link to what is not there."""
    bucket = s3.bucket()
    space.kubectl(*bucket.secret(AWS_SECRET_ACCESS_KEY="wrong"))
    text = """
        from penstock import flow, task

        @task
        def load(n):
            return n

        @flow
        def main():
            return sum(load(n) for n in range(3))
    """
    made = run("refused", text)
    made["spec"]["flowSpec"] |= {
        "results": {"storage": bucket.url, "persist": True},
        "env": [{"name": "PENSTOCK_RESULTS_REQUIRED", "value": str(required).lower()}],
        "template": {"spec": {"containers": [{"name": "engine", "envFrom": [{"secretRef": {"name": "bucket"}}]}]}},
    }
    space.apply(made)
    status = space.finish("refused", 60)
    assert bucket.objects() == []
    assert "location" not in status.get("result", {})
    if required:
        assert status["state"]["type"] == "Failed", status["state"]
        assert "403 Forbidden" in status["state"]["message"]
    else:
        assert (status["state"]["type"], status["result"]["json"]) == ("Completed", "3")
        assert "4 results were not persisted" in status["state"]["message"]
        assert "SignatureDoesNotMatch" in status["state"]["message"]
    assert "\n" not in status["state"]["message"]
    assert "wrong" not in json.dumps(status)
