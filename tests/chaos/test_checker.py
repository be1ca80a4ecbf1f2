"""The checker finds what must not be: each rule is shown a right history, and the same one spoiled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.support.chaos.checker import RULES, Ran, check
from tests.support.chaos.fates import FATES, GONE, Act, Fate
from tests.support.chaos.history import Lived, PodSeen, Said, Version

JSON = dict[str, Any]
RUN = "r"


def version(rv: int, state: str, attempt: int = 1, *judged: str, wanted: str = "Running", **status: Any) -> Version:
    """A version of the run as the operator writes it."""
    kind, name = state.split("/")
    terminal = kind in ("Completed", "Failed", "Crashed", "Cancelled")
    conditions = {"Finished": terminal, "Ready": kind == "Completed", "Reconciling": not terminal}
    attempts = [
        {"number": n, "reason": entry.split("/")[0], "budget": entry.split("/")[1]} for n, entry in enumerate(judged, 1)
    ]
    counters: JSON = {}
    for entry in judged:
        counters[entry.split("/")[1]] = counters.get(entry.split("/")[1], 0) + 1
    full: JSON = {
        "state": {"type": kind, "name": name, "message": "m"},
        "attempt": {"number": attempt},
        "attempts": attempts,
        "retries": counters,
        "conditions": [{"type": t, "status": "True" if true else "False"} for t, true in conditions.items()],
        "startTime": "t",
        **({"completionTime": "t"} if terminal else {}),
        **status,
    }
    return Version(rv / 10, RUN, "uid", rv, {"desiredState": wanted}, full)


def pod(rv: int, attempt: int, event: str, phase: str = "", uid: str = "") -> PodSeen:
    return PodSeen(rv / 10, RUN, f"{RUN}-{attempt}", uid or f"pod-{attempt}", attempt, rv, event, phase)


def said(rv: int, attempt: int, kind: str, instance: str = "", *, accepted: bool = True) -> Said:
    return Said(rv / 10, RUN, attempt, instance or f"i{attempt}", kind, accepted, rv if accepted else 0)


def lived(rv: int, attempt: int, instance: str = "", *, begins: bool = True) -> Lived:
    return Lived(rv / 10, RUN, attempt, instance or f"i{attempt}", begins)


LOST = "Evicted/infrastructure"
TWICE = Fate("twice", lost=((LOST,),))


def healthy() -> Ran:
    """One attempt was evicted, the second completed."""
    report = {"attempt": 2, "type": "Completed"}
    result = {"json": '"i2"'}
    return Ran(
        RUN,
        TWICE,
        (
            version(10, "Pending/Submitting"),
            version(20, "Running/Running", report={"attempt": 1, "type": "Running"}),
            version(30, "Scheduled/AwaitingRetry", 2, LOST),
            version(40, "Pending/Submitting", 2, LOST),
            version(60, "Running/Retrying", 2, LOST, report={"attempt": 2, "type": "Running"}),
            version(70, "Completed/Completed", 2, LOST, report=report, result=result),
        ),
        (
            pod(11, 1, "ADDED"), pod(25, 1, "MODIFIED", "Failed"), pod(41, 2, "ADDED"), pod(66, 2, "MODIFIED", "Succeeded"),
        ),
        (said(19, 1, "Running"), said(50, 2, "Running"), said(65, 2, "Completed")),
        (lived(15, 1), lived(25, 1, begins=False), lived(45, 2), lived(66, 2, begins=False)),
    )  # fmt: skip


Spoil = Callable[[Ran], Ran]


def last(**changes: Any) -> Spoil:
    """The last version with another status."""
    return lambda it: replace(
        it, versions=(*it.versions[:-1], replace(it.versions[-1], status={**it.versions[-1].status, **changes}))
    )


def more(*versions: Version) -> Spoil:
    return lambda it: replace(it, versions=(*it.versions, *versions))


def also(*, pods: tuple[PodSeen, ...] = (), said: tuple[Said, ...] = ()) -> Spoil:
    return lambda it: replace(it, pods=(*it.pods, *pods), said=(*it.said, *said))


def end(state: str) -> Spoil:
    """Another end than its last version tells."""
    return lambda it: replace(it, versions=(*it.versions[:-1], version(70, state, 2, LOST)))


def cancelled_at(index: int) -> Spoil:
    """Cancellation was asked with that version, and with all behind it."""
    return lambda it: replace(
        it,
        versions=tuple(
            replace(v, spec={"desiredState": "Cancelled"}) if n >= index else v for n, v in enumerate(it.versions)
        ),
    )


SPOILED: list[tuple[str, str, Spoil]] = [
    ("it never ends", "stuck", lambda it: replace(it, versions=it.versions[:-1])),
    ("it was never seen", "stuck", lambda it: replace(it, versions=(), pods=(), said=(), lived=())),
    ("it was to be deleted, and is there", "stuck", lambda it: replace(it, fate=Fate("gone", ends=frozenset({GONE})))),
    ("it fails instead", "wrong end", end("Failed/Failed")),
    ("another name", "wrong end", end("Completed/Cached")),
    ("an attempt was counted that was none", "wrong losses", last(attempts=[], retries={})),
    ("a loss was told wrongly", "wrong losses", last(attempts=[{"number": 1, "reason": "Killed", "budget": "infrastructure"}])),
    ("a loss was counted twice", "wrong losses", last(retries={"infrastructure": 2})),
    ("the end is taken back", "end undone", more(version(80, "Running/Running", 2, LOST))),
    ("the end becomes another", "end undone", more(version(80, "Crashed/Killed", 2, LOST))),
    ("the result changes after the end", "end undone",
     more(version(80, "Completed/Completed", 2, LOST, result={"json": '"i1"'}))),
    ("the attempt goes back", "attempts", more(version(80, "Completed/Completed", 1, LOST))),
    ("an attempt was judged twice", "attempts", last(attempts=[{"number": 1, "reason": "Evicted", "budget": "infrastructure"}] * 2)),
    ("an old report stands beside a new attempt", "attempts", last(report={"attempt": 1})),
    ("an attempt begins after the cancellation", "begun in vain", cancelled_at(1)),
    ("somebody writes for ever", "begun in vain", lambda it: replace(it, versions=it.versions * 20)),
    ("two pods of one attempt", "pods", also(pods=(pod(42, 2, "ADDED", uid="twin"), pod(43, 2, "DELETED", uid="twin")))),
    ("the next pod comes too early", "pods",
     lambda it: replace(it, pods=tuple(replace(p, rv=45) if p.rv == 25 else p for p in it.pods))),
    ("a pod is left behind", "left behind", also(pods=(pod(75, 3, "ADDED", "Pending"),))),
    ("two processes claim", "doubled", also(said=(said(51, 2, "Running", "twin"),))),
    ("a claim while the one before runs", "doubled",
     lambda it: replace(it, lived=tuple(x for x in it.lived if x.begins or x.attempt == 2))),
    ("a claim after the end", "doubled", also(said=(said(75, 2, "Running", "late"),))),
    ("a report of an attempt that was judged", "reports", also(said=(said(35, 1, "Completed"),))),
    ("a Completed that does not count", "reports", end("Crashed/Killed")),
    ("a result of nobody", "reports", last(result={"json": '"i9"'})),
    ("the conditions tell another story", "conditions", last(conditions=[])),
    ("an end without its time", "conditions",
     lambda it: replace(it, versions=(*it.versions[:-1], _without(it.versions[-1], "completionTime")))),
    ("a run that never started, and ran", "conditions",
     lambda it: replace(it, versions=(*it.versions[:-1], _without(it.versions[-1], "startTime")))),
]  # fmt: skip


def _without(one: Version, field: str) -> Version:
    return replace(one, status={name: value for name, value in one.status.items() if name != field})


def test_a_right_history() -> None:
    assert check(healthy()) == []


@pytest.mark.parametrize(("rule", "spoil"), [row[1:] for row in SPOILED], ids=[row[0] for row in SPOILED])
def test_a_wrong_one_is_found(rule: str, spoil: Spoil) -> None:
    found = check(spoil(healthy()))
    assert rule in {wrong.rule for wrong in found}, found


def test_every_rule_has_been_broken() -> None:
    assert {row[1] for row in SPOILED} == set(RULES)


def test_a_cancellation_may_cut_the_losses_short() -> None:
    """But not add to them."""
    fate = Fate("cut", ends=frozenset({"Cancelled/Cancelled"}), lost=((LOST, LOST),), acts=(Act("Cancelled", 0, 1),))
    end_of = version(70, "Cancelled/Cancelled", 2, LOST)
    it = replace(healthy(), fate=fate, versions=(*healthy().versions[:-1], end_of))
    assert "wrong losses" not in {wrong.rule for wrong in check(it)}
    more_lost = version(70, "Cancelled/Cancelled", 4, LOST, LOST, LOST)
    it = replace(it, versions=(*healthy().versions[:-1], more_lost))
    assert "wrong losses" in {wrong.rule for wrong in check(it)}


def test_the_cause_of_an_interruption_may_be_told_later() -> None:
    """And no other reason may change, nor what an attempt counts as, but for what a queue took back."""

    def first_told(entry: str, then: str = LOST) -> set[str]:
        versions = healthy().versions
        later = [
            version(v.rv, v.state, 2, then, **{k: v.status[k] for k in ("report", "result") if k in v.status})
            for v in versions[3:]
        ]
        earlier = version(30, "Scheduled/AwaitingRetry", 2, entry)
        fate = replace(TWICE, lost=((then,),))
        return {wrong.rule for wrong in check(replace(healthy(), fate=fate, versions=(*versions[:2], earlier, *later)))}

    assert first_told("Interrupted/infrastructure") == set()
    assert first_told("Interrupted/application") == {"attempts"}
    assert first_told("Killed/infrastructure") == {"attempts"}
    assert first_told("Interrupted/infrastructure", "Preempted/-") == set()
    assert first_told("Interrupted/infrastructure", "Evicted/-") == {"attempts"}
    assert first_told("Killed/infrastructure", "Preempted/-") == {"attempts"}


def test_a_process_may_outlive_its_attempt_where_the_fate_says_so() -> None:
    """It is fenced off; but it may still not report."""
    it = replace(healthy(), lived=tuple(x for x in healthy().lived if x.begins or x.attempt == 2))
    assert "doubled" in {wrong.rule for wrong in check(it)}
    it = replace(it, fate=replace(TWICE, outlives=True))
    assert check(it) == []
    it = replace(it, said=(*it.said, said(55, 1, "Completed")))
    assert "reports" in {wrong.rule for wrong in check(it)}


def test_a_run_that_is_deleted_leaves_nothing() -> None:
    fate = Fate("gone", ends=frozenset({GONE}), acts=(Act("delete", 0, 1),))
    base = healthy()
    away = replace(base.versions[2], rv=35, deleted=True)
    it = replace(
        base,
        fate=fate,
        versions=(*base.versions[:2], away),
        pods=base.pods[:2],
        said=base.said[:1],
        lived=base.lived[:2],
    )
    assert "stuck" not in {wrong.rule for wrong in check(it)}
    assert "left behind" in {wrong.rule for wrong in check(replace(it, pods=base.pods[:1]))}


def test_fates_can_be_told_apart() -> None:
    names = [fate.id for fate in FATES]
    assert len(set(names)) == len(names)
