"""What is said when a command cannot even begin, and how it ends when somebody has seen enough."""

from __future__ import annotations

import errno
import importlib.metadata
import io
import json
import os
import re
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from penstock_cli.errors import OutputLostError
from penstock_cli.story import Teller, summary
from tests.cli.conftest import Penstock
from tests.support.cli import Stage

ROOT = Path(__file__).parents[2]


def config(folder: Path, server: str, token: str = "t") -> Path:
    document = {
        "apiVersion": "v1", "kind": "Config", "current-context": "x",
        "clusters": [{"name": "x", "cluster": {"server": server, "insecure-skip-tls-verify": True}}],
        "users": [{"name": "x", "user": {"token": token}}],
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
    }  # fmt: skip
    path = folder / "config"
    path.write_text(json.dumps(document))
    return path


def test_no_kubeconfig(penstock: Penstock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    done = penstock("get", "fr")
    assert done.code == 1
    assert str(tmp_path / "none") in done.err
    done = penstock("get", "fr", "--kubeconfig", str(tmp_path / "none"))
    assert (done.code, done.err) == (1, f"error: --kubeconfig {tmp_path}/none: there is no such file\n")
    monkeypatch.delenv("KUBECONFIG")
    monkeypatch.setenv("HOME", str(tmp_path))
    done = penstock("get", "fr")
    assert done.code == 1
    assert "penstock dev" in done.err
    assert "kubeconfig" in done.err


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("get", "pod/a/b"), "may not contain '/'"),
        (("describe", "cm", ".."), "may not be '..'"),
        (("logs", "a%2Fb"), "may not contain '%'"),
        (("wait", "fr/"), "may not be empty"),
        (("get", "fr", "-n", "a/b"), "may not contain '/'"),
    ],
)
def test_what_no_object_can_be_called(
    penstock: Penstock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], why: str
) -> None:
    """In kubectl's words, and nothing is asked for."""
    monkeypatch.setenv("KUBECONFIG", str(config(tmp_path, "http://127.0.0.1:9")))
    done = penstock(*words)
    assert done.code == 1
    assert done.err.startswith("error: ")
    assert why in done.err


def test_an_unreachable_server(penstock: Penstock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(config(tmp_path, "http://127.0.0.1:9")))
    done = penstock("get", "fr")
    assert done.code == 1
    assert done.err.startswith("The connection to the server 127.0.0.1:9 was refused")


def test_an_unreachable_server_tells_no_outcome(
    penstock: Penstock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(config(tmp_path, "http://127.0.0.1:9")))
    done = penstock("wait", "one")
    assert done.code == 5
    assert len(done.err.splitlines()) == 1


def test_a_token_that_is_not_good(
    at: Stage, penstock: Penstock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(config(tmp_path, at.server.url)))
    done = penstock("get", "fr")
    assert done.code == 1
    assert "Unauthorized" in done.err


def test_an_exec_plugin_gives_the_token(
    at: Stage, penstock: Penstock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through the kubernetes package's loader."""
    credential = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": at.server.token},
    }
    path = config(tmp_path, at.server.url)
    document = json.loads(path.read_text())
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1", "command": sys.executable, "args": ["-c", f"print({json.dumps(credential)!r})"],
        "interactiveMode": "Never",
    }  # fmt: skip
    document["users"][0]["user"] = {"exec": plugin}
    path.write_text(json.dumps(document))
    monkeypatch.setenv("KUBECONFIG", str(path))
    done = penstock("get", "fr")
    assert (done.code, done.err) == (0, "No resources found in default namespace.\n")


def test_usage(penstock: Penstock) -> None:
    assert penstock("--version").out.startswith("penstock 0.")
    done = penstock("bogus")
    assert done.code == 2
    assert "No such command 'bogus'" in done.err
    assert penstock("get").code == 2
    for words in (["--help"], ["get", "-h"], ["dev", "--help"], ["dev", "node", "--help"]):
        done = penstock(*words)
        assert done.code == 0
        assert "Usage" in done.out


def test_the_operators_own_help(capfd: pytest.CaptureFixture[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "penstock_cli", "operator", "--help"], capture_output=True, text=True, check=True
    )
    assert "--engine-image" in done.stdout


