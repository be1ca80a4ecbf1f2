"""`penstock dev` as a program: what a kill leaves, an operator that dies, objects that are kept, an interruption while it starts."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import httpx
import pytest

from penstock_cli.devrun import _welcome
from penstock_dev.dev import DevCluster, DevError
from penstock_dev.guard import MARK, Guard, marked
from penstock_operator.runtime.credentials import load
from tests.support.node import alive
from tests.support.world import PATIENCE, until

RUN = """
apiVersion: penstock.dev/v1alpha1
kind: FlowRun
metadata: {name: sleeps}
spec:
  flowSpec:
    entrypoint: a.py:main
    source:
      inline: |
        import os, subprocess, sys, time
        from penstock import flow

        @flow
        def main():
            child = subprocess.Popen(["sleep", "600"], start_new_session=True)
            print("PIDS", os.getpid(), child.pid, flush=True)
            time.sleep(600)
"""


@contextmanager
def dev(folder: Path, *arguments: str, ready: str = "is ready") -> Iterator[subprocess.Popen[bytes]]:
    """`penstock dev` in a folder, until the block ends."""
    with (folder / "out").open("wb") as out:
        command = [sys.executable, "-m", "penstock_cli", "dev", *arguments]
        child = subprocess.Popen(command, cwd=folder, stdout=out, stderr=out)
    try:

        def said() -> bool:
            assert child.poll() is None, told(folder)
            return ready in told(folder)

        until(f"it says {ready!r}", said)
        yield child
    finally:
        child.kill()
        child.wait()


def told(folder: Path) -> str:
    return (folder / "out").read_text()


def client(folder: Path) -> httpx.Client:
    found = load({"KUBECONFIG": str(folder / "kubeconfig")}, clock=time.monotonic)
    headers = {"Authorization": f"Bearer {found.token()}"}
    return httpx.Client(
        base_url=found.endpoint.server, headers=headers, verify=found.ssl_context() or True, trust_env=False
    )


def processes(name: str) -> list[int]:
    """Of this program, by a word of its command line and its parent's folder in the environment."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if name in (entry / "cmdline").read_bytes().decode():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def operator_of(folder: Path) -> int:
    """The operator of this folder, by its own kubeconfig."""
    for pid in processes("penstock_operator"):
        try:
            if str(folder / ".penstock/operator.kubeconfig").encode() in Path(f"/proc/{pid}/environ").read_bytes():
                return pid
        except OSError:
            continue
    raise AssertionError("no operator")


def test_nothing_survives_a_kill(tmp_path: Path) -> None:
    """kill -9 of the program itself: operator, engine, the engine's children in sessions of their own, the scratch folder."""
    (tmp_path / "run.yaml").write_text(RUN)
    with dev(tmp_path, "--apply", "run.yaml", ready="PIDS") as child:
        found = re.search(r"PIDS (\d+) (\d+)", told(tmp_path))
        assert found
        left = [operator_of(tmp_path), int(found[1]), int(found[2])]
        assert all(alive(pid) for pid in left)
        environment = Path(f"/proc/{left[1]}/environ").read_bytes().decode()
        scratch = Path(environment.split("HOME=")[1].split("\0")[0])
        assert scratch.exists()
        child.kill()
        child.wait()
        until("all are gone", lambda: not any(alive(pid) for pid in left))
        until("the scratch folder is removed", lambda: not scratch.exists())


def test_an_operator_that_dies_ends_it_with_a_word(tmp_path: Path) -> None:
    with dev(tmp_path) as child:
        os.kill(operator_of(tmp_path), signal.SIGKILL)
        assert child.wait(PATIENCE) == 1
        assert "error: the operator ended (exit code -9)" in told(tmp_path)
        assert "Traceback" not in told(tmp_path)


