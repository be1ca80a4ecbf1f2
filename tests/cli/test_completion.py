"""Completion: commands, options, and what the cluster has; nothing at all where there is none."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from penstock_cli.shells import SCRIPTS
from tests.cli.conftest import Penstock
from tests.cli.test_errors import config
from tests.cli.test_running import SCHEMA, flow
from tests.support.cli import Stage, kubectl
from tests.support.terminal import Terminal
from tests.support.world import until

ROOT = Path(__file__).parents[2]


def candidates(penstock: Penstock, *words: str) -> list[str]:
    done = penstock("__complete", *words)
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[-1] in (":0", ":4")
    return [line.partition("\t")[0] for line in lines[:-1]]


def test_commands_and_options(penstock: Penstock) -> None:
    assert {"run", "get", "completion"} <= set(candidates(penstock, ""))
    assert candidates(penstock, "can") == ["cancel"]
    assert candidates(penstock, "run", "--dry") == ["--dry-run"]
    assert candidates(penstock, "wait", "--name") == ["--namespace"]
    assert candidates(penstock, "dev", "n") == ["node"]
    assert candidates(penstock, "completion", "") == ["bash", "zsh", "fish"]


def test_names_come_from_the_cluster(at: Stage, penstock: Penstock) -> None:
    flow(at, parametersSchema=SCHEMA)
    at.run("one")
    at.run("two")
    at.status("two", "Running")
    assert candidates(penstock, "wait", "") == ["one", "two"]
    assert candidates(penstock, "wait", "one", "t") == ["two"]
    assert candidates(penstock, "logs", "fr/o") == ["fr/one"]
    assert candidates(penstock, "logs", "fl/") == []
    assert candidates(penstock, "run", "e") == ["etl"]
    assert candidates(penstock, "suspend", "") == ["one", "two", "fl/etl"]
    assert candidates(penstock, "suspend", "f") == candidates(penstock, "resume", "fl/e") == ["fl/etl"]
    assert candidates(penstock, "resume", "fr/o") == ["fr/one"]
    assert candidates(penstock, "run", "etl", "-p", "") == ["day=", "rows=", "shops=", "limit="]
    assert candidates(penstock, "run", "-l", "a=b", "etl", "-p", "day=x", "-p", "ro") == ["rows="]
    assert candidates(penstock, "get", "flo") == ["flowruns", "flows"]
    assert candidates(penstock, "get", "fr", "") == ["one", "two"]
    assert candidates(penstock, "describe", "fl/") == ["fl/etl"]
    assert candidates(penstock, "wait", "-n", "elsewhere", "") == []
    assert candidates(penstock, "-n", "elsewhere", "wait", "") == []
    assert candidates(penstock, "-n", "default", "wait", "") == ["one", "two"]
    assert "two\tRunning" in penstock("__complete", "wait", "").out.splitlines()


@pytest.mark.parametrize(
    "words", [["wait", ""], ["run", ""], ["get", "fr", ""], ["run", "etl", "-p", ""]], ids=" ".join
)
def test_no_cluster_is_no_news(
    at: Stage, penstock: Penstock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    """No kubeconfig, nobody listens, or the token is refused."""
    for kubeconfig in (tmp_path / "none", config(tmp_path, "http://127.0.0.1:9"), config(tmp_path, at.server.url)):
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
        assert candidates(penstock, *words) == []


@pytest.mark.parametrize("words", [["bogus", ""], ["get", "nonsense", ""], ["wait", "a\\b"], ["run", "--none", ""], []])
def test_a_line_that_means_nothing(penstock: Penstock, words: list[str]) -> None:
    candidates(penstock, *words)


def test_files_where_files_are_meant(penstock: Penstock) -> None:
    assert penstock("__complete", "apply", "-f", "").out == ":0\n"
    assert penstock("__complete", "run", "etl", "-p", "@").out == ":0\n"
    assert penstock("__complete", "wait", "none").out == ":4\n"
    assert penstock("__complete", "-n", "x", "run-file", "").out == ":0\n"


@pytest.mark.parametrize("shell", SCRIPTS)
def test_a_script_is_read_by_its_shell(penstock: Penstock, tmp_path: Path, shell: str) -> None:
    script = tmp_path / "script"
    script.write_text(penstock("completion", shell).out)
    assert "penstock __complete" in script.read_text() or "__complete" in script.read_text()
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"no {shell} here")
    assert subprocess.run([program, "-n", script], capture_output=True, text=True, check=False).stderr == ""


def test_bash_completes(at: Stage, penstock: Penstock, tmp_path: Path) -> None:
    """With words that bash cuts at = and :."""
    bash = shutil.which("bash")
    assert bash
    stub = tmp_path / "penstock"
    stub.write_text(
        "#!/bin/sh\nshift\ncase \"$*\" in 'run etl -p ') echo 'day=\tstring';; 'run etl -p day=t') echo day=today;;"
        " 'wait ') printf 'one\\ntwo\\n';; esac\necho :4\n"
    )
    stub.chmod(0o755)
    code = penstock("completion", "bash").out + """
