"""Slots: who begins, who waits and where, who is skipped, who is replaced; one row for each line of the contract."""

from __future__ import annotations

from typing import Any

import pytest

from penstock_operator.core.concurrency import Contention, Pool
from penstock_operator.core.model import MISSING, Look, Observed, PatchPod
from penstock_operator.core.reconcile import reconcile
from tests.support.builders import (
    POD_UID,
    flow,
    flow_spec,
    observed,
    pod,
    report,
    run,
    running,
    status_json,
    terminated,
)
from tests.support.cases import Case, check, decide

REF = {"flowRef": {"name": "etl"}}
GROUPS = {"concurrencyGroups": ["database", "disk"]}
SLOT = "Scheduled/AwaitingConcurrencySlot"
BEGINS = ("create-revision", "create-pod")


def wanting(
    spec: dict[str, Any], *pools: Pool, limits: Any = None, status: dict[str, Any] | None = None, **more: Any
) -> Observed:
    """A run of a Flow that shares slots."""
    return observed(
        run(REF, status),
        flow=flow({**flow_spec(), **spec}),
        contention=Contention(pools),
        limits=limits if limits is not None else {"database": "2", "disk": "3"},
        **more,
    )


def limit(number: int, policy: str = "Queue") -> dict[str, Any]:
    return {"concurrency": {"limit": number, "policy": policy}}


def waiting_status(position: int, group: str | None = None, **more: Any) -> dict[str, Any]:
    queue = {"position": position, **({"group": group} if group else {})}
    return status_json("Scheduled", "AwaitingConcurrencySlot", attempt=None, queue=queue, **more)


ROWS = [
    Case("a slot is free: it begins", wanting(limit(2), Pool(None, held=1)), "Pending/Submitting", BEGINS),
    Case(
        "all slots are taken: it waits",
        wanting(limit(2), Pool(None, held=2)),
        SLOT,
        says=("all 2 slots of Flow 'etl' taken",),
        again=30,
    ),
    Case("the only slot is taken", wanting(limit(1), Pool(None, held=1)), SLOT, says=("the only slot of Flow 'etl'",)),
    Case("a slot is free, and another comes first", wanting(limit(2), Pool(None, held=1, ahead=1)), SLOT),
    Case(
        "two slots are free, and one comes first", wanting(limit(2), Pool(None, ahead=1)), "Pending/Submitting", BEGINS
    ),
    Case("far behind it looks more seldom", wanting(limit(1), Pool(None, ahead=40)), SLOT, again=150),
    Case("never more seldom than every five minutes", wanting(limit(1), Pool(None, ahead=4000)), SLOT, again=300),
    Case(
        "one of its groups is full: it takes no slot of the others",
        wanting({**limit(5), **GROUPS}, Pool(None), Pool("database", held=2), Pool("disk")),
        SLOT,
        says=("all 2 slots of concurrency group 'database' taken",),
    ),
    Case(
        "all of its groups have a slot",
        wanting({**limit(5), **GROUPS}, Pool(None), Pool("database", held=1), Pool("disk", ahead=2)),
        "Pending/Submitting",
        BEGINS,
    ),
    Case(
        "a group without a limit: a person must set it",
        wanting(GROUPS, limits={"disk": "3"}),
        SLOT,
        says=("'database' is not set: data.database of ConfigMap 'penstock-concurrency'",),
        degraded="AwaitingConcurrencySlot",
        again=10,
    ),
    Case(
        "a limit that is no number",
        wanting(GROUPS, limits={"database": "many", "disk": "3"}),
        SLOT,
        says=("is 'many', which is no whole number",),
        degraded="AwaitingConcurrencySlot",
    ),
    Case(
        "there is no ConfigMap",
        wanting(GROUPS, limits=MISSING),
        SLOT,
        degraded="AwaitingConcurrencySlot",
    ),
    Case("limit 0 stops a group", wanting(GROUPS, limits={"database": "0", "disk": "3"}), SLOT, says=("all 0 slots",)),
    Case(
        "Skip: Cancelled/Skipped",
        wanting(limit(1, "Skip"), Pool(None, held=1)),
        "Cancelled/Skipped",
        says=("the only slot of Flow 'etl' taken",),
    ),
    Case("Skip, a slot is free", wanting(limit(1, "Skip")), "Pending/Submitting", BEGINS),
    Case(
        "Replace: the newer waits for the slot of the older",
        wanting(limit(1, "Replace"), Pool(None, held=1)),
        SLOT,
    ),
    Case(
        "Replace: a run that waits goes for a newer one",
        wanting(limit(1, "Replace"), Pool(None, held=1, ahead=0, newer=1), status=waiting_status(1)),
        "Cancelled/Replaced",
        says=("replaced by a newer run of Flow 'etl' (limit 1)",),
    ),
    Case(
        "Replace, limit 2, one newer: it stays",
        wanting(limit(2, "Replace"), Pool(None, held=1, newer=1), status=waiting_status(1)),
        "Pending/Submitting",
        BEGINS,
    ),
    Case(
        "a run that waits is cancelled",
        observed(run({**REF, "desiredState": "Cancelled"}, waiting_status(3)), flow=flow({**flow_spec(), **limit(1)})),
        "Cancelled/Cancelled",
    ),
    Case(
        "a run that waits is paused: it leaves the queue",
        observed(run({**REF, "desiredState": "Paused"}, waiting_status(3)), flow=flow({**flow_spec(), **limit(1)})),
        "Paused/Paused",
    ),
]


