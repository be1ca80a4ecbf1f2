"""Rules of a definition whose result hangs on how CEL is read: what a text's size is, in which zone an hour is told, how a number is written."""

from __future__ import annotations

from typing import Any

from tests.dev.apiserver.rows import CRDS, Row

MEASURES = "/apis/example.dev/v1/namespaces/table/measures"

RULES: dict[str, tuple[dict[str, Any], Any, list[str]]] = {
    "word": (
        {"type": "string", "maxLength": 10},
        "née",
        [
            "self.size() == 3",
            "size(self) == 3",
            "'self.size()'.size() == 11",
            r"'self.\'size(\'' == r'''self.'size(''' + '\''",
            r"!self.matches('^\\w+$')",
            r"self.matches('^n.\\pL$')",
            r"!'٣'.matches('\\d')",
            r"!'\u00a0'.matches('\\s')",
            "self == string(self)",
            "bytes(self).size() == 4",
        ],
    ),
    "at": (
        {"type": "string", "format": "date-time", "maxLength": 40},
        "2024-02-29T23:45:10.5+01:00",
        [
            "self.getHours() == 22",
            "self.getHours('Europe/Berlin') == 23",
            "self.getHours('+02:30') == 1",
            "self.getDate('+02:30') == 1",
            "self.getDayOfMonth('+02:30') == 0",
            "self.getDate() == 29",
            "self.getDayOfWeek() == 4",
            "self.getDayOfYear() == 59",
            "self.getMonth() == 1",
            "self.getFullYear() == 2024",
            "self.getMinutes('-03:30') == 15",
            "self.getSeconds() == 10",
            "self.getMilliseconds() == 500",
            "int(self) == 1709246710",
            "string(self) == '2024-02-29T23:45:10.5+01:00'",
            "string(timestamp('2024-02-29T00:00:00Z')) == '2024-02-29T00:00:00Z'",
            "self + duration('1h') == timestamp('2024-02-29T23:45:10.5Z')",
        ],
    ),
    "day": (
        {"type": "string", "format": "date", "maxLength": 10},
        "2024-02-29",
        ["self.getDate() == 29", "self < timestamp('2024-02-29T00:00:01Z')"],
    ),
    "lasts": (
        {"type": "string", "format": "duration", "maxLength": 20},
        "1h30m1.5s",
        [
            "self == duration('90m1500ms')",
            "self.getHours() == 1",
            "self.getMinutes() == 90",
            "self.getSeconds() == 5401",
            "string(self) == '5401.5s'",
            "string(duration('-1h')) == '-3600s'",
            "duration('-90s').getMinutes() == -1",
        ],
    ),
    "data": (
        {"type": "string", "format": "byte", "maxLength": 20},
        "aGk=",
        ["self.size() == 2", "self == b'hi'", "string(self) == 'hi'"],
    ),
    "number": (
        {"type": "number"},
        1.5,
        [
            "string(self) == '1.5'",
            "string(self * 1000000.0) == '1.5e+06'",
            "string(self * 100000.0) == '150000'",
            "string(self * 0.0000001) == '1.5e-07'",
            "string(0.0001) == '0.0001'",
            "string(double('-0')) == '-0'",
            "string(100.0) == '100'",
            "string(123456789012345680.0) == '1.2345678901234568e+17'",
            "int(self) == 1",
            "int('-12') == -12",
            "bool('T') && !bool('0') && string(true) == 'true'",
            "string(7) == '7'",
            "type(int(self)) == int && type(string(self)) == string",
        ],
    ),
    "many": (
        {"type": "object", "maxProperties": 3, "additionalProperties": {"type": "string", "maxLength": 3}},
        {"size": "é"},
        ["self.size() == 1", "self.all(k, self[k].size() == 1)", "has(self.size) && self.size == 'é'"],
    ),
}


def measures() -> dict[str, Any]:
    """The definition."""
    fields = {
        name: {**schema, "x-kubernetes-validations": [{"rule": rule} for rule in rules]}
        for name, (schema, _, rules) in RULES.items()
    }
    spec = {"type": "object", "properties": fields}
    schema = {"type": "object", "properties": {"spec": spec}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": "measures", "singular": "measure", "kind": "Measure"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "measures.example.dev"},
        "spec": {"group": "example.dev", "scope": "Namespaced", "names": names, "versions": [version]},
    }


def measure(name: str, **fields: Any) -> dict[str, Any]:
    """One of them; default: all values as the rules want them."""
    right = {name: value for name, (_, value, _) in RULES.items()}
    return {
        "apiVersion": "example.dev/v1",
        "kind": "Measure",
        "metadata": {"name": name},
        "spec": fields or right,
    }


CEL_ROWS = [
    Row("cel: definition", 201, "POST", CRDS, measures(), ignore=("object",)),
    Row("cel: as a cluster reads it", 201, "POST", MEASURES, measure("right"), until=True),
    Row("cel: a text of more characters", 422, "POST", MEASURES, measure("a", word="nées"), says="self.size() == 3"),
    Row(
        "cel: another hour",
        422,
        "POST",
        MEASURES,
        measure("a", at="2024-02-29T12:45:10.5+01:00"),
        says="self.getHours() == 22",
    ),
    Row("cel: another duration", 422, "POST", MEASURES, measure("a", lasts="1h"), says="self.getMinutes() == 90"),
    Row("cel: other bytes", 422, "POST", MEASURES, measure("a", data="aGlo"), says="self.size() == 2"),
    Row("cel: definition deleted", 200, "DELETE", f"{CRDS}/measures.example.dev", ignore=("object",)),
]
