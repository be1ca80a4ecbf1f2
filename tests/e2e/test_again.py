"""22. The ways to run again from Git, as the examples have them: rendered by kustomize and by Helm, applied twice, and the runs counted."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.cluster import ROOT, RealCluster, Space
from tests.support.helms import HELMS, helm_program
from tests.support.played import Stage, open_stage
from tests.support.played_engine import begin, complete, fail
from tests.support.world import MERGE, until

AGAIN = ROOT / "gitops/again"
CHART = str(AGAIN / "helm")
ONE_EXECUTION = "a FlowRun is one execution: give the new one another name"


def runs(space: Space) -> dict[str, str]:
    """The FlowRuns of a namespace: uid by name."""
    items = json.loads(space.kubectl("get", "flowruns", "-o", "json"))["items"]
    return {item["metadata"]["name"]: item["metadata"]["uid"] for item in items}


def edited(source: Path, target: Path, *changes: tuple[str, str, str]) -> Path:
    """Return a copy of a folder, as after commits: (file, words, other words)."""
    shutil.copytree(source, target)
    for name, before, after in changes:
        path = target / name
        assert before in path.read_text()
        path.write_text(path.read_text().replace(before, after))
    return target


def test_a_name_by_content(space: Space, tmp_path: Path) -> None:
    """kustomize: nothing new while nothing changed, another run when a parameter or the code did; and each completes with what it began with."""
    example = AGAIN / "hash"
    space.kubectl("apply", "-k", str(example))
    first = runs(space)
    assert "unchanged" in space.kubectl("apply", "-k", str(example))
    assert runs(space) == first
    day = edited(example, tmp_path / "day", ("kustomization.yaml", "2026-01-31", "2026-02-28"))
    space.kubectl("apply", "-k", str(day))
    code = edited(day, tmp_path / "code", ("report.py", "the report", "a better report"))
    space.kubectl("apply", "--server-side", "-k", str(code))
    assert len(runs(space)) == 3
    assert runs(space).items() >= first.items()
    said = {json.loads(space.finish(name)["result"]["json"]) for name in runs(space)}
    assert said == {"the report of 2026-01-31", "the report of 2026-02-28", "a better report of 2026-02-28"}


def test_a_name_each_time(space: Space) -> None:
    """`kubectl create` of a generateName, as a pipeline does; `apply` has no name to go by and says so."""
    example = str(AGAIN / "generated/run.yaml")
    for _ in range(2):
        assert "created" in space.kubectl("create", "-f", example)
    assert len(runs(space)) == 2
    assert all(name.startswith("report-") for name in runs(space))
    assert "cannot use generate name with apply" in space.kubectl("apply", "-f", example, ok=False)


def test_a_hook_of_argo_cd(space: Space) -> None:
    """BeforeHookCreation is a deletion and a creation: under the same name, another run each time, whatever has changed."""
    example = str(AGAIN / "hook/run.yaml")
    seen = set()
    for _ in range(2):
        space.kubectl("delete", "--ignore-not-found", "-f", example)
        space.kubectl("create", "-f", example)
        seen |= set(runs(space).values())
        assert space.finish("report-hook")["result"]["json"] == '"the report of 2026-01-31"'
    assert len(seen) == 2
    assert len(runs(space)) == 1


def test_an_edit_under_the_same_name_is_refused(space: Space, tmp_path: Path) -> None:
    """In the same words by every way of kubectl, on the embedded control plane as on a real one; the run is what it was."""
    # The hook's file as a plain resource, whose name stays.
    before, after = tmp_path / "before", tmp_path / "after"
    for folder in (before, after):
        folder.mkdir()
        (folder / "kustomization.yaml").write_text("resources: [run.yaml]\n")
        (folder / "run.yaml").write_text((AGAIN / "hook/run.yaml").read_text())
    edit = (after / "run.yaml").read_text().replace("2026-01-31", "2026-02-28")
    (after / "run.yaml").write_text(edit)
    space.kubectl("apply", "-k", str(before))
    had = runs(space)
    ways = [
        ("apply", "-k", str(after)),
        ("apply", "-f", str(after / "run.yaml")),
        ("apply", "--server-side", "--force-conflicts", "-k", str(after)),
        ("replace", "-f", str(after / "run.yaml")),
        ("patch", "flowrun", "report-hook", "--type=merge", "-p", '{"spec":{"parameters":{"day":"x"}}}'),
        ("patch", "flowrun", "report-hook", "--type=json", "-p", '[{"op":"remove","path":"/spec/parameters"}]'),
        ("diff", "-k", str(after)),
    ]
    for way in ways:
        assert ONE_EXECUTION in space.kubectl(*way, ok=False), way[0]
    code = edit.replace("the report of", "another report of").replace("2026-02-28", "2026-01-31")
    (after / "run.yaml").write_text(code)
    assert ONE_EXECUTION in space.kubectl("apply", "-k", str(after), ok=False)
    assert runs(space) == had
    assert space.finish("report-hook")["result"]["json"] == '"the report of 2026-01-31"'


# --- Helm, on the real control plane without a node ------------------------------------------------------------------------------------


@pytest.fixture(params=HELMS)
def helm(request: pytest.FixtureRequest, plane: RealCluster, stage: Stage) -> Any:
    """Run helm in the stage's namespace; returns its exit code and both streams."""
    program = helm_program(request.param)

    def run(*arguments: str) -> tuple[int, str]:
        command = [program, "--kubeconfig", str(plane.kubeconfig), "-n", stage.namespace, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        return done.returncode, done.stdout + done.stderr

    return run


@pytest.fixture
def stage(admin: httpx.Client, request: pytest.FixtureRequest) -> Stage:
    """A namespace of the test's own."""
    which = "-".join(["again", *request.node.callspec.params.values()])
    return open_stage(admin, f"{which}-{request.node.originalname.rpartition('_')[2]}")


@pytest.mark.real
def test_a_name_by_revision(helm: Any, stage: Stage) -> None:
    """A run for each `helm upgrade`; the runs before stay, even when the release goes."""
    for verb in ("install", "upgrade"):
        code, said = helm(verb, "r", CHART)
        assert code == 0, said
    assert set(stage.look()) == {"r-1", "r-2"}
    assert helm("upgrade", "r", CHART, "--set", "revision=4f2a91c")[0] == 0
    assert helm("uninstall", "r")[0] == 0
    assert set(stage.look()) == {"r-1", "r-2", "r-4f2a91c"}


@pytest.mark.real
def test_a_name_by_content_of_a_chart(helm: Any, stage: Stage) -> None:
    """Another run when a value or the code changed, and only then."""
    for verb, day, count in (("install", "1", 1), ("upgrade", "1", 1), ("upgrade", "2", 2)):
        code, said = helm(verb, "r", CHART, "--set", "way=content", "--set-string", f"parameters.day={day}")
        assert code == 0, said
        assert len(stage.look()) == count


@pytest.mark.real
def test_a_hook_that_is_waited_for(helm: Any, stage: Stage, plane: RealCluster) -> None:
    """Helm waits for the Job beside the run, and the release fails when the run does; a run alone as a hook it does not wait for."""
    known: set[str] = set()
    codes = []
    for verb, play in (("install", complete), ("upgrade", fail)):
        # The same name again: what was known of the run before is forgotten.
        now = Stage(stage.client, stage.namespace)
        with ThreadPoolExecutor(1) as pool:
            releasing = pool.submit(helm, verb, "r", CHART, "--set", "way=hook", "--timeout=60s")
            job = _pod_of_job(now, known)
            with _played_job(now, plane, job):
                name = now.adopt(now.send("GET", f"{now.runs}/r-hook"))
                now.await_pods([name])
                assert not releasing.done(), releasing.result()[1]
                begin(now, name)
                play(now, name)
            codes.append(releasing.result()[0])
    assert codes[0] == 0
    assert codes[1] != 0


def _pod_of_job(stage: Stage, known: set[str]) -> str:
    """Wait for the Job's pod, a new one each time."""

    def new() -> set[str]:
        items = stage.send("GET", f"{stage.core}/pods?labelSelector=job-name%3Dr-wait")["items"]
        return {item["metadata"]["name"] for item in items} - known

    until("the Job has its pod", lambda: bool(new()))
    (name,) = new()
    known.add(name)
    return name


@contextmanager
def _played_job(stage: Stage, plane: RealCluster, pod: str) -> Iterator[None]:
    """Run the command of the Job's pod beside the block, with the rights of its ServiceAccount; the pod ends as it does."""
    spec = stage.send("GET", f"{stage.core}/pods/{pod}")["spec"]
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    path = f"{stage.core}/serviceaccounts/{spec['serviceAccountName']}/token"
    token = stage.send("POST", path, body)["status"]["token"]
    with plane.real.client(token) as account:  # a Role is known a moment after it was made
        until("the Job may look", lambda: account.get(f"{stage.runs}/r-hook").status_code == 200)
    kubeconfig = plane.real.write_kubeconfig(f"{pod}.kubeconfig", token, stage.namespace)
    command, *words = spec["containers"][0]["command"]
    assert command == "penstock"
    program = [sys.executable, "-m", "penstock_cli", *words, "--kubeconfig", str(kubeconfig)]
    with subprocess.Popen(program, text=True) as process:
        try:
            yield
        except BaseException:
            process.kill()
            raise
        phase = "Succeeded" if process.wait(60) == 0 else "Failed"
    stage.send("PATCH", f"{stage.core}/pods/{pod}/status", {"status": {"phase": phase}}, MERGE)
