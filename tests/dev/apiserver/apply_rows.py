"""Server-side apply: ownership and its conflicts."""

from __future__ import annotations

from typing import Any

from tests.dev.apiserver.rows import (
    APPLY,
    MERGE,
    WIDGETS,
    Row,
)


def apply_widget(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": "example.dev/v1", "kind": "Widget", "metadata": {"name": "ssa"}, "spec": spec}


APPLYING = [
    Row("apply: without a manager", 422, "PATCH", WIDGETS + "/ssa", apply_widget(size=1), APPLY, says="fieldManager"),
    Row(
        "apply: creates",
        201,
        "PATCH",
        WIDGETS + "/ssa?fieldManager=one",
        apply_widget(size=1, parts=[{"name": "x", "count": 1}]),
        APPLY,
    ),
    Row(
        "apply: again",
        200,
        "PATCH",
        WIDGETS + "/ssa?fieldManager=one",
        apply_widget(size=1, parts=[{"name": "x", "count": 1}]),
        APPLY,
    ),
    Row(
        "apply: other manager, other field",
        200,
        "PATCH",
        WIDGETS + "/ssa?fieldManager=two",
        apply_widget(left="l", parts=[{"name": "y"}]),
        APPLY,
    ),
    Row(
        "apply: conflict",
        409,
        "PATCH",
        WIDGETS + "/ssa?fieldManager=two",
        apply_widget(left="l", size=2, parts=[{"name": "y"}]),
        APPLY,
        says="conflict",
    ),
    Row(
        "apply: same value is no conflict",
        200,
        "PATCH",
        WIDGETS + "/ssa?fieldManager=two",
        apply_widget(left="l", size=1, parts=[{"name": "y"}]),
        APPLY,
    ),
    Row(
        "apply: forced",
        200,
        "PATCH",
        WIDGETS + "/ssa?fieldManager=two&force=true",
        apply_widget(left="l", size=2, parts=[{"name": "y"}]),
        APPLY,
        says='"size": 2',
    ),
    Row("apply: left out goes", 200, "PATCH", WIDGETS + "/ssa?fieldManager=two", apply_widget(size=2), APPLY),
    Row("apply: update takes over", 200, "PATCH", WIDGETS + "/ssa?fieldManager=editor", {"spec": {"size": 9}}, MERGE),
    Row(
        "apply: conflict with an update",
        409,
        "PATCH",
        WIDGETS + "/ssa?fieldManager=two",
        apply_widget(size=2),
        APPLY,
        says='conflict with "editor"',
        ignore=("message", "causes"),
    ),
    Row(
        "apply: strict",
        500,
        "PATCH",
        WIDGETS + "/ssa?fieldManager=two&fieldValidation=Strict",
        apply_widget(size=9, zoo=1),
        APPLY,
        says="field not declared in schema",
    ),
    Row(
        "apply: unknown field",
        500,
        "PATCH",
        WIDGETS + "/ssa?fieldManager=two",
        apply_widget(size=9, zoo=1),
        APPLY,
        says="field not declared in schema",
    ),
    Row(
        "apply: as YAML",
        200,
        "PATCH",
        WIDGETS + "/ssa?fieldManager=yaml",
        "apiVersion: example.dev/v1\nkind: Widget\nmetadata: {name: ssa}\nspec: {when: 2026-01-01T00:00:00Z}\n",
        APPLY,
        says='"when"',
    ),
    Row(
        "apply: status",
        200,
        "PATCH",
        WIDGETS + "/ssa/status?fieldManager=st",
        {"apiVersion": "example.dev/v1", "kind": "Widget", "status": {"phase": "Applied"}},
        APPLY,
        says="Applied",
    ),
    Row(
        "apply: invalid",
        422,
        "PATCH",
        WIDGETS + "/ssa?fieldManager=two&force=true",
        apply_widget(size=-1),
        APPLY,
        says="greater than or equal",
    ),
    Row("apply: no kind", 400, "PATCH", WIDGETS + "/ssa?fieldManager=two", {"spec": {}}, APPLY, ignore=("message",)),
    Row(
        "apply: managedFields",
        400,
        "PATCH",
        WIDGETS + "/ssa?fieldManager=two",
        {**apply_widget(size=9), "metadata": {"name": "ssa", "managedFields": [{"manager": "x"}]}},
        APPLY,
        says="managedFields",
    ),
]
