"""The reference of all fields, as Markdown from the CRDs: the same texts that `kubectl explain` shows.

Neighbours: `generate` writes it into the documents; the texts stand behind the fields in `penstock_operator.api`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from penstock_operator.api.crd import FLOW, FLOW_RUN, Kind, crd

SHARED = "spec.flowSpec"


def fields() -> str:
    """Return the whole document."""
    lines = [
        "<!-- Generated from penstock_operator.api by `make generate`; do not edit. -->",
        "# Every field of Flow and FlowRun",
        "The same texts as `kubectl explain flowrun.spec` and `kubectl explain flow.spec` show. **Bold** fields must be given.",
        "",
    ]
    for kind in (FLOW, FLOW_RUN):
        lines += [f"## {kind.kind}", kind.text, "", "| field | type | |", "|---|---|---|", *_rows(kind), ""]
    return "\n".join(lines)


def _rows(kind: Kind) -> Iterator[str]:
    schema = crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for part in ("spec", "status"):
        yield from _below(schema["properties"][part], part)


def _below(node: dict[str, Any], path: str) -> Iterator[str]:
    required = node.get("required", ())
    for name, field in node.get("properties", {}).items():
        place = f"{path}.{name}"
        shown = f"**`{place}`**" if name in required else f"`{place}`"
        yield f"| {shown} | {_type(field)} | {field.get('description', '').replace('|', chr(92) + '|')} |"
        if place == SHARED:
            yield f"| `{place}.…` | | As in the spec of a Flow, from `entrypoint` to `runPolicy`. |"
        elif field.get("type") == "array":
            yield from _below(field["items"], f"{place}[]")
        else:
            yield from _below(field, place)


def _type(field: dict[str, Any]) -> str:
    if "enum" in field:
        return ", ".join(f"`{word}`" for word in field["enum"])
    kind: str = field.get("type", "any")
    if kind == "array":
        return f"list of {_type(field['items'])}"
    if field.get("format") == "date-time":
        return "time"
    if kind == "object" and isinstance(field.get("additionalProperties"), dict):
        return f"map of {_type(field['additionalProperties'])}"
    return kind
