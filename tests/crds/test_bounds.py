"""Bounds of what a user can write: patterns mean the same on both sides, numbers and times end where the operator's own do.

A string that the API server stores and the models refuse would be a run without a state. So each pattern of both CRDs is tried with odd
characters on the models' engine, on the dev server's and, where there is one, on a real API server's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from penstock_dev.apiserver.schema import python_pattern
from penstock_operator.api.base import SECONDS_MAXIMUM, Time
from penstock_operator.api.crd import FLOW, FLOW_RUN
from penstock_operator.api.schema import structural
from penstock_operator.api.times import EARLIEST, LATEST, TIME_PATTERN, later, read_time, rfc3339
from tests.support.world import World, until

JSON = dict[str, Any]


def nodes(node: JSON, path: str) -> Iterator[tuple[str, JSON]]:
    """Every schema node below, with its path."""
    yield path, node
    for key, inner in node.get("properties", {}).items():
        yield from nodes(inner, f"{path}.{key}")
    for key in ("items", "additionalProperties"):
        if isinstance(node.get(key), dict):
            yield from nodes(node[key], f"{path}[]")


ALL = [
    (f"{kind.kind}.{path}", node)
    for kind in (FLOW_RUN, FLOW)
    for part, model in (("spec", kind.spec), ("status", kind.status))
    for path, node in nodes(structural(model), part)
]
PATTERNS = sorted({node["pattern"] for _, node in ALL if "pattern" in node})
SAMPLES = (
    "a",
    "A",
    "a.py:f",
    "2026-01-01T00:00:00Z",
    "etl-2026",
    "Etl",
    "a/b",
    "registry.example/a:1",
    "1",
    "UTC",
    "s3://a/b",
    "0123456789abcdef" * 4,
)
ODD = [
    *"\t\n\x0b\x0c\r \x00\x1f\x7f\x85\xa0\xad\u0660\u1680\u2028\u2029\u200b\u3000\ufeff\ufffd\uff21\u212a\u017f",
    *"$^.:-_/\\'\"\U0001f600",
    "\r\n",
]


def sample(pattern: str) -> str:
    """A text that a pattern takes."""
    found = next((text for text in SAMPLES if re.search(python_pattern(pattern), text)), None)
    assert found is not None, f"no sample for {pattern}: add one"
    return found


def strange(pattern: str) -> list[str]:
    """A pattern's sample with each odd character before, in and behind it, and nothing."""
    text = sample(pattern)
    middle = len(text) // 2
    return [
        "",
        *(f"{head}{c}{tail}" for c in ODD for head, tail in (("", text), (text, ""), (text[:middle], text[middle:]))),
    ]


def model_takes(pattern: str, text: str) -> bool:
    """The verdict of the models' engine."""
    try:
        TypeAdapter(Annotated[str, Field(pattern=pattern)]).validate_python(text)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize("pattern", PATTERNS)
def test_models_and_dev_server_read_a_pattern_alike(pattern: str) -> None:
    compiled = re.compile(python_pattern(pattern))
    for text in [sample(pattern), *strange(pattern)]:
        assert model_takes(pattern, text) == (compiled.search(text) is not None), ascii(text)


def test_no_pattern_uses_what_the_engines_read_differently() -> None:
    """RE2's classes are ASCII and its `$` is the end; neither holds for every engine that reads a CRD."""
    for pattern in PATTERNS:
        assert not re.search(r"\\[sSwWdDbB]|\(\?", pattern), pattern
        assert pattern.startswith("^"), pattern
        assert pattern.endswith("$"), pattern


@pytest.mark.real
def test_a_real_server_reads_the_patterns_alike(world: World) -> None:
    """One object kind with all patterns; each odd text goes to the field of its pattern, in one request for all of them."""
    kind = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "patterns.bounds.test"},
        "spec": {
            "group": "bounds.test",
            "scope": "Namespaced",
            "names": {"kind": "Pattern", "plural": "patterns", "singular": "pattern"},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {
                        "openAPIV3Schema": {
                            "type": "object",
                            "properties": {
                                f"p{n}": {"type": "string", "pattern": pattern} for n, pattern in enumerate(PATTERNS)
                            },
                        }
                    },
                }
            ],
        },
    }
    world.apply([kind])
    path = f"/apis/bounds.test/v1/namespaces/{world.namespace}/patterns?dryRun=All"
    head = {"apiVersion": "bounds.test/v1", "kind": "Pattern", "metadata": {"name": "a"}}
    token = {"Authorization": f"Bearer {world.admin}"}
    until("the kind is served", lambda: world.client.post(path, json=head, headers=token).status_code == 201)
    rows = [strange(pattern) for pattern in PATTERNS]
    refused = 0
    for number in range(len(rows[0])):
        fields = {f"p{n}": row[number] for n, row in enumerate(rows)}
        answer = world.call("POST", path, {**head, **fields})
        causes = answer.body.get("details", {}).get("causes", ())
        refusing = {cause["field"] for cause in causes}
        wanted = {f"p{n}" for n, row in enumerate(rows) if not model_takes(PATTERNS[n], row[number])}
        assert refusing == wanted, {name: ascii(fields[name]) for name in refusing ^ wanted}
        refused += bool(refusing)
    assert refused > len(ODD)