ask() { COMP_LINE="$1"; COMP_POINT=${#1}; _penstock_complete; echo "${COMPREPLY[*]}"; }
ask "penstock wait "; ask "penstock run etl -p "; ask "penstock run etl -p day=t"; ask "penstock nothing "
"""  # fmt: skip
    done = subprocess.run(
        [bash, "-c", code], capture_output=True, text=True, check=True, env={"PATH": f"{tmp_path}:/usr/bin:/bin"}
    )
    assert done.stdout.splitlines() == ["one two", "day=", "today", ""]


STUB = """#!/bin/sh
if [ "$1" != __complete ]; then echo "$#:$*" > "$0.ran"; exit; fi
shift
case "$*" in
    'run etl -p ') printf 'day=\tstring\nrows=\tinteger\n' ;; 'run etl -p d') printf 'day=\tstring\n' ;;
    'run etl -p day=t') echo day=today ;; 'wait o') printf 'one:1\tRunning $(touch "$0.evil")\n' ;; 'wait ') printf 'one:1\ntwo\n' ;;
    'apply -f '*) echo :0; exit ;;
esac
echo :4
"""


def stubbed(tmp_path: Path, shell: str, penstock: Penstock) -> tuple[str, dict[str, str], Path]:
    """A shell, its environment, and its script; beside a program that answers."""
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"no {shell} here")
    stub = tmp_path / "bin" / "penstock"
    stub.parent.mkdir()
    stub.write_text(STUB)
    stub.chmod(0o755)
    script = tmp_path / "script"
    script.write_text(penstock("completion", shell).out)
    env = {"PATH": f"{stub.parent}:/usr/bin:/bin", "HOME": str(tmp_path), "TERM": "dumb", "LC_ALL": "C.UTF-8"}
    return program, env, script


def test_fish_completes(penstock: Penstock, tmp_path: Path) -> None:
    fish, env, script = stubbed(tmp_path, "fish", penstock)
    (tmp_path / "flow.yaml").write_text("")
    lines = [
        "penstock wait ",
        "penstock wait o",
        "penstock run etl -p ",
        "penstock run etl -p day=t",
        "penstock nothing ",
        "penstock apply -f fl",
    ]
    code = f"source {script}; " + "; ".join(f"complete -C '{line}'; echo ." for line in lines)
    done = subprocess.run([fish, "-N", "-c", code], capture_output=True, text=True, check=True, env=env, cwd=tmp_path)
    assert [answer.strip().splitlines() for answer in done.stdout.split(".\n")[: len(lines) - 1]] == [
        ["one:1", "two"], ['one:1\tRunning $(touch "$0.evil")'], ["day=\tstring", "rows=\tinteger"], ["day=today"], [],
    ]  # fmt: skip
    assert done.stdout.endswith("flow.yaml\n.\n")
    assert not list(tmp_path.rglob("*.evil"))


def test_zsh_completes(penstock: Penstock, tmp_path: Path) -> None:
    """As a user would: a tab, and what stands on the line then is run."""
    zsh, env, script = stubbed(tmp_path, "zsh", penstock)
    ran = tmp_path / "bin" / "penstock.ran"
    with Terminal([zsh, "-f", "-i"], env, tmp_path) as terminal:
        terminal.type(f"autoload -Uz compinit; compinit -D -u; source {script}; PROMPT='ready> '\n")
        for typed, want in (
            ("penstock wait o\t", "2:wait one:1"),
            ("penstock run etl -p d\ttoday", "4:run etl -p day=today"),
            ("penstock apply -f scr\t", "3:apply -f script"),
        ):
            terminal.until("ready> ")
            terminal.type(f"{typed}\n")
            until(f"{typed!r} has run", ran.exists)
            until(want, lambda want=want: ran.read_text().strip() == want)  # type: ignore[misc]
            ran.unlink()
    assert not list(tmp_path.rglob("*.evil"))


def test_a_shell_that_is_none(penstock: Penstock) -> None:
    done = penstock("completion", "bsh")
    assert (done.code, done.err) == (2, "error: 'bsh' is none of bash, zsh, fish. Did you mean 'bash' or 'zsh'?\n")


def test_kubectl_has_it_as_its_plugin(at: Stage, tmp_path: Path) -> None:
    """Under its name there, and completed by kubectl's own completion."""
    program = kubectl()
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    for name in ("kubectl-penstock", "kubectl_complete-penstock"):
        module, _, function = scripts[name].partition(":")
        plugin = tmp_path / name
        plugin.write_text(f"#!{sys.executable}\nfrom {module} import {function}\n{function}()\n")
        plugin.chmod(0o755)
    at.run("one")
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "KUBECONFIG": str(at.kubeconfig)}

    def ask(*words: str) -> str:
        return subprocess.run([program, *words], capture_output=True, text=True, env=env, check=False).stdout

    told = ask("penstock", "wait", "--help")
    assert told.startswith("Usage: kubectl penstock wait ")
    assert "\n  kubectl penstock wait hello\n" in told
    assert ask("__complete", "penstock", "wait", "").splitlines()[0] == "one"
