"""What is said of a Flow itself, and how long a run took."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from penstock_operator.api.flow import Flow, FlowStatus
from penstock_operator.core.conclude import shown
from penstock_operator.core.faults import Unusable
from penstock_operator.core.flows.counts import counted
from penstock_operator.core.flows.decide import decide
from penstock_operator.core.flows.model import Crowd, FlowObserved
from penstock_operator.core.model import MISSING, UNKNOWN, Absence, Checked, ConfigMap
from penstock_operator.core.parameters import bad_parameter
from tests.support.builders import NOW, files, flow, flow_spec


def checked(made: Flow) -> Checked | Absence:
    """What the operator's other process says of the Flow's schema."""
    if made.spec.parameters_schema is None:
        return UNKNOWN
    try:
        return Checked(bad_parameter(made.spec.parameters_schema, made.spec.parameters or {}))
    except Unusable as why:
        return Checked(unusable=str(why))


FILES = {"source": {"configMap": {"name": "code"}}}


@pytest.mark.parametrize(
    ("spec", "source", "ready", "stalled", "says"),
    [
        ({}, UNKNOWN, "True", "False", ""),
        (FILES, files({"etl.py": ""}), "True", "False", ""),
        (FILES, MISSING, "False", "False", "source.configMap 'code' does not exist"),
        (FILES, files({"flow.json": ""}), "False", "True", "rename it"),
        (FILES, files({"etl.py": "x" * 900_001}), "False", "True", "build an image"),
        ({"parametersSchema": {"type": "objct"}}, UNKNOWN, "False", "True", "parametersSchema.type"),
        ({"parametersSchema": {"required": ["day"]}}, UNKNOWN, "True", "False", ""),
    ],
    ids=[
        "inline",
        "files",
        "no such ConfigMap yet",
        "a key of ours",
        "too large",
        "no schema",
        "parameters that a run has to bring",
    ],
)
def test_flow(spec: dict[str, Any], source: ConfigMap | Absence, ready: str, stalled: str, says: str) -> None:
    """Ready when a run could start; Stalled when nothing but another spec helps: kstatus gives up on that."""
    made = flow({**flow_spec(), **spec} if spec else flow_spec())
    seen = FlowObserved(made, NOW, source=source, checked=checked(made))
    status = decide(seen).status
    assert status is not None
    found = {c.type: c for c in status.conditions or ()}
    assert (found["Ready"].status, found["Stalled"].status) == (ready, stalled)
    assert says in found["Ready"].message
    assert status.observed_generation == made.metadata.generation
    assert (status.revision is not None) == (ready == "True" and source is UNKNOWN)
    # A second look at the same changes nothing, whatever the time.
    again = replace(seen, flow=made.model_copy(update={"status": status}), now=NOW + timedelta(hours=1))
    assert decide(again).status == status


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0s"), (0, "0s"), (0.25, "250ms"), (0.9999, "999ms"), (1, "1s"), (59.9, "59s"), (60, "1m"), (192, "3m12s"), (3600, "1h"),
        (5400, "1h30m"), (3601, "1h"), (86_399, "23h59m"), (86_400, "1d"), (90_000, "1d1h"), (68 * 365 * 86_400, "24820d"),
    ],
)  # fmt: skip
def test_duration(seconds: float, text: str) -> None:
    """Two units at most, as kubectl writes ages."""
    assert shown(timedelta(seconds=seconds)) == text


def test_the_runs_that_hold_a_slot_and_those_that_wait_are_counted() -> None:
    status = counted(FlowStatus(), Crowd(active=2, queued=3), None).to_json()
    assert (status["activeRuns"], status["queuedRuns"]) == (2, 3)