# --- times --------------------------------------------------------------------------------------------------------------------------------

PRUNED = "9999-12-31T23:59:59.999999Z"
# What `format: date-time` of a real API server (1.30, 1.36) stores, and the moment that it means here.
ADMITTED = [
    ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", True),
    ("2026-01-01t00:00:00z", "2026-01-01T00:00:00Z", True),
    ("2026-01-01T00:00:00+23:59", "2025-12-31T00:01:00Z", True),
    ("2026-01-01T00:00:00.123456789Z", "2026-01-01T00:00:00.123456Z", True),
    ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z", True),
    ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z", True),
    ("9999-12-31T23:59:59-14:00", PRUNED, False),
    ("9999-12-31T23:59:59-99:99", PRUNED, False),
    ("0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00Z", False),
    ("0000-01-01T00:00:00Z", "0001-01-01T00:00:00Z", False),
    ("0000-02-29T00:00:00-12:00", "0001-01-01T00:00:00Z", False),
    ("2026-01-01T00:00:00+24:00", "2025-12-31T00:00:00Z", False),
    ("2026-01-01T00:00:00-99:99", "2026-01-05T04:39:00Z", False),
    ("2026-01-01T00:00:00x5Z", "2026-01-01T00:00:00.5Z", False),
    ("2026-01-01T00:00:00,5Z", "2026-01-01T00:00:00.5Z", False),
    ("2026-01-01T00:00:00\u00a05Z", "2026-01-01T00:00:00.5Z", False),
    ("2026-01-01T00:00:00Ztomorrow", "2026-01-01T00:00:00Z", False),
    ("2026-01-01T00:00:00.1234567890123Z", "2026-01-01T00:00:00.123456Z", False),
]
NO_TIMES = [
    "",
    "now",
    "2026-02-30T00:00:00Z",
    "2026-13-01T00:00:00Z",
    "2026-01-01T00:00:00Z junk",
    "\u0662026-01-01T00:00:00Z",
]


@pytest.mark.parametrize(("text", "means", "admitted"), ADMITTED)
def test_every_time_that_a_server_stores_has_a_meaning(text: str, means: str, admitted: bool) -> None:
    assert rfc3339(read_time(text)) == rfc3339(read_time(means))
    assert rfc3339(TypeAdapter(Time).validate_python(text)) == rfc3339(read_time(means))
    assert model_takes(TIME_PATTERN, text) is admitted


@pytest.mark.parametrize("text", NO_TIMES)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no RFC 3339 time|day is out of range|(day \d+|month) must be"):
        read_time(text)
    with pytest.raises(ValidationError):
        TypeAdapter(Time).validate_python(text)


@pytest.mark.parametrize("seconds", [SECONDS_MAXIMUM, 251_606_316_737, 2**63 - 1, 1e300, float("inf")])
def test_a_wait_ends_with_the_calendar(seconds: float) -> None:
    moment = read_time("2026-01-01T00:00:00Z")
    assert moment < later(moment, seconds) <= LATEST
    assert later(moment, -seconds) < moment
    assert later(LATEST, seconds) == LATEST
    assert later(EARLIEST, -seconds) == EARLIEST


@pytest.mark.real
@pytest.mark.parametrize("text", [text for text, _, admitted in ADMITTED if not admitted])
def test_a_server_refuses_the_times_that_no_calendar_holds(world: World, text: str) -> None:
    body = {"apiVersion": "penstock.dev/v1alpha1", "kind": "FlowRun", "metadata": {"name": "late"}}
    answer = world.call("POST", world.runs, {**body, "spec": {"flowRef": {"name": "f"}, "scheduledTime": text}})
    assert answer.code == 422
    assert "scheduledTime" in answer.text


def test_every_time_of_the_crds_has_the_pattern() -> None:
    times = [(path, node) for path, node in ALL if node.get("format") == "date-time"]
    assert len(times) > 20
    assert [path for path, node in times if node.get("pattern") != TIME_PATTERN] == []


# --- numbers ------------------------------------------------------------------------------------------------------------------------------

NUMBERS = [(path, node) for path, node in ALL if node.get("type") in ("integer", "number")]


def test_every_number_that_a_user_writes_is_bounded() -> None:
    asked = [(path, node) for path, node in NUMBERS if ".spec" in path]
    assert len(asked) > 15
    assert [path for path, node in asked if not {"minimum", "maximum"} <= set(node)] == []
    assert [path for path, node in asked if node["maximum"] > SECONDS_MAXIMUM] == []


class _Loose(BaseModel):
    value: Annotated[str, Field(pattern=r"^\S+$")]


def test_a_loose_pattern_is_found() -> None:
    """The comparison can fail: `\\S` is another class for each engine."""
    pattern = _Loose.model_json_schema()["properties"]["value"]["pattern"]
    text = "a\x85"
    assert (re.search(python_pattern(pattern), text) is not None) != model_takes(pattern, text)
