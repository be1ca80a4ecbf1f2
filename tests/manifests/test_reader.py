"""The reader of YAML and JSON, against a table of what kubectl makes of the same texts; the table itself is asked of kubectl where there is one.

`kubectl.json` holds values (`v: VALUE` in an object), whole texts behind an object's head, and what is refused of both (kubectl 1.36.3).
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock_operator.manifests.documents import documents, yaml_body
from penstock_operator.manifests.faults import Malformed
from penstock_operator.manifests.scalars import served
from penstock_operator.manifests.values import read_documents

HEAD = "apiVersion: x.y/v1\nkind: V\nmetadata: {name: obj}\n"
TABLE: dict[str, list[Any]] = json.loads(Path(__file__).with_name("kubectl.json").read_text())
VALUES = [(f"v: {text}\n", {"v": value}) for text, value in TABLE["values"]] + [tuple(row) for row in TABLE["texts"]]
REFUSED = [f"v: {text}\n" for text in TABLE["refused"]] + TABLE["refused_texts"]


def arrives(value: Any) -> Any:
    """Return what an API server makes of a value; numbers with their kind, since 1 == True."""
    if isinstance(value, dict):
        return {key: arrives(item) for key, item in value.items()}
    if isinstance(value, list):
        return [arrives(item) for item in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return "number", served(value)
    return value


@pytest.mark.parametrize(("text", "value"), VALUES, ids=[repr(text) for text, _ in VALUES])
def test_what_kubectl_makes_of_it(text: str, value: dict[str, Any]) -> None:
    """The same value, and so the same object in the cluster."""
    (document,) = documents(HEAD + text)
    made = {key: item for key, item in document.value.items() if key not in ("apiVersion", "kind", "metadata")}
    assert arrives(made) == arrives(value)
    assert arrives(yaml_body(HEAD + text)) == arrives(document.value)


@pytest.mark.parametrize("text", REFUSED, ids=repr)
def test_what_kubectl_refuses(text: str) -> None:
    """With the line, and without a traceback; no line is further down than the text goes."""
    with pytest.raises(Malformed) as caught:
        list(documents(HEAD + text))
    assert 4 <= caught.value.line <= 4 + len(text.splitlines())
    assert "\n" not in caught.value.why


def _kubectl(text: str, folder: Path, number: int) -> subprocess.CompletedProcess[str]:
    file = folder / f"{number}.yaml"
    file.write_text(text, newline="")
    command = [
        f"{os.environ['KUBEBUILDER_ASSETS']}/kubectl",
        "label",
        "--local",
        "-o",
        "json",
        "-f",
        str(file),
        "seen=by-kubectl",
    ]
    env = {**os.environ, "KUBECONFIG": os.devnull}
    return subprocess.run(command, capture_output=True, text=True, env=env, check=False, timeout=60)


@pytest.mark.skipif(
    not os.environ.get("KUBEBUILDER_ASSETS"), reason="asks kubectl: set KUBEBUILDER_ASSETS to a folder with it"
)
def test_kubectl_says_what_the_table_says(tmp_path: Path) -> None:
    """All texts that it takes in one call, which needs no server; those that it refuses one by one."""
    texts = [HEAD.replace("obj", f"obj-{number}") + text for number, (text, _) in enumerate(VALUES)]
    done = _kubectl("---\n".join(texts), tmp_path, 0)
    assert done.returncode == 0, done.stderr
    decoder, found, rest = json.JSONDecoder(), [], done.stdout.lstrip()
    while rest:
        made, end = decoder.raw_decode(rest)
        found.append({key: item for key, item in made.items() if key not in ("apiVersion", "kind", "metadata")})
        rest = rest[end:].lstrip()
    for (text, value), made in zip(VALUES, found, strict=True):
        assert (text, arrives(made)) == (text, arrives(value))
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda row: _kubectl(HEAD + row[1], tmp_path, row[0]), enumerate(REFUSED[::3], 1)))
    assert [text for text, answer in zip(REFUSED[::3], answers, strict=True) if answer.returncode == 0] == []


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", []),
        ("\n\n", []),
        ("# a comment\n", []),
        ("---\n", []),
        ("---\n---\n# nothing\n---\n", []),
        (HEAD, [1]),
        ("\ufeff" + HEAD, [1]),
        ("\ufeff# first\n---\n" + HEAD, [3]),
        (HEAD.replace("\n", "\r\n") + "---\r\n" + HEAD.replace("\n", "\r\n"), [1, 5]),
        (HEAD + "---\n\n# next\n" + HEAD, [1, 7]),
        (HEAD + "--- # next\n" + HEAD, [1, 5]),
        (HEAD + "...\n---\n" + HEAD, [1, 6]),
        ("%YAML 1.2\n---\n" + HEAD, [3]),
        ('{"a": 1}', [1]),
        ('\ufeff\n {"a": 1}\n{"a": 2}\n\n{"a": 3}', [2, 3, 5]),
        ('{"a": 1}\n---\n{"a": 2}\n', [1, 3]),
        ('{"a": 1}\n---\na: 2\n', [1, 3]),
        ('{\n\t"a":\t1\n}\n', [1]),
        ("{a: 1}\n", [1]),
    ],
    ids=repr,
)
def test_documents_and_their_lines(text: str, lines: list[int]) -> None:
    """Empty ones are passed over; a byte order mark, comments and Windows line ends are no content."""
    found = list(documents(text))
    assert [document.line for document in found] == lines
    assert all(document.value for document in found)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"v": "\\ud83d\\ude00\\/"}', "😀/"),
        ('{"v": 1.0}', 1),
        ('{"v": 1E5}', 100_000),
        ('{"v": 1e400}', None),
        ('{"v": NaN}', None),
        ('{"v": 18446744073709551616}', 18446744073709551616),
        ('{"v": "a\u2028b"}', "a\u2028b"),
    ],
)
def test_json_is_read_as_json(text: str, value: object) -> None:
    """Its strings are not YAML's. No value: it is refused."""
    if value is None:
        with pytest.raises(Malformed, match="no number in JSON"):
            list(documents(text))
    else:
        (document,) = documents(text)
        assert document.value == {"v": value}
        assert type(document.value["v"]) is type(value)


