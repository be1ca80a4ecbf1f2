"""historyLimits: which runs go, against a count of all of them; and who needs whom."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock_operator.core.flows.decide import decide
from penstock_operator.core.flows.history import AT_ONCE, History, Kin, Name, surplus
from penstock_operator.core.flows.model import DeletePast, FlowObserved
from penstock_operator.runtime.kin import kin_of, kin_of_run
from tests.support.builders import NOW, flow, flow_spec, run, run_json, status_json

FLOW = "flow-1"
COMPLETED: Final = "completed"
FAILED: Final = "failed"
LIVE: dict[str, Any] = {"outcome": None, "ended": None}


def kin(name: str, minute: int = 0, *, flow_uid: str = FLOW, **more: Any) -> Kin:
    known: dict[str, Any] = {"outcome": COMPLETED, "ended": NOW + timedelta(minutes=minute), **more}
    return Kin(uid=f"uid-{name}", flow=flow_uid, flow_name="etl" if flow_uid else "", **known)


def history_of(**runs: Kin) -> History:
    made = History()
    for name, one in runs.items():
        made.note(("default", name), one)
    return made


def goes(made: History, completed: int = 0, failed: int = 0) -> list[str]:
    return [row.name for row in surplus(made.past(FLOW), completed, failed)]


A, B, C = kin("a", 1), kin("b", 2), kin("c", 3)
CASES: list[tuple[str, dict[str, Kin], tuple[int, int], list[str]]] = [
    ("the oldest first, by the time of their end", {"c": C, "a": A, "b": B}, (1, 0), ["a", "b"]),
    ("no more than the limit: none", {"a": A, "b": B}, (2, 0), []),
    ("limit 0: all", {"a": A, "b": B}, (0, 0), ["a", "b"]),
    ("each outcome by itself", {"a": A, "b": replace(B, outcome=FAILED), "c": C}, (1, 1), ["a"]),
    ("Failed at limit 0", {"a": A, "b": replace(B, outcome=FAILED)}, (5, 0), ["b"]),
    ("of the same moment: by name", {"b": kin("b", 1), "a": A}, (1, 0), ["a"]),
    ("what has not ended never", {"a": replace(A, **LIVE), "b": B}, (0, 0), ["b"]),
    ("without the time of its end never", {"a": replace(A, ended=None)}, (0, 0), []),
    ("another Flow's, or nobody's, are not counted", {"a": kin("a", flow_uid="other"), "b": kin("b", flow_uid=""), "c": C}, (0, 0), ["c"]),
    ("a tracked one neither goes nor counts", {"a": replace(A, stays=True), "b": B, "c": C}, (1, 0), ["b"]),
    ("one that a live run repeats", {"a": A, "b": kin("b", 2, flow_uid="", rerun_of="a", **LIVE)}, (0, 0), []),
    ("one that a finished run repeats", {"a": A, "b": kin("b", 2, flow_uid="", rerun_of="a")}, (0, 0), []),
    ("a chain of repeats: only its end goes", {"a": A, "b": replace(B, rerun_of="a"), "c": replace(C, rerun_of="b")}, (0, 0), ["c"]),
    ("one that repeats itself", {"a": replace(A, rerun_of="a")}, (0, 0), ["a"]),
    ("the parent of a live run", {"a": A, "x": Kin("uid-x", parent="uid-a"), "b": B}, (0, 0), ["b"]),
    ("the parent of a finished run goes, its child too", {"a": A, "x": Kin("uid-x", parent="uid-a", outcome=COMPLETED, ended=NOW)}, (0, 0), ["a"]),
    ("the parent of a tracked run", {"a": A, "x": Kin("uid-x", parent="uid-a", outcome=COMPLETED, ended=NOW, stays=True)}, (0, 0), []),
    (
        "the parent of a finished run that another one repeats",
        {"a": A, "x": Kin("uid-x", parent="uid-a", outcome=COMPLETED, ended=NOW), "y": Kin("uid-y", rerun_of="x")},
        (0, 0),
        [],
    ),
    (
        "the grandparent of a live run",
        {"a": A, "x": Kin("uid-x", parent="uid-a", outcome=FAILED, ended=NOW), "y": Kin("uid-y", parent="uid-x")},
        (0, 0),
        [],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("runs", "limits", "gone"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_what_goes(runs: dict[str, Kin], limits: tuple[int, int], gone: list[str]) -> None:
    assert goes(history_of(**runs), *limits) == gone
    assert goes(history_of(**dict(reversed(runs.items()))), *limits) == gone, "whatever is heard of first"


def test_what_was_needed_goes_when_it_is_needed_no_more() -> None:
    told: list[Name] = []
    made = History(told.append)
    made.note(("default", "a"), A)
    made.note(("default", "b"), Kin("uid-b", rerun_of="a"))
    made.note(("default", "x"), Kin("uid-x", parent="uid-a"))
    assert goes(made) == []
    made.note(("default", "b"), None)
    assert goes(made) == [], "its child lives"
    told.clear()
    made.note(("default", "x"), Kin("uid-x", parent="uid-a", outcome=COMPLETED, ended=NOW))
    assert goes(made) == ["a"]
    assert told == [("default", "etl")]
    assert made.flows() == {("default", "etl")}


def test_one_decision_deletes_a_bounded_number_and_comes_back() -> None:
    made = history_of(**{f"r{number:03}": kin(f"r{number:03}", number) for number in range(AT_ONCE + 30)})
    the_flow = flow(flow_spec(historyLimits={"completed": 10, "failed": 0}))

    def gone() -> tuple[list[str], bool]:
        decision = decide(FlowObserved(the_flow, NOW, past=made.past(FLOW)))
        deletes = [effect for effect in decision.effects if isinstance(effect, DeletePast)]
        for effect in deletes:
            assert effect.uid == f"uid-{effect.name}"
            made.note(("default", effect.name), None)
        return [effect.name for effect in deletes], decision.requeue_at == NOW + timedelta(seconds=1)

    assert gone() == ([f"r{number:03}" for number in range(AT_ONCE)], True)
    assert gone() == ([f"r{number:03}" for number in range(AT_ONCE, AT_ONCE + 20)], False)
    assert gone() == ([], False)


def test_a_promised_run_stays() -> None:
    promised = {"revision": "etl-1", "runName": "a", "runs": 1, "pending": True}
    the_flow = flow(flow_spec(historyLimits={"completed": 0, "failed": 0}))
    status = the_flow.status.model_validate({"changes": [promised]})
    seen = FlowObserved(the_flow.model_copy(update={"status": status}), NOW, past=history_of(a=A, b=B).past(FLOW))
    assert [effect.name for effect in decide(seen).effects if isinstance(effect, DeletePast)] == ["b"]


NAMES = ["a", "b", "c", "d", "e"]
KIN = st.builds(
    lambda flow_uid, minute, outcome, stays, parent, rerun_of: (flow_uid, minute, outcome, stays, parent, rerun_of),
    st.sampled_from([FLOW, FLOW, "other", ""]),
    st.integers(0, 3),
    st.sampled_from([COMPLETED, FAILED, None]),
    st.sampled_from([False, False, True]),
    st.sampled_from(["", *NAMES]),
    st.sampled_from(["", "", *NAMES]),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(NAMES), st.none() | KIN), max_size=25), st.integers(0, 2), st.integers(0, 2))
def test_the_index_says_what_a_look_at_all_runs_says(story: list[tuple[str, Any]], completed: int, failed: int) -> None:
    made, runs = History(), dict[str, Kin]()
    for name, told in story:
        one = None
        if told is not None:
            flow_uid, minute, outcome, stays, parent, rerun_of = told
            # No parent is younger than its child: no circle.
            above = f"uid-{parent}" if parent and parent < name else ""
            ended = NOW + timedelta(minutes=minute) if outcome is not None else None
            one = kin(
                name, flow_uid=flow_uid, outcome=outcome, ended=ended, stays=stays, parent=above, rerun_of=rerun_of
            )
        made.note(("default", name), one)
        runs.pop(name, None)
        if one is not None:
            runs[name] = one

    def needed(name: str) -> bool:
        one = runs[name]
        repeated = any(other.rerun_of == name for key, other in runs.items() if key != name)
        children = [key for key, other in runs.items() if other.parent == one.uid]
        return one.stays or repeated or any(runs[key].outcome is None or needed(key) for key in children)

    for outcome, limit, found in (
        (COMPLETED, completed, made.past(FLOW).completed),
        (FAILED, failed, made.past(FLOW).failed),
    ):
        rows = sorted(
            (one.ended, name)
            for name, one in runs.items()
            if one.flow == FLOW and one.outcome == outcome and one.ended is not None and not needed(name)
        )
        assert [(row.ended, row.name) for row in found] == rows
        only = replace(made.past(FLOW), completed=found, failed=())
        assert [row.name for row in surplus(only, limit, 0)] == [name for _, name in rows[: max(0, len(rows) - limit)]]


def test_ten_thousand_are_not_looked_through() -> None:
    """A decision takes as many rows as it deletes; one more run costs one place."""

    class Counting(list):  # type: ignore[type-arg]
        looked = 0

        def __getitem__(self, at: Any) -> Any:
            Counting.looked += len(range(*at.indices(len(self)))) if isinstance(at, slice) else 1
            return super().__getitem__(at)

    made = history_of(**{f"r{number:05}": kin(f"r{number:05}", number) for number in range(10_000)})
    past = replace(made.past(FLOW), completed=Counting(made.past(FLOW).completed))
    assert len(surplus(past, 9_998, 0)) == 2
    assert Counting.looked <= AT_ONCE


OWNED = {"ownerReferences": [{"apiVersion": "penstock.dev/v1alpha1", "kind": "Flow", "name": "etl", "uid": FLOW, "controller": True}]}  # fmt: skip
DONE = status_json("Completed", completionTime="2026-11-21T12:00:00Z")


@pytest.mark.parametrize(
    ("spec", "meta", "expected"),
    [
        ({}, {}, None),
        ({}, OWNED, {"flow": FLOW, "flow_name": "etl"}),
        ({}, {**OWNED, "labels": {"penstock.dev/revision": "etl-1"}}, {"flow": FLOW, "flow_name": "etl", "revision": "etl-1"}),
        ({}, {**OWNED, "labels": {"app.kubernetes.io/instance": "x"}}, {"flow": FLOW, "flow_name": "etl", "stays": True}),
        ({}, {**OWNED, "deletionTimestamp": "2026-11-21T12:00:00Z"}, {"flow": FLOW, "flow_name": "etl", "stays": True}),
        ({"rerunOf": {"name": "before"}}, {}, {"rerun_of": "before"}),
        ({}, {"ownerReferences": [{"apiVersion": "penstock.dev/v1alpha1", "kind": "FlowRun", "name": "p", "uid": "p-1"}]}, {"parent": "p-1"}),
        ({}, {"ownerReferences": [{"apiVersion": "x/v1", "kind": "Flow", "name": "etl", "uid": "u", "controller": True}]}, None),
    ],
)  # fmt: skip
def test_kin_is_read_alike_of_a_run_and_of_its_json(spec: Any, meta: Any, expected: Any) -> None:
    full = {"flowRef": {"name": "etl"}, **spec}
    found = kin_of_run(run(full, DONE, **meta))
    assert found == kin_of(run_json(full, DONE, **meta))
    if expected is None:
        assert found is None
    else:
        assert found == Kin(uid=run().metadata.uid, outcome=COMPLETED, ended=NOW, **expected)
    live = kin_of_run(run(full, status_json("Running"), **meta))
    assert live is None if expected is None else live == Kin(uid=run().metadata.uid, **expected)
