"""What comes back of a value, by each way in which an object is written: the same from the embedded server as from real ones."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.world import JSON_PATCH, MERGE, Answer, World

pytestmark = pytest.mark.real
APPLY = "application/apply-patch+yaml"
YAML = "application/yaml"

# JSON as it is sent, and what is given back.
NUMBERS = [
    ("1", 1),
    ("1.0", 1),
    ("1e3", 1000),
    ("1.5", 1.5),
    ("-0.0", 0),
    ("0.1", 0.1),
    ("1e-7", 1e-7),
    ("9007199254740993", 9007199254740993),
    ("9223372036854775807", 2**63 - 1),
    ("-9223372036854775808", -(2**63)),
    ("9223372036854775808", 9223372036854776000),
    ("-9223372036854775809", -9223372036854776000),
    ("18446744073709551615", 18446744073709552000),
    ("99999999999999999999", 10**20),
    ("1e20", 10**20),
    ("1e21", 1e21),
    ("12345678901234567.0", 12345678901234568),
    ("5e-324", 5e-324),
]
OTHERS = [
    ("null", None),
    ("[null]", [None]),
    ('"\u2028<&>"', "\u2028<&>"),
    ('"\\u0000"', "\0"),
    ('{"a":1,"a":2}', {"a": 2}),
    ('{"":1}', {"": 1}),
    ('{"n":{"m":[1.0,{"o":2.50}]}}', {"n": {"m": [1, {"o": 2.5}]}}),
]
# What only JSON says: an emoji by its two halves, one half alone, a slash.
ESCAPES = [('"\\ud83d\\ude00"', "😀"), ('"\\ud83d"', "\ufffd"), ('"a\\/b"', "a/b")]
OF_YAML = [
    ("1.0", 1),
    ("1e3", 1000),
    ("0o17", 15),
    ("0888", 888),
    ("1_000", 1000),
    ("y", True),
    ("2026-11-21", "2026-11-21"),
    ("12:30:45", "12:30:45"),
    ("!foo bar", "bar"),
    ("=", "="),
    ("!!binary aGVsbG8=", "hello"),
    ("{1: a, true: b}", {"1": "a", "true": "b"}),
    ("{<<: {a: 1}, b: 2}", {"a": 1, "b": 2}),
    ("9223372036854775808", 9223372036854776000),
    ("99999999999999999999", 10**20),
    ("~", None),
    ("1e400", "1e400"),
]
REFUSED = ["1e400", "NaN", "01"]
REFUSED_YAML = [".inf", '"\\/"', '"\\ud83d\\ude00"', "*x", "{null: 1}", "a: b", "!!int x"]


def send(world: World, method: str, path: str, text: str, kind: str) -> Answer:
    """Send a text as it is."""
    headers = {"Authorization": f"Bearer {world.admin}", "Content-Type": kind}
    reply = world.client.request(method, path, content=text.encode(), headers=headers)
    return Answer(reply.status_code, reply.json())


def flow(name: str, values: str) -> str:
    """A Flow with these values, as JSON."""
    head = f'"apiVersion":"penstock.dev/v1alpha1","kind":"Flow","metadata":{{"name":"{name}"}}'
    return f'{{{head},"spec":{{"entrypoint":"a.py:f","parameters":{{"v":{values}}}}}}}'


def manifest(name: str, value: str) -> str:
    """A Flow with one value, or several in a list, as YAML."""
    head = f"apiVersion: penstock.dev/v1alpha1\nkind: Flow\nmetadata: {{name: {name}}}"
    return f"{head}\nspec:\n  entrypoint: a.py:f\n  parameters:\n    v: {value}\n"


def stored(world: World, name: str, answer: Answer) -> list[Any]:
    """Return the values that the answer has, and that a later read has as well; each with its kind, since 1 == True."""
    assert answer.code in (200, 201), answer.text
    again = world.call("GET", f"{world.flows}/{name}").body
    assert again["spec"] == answer.body["spec"]
    return typed(again["spec"]["parameters"]["v"])


def typed(values: list[Any]) -> list[Any]:
    """Return values with their kinds, numbers as one kind."""
    return [
        (value, type(value) if not isinstance(value, int | float) or isinstance(value, bool) else float)
        for value in values
    ]


def test_json_by_each_way(world: World) -> None:
    """POST, merge patch, JSON patch: nulls are kept but where a merge patch means something by them."""
    rows = [*NUMBERS, *OTHERS, *ESCAPES]
    values, want = f"[{','.join(text for text, _ in rows)}]", typed([value for _, value in rows])
    assert stored(world, "posted", send(world, "POST", world.flows, flow("posted", values), "application/json")) == want
    path = f"{world.flows}/posted"
    empty = send(world, "PATCH", path, '{"spec":{"parameters":{"v":null}}}', MERGE)
    assert "v" not in empty.body["spec"]["parameters"]
    merge = send(world, "PATCH", path, f'{{"spec":{{"parameters":{{"v":{values}}}}}}}', MERGE)
    assert stored(world, "posted", merge) == want
    operation = f'[{{"op":"replace","path":"/spec/parameters/v","value":[0,{values[1:]}}}]'
    assert stored(world, "posted", send(world, "PATCH", path, operation, JSON_PATCH)) == typed([0]) + want


def test_what_is_applied_is_read_as_yaml(world: World) -> None:
    """JSON too, so its own escapes are refused there; nulls are kept."""
    rows = [*NUMBERS, *OTHERS]
    values, want = f"[{','.join(text for text, _ in rows)}]", typed([value for _, value in rows])
    answer = send(world, "PATCH", f"{world.flows}/applied?fieldManager=tests", flow("applied", values), APPLY)
    assert stored(world, "applied", answer) == want
    values, want = "".join(f"\n    - {text}" for text, _ in OF_YAML), typed([value for _, value in OF_YAML])
    path = f"{world.flows}/yaml?fieldManager=tests"
    assert stored(world, "yaml", send(world, "PATCH", path, manifest("yaml", values), APPLY)) == want
    assert stored(world, "other", send(world, "POST", world.flows, manifest("other", values), YAML)) == want


def test_what_is_no_value(world: World, subtests: pytest.Subtests) -> None:
    """Refused with 400, and nothing is stored."""
    asked = [("POST", world.flows, flow("no", text), "application/json") for text in REFUSED]
    asked += [("PATCH", f"{world.flows}/no?fieldManager=tests", manifest("no", text), APPLY) for text in REFUSED_YAML]
    asked += [("PATCH", f"{world.flows}/no?fieldManager=tests", flow("no", text), APPLY) for text, _ in ESCAPES]
    for method, path, text, kind in asked:
        with subtests.test(msg=json.dumps(text[-40:])):
            assert send(world, method, path, text, kind).code == 400
    assert world.call("GET", f"{world.flows}/no").code == 404