@pytest.mark.parametrize("case", ROWS, ids=str)
def test_row(case: Case) -> None:
    check(case)


@pytest.mark.parametrize(
    ("ahead", "told"), [(0, 1), (1, 2), (2, 5), (4, 5), (5, 10), (11, 20), (49, 50), (50, 100), (130, 200), (900, 1000)]
)
def test_the_place_is_rounded(ahead: int, told: int) -> None:
    """A few writes for each run, however many go before it."""
    status = decide(wanting(limit(1), Pool(None, held=1, ahead=ahead))).status
    assert status is not None
    assert status.queue is not None
    assert (status.queue.position, status.queue.group) == (told, None)


def test_a_place_never_gets_worse() -> None:
    """Newcomers of higher priority are no reason for a write."""
    first = decide(wanting(limit(1), Pool(None, held=1, ahead=4))).status
    assert first is not None
    later = decide(wanting(limit(1), Pool(None, held=1, ahead=90), status=first.to_json()))
    assert later.status is None
    better = decide(wanting(limit(1), Pool(None, held=1, ahead=1), status=first.to_json())).status
    assert better is not None
    assert better.queue is not None
    assert better.queue.position == 2


def test_the_place_goes_with_the_wait() -> None:
    status = decide(wanting(limit(1), status=waiting_status(5))).status
    assert status is not None
    assert status.queue is None


def test_the_group_is_told() -> None:
    status = decide(wanting(GROUPS, Pool("database", held=2, ahead=3))).status
    assert status is not None
    assert status.queue is not None
    assert (status.queue.position, status.queue.group) == (5, "database")


def test_the_limits_of_groups_are_read_only_where_they_decide() -> None:
    full = wanting({**limit(1), **GROUPS}, Pool(None, held=1))
    assert reconcile(full).status is not None
    free = wanting({**limit(1), **GROUPS})
    unread = observed(free.run, flow=free.flow, contention=free.contention)
    assert Look.LIMITS in reconcile(unread).looks


@pytest.mark.parametrize("policy", ["Queue", "Skip", "Replace"])
def test_a_later_attempt_needs_a_slot_again_and_is_never_skipped(policy: str) -> None:
    status = status_json("Scheduled", "AwaitingRetry", attempt=2, scheduledTime="2026-11-21T12:00:01Z")
    first = decide(wanting(limit(1))).status
    assert first is not None
    assert first.flow is not None
    status["flow"] = first.flow.to_json()
    seen = wanting(limit(1, policy), Pool(None, held=1), status=status, previous_pod=pod(terminated(137)))
    decision = decide(seen)
    assert decision.status is not None
    assert decision.status.state is not None
    assert decision.status.state.name == "AwaitingConcurrencySlot"
    assert decision.effects == ()


def test_what_holds_its_slot_does_not_ask_for_another() -> None:
    """The pod of this attempt may exist already; a limit that was lowered meanwhile ends nobody."""
    pending = status_json("Pending", "Submitting", flow={"name": "etl"}) | {"specHash": "x"}
    seen = wanting(limit(1), Pool(None, held=7), status=pending, pod=pod(running()))
    decision = decide(seen)
    assert decision.status is None or decision.status.state is None or decision.status.state.type.value == "Pending"


# --- Replace, of a run that lives --------------------------------------------------------------------------------------------------------


def live(newer: int, *, name: str = "Running", said: dict[str, Any] | None = None, **more: Any) -> Observed:
    type_ = "Cancelling" if name == "Cancelling" else "Running"
    status = status_json(type_, name, pod_uid=POD_UID, started=1, since=1, report=said or report())
    return observed(
        run({"flowRef": {"name": "etl"}}, status),
        flow=flow({**flow_spec(), **limit(1, "Replace")}),
        contention=Contention((Pool(None, newer=newer),)),
        **{"pod": pod(running()), **more},
    )


def test_a_live_run_is_replaced_as_if_it_were_cancelled() -> None:
    decision = decide(live(1))
    assert decision.status is not None
    assert decision.status.state is not None
    assert (decision.status.state.type.value, decision.status.state.name) == ("Cancelling", "Cancelling")
    assert "replaced by a newer run of Flow 'etl' (limit 1)" in (decision.status.state.message or "")
    (effect,) = (e for e in decision.effects if isinstance(e, PatchPod))
    assert effect.patch["metadata"]["annotations"] == {"penstock.dev/intent": "Cancelled"}


def test_it_stays_while_none_is_newer() -> None:
    assert decide(live(0)).effects == ()


@pytest.mark.parametrize("newer", [0, 1])
def test_what_was_begun_is_carried_out(newer: int) -> None:
    """The newer run may be gone meanwhile: the pod was told, and can't be told otherwise."""
    said = report("Cancelled", message="stopped")
    status = decide(live(newer, name="Cancelling", said=said)).status
    assert status is not None
    assert status.state is not None
    assert (status.state.type.value, status.state.name) == ("Cancelled", "Replaced")
    assert "stopped" in (status.state.message or "")


def test_no_attempt_follows_a_replacement() -> None:
    status = decide(live(1, name="Cancelling", said=report("Interrupted"))).status
    assert status is not None
    assert status.state is not None
    assert status.state.name == "Replaced"


def test_what_completed_in_time_is_completed() -> None:
    status = decide(live(1, name="Cancelling", said=report("Completed"))).status
    assert status is not None
    assert status.state is not None
    assert status.state.type.value == "Completed"
