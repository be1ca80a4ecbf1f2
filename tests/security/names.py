"""One row for every field of both specs that names an object and has a pattern: a name that leads elsewhere is refused."""

from __future__ import annotations

from typing import Any

from penstock_operator.api.crd import FLOW, FLOW_RUN, crd
from tests.security.rows import Row, create
from tests.security.stage import flow, flow_run

ODD = "a/../../b"
# Patterns of other things than names.
NO_NAMES = ("entrypoint", "image")


def paths(kind: dict[str, Any]) -> list[str]:
    """The fields of a CRD's spec that have a pattern."""
    found: list[str] = []

    def below(node: dict[str, Any], path: str) -> None:
        if "pattern" in node and not path.endswith(NO_NAMES):
            found.append(path)
        for name, inner in node.get("properties", {}).items():
            below(inner, f"{path}.{name}")
        for key in ("items", "additionalProperties"):
            if isinstance(node.get(key), dict):
                below(node[key], f"{path}[]")

    schema = kind["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    below(schema["properties"]["spec"], f"{kind['spec']['names']['kind']}.spec")
    return found


# What an item of a list, or an object, needs besides the field.
BESIDE = {
    "env[]": {"name": "A"},
    "schedules[]": {"name": "s", "cron": "0 6 * * *"},
    "flowSpec": {"entrypoint": "a.py:f"},
}


def object_with(path: str, value: Any) -> dict[str, Any]:
    """An object that is right but for the one field."""
    kind, _, *parts = path.split(".")
    made: Any = value
    for part in reversed(parts):
        beside = BESIDE.get(part, {})
        made = {**beside, **made} if isinstance(made, dict) else made
        made = {part.removesuffix("[]"): [made] if part.endswith("[]") else made}
    if kind == "Flow":
        return flow("x", **made)
    whole = made if "flowSpec" in made else {"flowRef": {"name": "plain"}, **made}
    return flow_run("x", **whole)


NAMES = tuple(
    Row(f"odd-name-{path}", "admin", create("admin", object_with(path, ODD)), f"crd/{path}", says="should match")
    for kind in (FLOW_RUN, FLOW)
    for path in paths(crd(kind))
)