def test_ctrl_c(at: Stage, tmp_path: Path) -> None:
    """130, no traceback."""
    at.run("one")
    command = [sys.executable, "-m", "penstock_cli", "get", "fr", "-w"]
    env = {**os.environ, "KUBECONFIG": str(at.kubeconfig)}
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)
    try:
        assert child.stdout
        assert child.stdout.readline().startswith("NAME")
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=10)
    finally:
        child.kill()
        child.wait()
    assert child.returncode == 130
    assert "Traceback" not in err


@pytest.mark.parametrize("words", ["get fr -o yaml", "get fr"])
def test_a_reader_that_has_seen_enough(at: Stage, words: str) -> None:
    """Whether much was left to be written or little: 141 as for other programs, and not a word."""
    for number in range(20):
        at.run(f"run-{number}")
    env = {**os.environ, "KUBECONFIG": str(at.kubeconfig)}
    command = f"{sys.executable} -m penstock_cli {words} | true"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, env=env, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (141, "", "")


@pytest.mark.parametrize(("why", "told"), [(errno.EPIPE, BrokenPipeError), (errno.ENOSPC, OutputLostError)])
def test_a_story_that_nobody_reads(why: int, told: type[Exception]) -> None:
    """Not rich's exit code 1, which would be a run that has Failed."""

    class Output(io.StringIO):
        def write(self, _: str) -> int:
            raise OSError(why, "")

    with pytest.raises(told):
        summary([], Teller(file=Output()))


@pytest.mark.parametrize("words", ["version --client", "version --client -o json"])
def test_an_output_that_is_full(words: str) -> None:
    """Whether it is noticed while something is said, or at the end: one line, and no traceback."""
    command = f"{sys.executable} -m penstock_cli {words} > /dev/full"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "error: standard output cannot be written: No space left on device\n")


@pytest.mark.parametrize(
    ("words", "code", "out", "err"),
    [
        ("version --client >&-", 0, "", ""),
        ("version --client 2>&-", 0, "client", ""),
        ("gte >&- 2>&-", 2, "", ""),
        ("apply -f - <&- >&-", 1, "", "error: standard input is closed\n"),
    ],
)
def test_a_stream_that_is_closed(tmp_path: Path, words: str, code: int, out: str, err: str) -> None:
    """The exit code counts, and what is said goes where somebody hears it."""
    env = {**os.environ, "KUBECONFIG": str(config(tmp_path, "http://127.0.0.1:9"))}
    command = f"exec {sys.executable} -m penstock_cli {words}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=env, check=False)
    assert (done.returncode, done.stdout.partition(" ")[0], done.stderr) == (code, out, err)


def test_get_does_not_load_what_it_does_not_need() -> None:
    """The heavy packages cost half a second each."""
    code = "import sys, penstock_cli.main, penstock_cli.getting; print([m for m in ('kubernetes', 'kopf', 'aiohttp', 'cel') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("folder", ["/dev/null", "/dev/null/below"])
def test_a_folder_that_penstock_dev_cannot_have(penstock: Penstock, folder: str) -> None:
    done = penstock("dev", "--data", folder)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(f"error: penstock dev cannot write into its folder {folder}: ")
    assert done.err.endswith("; name another with --data\n")


def modules_of(extra: str) -> list[str]:
    """The modules of an extra's packages that something here imports."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    packages = {re.split(r"[\[<>=; ]", each)[0] for each in project[extra] if not each.startswith("penstock[")}
    text = "\n".join(path.read_text() for path in (ROOT / "operator").rglob("*.py"))
    imported = set(re.findall(r"^ *(?:import|from) (\w+)", text, re.MULTILINE))
    known = importlib.metadata.packages_distributions()
    return sorted(module for module in imported if packages & set(known.get(module, ())))


@pytest.mark.parametrize(
    ("absent", "command", "extra"),
    [("typer", "get", "operator"), *((module, "dev", "dev") for module in modules_of("dev"))],
)
def test_what_is_not_installed_is_said_in_one_line(absent: str, command: str, extra: str, tmp_path: Path) -> None:
    """`pip install penstock` and `penstock[operator]` bring less than all commands need."""
    script = f"import sys; sys.modules[{absent!r}] = None; from penstock_cli.main import run; run()"
    done = subprocess.run(
        [sys.executable, "-c", script, command], capture_output=True, text=True, cwd=tmp_path, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1
    assert f"pip install 'penstock[{extra}]'" in done.stderr
    assert list(tmp_path.iterdir()) == []
