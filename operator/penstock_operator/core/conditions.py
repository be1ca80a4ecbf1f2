"""The conditions of a run, for `kubectl wait`, kstatus and people: each a function of its state.

The state's message stands in the state, once: a condition whose words other tools show (kstatus those of Reconciling and Stalled) says
which state it is. A cancellation was asked for, by a person or by a rule of the Flow: it is no error. `lastTransitionTime` changes when a
condition's status does, and only then. One that says the same as before stays the very same value.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from penstock_operator.api.flowrun import FlowRunStatus, State, StateType
from penstock_operator.api.metadata import Condition, ConditionStatus

from .limits import MESSAGE, cut
from .verdict import Degraded

WARNED = "Warned"  # not one of those that every run has

_UNHAPPY = frozenset({StateType.FAILED, StateType.CRASHED})
Value = Literal["True", "False", "Unknown"]


def conditions(
    old: tuple[Condition, ...] | None,
    state: State,
    degraded: Degraded | None,
    generation: int,
    now: datetime,
    warnings: tuple[str, ...] | None = None,
) -> tuple[Condition, ...]:
    """Return the six conditions of a state, and a seventh where the API server has warned of the attempt's pod.

    Args:
        old: those of the status as it is.
        state: the state that they tell of.
        degraded: what needs a person; a finished run needs nobody.
        generation: of the spec that was looked at.
        now: the operator's clock.
        warnings: what the server warned of when it took the pod; None: nobody knows any more, and what was told stays.
    """
    ended, shown = state.type.terminal, f"{state.type.value}/{state.name}"
    completed, unhappy = state.type is StateType.COMPLETED, state.type in _UNHAPPY
    succeeded: Value = ("True" if completed else "False") if ended else "Unknown"
    trouble = degraded if not ended else None
    rows: tuple[tuple[str, Value, str, str], ...] = (
        ("Finished", "True" if ended else "Unknown", state.name, ""),
        ("Succeeded", succeeded, state.name, ""),
        ("Reconciling", "False" if ended else "True", state.name, "" if ended else shown),
        ("Stalled", "True" if unhappy else "False", state.name, shown if unhappy else ""),
        # Not of a cancelled run: who waits for Ready is late then, but not fooled.
        ("Ready", "True" if completed else "False", state.name, shown),
        (
            "Degraded",
            "True" if trouble is not None else "False",
            trouble.reason if trouble is not None else state.name,
            trouble.message if trouble is not None else "",
        ),
    )
    before = {c.type: c for c in old or ()}
    if warnings is None and WARNED in before:
        warnings = (before[WARNED].message,)
    if warnings:
        rows = (*rows, (WARNED, "True", "PodWarnings", cut("; ".join(warnings), MESSAGE)))
    return tuple(condition(before.get(row[0]), *row, generation=generation, now=now) for row in rows)


def condition(
    old: Condition | None, type_: str, value: Value, reason: str, message: str, *, generation: int, now: datetime
) -> Condition:
    """Return a condition; the old value where it says the same, and the old time where only words have changed."""
    status = ConditionStatus(value)
    same = old is not None and old.status is status
    if old is not None and same and (old.reason, old.message, old.observed_generation) == (reason, message, generation):
        return old
    return Condition(
        type=type_,
        status=status,
        reason=reason,
        message=message,
        last_transition_time=old.last_transition_time if old is not None and same else now.replace(microsecond=0),
        observed_generation=generation,
    )


def degraded_by(status: FlowRunStatus) -> str:
    """Return the reason for which a status says that something needs a person, empty where it does not."""
    found = next((c for c in status.conditions or () if c.type == "Degraded"), None)
    return found.reason if found is not None and found.status is ConditionStatus.TRUE else ""


def with_generation(status: FlowRunStatus, generation: int) -> FlowRunStatus | None:
    """Return a finished run's status with the generation that was looked at, None if it says so already."""
    if status.observed_generation == generation:
        return None
    known = tuple(c.model_copy(update={"observed_generation": generation}) for c in status.conditions or ())
    return status.model_copy(update={"observed_generation": generation, "conditions": known or None})
