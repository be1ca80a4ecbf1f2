"""The revisions of a Flow as their ConfigMaps hold them, and how two of them differ. Pure.

A revision is a ConfigMap: `flow.json`, the fields that are executed, and the files of the source beside it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from difflib import unified_diff
from typing import TYPE_CHECKING, Any, Final

from penstock_operator.api.constants import FLOW_JSON

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["MOST_LINES", "Revision", "difference", "revisions"]

MOST_LINES: Final = 2_000


@dataclass(frozen=True, slots=True)
class Revision:
    """One revision.

    Attributes:
        name: of the ConfigMap.
        created: when it was made, RFC 3339.
        files: text of each file by its name; a binary one as its size.
    """

    name: str
    created: str
    files: Mapping[str, str]


def revisions(flow_uid: str, found: Iterable[Mapping[str, Any]]) -> list[Revision]:
    """Return the revisions among some ConfigMaps, the newest first.

    Args:
        flow_uid: of the Flow; what another owns is none of its revisions.
        found: ConfigMaps with the Flow's label.
    """
    made = []
    for each in found:
        metadata = each.get("metadata") or {}
        owners = metadata.get("ownerReferences") or ()
        if FLOW_JSON not in (each.get("data") or {}) or not any(owner.get("uid") == flow_uid for owner in owners):
            continue
        files = {str(name): _readable(str(name), str(text)) for name, text in each["data"].items()}
        files |= {str(name): f"({len(text) * 3 // 4} bytes)\n" for name, text in (each.get("binaryData") or {}).items()}
        made.append(Revision(str(metadata.get("name", "")), str(metadata.get("creationTimestamp") or ""), files))
    return sorted(made, key=lambda revision: (revision.created, revision.name), reverse=True)


def difference(before: Revision, after: Revision) -> list[str]:
    """Return how a revision differs from another, as lines of a unified diff; empty: it does not. Cut to `MOST_LINES`."""
    lines: list[str] = []
    for name in sorted({*before.files, *after.files}, key=lambda name: (name != FLOW_JSON, name)):
        old, new = before.files.get(name, ""), after.files.get(name, "")
        if old == new:
            continue
        of, to = f"{before.name}/{name}", f"{after.name}/{name}"
        lines += (line.rstrip("\n") for line in unified_diff(old.split("\n"), new.split("\n"), of, to, lineterm=""))
        if len(lines) > MOST_LINES:
            return [*lines[:MOST_LINES], "... (there is more)"]
    return lines


def _readable(name: str, text: str) -> str:
    """Return a file as people compare it: the fields one below the other."""
    if name != FLOW_JSON:
        return text
    try:
        return json.dumps(json.loads(text), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    except (ValueError, RecursionError):
        return text
