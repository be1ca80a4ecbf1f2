"""A definition is tightened: what is stored may stay wrong where it is not touched, and nothing new may be wrong."""

from __future__ import annotations

from typing import Any

from tests.dev.apiserver.rows import CRDS, JSONP, MERGE, WIDGETS, Row, widget

SPEC = "/spec/versions/0/schema/openAPIV3Schema/properties/spec"
RAT = WIDGETS + "/rat"
TIGHTER = [
    {"op": "add", "path": f"{SPEC}/properties/size/maximum", "value": 100},
    {"op": "add", "path": f"{SPEC}/properties/tags/items/maxLength", "value": 2},
    {"op": "add", "path": f"{SPEC}/required/-", "value": "color"},
    {
        "op": "add",
        "path": f"{SPEC}/properties/parts/items/x-kubernetes-validations/-",
        "value": {"rule": "self.count < 10", "message": "count stays below 10"},
    },
]


def spec(**fields: Any) -> dict[str, Any]:
    return {"spec": fields}


RATCHET = [
    Row(
        "ratchet: stored while it was right",
        201,
        "POST",
        WIDGETS,
        widget("rat", size=500, tags=["long", "a"], parts=[{"name": "x", "count": 50}, {"name": "y", "count": 5}]),
    ),
    Row("ratchet: tightened", 200, "PATCH", f"{CRDS}/widgets.example.dev", TIGHTER, JSONP, ignore=("object",)),
    Row(
        "ratchet: in force",
        422,
        "POST",
        WIDGETS + "?dryRun=All",
        widget("rat2", size=500),
        until=True,
        says="should be less than or equal to 100",
    ),
    Row("ratchet: labelled", 200, "PATCH", RAT, {"metadata": {"labels": {"a": "b"}}}, MERGE),
    Row("ratchet: status", 200, "PATCH", RAT + "/status", {"status": {"phase": "Up"}}, MERGE),
    Row("ratchet: another field", 200, "PATCH", RAT, spec(left="l"), MERGE),
    Row("ratchet: wrong again", 422, "PATCH", RAT, spec(size=501), MERGE, says="less than or equal to 100"),
    Row(
        "ratchet: item made wrong",
        422,
        "PATCH",
        RAT,
        spec(parts=[{"name": "x", "count": 50}, {"name": "y", "count": 11}]),
        MERGE,
        says="count stays below 10",
    ),
    Row(
        "ratchet: item left wrong",
        200,
        "PATCH",
        RAT,
        spec(parts=[{"name": "x", "count": 50}, {"name": "y", "count": 6}]),
        MERGE,
    ),
    Row("ratchet: repaired", 200, "PATCH", RAT, spec(size=50), MERGE),
    Row("ratchet: and not back", 422, "PATCH", RAT, spec(size=500), MERGE, says="less than or equal to 100"),
]
