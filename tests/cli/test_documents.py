"""Manifests and parameters from files: kubectl's values, and one or two lines with file and line where something is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from penstock_cli.errors import CliError
from penstock_cli.exits import Exit
from penstock_cli.manifests import parse, read
from penstock_cli.parameters import read as read_parameters
from tests.cli.conftest import Penstock
from tests.support.cli import API, Stage

HEAD = f"apiVersion: {API}\nkind: FlowRun\nmetadata: {{name: one}}\nspec:\n  flowRef: {{name: f}}\n  parameters:\n"


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("18446744073709551615", "spec.parameters.v: an integer of 64 bits"),
        ("[1, {deep: 99999999999999999999}]", "spec.parameters.v[1].deep: an integer of 67 bits"),
        (".inf", "run.yaml:7:8: not valid YAML: .inf is no number in JSON"),
        ("[.NaN]", "run.yaml:7:9: not valid YAML: .nan is no number in JSON"),
        ("!!int many", "run.yaml:7:8: not valid YAML: !!int cannot be 'many'"),
        ("{null: 1}", "run.yaml:7:9: not valid YAML: null cannot be a key"),
        ("{[a]: 1}", "run.yaml:7:9: not valid YAML: a list or a mapping cannot be a key"),
        ("*nowhere", "run.yaml:7:8: not valid YAML: unknown anchor 'nowhere' referenced"),
        ("a: b", "run.yaml:7:9: not valid YAML: mapping values are not allowed here"),
        ("'open", "run.yaml:8:1: not valid YAML: found unexpected end of stream"),
        ("a\x07b", "run.yaml:7: not valid YAML: control characters are not allowed"),
        ('"\\ud83d"', "run.yaml:7:8: not valid YAML: found invalid Unicode character escape code"),
        ("[" * 150 + "]" * 150, "it is nested deeper than 100 levels"),
        ("[" * 600 + "]" * 600, "nested deeper than 500 levels"),
    ],
)
def test_what_is_wrong_with_a_value(value: str, says: str) -> None:
    """Nothing is sent that would arrive as something else; and one line says what."""
    with pytest.raises(CliError) as caught:
        list(parse(f"{HEAD}    v: {value}\n", "run.yaml"))
    message = str(caught.value)
    assert message.startswith("error: run.yaml:")
    assert says in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"caf\xe9: 1\n", "run.yaml:1: not UTF-8: byte 0xe9"),
        ("a: 1\n".encode("utf-16"), "run.yaml:1: not UTF-8: byte 0xff"),
        (b"", "no objects passed to apply"),
        (b"# nothing\n---\n", "no objects passed to apply"),
        (b"--- 5\n", "run.yaml:1: a manifest is a mapping with apiVersion, kind and metadata, not a single value"),
        (b'{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": 1e999}}', "1e999 is no number in JSON"),
        (b'{"apiVersion": "v1"\n "kind": "x"}', "run.yaml:2:"),
    ],
)
def test_files_that_are_none(tmp_path: Path, data: bytes, says: str) -> None:
    """A file that kubectl could not read either, or that has nothing in it."""
    file = tmp_path / "run.yaml"
    file.write_bytes(data)
    with pytest.raises(CliError) as caught:
        read([str(file)])
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_applied_is_what_kubectl_would_apply(at: Stage, penstock: Penstock, tmp_path: Path) -> None:
    """Values of all kinds arrive; the last of two equal keys counts, and that is said."""
    file = tmp_path / "run.yaml"
    values = '    day: 2026-11-21\n    num: 1e3\n    ok: y\n    at: 12:30:45\n    none: ~\n    emoji: 😀 "\n    num: 0o17\n    y: 1\n'
    file.write_bytes(b"\xef\xbb\xbf" + (HEAD + values).replace("\n", "\r\n").encode())
    done = penstock("apply", "-f", str(file))
    assert (done.code, done.out) == (0, "flowrun.penstock.dev/one created\n")
    assert done.err.splitlines() == [
        f"warning: {file}: line 13: the key 'num' comes twice; the last one counts",
        f"warning: {file}: line 14: the key y is read as 'true'; quote it if it is a name",
    ]
    assert at.get(f"{at.runs}/one")["spec"]["parameters"] == {
        "day": "2026-11-21",
        "num": 15,
        "true": 1,
        "ok": True,
        "at": "12:30:45",
        "none": None,
        "emoji": '😀 "',
    }


def test_parameters_from_files(tmp_path: Path) -> None:
    """`-p @file.yaml` reads as a manifest is read."""
    file = tmp_path / "p.yaml"
    file.write_text("base: &b {day: 2026-11-21, num: 1.0}\nmore: {<<: *b, num: 0888}\n")
    day = {"day": "2026-11-21"}
    assert read_parameters([f"@{file}"], None) == {"base": {**day, "num": 1}, "more": {**day, "num": 888}}
    file.write_text(json.dumps({"emoji": "😀"}))
    assert read_parameters([f"@{file}", "x=1"], None) == {"emoji": "😀", "x": "1"}
    file.write_text("# nothing\n")
    assert read_parameters([f"@{file}"], None) == {}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("- a\n", "p.yaml:1: a mapping of names to values is wanted"),
        ("a: 1\n---\nb: 2\n", "p.yaml:3: a second document"),
        ("a: 18446744073709551615\n", "parameters.a: an integer of 64 bits"),
        ("a: [\n", "p.yaml:2:1: not valid YAML"),
    ],
)
def test_parameter_files_that_are_none(tmp_path: Path, text: str, says: str) -> None:
    """The command ends as for any wrong argument."""
    file = tmp_path / "p.yaml"
    file.write_text(text)
    with pytest.raises(CliError) as caught:
        read_parameters([f"@{file}"], None)
    assert says in str(caught.value)
    assert caught.value.code is Exit.USAGE


@pytest.mark.parametrize("word", ["n:=18446744073709551616", "n:=1e999"])
def test_parameters_that_would_arrive_as_others(word: str) -> None:
    """On the command line, too."""
    with pytest.raises(CliError, match=r"error: parameters\.n: ") as caught:
        read_parameters([word], None)
    assert caught.value.code is Exit.USAGE
