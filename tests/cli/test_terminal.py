"""Texts of users reach the terminal without a control character, wherever they stand; logs as the pod wrote them."""

from __future__ import annotations

import ast
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

import penstock_cli
from penstock_cli.runs import Run
from penstock_cli.story import summary
from penstock_cli.terminal import escaped, line, unsafe
from tests.cli.conftest import Penstock
from tests.support.cli import Stage

# What a terminal acts on: clear the screen, move up, set the title, carriage return, bell, backspace, DEL, CSI as one character,
# next line, and marks that turn the direction of text. Harmless all the same: none reaches one here.
HOSTILE = "a\x1b[2Jb\x1b]0;title\x07c\rd\x08e\x7ff\x9b2Jg\x85h\u202ei\u2066j\u200fk\u2028l"
FORGED = f"{HOSTILE}\nState:          Completed"
SIGNS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def harmless(text: str) -> bool:
    return SIGNS.search(text) is None


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", "^[[31mred"),
        ("a\rb", "a\\rb"),
        ("\x07\x00\x7f\x9b", "\\x07\\x00\\x7f\\x9b"),
        ("\u202eevil\u2069", "\\u202eevil\\u2069"),
        ("\ud800", "\\ud800"),
        ("a\tb\nc", "a\tb\nc"),
        ("größe 日本 👩‍👩‍👧 עברית العربية", "größe 日本 👩‍👩‍👧 עברית العربية"),
    ],
)
def test_what_is_escaped(text: str, shown: str) -> None:
    assert escaped(text) == shown
    assert escaped(shown) == shown
    assert unsafe(text) == (text != shown)


def test_a_line_is_one_line() -> None:
    assert line("a\nb\tc\x1b") == "a\\nb\\tc^["


@pytest.fixture
def hostile(at: Stage) -> dict[str, Any]:
    """A run whose every text is hostile, and an Event about it."""
    run = at.run(
        "one",
        parameters={"k" + HOSTILE: HOSTILE},
        displayName=HOSTILE[:60],
        flowSpec={"entrypoint": "a.py:main", "source": {"inline": f"# {HOSTILE}\n"}},
    )
    at.client.patch(
        f"{at.runs}/one",
        json={"metadata": {"annotations": {"example.com/a": FORGED}}},
        headers={"Content-Type": "application/merge-patch+json"},
    )
    error = {"type": HOSTILE, "message": FORGED, "location": HOSTILE, "traceback": FORGED}
    attempts = [{"number": 1, "podName": "one-1", "state": HOSTILE[:30], "reason": HOSTILE[:30], "message": FORGED}]
    at.status(
        "one",
        "Failed",
        message=FORGED,
        error=error,
        attempts=attempts,
        attempt={"number": 2, "podName": "one-2"},
        result={"json": HOSTILE, "type": HOSTILE, "location": HOSTILE},
    )
    event = {
        "metadata": {"name": "one.1", "namespace": "default"},
        "involvedObject": {"kind": "FlowRun", "name": "one", "namespace": "default", "uid": run["metadata"]["uid"]},
        "type": "Warning",
        "reason": "Failed",
        "message": FORGED,
        "source": {"component": HOSTILE},
        "lastTimestamp": "2026-11-21T12:00:00Z",
    }
    at.client.post("/api/v1/namespaces/default/events", json=event)
    at.post(
        "/api/v1/namespaces/default/configmaps",
        {"metadata": {"name": "texts", "annotations": {"a": FORGED}}, "data": {"a.py": FORGED}},
    )
    return run


@pytest.mark.parametrize(
    "words",
    [
        ("describe", "fr", "one"),
        ("describe", "cm", "texts"),
        ("get", "fr"),
        ("get", "fr", "-o", "wide"),
        ("get", "fr", "-o", "yaml"),
        ("get", "fr/one", "-o", "json"),
        ("get", "cm", "texts", "-o", "yaml"),
        ("get", "events"),
        ("wait", "one"),
        ("cancel", "one"),
        ("logs", "one"),
        ("get", "fr", f"x{HOSTILE}"),
        ("get", f"kind{HOSTILE}"),
        ("wait", "one", f"--for={HOSTILE}"),
    ],
)
def test_no_command_lets_a_control_character_through(
    at: Stage, hostile: dict[str, Any], penstock: Penstock, words: tuple[str, ...]
) -> None:
    done = penstock(*words)
    assert harmless(done.out), repr(done.out)
    assert harmless(done.err), repr(done.err)
    # Where the output shows such a text at all.
    elsewhere = words[0] in ("cancel", "logs") or words in (
        ("get", "fr"),
        ("get", "events"),
        ("describe", "cm", "texts"),
    )
    assert elsewhere or re.search(r"\^\[|\\[uex]", done.out + done.err)
    assert "\nState:          Completed" not in done.out, "a message passed itself off as a field"


def test_documents_are_whole_all_the_same(at: Stage, hostile: dict[str, Any], penstock: Penstock) -> None:
    """YAML and JSON write such characters by their numbers: what is read from them is what is stored."""
    wanted = at.get(f"{at.runs}/one")["status"]
    assert yaml.safe_load(penstock("get", "fr/one", "-o", "yaml").out)["status"] == wanted
    assert json.loads(penstock("get", "fr/one", "-o", "json").out)["status"] == wanted


def test_a_table_shows_the_first_line_of_a_cell(at: Stage, penstock: Penstock) -> None:
    """As kubectl does: what follows could look like another row."""
    at.run("one")
    at.status("one", "Failed", message="first\nsecond")
    out = penstock("get", "fr", "-o", "wide").out
    assert "first..." in out
    assert "second" not in out


def test_the_story_lets_none_through(hostile: dict[str, Any], at: Stage) -> None:
    text = io.StringIO()
    console = Console(file=text, force_terminal=False, width=200)
    summary([Run(at.get(f"{at.runs}/one"))], console)
    assert "one" in text.getvalue()
    assert harmless(text.getvalue()), repr(text.getvalue())


def test_logs_are_passed_on_as_kubectl_passes_them(at: Stage, penstock: Penstock) -> None:
    """A flow may write in colours; the heading above is ours."""
    run = at.run("one")
    at.status("one", "Running", attempt={"number": 1, "podName": "one-1"})
    at.log(at.pod("one-1", run), "\x1b[31mred\x1b[0m")
    at.end_pod("one-1")
    assert penstock("logs", "one").out == "\x1b[31mred\x1b[0m\n--- Running\n"


def prints(source: str) -> list[int]:
    """The lines that write to standard output or standard error by themselves."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and (
            (isinstance(node.func, ast.Name) and node.func.id == "print")
            or (
                isinstance(node.func, ast.Attribute)
                and ast.unparse(node.func) in ("sys.stdout.write", "sys.stderr.write", "typer.echo")
            )
        )
    ]


def test_one_place_writes() -> None:
    """Whatever is said goes through `terminal`, or through the story's console, whose texts are escaped."""
    folder = Path(penstock_cli.__file__).parent
    found = {file.name: lines for file in folder.rglob("*.py") if (lines := prints(file.read_text()))}
    assert set(found) == {"terminal.py"}
    assert len(found["terminal.py"]) == 2
    consoles = {file.name for file in folder.rglob("*.py") if re.search(r"console\.print\(", file.read_text())}
    assert consoles == {"story.py"}
