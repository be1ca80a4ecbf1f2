"""The commands as a set: each has its module, its help and its examples, and is loaded only when it is used."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from penstock_cli import commands, exits
from tests.cli.conftest import Penstock

NAMES = [name for names in commands.COMMANDS.values() for name in names]


def test_every_module_is_a_command() -> None:
    files = {file.stem.replace("_", "-") for file in Path(commands.__file__).parent.glob("[a-z]*.py")}
    assert sorted(files) == sorted(NAMES)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "operator"])
def test_help_has_examples(penstock: Penstock, name: str) -> None:
    done = penstock(name, "--help")
    assert (done.code, done.err) == (0, "")
    examples = import_module(f"penstock_cli.commands.{name.replace('-', '_')}").EXAMPLES.strip().splitlines()
    assert examples
    for example in examples:
        assert f"\n  {example}\n" in done.out
    assert re.findall(r"^  -.*?<[a-z].*", done.out, re.MULTILINE) == [], (
        "what an option takes is said by a word, not by a type"
    )


def test_a_command_loads_no_other() -> None:
    """Nor what draws tables: usage is plain text."""
    code = (
        "import sys; from penstock_cli.main import main; main(['wait', '--help']);"
        "print([m for m in sys.modules if m.startswith('penstock_cli.commands.') or m in ('rich', 'httpx', 'yaml')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "['penstock_cli.commands.wait']"


def test_a_command_that_is_none(penstock: Penstock) -> None:
    done = penstock("gte", "fr")
    assert done.code == 2
    assert "No such command 'gte'. Did you mean 'get'?" in done.err


PAGE = (Path(__file__).parents[2] / "docs/commands.md").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_the_page_has_every_command_with_its_examples(name: str) -> None:
    section = PAGE.partition(f"\n### {name}\n")[2].partition("\n##")[0]
    examples = import_module(f"penstock_cli.commands.{name.replace('-', '_')}").EXAMPLES.strip()
    assert f"```sh\n{examples}\n```" in section


def test_the_page_has_the_exit_codes() -> None:
    rows = PAGE.partition("## Exit codes\n")[2].partition("\n\n")[0].splitlines()[2:]
    assert rows == [
        f"| {int(code)} | {meaning.replace('|', chr(92) + '|')} |" for code, meaning in exits.MEANINGS.items()
    ]
    assert set(exits.MEANINGS) == set(exits.Exit)


def test_one_place_says_exit_codes() -> None:
    """No command ends by a number of its own."""
    package = Path(commands.__file__).parents[1]
    own = re.compile(r"(?:sys\.exit|typer\.Exit|CliError\([^()]*,)\s*\(?\d+\)|return [1-9]\d*$", re.MULTILINE)
    assert [file.name for file in package.rglob("*.py") if own.search(file.read_text())] == []
