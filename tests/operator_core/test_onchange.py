"""runOnChange: which run a change wants, decision by decision; and operators that die, race and are late, against what must come of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from penstock_operator.api import constants as k
from penstock_operator.api.flow import CHANGES, Flow
from penstock_operator.core.flows.decide import decide
from penstock_operator.core.flows.model import CreateRun, FlowObserved
from penstock_operator.core.flows.names import LONGEST, changed_name
from penstock_operator.core.flows.onchange import SOURCE_SECONDS
from penstock_operator.core.model import MISSING, Look, Refusal
from penstock_operator.core.revisions import of_flow
from tests.support.builders import NOW, files, flow_json, flow_spec

JSON = dict[str, Any]


def spec(version: int = 1, **more: Any) -> JSON:
    return {**flow_spec(image=f"x:{version}"), "runOnChange": "Always", **more}


def a_flow(version: int = 1, status: JSON | None = None, *, name: str = "etl", **more: Any) -> Flow:
    """A Flow as it is by its version; without a status nobody has looked at it yet."""
    shown = {"observedGeneration": -1} if status is None else {"observedGeneration": 1, **status}
    return Flow.model_validate({**flow_json(spec(version, **more), name=name, generation=2), "status": shown})


def revision(version: int) -> str:
    return of_flow(a_flow(version), None).revision or ""


DEEP: JSON = {}
for _ in range(200):
    DEEP = {"x": DEEP}
R1, R2, R3 = (revision(version) for version in (1, 2, 3))


def change(name: str, *, runs: int = 1, run: str | None = None, pending: bool = False) -> JSON:
    """An entry of `status.changes`."""
    made: JSON = {"revision": name, "digest": "0" * 64, "runs": runs}
    made |= {"runName": run or changed_name("etl", name, runs)} if runs else {}
    return made | ({"pending": True} if pending else {})


def told(seen: FlowObserved) -> list[str]:
    """`status.changes` as it is decided, in words: revision, its run, and whether that is still promised."""
    decision = decide(seen)
    status = decision.status if decision.status is not None else seen.flow.status
    names = {R1: "R1", R2: "R2", R3: "R3"}
    return [
        f"{names[c.revision]} {(c.run_name or '-').replace(c.revision, names[c.revision])}{' promised' if c.pending else ''}"
        for c in status.changes or ()
    ]


@dataclass(frozen=True)
class Case:
    """One decision: what `status.changes` comes to, and which runs are to be made."""

    id: str
    flow: Flow
    changes: tuple[str, ...]
    creates: tuple[str, ...] = ()
    more: JSON = field(default_factory=dict)

    def __str__(self) -> str:
        return self.id


ALREADY = Refusal(409, "AlreadyExists", "there is another FlowRun, which is not of this Flow", NOW)
QUOTA = Refusal(403, "Forbidden", "exceeded quota: runs", NOW)
CASES = [
    # --- the first look
    Case("the first apply is a change: promised", a_flow(), ("R1 R1 promised",)),
    Case("what is promised is made", a_flow(1, {"changes": [change(R1, pending=True)]}), ("R1 R1 promised",), (R1,)),
    Case(
        "what is made is told",
        a_flow(1, {"changes": [change(R1, pending=True)]}),
        ("R1 R1",),
        more={"made": {R1: CreateRun(R1, {})}},
    ),
    Case(
        "what the operator before made is told",
        a_flow(1, {"changes": [change(R1, pending=True)]}),
        ("R1 R1",),
        more={"changed": {R1: R1}},
    ),
    Case("nothing changed", a_flow(1, {"changes": [change(R1)]}), ("R1 R1",)),
    Case("its run was deleted: not made again", a_flow(1, {"changes": [change(R1)]}), ("R1 R1",)),
    # --- changes
    Case("another revision", a_flow(2, {"changes": [change(R1)]}), ("R1 R1", "R2 R2 promised")),
    Case(
        "another one before the promised run was made: that one is left",
        a_flow(2, {"changes": [change(R1, pending=True)]}),
        ("R1 R1", "R2 R2 promised"),
    ),
    Case("a revert", a_flow(1, {"changes": [change(R1), change(R2)]}), ("R2 R2", "R1 R1-2 promised")),
    Case(
        "a second revert",
        a_flow(1, {"changes": [change(R1, runs=2), change(R2, runs=2)]}),
        ("R2 R2-2", "R1 R1-3 promised"),
    ),
    Case(
        "a revert to what was never run",
        a_flow(1, {"changes": [change(R1, runs=0), change(R2)]}),
        ("R2 R2", "R1 R1 promised"),
    ),
    Case(
        "a revert to what is remembered no more, while its run is there",
        a_flow(1, {"changes": [change(R2)]}),
        ("R2 R2", "R1 R1-2 promised"),
        more={"changed": {R1: R1, R2: R2}},
    ),
    # --- Never
    Case("Never: nothing is remembered", a_flow(runOnChange="Never"), ()),
    Case(
        "Never, after Always: what changes is followed",
        a_flow(2, {"changes": [change(R1)]}, runOnChange="Never"),
        ("R1 R1", "R2 -"),
    ),
    Case(
        "Never before a promised run was made: it is not made",
        a_flow(1, {"changes": [change(R1, pending=True)]}, runOnChange="Never"),
        ("R1 R1",),
    ),
    Case("Never becomes Always: what is there is not run", a_flow(1, {"revision": R1}), ("R1 -",)),
    Case(
        "Never becomes Always, with a change in the same edit",
        a_flow(2, {"revision": R1}),
        ("R1 -", "R2 R2 promised"),
    ),
    Case("Never becomes Always, of a Flow that could not be run before", a_flow(1, {}), ("R1 R1 promised",)),
    # --- suspended, or not to be run
    Case("suspended: nothing", a_flow(2, {"changes": [change(R1)]}, suspend=True), ("R1 R1",)),
    Case(
        "suspended before a promised run was made",
        a_flow(1, {"changes": [change(R1, pending=True)]}, suspend=True),
        ("R1 R1 promised",),
    ),
    Case("suspended from its creation on: it begins when it goes on", a_flow(1, {"changes": []}), ("R1 R1 promised",)),
    Case("not usable", a_flow(2, {"changes": [change(R1)]}, parameters=DEEP), ("R1 R1",)),
    # --- a status that was lost
    Case("lost, and its run is there", a_flow(), ("R1 R1",), more={"changed": {R1: R1}}),
    Case("lost, after reverts", a_flow(), ("R1 R1-2",), more={"changed": {R1: R1, f"{R1}-2": R1, R2: R2}}),
    # --- refused
    Case(
        "the name is somebody else's: the next number",
        a_flow(1, {"changes": [change(R1, pending=True)]}),
        ("R1 R1-2 promised",),
        more={"refused": {R1: ALREADY}},
    ),
    Case(
        "refused a moment ago: later",
        a_flow(1, {"changes": [change(R1, pending=True)]}),
        ("R1 R1 promised",),
        more={"refused": {R1: QUOTA}},
    ),
    Case(
        "refused a while ago: again",
        a_flow(1, {"changes": [change(R1, pending=True)]}),
        ("R1 R1 promised",),
        (R1,),
        more={"refused": {R1: replace(QUOTA, time=NOW - timedelta(seconds=60))}},
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_change(case: Case) -> None:
    seen = FlowObserved(case.flow, NOW, live=True, **case.more)
    assert tuple(told(seen)) == case.changes
    assert tuple(run.name for run in decide(seen).creates) == case.creates


def test_a_refusal_is_told() -> None:
    seen = FlowObserved(a_flow(1, {"changes": [change(R1, pending=True)]}), NOW, live=True, refused={R1: QUOTA})
    decision = decide(seen)
    assert decision.status is not None
    degraded = next(c for c in decision.status.conditions or () if c.type == "Degraded")
    assert (degraded.status.value, "exceeded quota" in degraded.message) == ("True", True)
    assert decision.requeue_at == NOW + timedelta(seconds=10)


def test_nothing_is_made_without_a_live_look() -> None:
    seen = FlowObserved(a_flow(1, {"changes": [change(R1, pending=True)]}), NOW)
    assert decide(seen).looks == {Look.FLOW}


def test_the_run_and_the_revision_that_it_finds() -> None:
    (made,) = decide(FlowObserved(a_flow(1, {"changes": [change(R1, pending=True)]}), NOW, live=True)).creates
    meta = made.manifest["metadata"]
    assert meta["labels"] == {k.LABEL_FLOW: "etl", k.LABEL_REVISION: R1}
    assert meta["ownerReferences"][0]["uid"] == "flow-1"
    assert made.manifest["spec"]["flowRef"] == {"name": "etl"}
    assert made.revision is not None
    assert made.revision["metadata"]["name"] == R1


def test_a_source_is_looked_at_again_and_its_change_is_one() -> None:
    """Nobody tells of a ConfigMap that is edited in place."""
    by_map: JSON = {"source": {"configMap": {"name": "code"}}, "image": None}
    flow = a_flow(1, {"changes": []}, **by_map)
    first = decide(FlowObserved(flow, NOW, source=files({"etl.py": "1"})))
    assert first.status is not None
    assert first.status.changes is not None
    kept = flow.model_copy(update={"status": first.status})
    name = first.status.changes[-1].run_name
    assert name is not None
    settled = FlowObserved(kept, NOW, source=files({"etl.py": "1"}), changed={name: first.status.changes[-1].revision})
    assert decide(settled).requeue_at == NOW + timedelta(seconds=SOURCE_SECONDS)
    edited = decide(replace(settled, source=files({"etl.py": "2"})))
    assert edited.status is not None
    assert [bool(c.pending) for c in edited.status.changes or ()] == [False, True]
    assert decide(replace(settled, source=MISSING)).status.changes == kept.status.changes  # type: ignore[union-attr]


def test_names() -> None:
    assert changed_name("etl", "etl-0123456789", 1) == "etl-0123456789"
    assert changed_name("etl", "etl-0123456789", 2) == "etl-0123456789-2"
    long = [
        changed_name(f"{'a' * 50}{end}", f"{'a' * 50}{end}-0123456789", number) for end in "bc" for number in (1, 12)
    ]
    assert len(set(long)) == 4
    assert {len(name) for name in long} == {LONGEST}
    assert all("0123456789" in name for name in long)


def test_ten_are_remembered() -> None:
    flow = a_flow(99, {"changes": [change(f"etl-{number:010}") for number in range(CHANGES)]})
    status = decide(FlowObserved(flow, NOW, live=True)).status
    assert status is not None
    assert status.changes is not None
    assert [c.revision for c in status.changes[:-1]] == [f"etl-{number:010}" for number in range(1, CHANGES)]


# --- operators that die, race and are late ------------------------------------------------------------------------------------------------


@dataclass
class Server:
    """A Flow, its runs, and all that were ever made."""

    flow: Flow = field(default_factory=a_flow)
    version: int = 1
    runs: dict[str, str] = field(default_factory=dict)  # name -> revision
    made: list[tuple[str, str]] = field(default_factory=list)

    def put(self, flow: Flow) -> None:
        self.version += 1
        meta = flow.metadata.model_copy(update={"resource_version": str(self.version)})
        self.flow = flow.model_copy(update={"metadata": meta})

    def post(self, run: CreateRun) -> None:
        if run.name not in self.runs:
            self.runs[run.name] = run.manifest["metadata"]["labels"][k.LABEL_REVISION]
            self.made.append((run.name, self.runs[run.name]))


@dataclass
class Operator:
    """One operator: what it knows may be old, what it remembers is lost when it dies."""

    server: Server
    known: Flow
    runs: Mapping[str, str] = field(default_factory=dict)
    memory: dict[str, CreateRun] = field(default_factory=dict)

    def see(self) -> None:
        self.known, self.runs = self.server.flow, dict(self.server.runs)

    def settle(self, dies_after: int = 100) -> None:
        """Carry decisions out until nothing is left to do, or until it dies after so many writes."""
        live = False
        for _ in range(20):
            seen = FlowObserved(self.known, NOW, live=live, made=self.memory, changed=self.runs)
            decision = decide(seen)
            if decision.looks:
                self.known, live = self.server.flow, True
                continue
            if not decision.creates and decision.status in (None, self.known.status):
                self.memory.clear()
                return
            if dies_after == 0:
                self.memory.clear()
                return
            dies_after -= 1
            if decision.creates:
                for run in decision.creates:
                    self.server.post(run)
                    if dies_after:  # otherwise the answer is lost with it
                        self.memory[run.name] = run
            elif self.known.metadata.resource_version != self.server.flow.metadata.resource_version:
                self.known, live = self.server.flow, True
            else:
                assert decision.status is not None
                self.server.put(self.server.flow.model_copy(update={"status": decision.status}))
                self.memory.clear()
                self.known, live = self.server.flow, True
        raise AssertionError("it does not come to rest")


class Changes(RuleBasedStateMachine):
    """Edits, reverts, suspension, deletions and two operators, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.server = Server()
        self.operators = [Operator(self.server, self.server.flow) for _ in range(2)]
        self.edits = [1]  # what the Flow was, one after the other

    def _edit(self, **changes: Any) -> None:
        spec_ = self.server.flow.spec.model_copy(update=changes)
        # A changed spec is another object: what was computed of the old one is not carried over.
        fresh = Flow.model_validate(
            {
                "metadata": self.server.flow.metadata,
                "spec": spec_.model_dump(by_alias=True),
                "status": self.server.flow.status,
            }
        )
        self.server.put(fresh)

    @rule(version=st.integers(1, 4))
    def edit(self, version: int) -> None:
        self._edit(image=f"x:{version}")
        if self.edits[-1] != version:
            self.edits.append(version)

    @rule(suspend=st.booleans())
    def suspend(self, suspend: bool) -> None:
        self._edit(suspend=suspend)

    @rule(which=st.integers(0, 1))
    def see(self, which: int) -> None:
        self.operators[which].see()

    @rule(which=st.integers(0, 1), dies_after=st.sampled_from([0, 1, 2, 3, 100]))
    def work(self, which: int, dies_after: int) -> None:
        self.operators[which].settle(dies_after)

    @precondition(lambda self: self.server.runs)
    @rule(data=st.data())
    def delete_a_run(self, data: st.DataObject) -> None:
        """Not one that is promised still: whether it was made nobody could tell then. History leaves those alone, too."""
        promised = {c.run_name for c in self.server.flow.status.changes or () if c.pending}
        name = data.draw(st.sampled_from(sorted(self.server.runs)))
        if name not in promised:
            del self.server.runs[name]

    @invariant()
    def no_run_is_made_twice(self) -> None:
        names = [name for name, _ in self.server.made]
        assert len(names) == len(set(names)), names

    @invariant()
    def no_more_runs_of_a_revision_than_it_was_come_to(self) -> None:
        for version in range(1, 5):
            made = [name for name, its in self.server.made if its == revision(version)]
            assert len(made) <= self.edits.count(version)

    def teardown(self) -> None:
        """At last, seen and settled: what the Flow is now has been run last, for the last change to it."""
        self._edit(suspend=False)
        for operator in self.operators:
            operator.see()
            operator.settle()
        last = (self.server.flow.status.changes or ())[-1]
        assert last.revision == revision(self.edits[-1])
        assert not last.pending
        assert (last.run_name, last.revision) in self.server.made
        for operator in self.operators:
            before = len(self.server.made)
            operator.see()
            operator.settle()
            assert len(self.server.made) == before


Changes.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestChanges = Changes.TestCase
