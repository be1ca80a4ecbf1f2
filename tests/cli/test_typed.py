"""What a text on a command line means, by the schema of the place that it is for."""

from __future__ import annotations

from typing import Any

import pytest

from penstock_reading.typed import BadValueError, Fields, types_of, value_of

ROOT = {"$defs": {"Size": {"enum": ["small", "large"], "type": "string"}, "Loop": {"$ref": "#/$defs/Loop"}}}
INTEGER, NUMBER, STRING, BOOLEAN = ({"type": each} for each in ("integer", "number", "string", "boolean"))
NULL = {"type": "null"}


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        (INTEGER, "5", 5),
        (INTEGER, "-5", -5),
        (INTEGER, "5.0", 5),
        (NUMBER, "5", 5),
        (NUMBER, "1e3", 1000.0),
        (STRING, "5", "5"),
        (STRING, "null", "null"),
        (STRING, "true", "true"),
        (STRING, "", ""),
        (STRING, '"a"', '"a"'),
        ({**STRING, "format": "date"}, "2026-11-21", "2026-11-21"),
        (BOOLEAN, "true", True),
        (BOOLEAN, "False", False),
        (NULL, "null", None),
        ({"anyOf": [INTEGER, NULL]}, "null", None),
        ({"anyOf": [INTEGER, NULL]}, "5", 5),
        ({"anyOf": [STRING, NULL]}, "null", None),
        ({"anyOf": [STRING, NULL]}, "5", "5"),
        ({"anyOf": [INTEGER, STRING]}, "5", 5),
        ({"anyOf": [INTEGER, STRING]}, "5x", "5x"),
        ({"oneOf": [BOOLEAN, STRING]}, "true", True),
        ({"type": ["integer", "null"]}, "null", None),
        ({"type": ["string", "integer"]}, "7", 7),
        ({"type": "array", "items": STRING}, '["a"]', ["a"]),
        ({"type": "object"}, '{"a": [1]}', {"a": [1]}),
        ({}, "5", "5"),
        (True, "5", "5"),
        ({"title": "Anything"}, "null", "null"),
        ({"enum": ["a", 3]}, "a", "a"),
        ({"enum": ["a", 3]}, "3", 3),
        ({"const": 3}, "3", 3),
        ({"enum": ["3", 3]}, "3", "3"),
        ({"$ref": "#/$defs/Size"}, "small", "small"),
        ({"allOf": [{"$ref": "#/$defs/Size"}], "default": "small"}, "large", "large"),
        ({"$ref": "#/$defs/Loop"}, "5", "5"),
        ({"$ref": "#/$defs/None"}, "5", "5"),
        ({"$ref": "https://example.com/schema"}, "5", "5"),
    ],
)  # fmt: skip
def test_a_text_is_what_the_schema_says(schema: Any, text: str, value: Any) -> None:
    found = value_of(schema, text, ROOT)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("schema", "text", "why"),
    [
        (INTEGER, "abc", "'abc' is no integer (like 5)"),
        (INTEGER, "5.5", "is no integer"),
        (INTEGER, "true", "is no integer"),
        (INTEGER, "", "is no integer"),
        (NUMBER, "NaN", "is no number"),
        (BOOLEAN, "yes", "is no boolean (like true or false)"),
        ({"type": "array"}, "a,b", 'is no array (like ["a", "b"])'),
        ({"type": "array"}, '{"a": 1}', "is no array"),
        ({"anyOf": [INTEGER, NULL]}, "None", "is no integer and no null (like 5, or null)"),
    ],
)
def test_a_text_that_is_nothing_of_it(schema: Any, text: str, why: str) -> None:
    with pytest.raises(BadValueError) as caught:
        value_of(schema, text, ROOT)
    assert why in str(caught.value)


def test_fields() -> None:
    fields = Fields({"properties": {"n": INTEGER}, "required": ["n"], "allOf": [{"properties": {"m": STRING}}]})
    assert (list(fields.known), fields.required, fields.open, fields.types("n")) == (
        ["n", "m"],
        ["n"],
        False,
        "integer",
    )
    schemas: list[dict[str, Any]] = [{}, {"additionalProperties": True}, {"properties": {"a": {}}}]
    assert [Fields(schema).open for schema in schemas] == [True, True, False]
    assert not Fields({"properties": {"a": {}}, "additionalProperties": False}).open
    assert types_of({"anyOf": [INTEGER, {"type": ["null", "integer"]}]}, {}) == ["integer", "null"]
