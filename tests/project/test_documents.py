"""The scripts in the documents print what stands under them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^## (?P<title>.+?)$|^```python\n(?P<code>.*?)^```\n(?:```text\n(?P<text>.*?)^```\n)?", re.M | re.S)


def _scripts() -> list[tuple[str, str, str | None]]:
    found: list[tuple[str, str, str | None]] = []
    title = ""
    for match in BLOCK.finditer((ROOT / "docs/flows.md").read_text()):
        title = match["title"] or title
        if match["code"]:
            found.append((f"{len(found)}: {title}", match["code"], match["text"]))
    return found


@pytest.mark.parametrize(("code", "text"), [row[1:] for row in _scripts()], ids=[row[0] for row in _scripts()])
def test_a_script_prints_what_stands_under_it(code: str, text: str | None, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(code)
    env = {**os.environ, "PENSTOCK_LOGGING_LEVEL": "CRITICAL", "PENSTOCK_HOME": str(tmp_path / "home")}
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0, done.stderr
    assert text is not None, "each script says what it prints"
    assert done.stdout == text


def test_there_are_scripts() -> None:
    assert len(_scripts()) >= 9


def test_the_architecture_names_what_there_is() -> None:
    """Every path that it names exists, every function beside a path is in it, and every room of the engine has its row."""
    text = (ROOT / "docs/architecture.md").read_text()
    paths = set(re.findall(r"`((?:engine|operator)/[\w/]+(?:\.py)?)`", text))
    assert len(paths) > 50
    rows = re.findall(r"^\| (.+?) \| ", text.partition("## Where to change what")[2], re.MULTILINE)
    assert [row for row, times in Counter(rows).items() if times > 1] == [], "each thing is found at one place"
    assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []
    for name, path in re.findall(r"`(\w+)` in `([\w/]+\.py)`", text):
        assert re.search(rf"def {name}\(", (ROOT / path).read_text()), f"{path} has no {name}"
    faces = {"client", "deployments", "input", "locking", "runtime", "settings", "tasks", "testing", "utilities"}
    rooms = {init.parent.name for init in (ROOT / "engine/penstock").glob("*/__init__.py")} - faces
    assert [room for room in sorted(rooms) if f"`engine/penstock/{room}`" not in text] == []


@pytest.mark.parametrize("page", ["README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))])
def test_blocks_can_be_pasted_as_a_whole(page: str) -> None:
    """Into bash and zsh, which takes no comments at its prompt; and what goes on until Ctrl-C is the last line of its block."""
    text = (ROOT / page).read_text()
    endless = re.compile(
        r"^\S*(kubectl|penstock) get .*(-w|--watch)\b|^\S*penstock (dev|ui)\b(?!.*--exit-when-finished)"
    )
    for block in re.findall(r"^```(?:sh|bash|shell)\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        lines = block.splitlines()
        assert [line for line in lines if re.search(r"(^|\s)#(\s|$)", line)] == []
        assert [line for line in lines[:-1] if endless.search(line)] == []
