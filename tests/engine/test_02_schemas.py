"""The schema of a signature: as Prefect's `parameter_schema` gives it, true to what the check takes, and readable for the operator's library."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import pydantic
import pytest
from jsonschema import Draft202012Validator

from penstock import flow
from penstock.definitions.binding import signature_of
from penstock.definitions.hints import hints_of
from penstock.definitions.schema import checking_model, parameters_of
from penstock.exceptions import MissingFlowError, ScriptError
from penstock.utilities.callables import (
    ParameterSchema,
    parameter_docstrings,
    parameter_schema,
    parameter_schema_from_entrypoint,
)
from tests.support.signatures import ALL, FILE, canonical

PREFECT: dict[str, Any] = json.loads(FILE.read_text())
INTEGER = {"type": "integer"}


@cache
def made(name: str) -> dict[str, Any]:
    return parameter_schema(ALL[name]).model_dump()


# What differs on purpose (docs/build.md): the parameters that do, as they are here.
OURS: dict[str, dict[str, Any]] = {
    "class_variable": {"a": {"title": "a", "position": 0, "default": 1}},
    "underscored": {
        "a_": {"title": "a_", "position": 0, "type": "integer"},
        "_b": {"title": "_b", "position": 1, "type": "integer", "default": 1},
    },
    "described_stars": {
        "args": {
            "title": "args", "position": 1, "default": [], "type": "array", "items": INTEGER, "description": "many",
        },
        "kwargs": {
            "title": "kwargs", "position": 2, "default": {}, "type": "object", "additionalProperties": INTEGER,
            "description": "named",
        },
    },
    "annotated_description": {
        "a": {"title": "a", "position": 0, "type": "integer", "default": 1, "description": "by a field"},
    },
    "field_constraints": {"a": {"title": "a", "position": 0, "type": "integer", "default": 3, "exclusiveMinimum": 1}},
    "unresolved": {"c": {"title": "c", "position": 2, "type": "string", "format": "date", "default": None}},
    "before": {"a": {"title": "a", "position": 0, "anyOf": [{"type": "array", "items": {"type": "string"}}, {}]}},
    "wrap": {"a": {"title": "a", "position": 0, "anyOf": [INTEGER, {}]}},
}  # fmt: skip
REQUIRED = {"field_factory": [], "underscored": ["a_"]}


# Prefect's were made with pydantic 2.14: some forms are that version's, in Prefect as here.
OLDER = tuple(map(int, pydantic.VERSION.split(".")[:2])) < (2, 14)
BY_VERSION = {"decimals", "bounded_decimal", "dataclass", "nested_dataclass"}


@pytest.mark.parametrize("name", ALL)
def test_it_is_prefects(name: str) -> None:
    if OLDER and name in BY_VERSION:
        pytest.skip(f"its schema is another with pydantic {pydantic.VERSION}, in Prefect too")
    theirs = {"title": "Parameters", "type": "object", "properties": {}, "definitions": {}, **PREFECT[name]}
    theirs.pop("raises", None)
    want = {
        **theirs,
        "properties": {**theirs["properties"], **OURS.get(name, {})},
        "required": REQUIRED.get(name, theirs.get("required")),
    }
    assert canonical(made(name)) == want


def test_all_are_compared() -> None:
    assert set(PREFECT) == set(ALL)
    assert len(ALL) > 80


# JSON of all kinds, some of it made for one or another type above.
VALUES: list[Any] = [
    None, True, False, 0, 1, 2, 5, -1, 1.0, 1.5, 2**40, "", "x", "xy", "abc", "red", "two", "1", "5", "1.5", "true",
    "2026-11-21", "2026-11-21T06:30:00", "2026-11-21T06:30:00Z", "06:30:00", "PT1H", "3600", "10.0.0.1", "::1/128",
    "https://x.example/a", "postgres://u:p@h/db", "00000000-0000-0000-0000-000000000005", "YWJj", "[1]", "/tmp",
    [], [1], ["1"], ["x"], [1, "x"], [1, 2, 3, 4], [[1]], [["x"]], [{"x": 1}], [{"name": "n"}], {}, {"a": 1}, {"a": "1"},
    {"1": ["x"]}, {"x": 1}, {"x": "1", "y": 2}, {"name": "n", "count": "3"}, {"name": ""}, {"name": "n", "colour": "blue"},
    {"items": [{"name": "n"}], "day": "2026-01-01"}, {"value": 1, "children": [{"value": 2}]}, {"n": 1}, {"n": 1, "m": 2},
    {"tableName": "t"}, {"table_name": "t"}, {"kind": "cat"}, {"kind": "dog", "barks": False}, {"kind": "cow"},
    {"content": 1}, {"content": ["x"]}, {"content": {"name": "n"}}, {"title": "t", "year": 2000}, {"left": 1},
    {"verbose": True, "where": {"x": 1}}, {"red": 1},
]  # fmt: skip
# Where pydantic takes what needs no conversion, and the schema refuses it all the same.
NARROWER = {
    ("sequences", "b"),  # whatever can be iterated over, a text too; nothing in it is looked at before it is used
    ("named_tuple", "a"),  # an object by the names of the fields
    ("schema_by_hand", "a"),  # the user's own words
}


NO_JSON = {"own", "kinds", "callables", "ranges", "plain", "schema_by_hand", "unserialisable", "before", "wrap"}
# Where the schema cannot say what pydantic refuses: besides formats of texts.
WIDER = {
    ("sets", "a"),  # what cannot be hashed
    ("dicts", "c"),  # keys of a dict with other keys than texts
    ("bounded_decimal", "a"),  # digits
    ("nested_dataclass", "a"),  # fields that it has not
    ("pydantic_types", "d"),  # 1.0 is an integer to JSON
}  # fmt: skip


def _refused(model: type[pydantic.BaseModel], name: str, value: Any, strict: bool) -> bool:
    try:
        if strict:
            model.model_validate_json(json.dumps({name: value}), strict=True)
        else:
            model.model_validate({name: value})
    except (pydantic.ValidationError, TypeError, ValueError):
        return True
    return False


def test_the_schema_is_true_to_the_check() -> None:
    """What pydantic takes of JSON without a conversion the schema takes; and what it takes, the check takes, as far as JSON Schema can say."""
    narrower, wider, hints = set(), set(), []
    for name, fn in ALL.items():
        for each in parameters_of(signature_of(fn), hints_of(fn)):
            if each.name in ("self", "cls") or each.variadic or each.hint in hints:
                continue
            hints.append(each.hint)
            schema = made(name)
            seen = Draft202012Validator({**schema["properties"][each.name], "definitions": schema["definitions"]})
            model = checking_model([each])
            for value in VALUES:
                accepted = seen.is_valid(value)
                # To Python `True` is 1, so that enums and literals of numbers hold it; to JSON it is not.
                equal = isinstance(value, bool | float) or (isinstance(value, int) and name == "literal")
                if not accepted and not equal and not _refused(model, each.name, value, strict=True):
                    narrower.add((name, each.name))
                opaque = isinstance(value, str) or name in NO_JSON
                if accepted and not opaque and _refused(model, each.name, value, strict=False):
                    wider.add((name, each.name))
    older = {("complex_number", "a")} if OLDER else set()  # a schema for texts, and pydantic takes numbers
    assert (narrower - older, wider) == (NARROWER, WIDER)
    assert len(hints) > 100


@pytest.mark.parametrize("name", ALL)
def test_the_operators_library_reads_it(name: str) -> None:
    Draft202012Validator.check_schema(made(name))


def test_a_schema_is_made_of_its_own_dump() -> None:
    schema = parameter_schema(ALL["models"])
    assert ParameterSchema(**schema.model_dump()) == schema


def test_defaults_that_json_cannot_say_are_left_out() -> None:
    unsayable = {1: 2, "x": print}
    nested = {"x": ({"b", "a", "c"},)}

    def f(
        a: float = float("inf"), b: Any = float("nan"), c: Any = frozenset("hgfedcba"), d: Any = unsayable,
        e: Any = nested,
    ) -> None: ...  # fmt: skip

    properties = parameter_schema(f).properties
    assert ["default" in properties[name] for name in "abcd"] == [False, False, True, False]
    assert properties["c"]["default"] == list("abcdefgh")
    assert properties["e"]["default"] == {"x": [["a", "b", "c"]]}


def test_a_factory_is_asked_for_each_call() -> None:
    numbers = iter(range(10))

    @flow
    def f(n: int = pydantic.Field(default_factory=lambda: next(numbers))) -> int:
        return n

    schema = f.parameters.model_dump()
    assert schema["properties"]["n"] == {"title": "n", "position": 0, "type": "integer"}
    assert (schema["required"], f(), f()) == ([], 0, 1)


class Loose(pydantic.BaseModel):
    tags: list[str]

    @pydantic.model_validator(mode="before")
    @classmethod
    def split(cls, value: Any) -> Any:
        return {"tags": value.split(",")} if isinstance(value, str) else value


Either = Annotated[list[str], pydantic.BeforeValidator(lambda v: v, json_schema_input_type=str | list[str])]


def test_functions_that_come_first_may_take_anything() -> None:
    @flow
    def f(loose: Loose, said: Either) -> int:
        return len(loose.tags)

    schema = f.parameters.model_dump()
    seen = Draft202012Validator(schema)
    assert seen.is_valid({"loose": "a,b", "said": "x"})
    loose: Any = "a,b"
    assert f(loose=loose, said=["x"]) == 2
    assert schema["definitions"]["Loose"]["anyOf"][1] == {}
    assert not seen.is_valid({"loose": "a,b", "said": 5})


@pytest.mark.parametrize(
    ("docstring", "want"),
    [
        (None, {}), ("Do.", {}),
        ("Do.\n\nArgs:\n    a: one\n    b (int): two,\n        and more\n\n        again\n", {"a": "one", "b": "two,\nand more\n\nagain"}),
        ("Do.\n\n    Args:\n      a: one\n      *args: many\n\n    Returns:\n      c: nothing\n", {"a": "one", "args": "many"}),
        ("Do.\n\nArgs: of it\n    a: one\n        - x\n          y\n\nOr:\n    b: none\n", {"a": "one\n- x\n  y"}),
        ("Do.\n\n```\nArgs:\n    a: none\n```\n\nArgs:\n    b:\n        two\n", {"b": "two"}),
        ("Do.\n\nArgs:\n    no colon\n    : no name\n    a: one: two\n", {"a": "one: two"}),
    ],
)  # fmt: skip
def test_descriptions_in_docstrings(docstring: str | None, want: dict[str, str]) -> None:
    assert parameter_docstrings(docstring) == want


FILE_WITHOUT_ITS_PACKAGES = '''
from __future__ import annotations
from dataclasses import dataclass
from datetime import date
import nowhere_at_all.deep as deep
from nowhere_at_all import measure
from penstock import flow
try:
    import nowhere_faster as json
except ImportError:
    import json

raise_it = [][1]

class Table(deep.Base):
    rows = json.dumps(3)

@dataclass
class Place:
    x: int

@flow(name="its own name")
@measure("seconds")
def etl(table: deep.Table, many: list[deep.Row], place: Place, day: date = date(2026, 11, 21), n: int = raise_it) -> None:
    """Do.

    Args:
        table: as it came
    """

@raise_it
def broken(place: Place, table: deep.Table, *, n: int = raise_it, rows: str = Table.rows) -> None: ...

class Reports:
    def monthly(self, month: int) -> None: ...

etl(1)
'''


def test_a_schema_without_the_packages_that_the_file_imports(tmp_path: Path) -> None:
    file = tmp_path / "etl.py"
    file.write_text(FILE_WITHOUT_ITS_PACKAGES)
    place = {
        "title": "Place",
        "type": "object",
        "required": ["x"],
        "properties": {"x": {"title": "X", "type": "integer"}},
    }
    assert parameter_schema_from_entrypoint(f"{file}:etl").model_dump() == {
        "title": "Parameters",
        "type": "object",
        "properties": {
            "table": {"title": "table", "position": 0, "description": "as it came"},
            "many": {"title": "many", "position": 1, "type": "array", "items": {}},
            "place": {"title": "place", "position": 2, "$ref": "#/definitions/Place"},
            "day": {"title": "day", "position": 3, "type": "string", "format": "date", "default": "2026-11-21"},
            "n": {"title": "n", "position": 4, "type": "integer"},
        },
        "required": ["table", "many", "place"],
        "definitions": {"Place": place},
    }
    broken = parameter_schema_from_entrypoint(f"{file}:broken").model_dump()
    assert broken["required"] == ["place", "table"]
    assert broken["properties"]["rows"] == {"title": "rows", "position": 3, "type": "string", "default": "3"}
    assert parameter_schema_from_entrypoint(f"{file}:Reports.monthly").required == ["month"]
    by_name = parameter_schema_from_entrypoint("penstock.base.texts.text_of").model_dump()
    assert by_name["properties"] == {"value": {"title": "value", "position": 0}}


def test_entrypoints_that_are_none(tmp_path: Path) -> None:
    file = tmp_path / "etl.py"
    file.write_text("def f(:\n")
    with pytest.raises(ScriptError):
        parameter_schema_from_entrypoint(f"{file}:f")
    file.write_text("x = 1\n")
    for entrypoint in (f"{file}:f", f"{tmp_path}/none.py:f", "no_such.module.f", "no_such_module:f"):
        with pytest.raises(MissingFlowError, match=r"not found|No file"):
            parameter_schema_from_entrypoint(entrypoint)
    file.write_bytes("# -*- coding: latin-1 -*-\ndef f(a='\xe9'): ...\n".encode("latin-1"))
    assert parameter_schema_from_entrypoint(f"{file}:f").properties["a"]["default"] == "\xe9"
