"""Schedules where anything may happen at any moment: no run is made twice, and none is missed but by its schedule's policy.

The operators are the real ones below their queue (`Flows.settle`), on a server in memory; each request waits until the machine lets it
through, loses its answer, refuses it, or kills who asks. Two operators at once, with clocks of their own that are set by hours, and stores
that lag behind; users edit, suspend, delete runs, delete the Flow and make it anew. What must hold is checked with every write.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from penstock_operator.api.flow import Flow, Schedule
from penstock_operator.api.times import EARLIEST, read_time, rfc3339
from penstock_operator.core.flows.names import scheduled_name
from penstock_operator.core.flows.recurrence import recurrence
from penstock_operator.core.flows.schedules import rule_of
from penstock_operator.runtime.checker import Checker
from penstock_operator.runtime.client import ApiClient
from penstock_operator.runtime.errors import ApiError
from penstock_operator.runtime.flows import Flows
from penstock_operator.runtime.metrics import Metrics
from penstock_operator.runtime.queue import WorkQueue
from penstock_operator.runtime.ratelimit import TokenBucket
from penstock_operator.runtime.recorder import Recorder
from penstock_operator.runtime.resources import FLOWRUNS, FLOWS, Key
from penstock_operator.runtime.store import Store
from penstock_operator.runtime.wire import Answer, NoAnswerError
from tests.support.builders import flow_spec
from tests.support.fakeapi import FakeApi, refusal
from tests.support.runtimerig import credentials, half

JSON = dict[str, Any]
FLOW = Key("default", "etl")
START = datetime(2026, 3, 1, 0, 30, tzinfo=UTC)
SECOND = timedelta(seconds=1)
BEHIND = timedelta(hours=3)  # a clock, at most
PATIENCE = 10_000_000  # seconds: no deadline is over but where one is meant
RULES: dict[str, list[JSON]] = {
    "all": [{"intervalSeconds": 10_800}, {"cron": "15 */4 * * *"}],
    "latest": [{"cron": "0 */2 * * *"}, {"cron": "30 */3 * * *", "timeZone": "Europe/Berlin"}],
    "short": [{"cron": "0 * * * *"}, {"intervalSeconds": 5400}],
    "none": [{"cron": "0 * * * *"}, {"cron": "20 * * * *"}],
}
POLICIES: dict[str, JSON] = {
    "all": {"missedRunPolicy": "All", "startingDeadlineSeconds": PATIENCE},
    "latest": {"missedRunPolicy": "Latest", "startingDeadlineSeconds": PATIENCE},
    "short": {"missedRunPolicy": "All", "startingDeadlineSeconds": 3700},
    "none": {"missedRunPolicy": "None"},
}
LATE = {"all": PATIENCE, "latest": PATIENCE, "short": 3700, "none": 60}  # seconds

Slot = tuple[str, str, int]  # the Flow's uid, the schedule, and which life of it: one that was taken out begins anew


@dataclass
class Asked:
    """A request that waits."""

    raw: httpx.Request
    answer: asyncio.Future[Answer]


class Gate:
    """The way from one operator to the server."""

    def __init__(self) -> None:
        self.asked: Asked | None = None

    async def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        content: bytes | None,
        most: int = 0,
    ) -> Answer:
        raw = httpx.Request(method, f"http://api{path}", params=dict(query), headers=dict(headers), content=content)
        self.asked = Asked(raw, asyncio.get_running_loop().create_future())
        return await self.asked.answer

    async def close(self) -> None:
        """Nothing is open."""


async def at_once(_: float) -> None:
    """No wait between two tries."""


@dataclass
class Operator:
    """One operator, from its start to its end."""

    machine: Machine
    skew: timedelta = timedelta()
    gate: Gate = field(default_factory=Gate)
    task: asyncio.Task[None] | None = None
    seen: JSON | None = None  # the Flow as it was read live last
    seen_at: datetime = START  # on its own clock

    def __post_init__(self) -> None:
        self.store = Store()
        metrics = Metrics()
        bucket = TokenBucket(1e6, 1_000_000, clock=self.clock, sleep=at_once)
        client = ApiClient(credentials(), bucket, metrics, wire=self.gate, random=half, sleep=at_once, clock=self.clock)
        queue: WorkQueue[Key] = WorkQueue(clock=self.clock, random=half)
        self.recorder = Recorder(client, "me", metrics, now=self.now, clock=self.clock)
        self.flows = Flows(client, self.store, queue, self.recorder, Checker(), now=self.now, clock=self.clock)
        self.deliver()

    def now(self) -> datetime:
        return self.machine.now + self.skew

    def clock(self) -> float:
        return (self.machine.now - START).total_seconds()

    def deliver(self) -> None:
        """Its watches tell what there is."""
        for kind in (FLOWS, FLOWRUNS):
            listed = {
                Key(ns, name): body
                for (plural, ns, name), body in self.machine.api.objects.items()
                if plural == kind.plural
            }
            self.store.prune(kind, listed.keys(), self.machine.api.version, lambda _: True)
            for body in listed.values():
                self.store.apply(kind, body)

    def step(self) -> bool:
        """Go on until something is asked, or nothing is left to do; say whether something is asked."""
        loop = self.machine.loop
        if self.task is None:
            self.task = loop.create_task(self.flows.settle(FLOW))
        while self.gate.asked is None and not self.task.done():
            loop.run_until_complete(asyncio.sleep(0))
        if self.task.done():
            task, self.task = self.task, None
            error = task.exception()
            if error is not None and not isinstance(error, ApiError):
                raise error
        return self.task is not None

    def kill(self) -> None:
        if self.task is not None:
            self.task.cancel()
            self.machine.loop.run_until_complete(asyncio.wait([self.task]))


class Machine(RuleBasedStateMachine):
    """Anything may happen."""

    @initialize(unseen=st.booleans())
    def begin(self, unseen: bool) -> None:
        self.loop = asyncio.new_event_loop()
        self.api = FakeApi()
        self.now = START
        self.lives: dict[str, int] = defaultdict(int)
        self.epochs: dict[Slot, dict[str, datetime]] = {}  # by rule: since when its times are owed
        self.made: dict[Slot, set[datetime]] = defaultdict(set)
        self.stopped: dict[Slot, datetime] = {}  # when it was last written that it is suspended
        self.foreign: set[str] = set()
        self.quota = False
        self.flow_number = 0
        self.apply_flow()
        if unseen:
            self.now += timedelta(hours=7)
        self.operators = [Operator(self), Operator(self)]

    def apply_flow(self) -> None:
        self.flow_number += 1
        schedules = [{"name": name, **rules[0], **POLICIES[name]} for name, rules in RULES.items()]
        meta = {
            "name": "etl",
            "uid": f"flow-{self.flow_number}",
            "generation": 1,
            "creationTimestamp": rfc3339(self.now),
        }
        spec = {**flow_spec(), "schedules": schedules}
        self.api.put("flows", {"metadata": meta, "spec": spec, "status": {"observedGeneration": -1}})

    def teardown(self) -> None:
        if not hasattr(self, "operators"):
            return
        try:
            self.all_is_well_in_the_end()
        finally:
            for operator in self.operators:
                operator.kill()
            self.loop.close()

    # --- what there is ----------------------------------------------------------------------------------------------------------------

    @property
    def flow(self) -> JSON:
        return self.api.objects["flows", "default", "etl"]

    def slot(self, name: str) -> Slot:
        return self.flow["metadata"]["uid"], name, self.lives[name]

    def runs(self) -> list[JSON]:
        return [body for (plural, _, _), body in self.api.objects.items() if plural == "flowruns"]

    def rows(self) -> dict[str, JSON]:
        return {row["name"]: row for row in (self.flow.get("status") or {}).get("schedules") or ()}

    # --- operators --------------------------------------------------------------------------------------------------------------------

    @rule(
        which=st.integers(0, 1),
        outcomes=st.lists(st.sampled_from(["ok", "ok", "ok", "ok", "lost", "unsent", "busy", "killed"]), max_size=6),
        delivered=st.booleans(),
    )
    def operate(self, which: int, outcomes: list[str], delivered: bool) -> None:
        """So many requests of an operator, with what becomes of each."""
        if delivered:
            self.operators[which].deliver()
        for outcome in outcomes:
            if not self.operators[which].step():
                return
            self.let_through(which, outcome)

    @rule(which=st.integers(0, 1))
    def settle(self, which: int) -> None:
        """An operator hears of everything, and does all that there is to do."""
        operator = self.operators[which]
        operator.deliver()
        for _ in range(400):
            if not operator.step():
                return
            self.let_through(which, "ok")
        raise AssertionError("an operator comes to no rest")

    @rule(which=st.integers(0, 1))
    def restart(self, which: int) -> None:
        self.operators[which].kill()
        self.operators[which] = Operator(self, self.operators[which].skew)

    def let_through(self, which: int, outcome: str) -> None:
        operator = self.operators[which]
        asked = operator.gate.asked
        assert asked is not None
        operator.gate.asked = None
        if outcome == "killed":
            # Half of them after the server has heard it.
            if self.api.version % 2:
                self.handle(operator, asked.raw)
            self.restart(which)
            return
        if outcome == "unsent":
            asked.answer.set_exception(NoAnswerError("ConnectError", ""))
        elif outcome == "busy":
            asked.answer.set_result(answer(refusal(503, "ServiceUnavailable", "busy")))
        else:
            found = self.handle(operator, asked.raw)
            if outcome == "lost":
                asked.answer.set_exception(NoAnswerError("ReadTimeout", ""))
            else:
                asked.answer.set_result(answer(found))
                if asked.raw.url.path.endswith("/flows/etl") and found.status_code == 200:
                    operator.seen, operator.seen_at = found.json(), operator.now()
        self.loop.run_until_complete(asyncio.sleep(0))

    def handle(self, operator: Operator, raw: httpx.Request) -> httpx.Response:
        """The server's answer, and what must hold of it."""
        if raw.method == "POST" and self.quota:
            return refusal(403, "Forbidden", "exceeded quota: count/flowruns.penstock.dev")
        found = self.api.handle(raw)
        if raw.method == "POST" and found.status_code == 201:
            self.check_run(operator, found.json())
        if raw.method == "PATCH" and found.status_code == 200:
            self.check_status()
        return found

    # --- what must hold ---------------------------------------------------------------------------------------------------------------

    def check_run(self, operator: Operator, run: JSON) -> None:
        """A run that was just made: it is the first for its time, its time has come, and nobody had stopped it."""
        name = run["metadata"]["labels"]["penstock.dev/schedule"]
        time = read_time(run["spec"]["scheduledTime"])
        uid = run["metadata"]["ownerReferences"][0]["uid"]
        slot = (uid, name, self.lives[name])
        assert time not in self.made[slot], f"made twice: {run['metadata']['name']}"
        self.made[slot].add(time)
        assert operator.seen is not None
        assert operator.seen["metadata"]["uid"] == uid, "made for a Flow that was not looked at"
        spec = operator.seen["spec"]
        assert not spec.get("suspend"), "made although the Flow was suspended when it was looked at"
        (schedule,) = (s for s in spec["schedules"] if s["name"] == name)
        assert not schedule.get("suspend"), "made although the schedule was suspended when it was looked at"
        assert time > read_time(operator.seen["metadata"]["creationTimestamp"]), "due before the Flow was there"
        times = recurrence(Schedule.model_validate(schedule))
        assert times.latest(time - SECOND, time) == time, "no time of its schedule"
        assert time + BEHIND > self.stopped.get(slot, EARLIEST), "it was suspended then"
        assert time <= max(operator.now(), operator.seen_at), "not due yet"
        # Between the look and this request somebody may have set the clock back.
        decided = min(operator.seen_at, operator.now())
        assert (decided - time).total_seconds() <= LATE[name], "its deadline was over"

    def check_status(self) -> None:
        """A status that was just written: what it says is settled was made, unless its policy gives it up."""
        flow = Flow.model_validate(self.flow)
        rows = {row.name: row for row in flow.status.schedules or ()}
        for schedule in flow.spec.schedules or ():
            row, slot, written = rows[schedule.name], self.slot(schedule.name), rule_of(schedule)
            stopped = flow.spec.suspend or schedule.suspend
            assert row.rule == written
            assert (row.next_scheduled_time is None) == stopped
            if row.next_scheduled_time is None:
                self.stopped[slot] = self.now
                continue
            times = recurrence(schedule)
            assert times.latest(row.next_scheduled_time - SECOND, row.next_scheduled_time), "no time of its rule"
            epoch = self.epochs.setdefault(slot, {})
            if written not in epoch:
                epoch[written] = row.next_scheduled_time
                continue
            owed = times.between(epoch[written] - SECOND, row.next_scheduled_time - SECOND, 1000)
            done = self.made[slot] | set(row.overdue_times or ())
            lacking = [t for t in owed if t not in done and scheduled_name("etl", schedule.name, t) not in self.foreign]
            if schedule.name == "all":
                assert not lacking, f"missed: {lacking}"
            if schedule.name == "latest":
                assert owed[-1:] != tuple(lacking[-1:]) or not owed, f"the latest was missed: {lacking[-1]}"

    def all_is_well_in_the_end(self) -> None:
        """Nothing goes wrong any more: nothing stays overdue, and the status waits for what is to come."""
        self.quota = False
        for operator in self.operators:
            operator.skew = timedelta()
        self.restart(0)
        for _ in range(2):
            self.settle(0)
            self.now += timedelta(seconds=61)  # a refusal is over by then
        self.settle(0)
        for name, row in self.rows().items():
            times = [read_time(t) for t in row.get("overdueTimes") or ()]
            # What a clock found due that was ahead is not overdue yet.
            overdue = [t for t in times if t <= self.now and scheduled_name("etl", name, t) not in self.foreign]
            assert not overdue, f"{name} is still overdue: {overdue}"
            if "nextScheduledTime" in row:
                assert read_time(row["nextScheduledTime"]) > self.now

    # --- time and users -----------------------------------------------------------------------------------------------------------------

    @rule(minutes=st.sampled_from([0.5, 10, 29, 31, 60, 180, 190]))
    def pass_time(self, minutes: float) -> None:
        self.now += timedelta(minutes=minutes)

    @rule(which=st.integers(0, 1), hours=st.sampled_from([0, 0, -3, -1, 1, 2.5, 5]))
    def set_a_clock(self, which: int, hours: float) -> None:
        self.operators[which].skew = timedelta(hours=hours)

    def change(self, spec: JSON) -> None:
        meta = {**self.flow["metadata"], "generation": self.flow["metadata"]["generation"] + 1}
        self.api.put("flows", {**self.flow, "metadata": meta, "spec": spec})

    def schedules(self) -> list[JSON]:
        return list(self.flow["spec"]["schedules"])

    def forget(self, name: str) -> None:
        """What is owed of a schedule begins anew."""
        self.epochs.pop(self.slot(name), None)

    @rule(name=st.sampled_from(sorted(RULES)), which=st.integers(0, 1), suspend=st.booleans())
    def edit(self, name: str, which: int, suspend: bool) -> None:
        """Give a schedule a rule, the same or another, and suspend it or not."""
        written = {"name": name, **RULES[name][which], **POLICIES[name], **({"suspend": True} if suspend else {})}
        self.forget(name)
        others = [s for s in self.schedules() if s["name"] != name]
        self.change({**self.flow["spec"], "schedules": [*others, written]})

    @rule(name=st.sampled_from(sorted(RULES)))
    def take_out(self, name: str) -> None:
        self.forget(name)
        self.lives[name] += name in self.rows()
        self.change({**self.flow["spec"], "schedules": [s for s in self.schedules() if s["name"] != name]})

    @rule(suspend=st.booleans())
    def suspend_the_flow(self, suspend: bool) -> None:
        for name in RULES:
            self.forget(name)
        self.change({**self.flow["spec"], "suspend": suspend})

    @precondition(lambda self: self.runs())
    @rule(data=st.data())
    def delete_a_run(self, data: st.DataObject) -> None:
        """One of which the Flow's status tells: it does not come again."""
        rows = self.rows()
        told = []
        for run in self.runs():
            row = rows.get((run["metadata"].get("labels") or {}).get("penstock.dev/schedule", ""), {})
            time = run["spec"].get("scheduledTime", "")
            if (
                "nextScheduledTime" in row
                and time < row["nextScheduledTime"]
                and time not in row.get("overdueTimes", ())
            ):
                told.append(run)
        if told:
            self.api.remove("flowruns", data.draw(st.sampled_from(told))["metadata"]["name"])

    @rule()
    def delete_the_flow_and_make_it_anew(self) -> None:
        """With its runs, as the garbage collector does."""
        uid = self.api.remove("flows", "etl")["metadata"]["uid"]
        for run in self.runs():
            if any(o["uid"] == uid for o in run["metadata"].get("ownerReferences", ())):
                self.api.remove("flowruns", run["metadata"]["name"])
        self.apply_flow()

    @rule(name=st.sampled_from(sorted(RULES)))
    def take_a_name(self, name: str) -> None:
        """Somebody has a run of the name that the next one would get."""
        row = self.rows().get(name, {})
        if "nextScheduledTime" in row:
            wanted = scheduled_name("etl", name, read_time(row["nextScheduledTime"]))
            if ("flowruns", "default", wanted) not in self.api.objects:
                self.foreign.add(wanted)
                self.api.put("flowruns", {"metadata": {"name": wanted}, "spec": {"flowRef": {"name": "etl"}}})

    @rule(full=st.booleans())
    def fill_a_quota(self, full: bool) -> None:
        self.quota = full


def answer(found: httpx.Response) -> Answer:
    return Answer(found.status_code, found.headers, found.content)


TestSchedules = Machine.TestCase
TestSchedules.settings = settings(
    max_examples=40, stateful_step_count=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)
TestSchedules = pytest.mark.timeout(280)(TestSchedules)
