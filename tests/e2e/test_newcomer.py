"""What the README promises a newcomer, as a process that knows nothing else: the demo, `penstock dev`, Ctrl-C, the command's own words."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.cluster import ROOT, client_of, die_with_parent, program
from tests.support.world import until


def penstock(folder: Path, *arguments: str, seconds: float = 60, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    command = [sys.executable, "-m", "penstock_cli", *arguments]
    clean = {k: v for k, v in os.environ.items() if k != "KUBECONFIG"} | env
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=seconds, env=clean, preexec_fn=die_with_parent
    )


def processes_in(folder: Path) -> list[str]:
    """The command lines of all processes that were started in this folder or below, or name it."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            where = os.readlink(entry / "cwd")
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if where.startswith(str(folder)) or str(folder) in words:
            found.append(words)
    return found


@contextmanager
def dev(folder: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """`penstock dev` until the block ends; yields its process and the kubeconfig."""
    out = (folder / "dev.out").open("w")
    command = [sys.executable, "-m", "penstock_cli", "dev", *arguments]
    child = subprocess.Popen(
        command, cwd=folder, stdout=out, stderr=subprocess.STDOUT, text=True, preexec_fn=die_with_parent
    )
    try:

        def ready() -> bool:
            assert child.poll() is None, (folder / "dev.out").read_text()
            return "KUBECONFIG=" in (folder / "dev.out").read_text()

        until("penstock dev is ready", ready)
        yield child, folder / ".penstock/kubeconfig"
    finally:
        if child.poll() is None:
            child.kill()
        child.wait()
        out.close()


def test_the_demo(tmp_path: Path) -> None:
    """`make demo` without its installation: states and log lines as they happen, table, result, exit 0, nothing left running."""
    done = penstock(tmp_path, "dev", "--apply", str(ROOT / "examples/hello.yaml"), "--exit-when-finished")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Running" in done.stdout
    assert "Completed" in done.stdout
    assert "Hello" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert done.stdout.rstrip().splitlines()[-1].endswith("penstock dev --ui")
    assert processes_in(tmp_path) == []


def test_a_failing_flow_is_exit_code_1(tmp_path: Path) -> None:
    """And the table says why."""
    done = penstock(tmp_path, "dev", "--apply", str(ROOT / "examples/failing.yaml"), "--exit-when-finished")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Failed" in done.stdout
    assert processes_in(tmp_path) == []


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_ending_it_ends_everything(tmp_path: Path, how: signal.Signals) -> None:
    """Ctrl-C in the middle of a run, while somebody looks at its page: soon over, no traceback, no process left."""
    with dev(tmp_path, "--ui", "--apply", str(ROOT / "examples/cancel.yaml")) as (child, kubeconfig):
        get = [program("kubectl"), "--kubeconfig", str(kubeconfig), "get", "fr", "-o", "json"]

        def running() -> bool:
            listed = json.loads(subprocess.run(get, capture_output=True, text=True, check=True).stdout)["items"]
            return any((i.get("status") or {}).get("state", {}).get("type") == "Running" for i in listed)

        until("the run is running", running)
        address = re.search(r"http://127\.0\.0\.1:\d+/\?token=\S+", (tmp_path / "dev.out").read_text())
        assert address is not None
        with httpx.Client(follow_redirects=True, trust_env=False) as browser:
            assert "Running" in browser.get(address[0]).text
            with browser.stream("GET", httpx.URL(address[0]).join("/runs.live")) as live:
                assert "patch" in next(text for text in live.iter_text() if "patch" in text)
                child.send_signal(how)
                child.wait(10)
    text = (tmp_path / "dev.out").read_text()
    assert "Traceback" not in text, text
    assert processes_in(tmp_path) == []


def test_the_kubeconfig_is_the_owners_alone(tmp_path: Path) -> None:
    """It holds a token: mode 0600, and the server answers nobody without it, on loopback only."""
    with dev(tmp_path) as (_, kubeconfig):
        assert kubeconfig.stat().st_mode & 0o777 == 0o600
        with client_of(kubeconfig, token=False) as client:
            assert client.base_url.host == "127.0.0.1"
            answer = client.get("/api/v1/namespaces")
        assert (answer.status_code, answer.json()["reason"]) == (401, "Unauthorized")


def test_a_second_one_says_what_is_wrong(tmp_path: Path) -> None:
    """The same folder, or a port that is taken: one line, no traceback."""
    import socket

    with dev(tmp_path):
        second = penstock(tmp_path, "dev")
        assert second.returncode not in (0, None)
        assert "Traceback" not in second.stderr + second.stdout
        assert "running" in (second.stderr + second.stdout).lower()
    other = tmp_path / "other"
    other.mkdir()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = penstock(other, "dev", "--port", str(port))
    assert done.returncode not in (0, None)
    assert str(port) in done.stderr + done.stdout
    assert "Traceback" not in done.stderr + done.stdout


def test_the_readmes_words_without_kubectl(tmp_path: Path) -> None:
    """apply, get, describe, logs, wait, cancel, delete."""
    with dev(tmp_path) as (_, kubeconfig):

        def run(*words: str, ok: bool = True) -> str:
            done = penstock(tmp_path, *words, KUBECONFIG=str(kubeconfig))
            assert (done.returncode == 0) == ok, done.stdout + done.stderr
            return done.stdout + done.stderr

        assert "flowrun" in run("apply", "-f", str(ROOT / "examples/hello.yaml")).lower()
        run("wait", "hello")
        assert "Completed" in run("get", "flowruns")
        assert "Completed" in run("describe", "flowrun", "hello")
        assert "Hello" in run("logs", "hello")
        run("apply", "-f", str(ROOT / "examples/cancel.yaml"))
        run("cancel", "cancel")
        run("wait", "cancel", ok=False)
        assert "Cancelled" in run("get", "fr", "cancel")
        run("delete", "flowrun", "hello", "cancel")
        assert "not found" in run("get", "fr", "hello", ok=False).lower()
        (tmp_path / "bad.yaml").write_text("kind: FlowRun\n  spec: [")
        assert "bad.yaml" in run("apply", "-f", "bad.yaml", ok=False)


def test_without_a_cluster_it_says_so(tmp_path: Path) -> None:
    """No kubeconfig, and a server that is not there: one line each."""
    done = penstock(tmp_path, "get", "fr", HOME=str(tmp_path))
    assert done.returncode not in (0, None)
    assert "Traceback" not in done.stderr
    assert "kubeconfig" in (done.stderr + done.stdout).lower()
    config = {
        "apiVersion": "v1", "kind": "Config", "current-context": "x",
        "clusters": [{"name": "x", "cluster": {"server": "http://127.0.0.1:9"}}],
        "users": [{"name": "x", "user": {"token": "t"}}],
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
    }  # fmt: skip
    (tmp_path / "config").write_text(json.dumps(config))
    done = penstock(tmp_path, "get", "fr", KUBECONFIG=str(tmp_path / "config"))
    assert done.returncode not in (0, None)
    assert "Traceback" not in done.stderr
    assert "127.0.0.1:9" in done.stderr + done.stdout
