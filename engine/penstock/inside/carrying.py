"""The context of a run in a form that other threads and processes can go on in.

In the process where it was made, a form gives back the very record; elsewhere, a copy with the same identity.
Neighbours: `runners.remote` sends flow runs with submitted tasks; `transfer` offers serialized contexts to users.
"""

from __future__ import annotations

from typing import Any

from penstock.core.runs import FlowRun, TaskRun
from penstock.core.state import State


class Here:
    """A record, as long as it stays in its process; pickled, it is gone."""

    __slots__ = ("run",)

    def __init__(self, run: Any = None) -> None:
        self.run = run

    def __reduce__(self) -> Any:
        return Here, ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Here) and other.run is self.run

    def __hash__(self) -> int:
        return id(self.run)


def flow_form(flow: FlowRun) -> dict[str, Any]:
    """A flow run as values that can be pickled."""
    from penstock.storage.persisting import flow_persists

    return {
        "definition": flow.definition, "id": flow.id, "name": flow.name, "lineage_id": flow.lineage_id,
        "attempt": flow.attempt, "run_count": flow.run_count, "parameters": flow.parameters, "tags": set(flow.tags),
        "address": flow.address, "namespace": flow.namespace, "persist": flow_persists(flow),
        "prints": flow.inherited, "record": Here(flow),
    }  # fmt: skip


def flow_of(form: dict[str, Any]) -> FlowRun:
    """The flow run of a form."""
    from penstock.drivers.entry import own
    from penstock.interruption.interrupt import Control

    known = form.get("record")
    if known is not None and known.run is not None:
        return known.run  # type: ignore[no-any-return]
    flow = FlowRun(
        form["definition"], id=form["id"], name=form["name"], lineage_id=form["lineage_id"], attempt=form["attempt"],
        run_count=form["run_count"], parameters=form["parameters"], namespace=form["namespace"],
        control=Control(), state=State("RUNNING"),
    )  # fmt: skip
    flow.tags = form["tags"]
    flow.flow_name = form["definition"].name
    flow._address = form["address"]
    flow.persist = form["persist"]
    flow.inherited = form["prints"]
    own(flow, flow.control)
    return flow


def task_form(run: TaskRun) -> dict[str, Any]:
    """A task run as values that can be pickled, without its flow run."""
    return {
        "definition": run.definition, "id": run.id, "name": run.name, "run_count": run.run_count,
        "parameters": run.parameters, "tags": set(run.tags), "address": run.address, "map_index": run._map_index,
        "prints": run.inherited, "record": Here(run),
    }  # fmt: skip


def task_of(form: dict[str, Any], flow: FlowRun | None) -> TaskRun:
    """The task run of a form, below a flow run."""
    known = form.get("record")
    if known is not None and known.run is not None:
        return known.run  # type: ignore[no-any-return]
    run = TaskRun(form["definition"], flow, id=form["id"], name=form["name"], state=State("RUNNING"))
    run.run_count = form["run_count"]
    run.parameters = form["parameters"]
    run.tags = form["tags"]
    run._address = form["address"]
    run._map_index = form["map_index"]
    run.inherited = form["prints"]
    return run
