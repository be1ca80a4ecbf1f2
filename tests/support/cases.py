"""Rows of the contract as test cases: what is observed, and the state, effects and budget that must come of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from penstock_operator.core.model import (
    MISSING,
    UNKNOWN,
    Checked,
    CreatePod,
    CreateRevision,
    Decision,
    DeletePod,
    DeleteRun,
    Effect,
    Emit,
    Look,
    Observed,
    PatchPod,
    TidyRevisions,
)
from penstock_operator.core.reconcile import reconcile
from penstock_operator.core.revisions import to_check
from penstock_operator.runtime.checks import answer

_VERBS: dict[type, str] = {
    CreateRevision: "create-revision",
    CreatePod: "create-pod",
    PatchPod: "patch-pod",
    DeletePod: "delete-pod",
    DeleteRun: "delete-run",
}


@dataclass(frozen=True)
class Case:
    """A row.

    Attributes:
        id: reads like a line of the contract.
        observed: what is known, and what a look would show.
        state: type/name afterwards; None: no transition.
        effects: what is done, but for Events; None: not looked at.
        says: words of the message.
        degraded: the reason of the condition, None: it is not True.
        again: seconds until the next look; None: not looked at.
        budget: of the attempt that was counted (its run has something left of every budget); "T": the end at once.
    """

    id: str
    observed: Observed
    state: str | None
    effects: tuple[str, ...] | None = ()
    says: tuple[str, ...] = ()
    degraded: str | None = None
    again: float | None = None
    budget: str | None = None

    def __str__(self) -> str:
        return self.id


def decide(seen: Observed) -> Decision:
    """Decide; what the core wants to look at is as `seen` has it, and nothing else exists."""
    for _ in range(8):
        decision = reconcile(seen)
        if not decision.looks:
            return decision
        for look in decision.looks:
            seen = _looked(seen, look)
    raise AssertionError(f"the core asks for {decision.looks} again and again")


def _looked(seen: Observed, look: Look) -> Observed:
    match look:
        case Look.RUN:
            return replace(seen, run_is_live=True)
        case Look.POD:
            return replace(seen, pod=MISSING if seen.pod is UNKNOWN else seen.pod, pod_is_live=True)
        case Look.PREVIOUS_POD:
            return replace(seen, previous_pod=MISSING)
        case Look.REVISION:
            return replace(seen, revision=MISSING)
        case Look.SOURCE:
            return replace(seen, source=MISSING)
        case Look.FLOW:
            return replace(seen, flow=MISSING)
        case Look.PARAMETERS:
            return replace(seen, checked=checked(seen))
        case Look.LIMITS:
            return replace(seen, limits=MISSING)
        case Look.POD_EVENTS:
            return replace(seen, events=())


def checked(seen: Observed) -> Checked:
    """What the process says that checks parameters."""
    question = to_check(seen)
    assert question is not None
    schema, parameters = question
    return Checked(**answer({"schema": schema, "parameters": parameters}))


def state_of(decision: Decision) -> str | None:
    """type/name of the status that is written."""
    if decision.status is None or decision.status.state is None:
        return None
    return f"{decision.status.state.type.value}/{decision.status.state.name}"


def verbs(effects: tuple[Effect, ...]) -> tuple[str, ...]:
    """What is done, but for Events and for what nobody waits for."""
    return tuple(_VERBS[type(e)] for e in effects if not isinstance(e, Emit | TidyRevisions))


def condition_of(decision: Decision, type_: str) -> Any:
    """A condition of the status that is written."""
    assert decision.status is not None
    return next(c for c in decision.status.conditions or () if c.type == type_)


def _as_before(seen: Observed, decision: Decision) -> bool:
    """No transition; the message may tell more than before."""
    old = seen.run.status.state
    if decision.status is None or old is None or decision.status.state is None:
        return decision.status is None
    new = decision.status.state
    return (new.type, new.name, new.since, new.time) == (old.type, old.name, old.since, old.time)


def check(case: Case) -> Decision:
    """Decide a row, and compare."""
    decision = decide(case.observed)
    if case.budget is None or case.budget == "T":
        assert state_of(decision) == case.state or (case.state is None and _as_before(case.observed, decision))
    else:
        # Something is left of every budget: the attempt is counted, and repeated.
        assert state_of(decision) == "Scheduled/AwaitingRetry"
        assert decision.drop_report
        assert decision.status is not None
        counted = (decision.status.attempts or ())[-1]
        assert f"{counted.state}/{counted.reason}" == case.state
        assert counted.budget == case.budget
    if case.effects is not None:
        assert verbs(decision.effects) == case.effects
    if case.state is not None:
        assert decision.status is not None
        assert decision.status.state is not None
        message = decision.status.state.message or ""
        for words in case.says:
            assert words in message
        assert "\n" not in message
        assert ".; " not in message, "a sentence goes on without its full stop"
        degraded = condition_of(decision, "Degraded")
        assert (degraded.reason if degraded.status.value == "True" else None) == case.degraded
    if case.again is not None:
        assert decision.requeue_at == case.observed.now + timedelta(seconds=case.again)
    return decision
