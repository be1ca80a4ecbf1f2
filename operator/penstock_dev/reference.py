"""The reference for administrators, as Markdown from the tables in code: rights, options, metrics.

Neighbours: `generate` writes it into the documents; `runtime.rights`, `settings` and `runtime.metrics` are the tables.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from typing import Any

from penstock_operator.runtime.app import Operator
from penstock_operator.runtime.config import Config
from penstock_operator.runtime.credentials import Credentials, Endpoint
from penstock_operator.runtime.rights import ENGINE, LEASE, OPERATOR, Right
from penstock_operator.settings import PREFIX, options


def reference() -> str:
    """Return the whole document."""
    return "\n".join(
        [
            "<!-- Generated from penstock_operator by `make generate`; do not edit. -->",
            "# Reference for administrators",
            "How these play together is told in [operating.md](operating.md).",
            "",
            "## Rights",
            "The chart's Roles are made from the same table. A test runs the stories with exactly these: a missing and an unused one fail it.",
            "",
            "The operator, in each namespace that it serves:",
            *_rights(OPERATOR),
            "",
            "The operator, in its own namespace, with `--leader-elect`:",
            *_rights(LEASE),
            "",
            "The engine (every ServiceAccount of a namespace with runs):",
            *_rights(ENGINE),
            "",
            "## Options of the operator",
            f"Each is a flag and a variable (`--engine-image`, `{PREFIX}ENGINE_IMAGE`); the flag wins.",
            "In the chart: `extraArgs`, where no value of its own stands for it.",
            "",
            *_table(("option", "default", "meaning"), ((f"`--{o.name}`", o.default, o.help) for o in options())),
            "",
            "## Metrics",
            "At `/metrics` of the health port. No label ever names a run: cardinality does not grow with the work.",
            "",
            *_table(("metric", "type", "labels", "meaning"), _metrics()),
            "",
        ]
    )


def _rights(rights: Sequence[Right]) -> list[str]:
    rows = ((right.group or "core", right.resource, ", ".join(right.verbs), right.why) for right in rights)
    return ["", *_table(("group", "resource", "verbs", "why"), rows)]


def _metrics() -> list[tuple[str, ...]]:
    """The metrics of an operator that was made and never started."""
    found = []
    for collector in list(asyncio.run(_made()).metrics.registry._collector_to_names):
        labels = getattr(collector, "_labelnames", None)
        for family in collector.collect():
            known = labels if labels is not None else [getattr(collector, "label", "")]
            name = f"{family.name}_total" if family.type == "counter" else family.name
            shown = ", ".join(label for label in known if label)
            found.append((f"`{name}`", family.type, shown, family.documentation))
    return sorted(found)


async def _made() -> Operator:
    nowhere = Credentials(Endpoint("https://nowhere.invalid", "default"), lambda: None, clock=time.monotonic)
    return Operator(Config(), nowhere, decide=lambda *_: None)  # type: ignore[arg-type]


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines]
