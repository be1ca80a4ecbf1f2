"""The counts of slots against a count by hand; and runs of several Flows that share slots, decided by the real core, one by one.

The model of the second part: workers of one operator whose decisions and writes interleave, writes that are refused, runs that complete, are
lost, suspended, cancelled. Its store is fresh, so the limit holds at every moment; it is told only what the store says, so whoever is not
woken waits for its own timer, and at the end everybody must have come to run.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from penstock_operator.api.flow import Flow
from penstock_operator.api.flowrun import FlowRun
from penstock_operator.core.concurrency import Contention, Pool, age, holds, order, waits
from penstock_operator.core.model import Decision
from penstock_operator.runtime.resources import FLOWRUNS, FLOWS, Key
from penstock_operator.runtime.store import Store
from tests.support.builders import NOW, at, flow_json, flow_spec, report, run_json, running, terminated
from tests.support.stage import Stage, World

JSON = dict[str, Any]
TERMINAL = ("Completed", "Failed", "Crashed", "Cancelled")
STATES: list[JSON] = [
    {},
    {"state": {"type": "Scheduled", "name": "AwaitingConcurrencySlot"}, "queue": {"position": 1}},
    {"state": {"type": "Scheduled", "name": "AwaitingConcurrencySlot"}},
    {"state": {"type": "Pending", "name": "Submitting"}, "attempt": {"number": 1, "podName": "p"}},
    {"state": {"type": "Running", "name": "Running"}, "attempt": {"number": 1, "podName": "p"}},
    {"state": {"type": "Cancelling", "name": "Cancelling"}, "attempt": {"number": 1, "podName": "p"}},
    {"state": {"type": "Paused", "name": "Paused"}, "attempt": {"number": 1, "podName": "p", "podUID": "u"}},
    {"state": {"type": "Paused", "name": "Suspended"}, "attempt": {"number": 2, "podName": "p"}},
    {"state": {"type": "Scheduled", "name": "AwaitingRetry"}, "attempt": {"number": 2, "podName": "p"}},
    {"state": {"type": "Completed", "name": "Completed"}, "attempt": {"number": 1, "podName": "p"}},
]
FLOW_SPECS: dict[str, JSON] = {
    "one": {"concurrency": {"limit": 1}},
    "two": {"concurrency": {"limit": 2}, "concurrencyGroups": ["a"]},
    "three": {"concurrencyGroups": ["b", "a"]},
    "new": {"concurrency": {"limit": 2, "policy": "Replace"}},
    "free": {},
}
FLOWS_BY_NAME = {n: flow_json({**flow_spec(), **s}, name=n, uid=f"flow-{n}") for n, s in FLOW_SPECS.items()}
LIMITS = {"a": "2", "b": "1"}


def by_hand(run: FlowRun, flow: Flow, others: list[FlowRun], flows: dict[str, Flow]) -> Contention:
    """The contention as its definition reads."""

    def of(run: FlowRun) -> Flow | None:
        return flows.get(run.spec.flow_ref.name) if run.spec.flow_ref is not None else None

    def pool(group: str | None) -> Pool:
        if group is None:
            among = [o for o in others if o.spec.flow_ref and o.spec.flow_ref.name == flow.metadata.name]
        else:
            among = [o for o in others if (f := of(o)) is not None and group in (f.spec.concurrency_groups or ())]
        newer = 0
        rule = flow.spec.concurrency
        if group is None and rule is not None and rule.policy.value == "Replace":
            staying = [o for o in among if o.status.state is not None and o.status.state.type.value != "Cancelling"]
            newer = sum(age(o) > age(run) for o in staying if holds(o) or waits(o))
        return Pool(group, sum(map(holds, among)), sum(waits(o) and order(o) < order(run) for o in among), newer)

    groups = flow.spec.concurrency_groups or ()
    return Contention((pool(None), *map(pool, groups))) if groups or flow.spec.concurrency else Contention()


PENDING: JSON = {"state": {"type": "Pending", "name": "Submitting"}, "attempt": {"number": 1, "podName": "p"}}
RUNNING: JSON = {**PENDING, "state": {"type": "Running", "name": "Running"}, "startTime": at(7)}


@pytest.mark.parametrize("older", [PENDING, RUNNING])
def test_of_one_second_who_has_begun_is_the_older_one(older: JSON) -> None:
    """Times of creation are whole seconds; a uid says nothing about who came first."""

    def made(uid: str, status: JSON, created: int = 0) -> FlowRun:
        return FlowRun.model_validate(run_json({}, status, uid=uid, creationTimestamp=at(created)))

    assert age(made("z", older)) < age(made("a", {}))
    assert age(made("z", RUNNING)) < age(made("a", {**RUNNING, "startTime": at(8)}))
    assert age(made("a", {})) < age(made("b", {}))
    assert age(made("z", {}, created=0)) < age(made("a", older, created=1))


@pytest.mark.parametrize("flow", FLOWS_BY_NAME)
@pytest.mark.parametrize("seed", range(6))
def test_the_counts_are_those_by_hand(seed: int, flow: str) -> None:
    """After any history of changes; a run never counts itself."""
    import random

    rng = random.Random(f"{seed} {flow}")
    store = Store()
    flows = {name: Flow.model_validate(raw) for name, raw in FLOWS_BY_NAME.items()}
    for version, raw in enumerate(FLOWS_BY_NAME.values(), 1):
        store.apply(FLOWS, {**raw, "metadata": {**raw["metadata"], "resourceVersion": str(version)}})
    known: dict[str, FlowRun] = {}
    for version in range(2, 120):
        name = f"run-{rng.randrange(12)}"
        # The Flow of a run, its age and its uid never change.
        which = list(FLOWS_BY_NAME)[sum(map(ord, name)) % 4]
        raw = run_json(
            {"flowRef": {"name": which}, "priority": rng.randrange(-1, 2)},
            rng.choice(STATES),
            name=name,
            uid=f"uid-{name}",
            resourceVersion=str(version),
            creationTimestamp=at(sum(map(ord, name)) % 3),
        )
        deleted = rng.random() < 0.1
        store.apply(FLOWRUNS, raw, deleted=deleted)
        known.pop(name, None)
        if not deleted:
            known[name] = FlowRun.model_validate(raw)
        if rng.random() < 0.1:  # a Flow that changes, and changes back
            spec = {**flow_spec(), **rng.choice(list(FLOW_SPECS.values()))}
            other = rng.choice(list(FLOW_SPECS))
            changed = flow_json(spec, name=other, uid=f"flow-{other}", resourceVersion=str(version + 1000))
            store.apply(FLOWS, changed)
            flows[other] = Flow.model_validate(changed)
        asking = FlowRun.model_validate(
            run_json({"flowRef": {"name": flow}}, name="run-3", uid="uid-run-3", creationTimestamp=at(1))
        )
        others = [run for other, run in known.items() if other != "run-3"]
        assert store.contention(asking, flows[flow]) == by_hand(asking, flows[flow], others, flows)


def test_a_decision_counts_before_it_is_written() -> None:
    store = Store()
    store.apply(FLOWS, FLOWS_BY_NAME["one"])
    flow = Flow.model_validate(FLOWS_BY_NAME["one"])
    first, second = (
        run_json({"flowRef": {"name": "one"}}, name=name, uid=name, resourceVersion="5") for name in ("first", "second")
    )
    for raw in (first, second):
        store.apply(FLOWRUNS, raw)
    key = Key("default", "first")
    store.decided(key, FlowRun.model_validate({**first, "status": STATES[3]}))
    assert store.contention(FlowRun.model_validate(second), flow).pools[0].held == 1
    store.decided(key, None)  # the write was refused
    assert store.contention(FlowRun.model_validate(second), flow).pools[0].held == 0


def test_a_slot_is_given_back_when_that_is_written() -> None:
    store = Store()
    store.apply(FLOWS, FLOWS_BY_NAME["one"])
    flow = Flow.model_validate(FLOWS_BY_NAME["one"])
    raw = run_json({"flowRef": {"name": "one"}}, STATES[4], name="live", uid="live", resourceVersion="5")
    other = run_json({"flowRef": {"name": "one"}}, name="other", uid="other", resourceVersion="5")
    store.apply(FLOWRUNS, raw)
    store.decided(Key("default", "live"), FlowRun.model_validate({**raw, "status": STATES[9]}))
    assert store.contention(FlowRun.model_validate(other), flow).pools[0].held == 1


def test_the_first_are_woken_when_a_slot_is_freed_and_nobody_else() -> None:
    woken: list[Key] = []
    store = Store(woken.extend)
    store.apply(FLOWS, FLOWS_BY_NAME["one"])
    ref = {"flowRef": {"name": "one"}}
    store.apply(FLOWRUNS, run_json(ref, STATES[4], name="live", uid="live", resourceVersion="5"))
    for number in range(50):
        raw = run_json(ref, STATES[1], name=f"w-{number:02}", uid=f"{number:02}", resourceVersion="6")
        store.apply(FLOWRUNS, raw, own=Key("default", f"w-{number:02}"))
    woken.clear()
    store.apply(FLOWRUNS, run_json(ref, STATES[4], name="live", uid="live", resourceVersion="7"))
    assert woken == [Key("default", "live")], "nothing is freed"
    woken.clear()
    store.apply(FLOWRUNS, run_json(ref, STATES[9], name="live", uid="live", resourceVersion="8"))
    assert Key("default", "w-00") in woken
    assert len(woken) <= 5


# --- a model -----------------------------------------------------------------------------------------------------------------------------


class Sharing(RuleBasedStateMachine):
    """Runs of five Flows, one operator."""

    @initialize()
    def begin(self) -> None:
        self.now = NOW
        self.stages: dict[str, Stage] = {}
        self.queue: dict[str, None] = {}
        self.timers: dict[str, datetime] = {}
        self.writing: dict[str, Decision] = {}
        self.version = 10
        self.known: dict[str, tuple[str, bool]] = {}
        self.store = Store(lambda keys: self.queue.update(dict.fromkeys(key.name for key in keys)))
        for raw in FLOWS_BY_NAME.values():
            self.store.apply(FLOWS, raw)

    # --- what users and nodes do ----------------------------------------------------------------------------------------------------

    @rule(
        flow=st.sampled_from(list(FLOWS_BY_NAME)),
        priorities=st.lists(st.sampled_from([0, 0, 1]), min_size=1, max_size=3),
    )
    def apply(self, flow: str, priorities: list[int]) -> None:
        for priority in priorities:
            if len(self.stages) < 14:
                self._apply(flow, priority)

    def _apply(self, flow: str, priority: int) -> None:
        name = f"run-{len(self.stages):03}"
        policy = {"retries": {"infrastructure": 2}, "backoff": {"initialSeconds": 5, "maximumSeconds": 5}}
        spec = {"flowRef": {"name": flow}, "priority": priority, "runPolicy": policy}
        born = at((self.now - NOW).total_seconds())
        world = World(run_json(spec, name=name, uid=f"uid-{name}", creationTimestamp=born), flow=FLOWS_BY_NAME[flow])
        world.limits = LIMITS
        self.stages[name] = Stage(world)
        self.tell(name)

    def tell(self, name: str) -> None:
        """The watch delivers a run."""
        stage = self.stages[name]
        if stage.world.run is not None:
            self.version += 1
            shown = {**stage.run, "metadata": {**stage.run["metadata"], "resourceVersion": str(self.version)}}
            self.store.apply(FLOWRUNS, shown)

    def live(self) -> list[str]:
        return [n for n, s in self.stages.items() if s.pod is not None and s.status["state"]["type"] not in TERMINAL]

    @precondition(lambda self: self.live())
    @rule(data=st.data(), what=st.sampled_from(["starts", "completes", "completes", "dies", "is suspended"]))
    def goes_on(self, data: st.DataObject, what: str) -> None:
        self.act(data.draw(st.sampled_from(self.live())), what)

    def act(self, name: str, what: str) -> None:
        stage = self.stages[name]
        number = stage.status["attempt"]["number"]
        if "report" not in stage.status:
            stage.kubelet(running())
            stage.engine(report(attempt=number))
        if what == "completes":
            stage.engine(report("Completed", attempt=number))
        elif what == "dies":
            stage.kubelet(terminated(137), "Failed")
        elif what == "is suspended":
            stage.engine(report("Suspended", attempt=number, resumeTime=at((self.now - NOW).total_seconds() + 20)))
            stage.kubelet(terminated(0), "Succeeded")
        stage.run["metadata"]["resourceVersion"] = stage.world.bump()
        self.tell(name)
        self.queue[name] = None

    @precondition(lambda self: self.stages)
    @rule(data=st.data(), really=st.integers(0, 3))
    def cancel(self, data: st.DataObject, really: int) -> None:
        name = data.draw(st.sampled_from(sorted(self.stages)))
        if really == 3:
            self.stages[name].world.patch_spec(desiredState="Cancelled")
            self.tell(name)

    @rule(seconds=st.sampled_from([1, 6, 40, 400]))
    def pass_time(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        for name in [n for n, due in self.timers.items() if due <= self.now]:
            del self.timers[name]
            self.queue[name] = None

    # --- workers --------------------------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.queue)
    @rule()
    def decide(self) -> None:
        """A worker takes a run and decides; the write is under way."""
        name = next((n for n in self.queue if n not in self.writing), None)
        if name is None:
            return
        del self.queue[name]
        stage = self.stages[name]
        run = FlowRun.model_validate(stage.run)
        flow = Flow.model_validate(stage.world.flow)
        stage.now = self.now
        stage.more = {"contention": self.store.contention(run, flow)}
        decision = stage.decide()
        stage.decision = decision
        self.timers.pop(name, None)
        if decision.status is None and not decision.effects:
            if decision.requeue_at is not None:
                self.timers[name] = max(decision.requeue_at, self.now)
            return
        if decision.status is not None:
            self.store.decided(Key("default", name), run.model_copy(update={"status": decision.status}))
        self.writing[name] = decision

    @rule()
    def four_workers_at_once(self) -> None:
        for _ in range(4):
            self.decide()

    @precondition(lambda self: self.writing)
    @rule(data=st.data(), refused=st.sampled_from([False, False, False, True]))
    def write(self, data: st.DataObject, refused: bool) -> None:
        """The write is answered; a refused one is tried again."""
        self.answer(data.draw(st.sampled_from(sorted(self.writing))), refused=refused)

    def answer(self, name: str, *, refused: bool) -> None:
        stage, decision = self.stages[name], self.writing.pop(name)
        assert stage.seen is not None
        current = stage.seen.run.metadata.resource_version == stage.run["metadata"]["resourceVersion"]
        if not refused and current:
            stage.write(decision)
            self.tell(name)
            for effect in decision.effects:
                stage.carry_out(effect)
            # What is deleted before it ran is gone at once.
            for pod in [p for p in stage.world.pods.values() if "deletionTimestamp" in p["metadata"]]:
                stage.remove_pod(pod["metadata"]["name"])
        self.store.decided(Key("default", name), None)
        self.queue[name] = None

    # --- what always holds ----------------------------------------------------------------------------------------------------------

    @invariant()
    def no_limit_is_exceeded(self) -> None:
        if not hasattr(self, "stages"):
            return
        held: dict[str, int] = {}
        for name, stage in self.stages.items():
            if not self._holds(name, stage):
                continue
            flow = stage.run["spec"]["flowRef"]["name"]
            for pool in (f"flow {flow}", *FLOW_SPECS[flow].get("concurrencyGroups", ())):
                held[pool] = held.get(pool, 0) + 1
        for name, spec in FLOW_SPECS.items():
            assert held.get(f"flow {name}", 0) <= spec.get("concurrency", {}).get("limit", 99), name
        for group, limit in LIMITS.items():
            assert held.get(group, 0) <= int(limit), group

    def _holds(self, name: str, stage: Stage) -> bool:
        """Whether a run has a slot; read anew when it was written, for this is asked of all runs after each step."""
        version = stage.run["metadata"]["resourceVersion"]
        known = self.known.get(name)
        if known is None or known[0] != version:
            known = self.known[name] = (version, holds(FlowRun.model_validate(stage.run)))
        return known[1]

    def settle(self) -> None:
        for _ in range(2000):
            if self.writing:
                self.answer(next(iter(self.writing)), refused=False)
            elif self.queue:
                self.decide()
            else:
                return
            self.no_limit_is_exceeded()
        raise AssertionError("the decisions do not come to rest")

    @rule()
    def everything_settles(self) -> None:
        """Nobody sleeps before a slot that is free: whoever comes first was woken."""
        self.settle()
        for flow, spec in FLOW_SPECS.items():
            waiting = [
                s.run
                for s in self.stages.values()
                if waits(FlowRun.model_validate(s.run)) and s.run["spec"]["flowRef"]["name"] == flow
            ]
            for raw in waiting if not spec.get("concurrencyGroups") else ():
                run = FlowRun.model_validate(raw)
                pool = self.store.contention(run, Flow.model_validate(FLOWS_BY_NAME[flow])).pools[0]
                assert pool.held + pool.ahead >= spec["concurrency"]["limit"], f"{run.metadata.name} was not woken"

    def teardown(self) -> None:
        if not hasattr(self, "stages"):
            return
        for _ in range(120):
            self.settle()
            for name in self.live():
                self.act(name, "completes")
            self.pass_time(400)
            if all(s.status.get("state", {}).get("type") in TERMINAL for s in self.stages.values()):
                return
        left = {n: s.status.get("state") for n, s in self.stages.items()}
        raise AssertionError(f"somebody waits for ever: {left}")


TestSharing = Sharing.TestCase
TestSharing.settings = settings(
    max_examples=25,
    stateful_step_count=40,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # a story of fourteen runs shrinks for minutes
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    print_blob=True,
)


def test_a_long_queue_costs_few_writes() -> None:
    """40 runs, two at a time: besides its life's writes each writes its place a few times, not once for each run before it."""
    story = Sharing()
    story.begin()
    for _ in range(40):
        story._apply("two", 0)
    rounds = 0
    while not all(s.status.get("state", {}).get("type") in TERMINAL for s in story.stages.values()):
        story.settle()
        for name in story.live():
            story.act(name, "completes")
        story.pass_time(40)
        rounds += 1
        assert rounds <= 24, "two slots, and hardly ever idle"
    writes = [sum(verb == "status" for verb, _ in stage.writes) for stage in story.stages.values()]
    assert sum(writes) / len(writes) <= 6
    assert max(writes) <= 7, "two of its life, and its place: 50, 20, 10, 5, 2"
    order_of_begin = sorted(story.stages, key=lambda name: story.stages[name].status["completionTime"])
    assert order_of_begin == sorted(story.stages), "by age"