@pytest.mark.parametrize(
    ("text", "notes"),
    [
        ("a: 1\nb: 2\na: 3\n", ["line 3: the key 'a' comes twice; the last one counts"]),
        ("v: {1: a,\n '1': b}\n", ["line 2: the key '1' comes twice; the last one counts"]),
        ('{"a": 1, "a": 2}', ["the key 'a' comes twice; the last one counts"]),
        ("v: &a {b: 1}\nw: {<<: *a, b: 2}\n", []),
        ("x: 1\ny: 2\n", ["line 2: the key y is read as 'true'; quote it if it is a name"]),
        ("0x10: 1\n'n': 2\n1: 3\n", ["line 1: the key 0x10 is read as '16'; quote it if it is a name"]),
    ],
)
def test_odd_keys_are_noted(text: str, notes: list[str]) -> None:
    """kubectl takes the last of two, and makes true of y, without a word; what a merge brought is meant to be overridden."""
    (document,) = documents(text)
    assert list(document.notes) == notes


def test_aliases_are_bounded_before_they_are_made() -> None:
    """A few lines that would be millions of values are refused at once, as Go refuses them; plain reuse is not."""
    laughs = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
        for before, name in zip("abcdefg", "bcdefgh", strict=True)
    )
    begun = time.process_time()
    with pytest.raises(Malformed, match="excessive aliasing"):
        list(read_documents(laughs))
    assert time.process_time() - begun < 1
    (shared,) = read_documents("a: &a {k: [1, 2, 3]}\n" + "".join(f"u{number}: *a\n" for number in range(300)))
    assert len(shared.value) == 301
    shared.value["a"]["k"].append(4)
    assert shared.value["u0"] == {"k": [1, 2, 3]}  # a copy, not the same list


def test_depth_is_bounded_without_recursion() -> None:
    """Deep nesting is refused with its line; what is less deep is read."""
    assert list(read_documents("[" * 450 + "]" * 450))
    for text in ("[" * 600 + "]" * 600, "".join(" " * level + "a:\n" for level in range(600))):
        with pytest.raises(Malformed, match="nested deeper than 500 levels"):
            list(read_documents(text))
    with pytest.raises(Malformed, match="nested"):
        list(documents('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}"))


@given(st.text(alphabet="ab1 \t\n:-?[]{},&*!|>'\"%#@`~<=.0xeE_+\\\r\ufeff\u2028", max_size=60))
def test_no_text_does_harm(text: str) -> None:
    """A value, or one line of words."""
    try:
        found = [document.value for document in documents(text)]
    except Malformed as fault:
        words = fault.why
    else:
        words = ""
        json.dumps(found, allow_nan=False)
    assert len(words.splitlines()) <= 1


@pytest.mark.parametrize(
    ("number", "back"),
    [
        (1.0, 1),
        (-0.0, 0),
        (2**63 - 1, 2**63 - 1),
        (2**63, 9223372036854776000),
        (-(2**63) - 1, -9223372036854776000),
        (1e20, 10**20),
        (1e21, 1e21),
        (0.1, 0.1),
        (12345678901234567.0, 12345678901234568),
    ],
)
def test_numbers_as_a_server_gives_them_back(number: float, back: float) -> None:
    """Measured on API servers 1.30, 1.36 and 1.37."""
    assert (served(number), type(served(number))) == (back, type(back))
    assert served(served(number)) == served(number)