@pytest.mark.parametrize(("folder", "found"), [(".penstock", True), ("data", False)])
def test_what_is_found_without_the_export(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, found: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    cluster = cast(
        "DevCluster",
        SimpleNamespace(
            url="https://127.0.0.1:1",
            kubeconfig=tmp_path / folder / "kubeconfig",
            folder=tmp_path / folder,
            operator_log=tmp_path / "log",
        ),
    )
    assert ("in this folder without the export" in _welcome(cluster)) is found


def test_objects_are_kept_with_data(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    path = "/api/v1/namespaces/default/configmaps"
    with dev(tmp_path, "--data", str(folder)) as child:
        with client(folder) as api:
            assert api.post(path, json={"metadata": {"name": "c"}, "data": {"a": "b"}}).status_code == 201
        child.send_signal(signal.SIGINT)
        assert child.wait(PATIENCE) == 0
    with dev(tmp_path, "--data", str(folder)), client(folder) as api:
        assert api.get(f"{path}/c").json()["data"] == {"a": "b"}


def test_interrupted_while_it_starts(tmp_path: Path) -> None:
    """At any moment: it ends, says nothing wild, leaves nothing."""
    for seconds in (0.45, 0.6, 0.75, 0.9):
        with (tmp_path / "out").open("wb") as out:
            command = [sys.executable, "-m", "penstock_cli", "dev"]
            child = subprocess.Popen(command, cwd=tmp_path, stdout=out, stderr=out)
        begun = time.monotonic()
        try:
            until("it is at work", lambda at=seconds, since=begun: time.monotonic() - since > at)  # type: ignore[misc]
            child.send_signal(signal.SIGINT)
            child.wait(PATIENCE)
        finally:
            child.kill()
            child.wait()
        assert "Traceback" not in told(tmp_path) or "KeyboardInterrupt" in told(tmp_path).splitlines()[-1]
        with pytest.raises(AssertionError, match="no operator"):
            operator_of(tmp_path)


def test_an_example_with_everything(tmp_path: Path) -> None:
    """A ConfigMap beside it, a schema, tasks side by side, retries: examples/etl.yaml."""
    example = Path(__file__).parents[2] / "examples/etl.yaml"
    command = [sys.executable, "-m", "penstock_cli", "dev", "--apply", str(example), "--exit-when-finished"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "north does not answer" in done.stdout
    assert re.search(r"loaded 3 rows, \d+ EUR in all", done.stdout)
    assert re.search(r"etl-2026-11-21: returned \d+", done.stdout)


def test_the_node_alone_needs_a_server(tmp_path: Path) -> None:
    config = {
        "apiVersion": "v1", "kind": "Config", "current-context": "x", "users": [{"name": "x", "user": {"token": "t"}}],
        "clusters": [{"name": "x", "cluster": {"server": "http://127.0.0.1:9"}}],
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
    }  # fmt: skip
    (tmp_path / "config").write_text(json.dumps(config))
    command = [sys.executable, "-m", "penstock_cli", "dev", "node"]
    env = {**os.environ, "KUBECONFIG": str(tmp_path / "config")}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 1
    assert "http://127.0.0.1:9 does not let the node work" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_bad_manifest_starts_nothing(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("kind: [")
    command = [sys.executable, "-m", "penstock_cli", "dev", "--apply", "bad.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: bad.yaml:1")
    assert not (tmp_path / ".penstock").exists()


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_start_that_fails_leaves_nothing(tmp_path: Path) -> None:
    """A port that is taken: the lock is free again, no guard is left."""
    first = DevCluster(tmp_path / "a")
    await first.start()
    try:
        assert json.loads((tmp_path / "a/kubeconfig").read_text())["current-context"]
        port = int(first.url.rsplit(":", 1)[1])
        with pytest.raises(DevError, match="is running already in"):
            await DevCluster(tmp_path / "a").start()
        second = DevCluster(tmp_path / "b", port=port)
        with pytest.raises(DevError, match=f"port {port}"):
            await second.start()
    finally:
        await first.stop()
        await first.stop()
    again = DevCluster(tmp_path / "b", port=port)
    await again.start()
    await again.stop()


def test_the_guard_kills_what_carries_its_mark() -> None:
    """And only that, and only when it is told to or its parent is gone."""
    guard = Guard()
    code = "import subprocess, sys; subprocess.Popen(['sleep', '600'], start_new_session=True)"
    ours = {**os.environ, MARK: f"{guard.mark}.pod.main"}
    subprocess.run([sys.executable, "-c", code], env=ours, check=True)
    other = subprocess.Popen(["sleep", "600"], env={**os.environ, MARK: "0000"})
    try:
        (child,) = marked(guard.mark)
        assert marked(f"{guard.mark}.other") == []
        guard.close()
        assert not alive(child)
        assert other.poll() is None
        assert not guard.scratch.exists()
    finally:
        other.kill()
        other.wait()
