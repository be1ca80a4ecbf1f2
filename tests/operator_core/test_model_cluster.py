"""The core against a model cluster: anything may happen at any moment, and what must always hold is checked after each step.

The model: an API server with resourceVersions, pods on nodes, engine processes with the fence of the claim, users; and two operators at once,
each with a store that lags behind, that decide on what they see, carry a decision out one request at a time, and may be killed between any
two. At the end the cluster is fair for a while: everything is delivered, processes end, nobody is killed; then every run must end.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from penstock_operator.api import constants as k
from penstock_operator.api.times import rfc3339
from penstock_operator.core.model import CreatePod, Decision, Effect
from penstock_operator.core.observe import PodEvent, parse_time
from tests.support.builders import NOW, flow_json, flow_spec, run_json
from tests.support.copies import copied
from tests.support.stage import Stage, World

JSON = dict[str, Any]
TERMINAL = ("Completed", "Failed", "Crashed", "Cancelled")
LIMITS = {"infrastructure": 2, "neverStarted": 2, "application": 1}
POLICY = {"retries": LIMITS, "backoff": {"initialSeconds": 5, "maximumSeconds": 20}, "gracePeriodSeconds": 10}
GRACE = 10
LOW = "The node was low on resource: memory."
AGREE = 5  # rounds of two operators with nothing else happening
OUTCOMES = ("Completed", "Failed", "Crashed", "Cancelled", "Interrupted", "Suspended", "AwaitingRetry")


@dataclass
class Process:
    """An engine: its pod, and how far it has come."""

    pod: str
    pod_uid: str
    attempt: int
    instance: str
    accepted: bool = False
    refused: bool = False
    alive: bool = True
    acknowledged: str | None = None  # time of the report that was accepted last
    delayed: list[tuple[str, JSON]] = field(default_factory=list)  # reports on their way: (time that they test, report)


class Operator(Stage):
    """An operator whose store lags behind, and that does one thing at a time."""

    todo: deque[Decision | Effect]

    def __init__(self, world: World, skew: float = 0.0) -> None:
        super().__init__(world, view=World(run=copied(world.run), flow=world.flow))
        self.todo = deque()
        self.skew = skew  # seconds by which its clock is ahead of the world's

    def deliver_run(self) -> None:
        assert self.view is not None
        self.view.run = copied(self.world.run)

    def deliver_pods(self) -> None:
        assert self.view is not None
        for name in set(self.view.pods) - set(self.world.pods):
            self.last_pods[name] = self.view.pods[name]
        self.view.pods = copied(self.world.pods)

    def begin(self, now: datetime) -> bool:
        """Decide; what there is to do is done later, request by request. Say whether there is anything."""
        self.now = now + timedelta(seconds=self.skew)
        self.remember()
        self.decision = self.decide()
        writes = [self.decision] if self.decision.status is not None else []
        self.todo = deque([*writes, *self.decision.effects])
        return bool(self.todo)

    def act(self) -> Decision | Effect | None:
        """Do the next thing; a conflict or a failure ends it. Return what was done."""
        if not self.todo:
            return None
        what = self.todo.popleft()
        assert self.view is not None
        if isinstance(what, Decision):
            assert self.seen is not None
            if self.seen.run.metadata.resource_version != self.run["metadata"]["resourceVersion"]:
                self.todo.clear()
                self.deliver_run()
                return None
            before = self.run["status"].get("attempt", {}).get("number") if "status" in self.run else None
            self.write(what)
            self.deliver_run()
            if before != self.status.get("attempt", {}).get("number"):
                self.refusal, self.created, self.running_at = None, None, None
        elif not self.carry_out(what):
            self.todo.clear()
        elif isinstance(what, CreatePod):
            name = what.manifest["metadata"]["name"]
            self.view.pods[name] = copied(self.world.pods[name])
        return what

    def crash(self) -> None:
        """It is killed, and starts again with what the API server holds."""
        self.todo.clear()
        self.refusal, self.created, self.running_at, self.intent_at = None, None, None, None
        self.last_pods, self.ahead = {}, 0.0
        self.deliver_run()
        self.deliver_pods()


class ModelCluster(RuleBasedStateMachine):
    """Anything may happen."""

    @initialize(
        by_ref=st.booleans(),
        deadline=st.sampled_from([None, None, 600]),
        runs=st.booleans(),
        skew=st.sampled_from([0.0, 0.0, 2.0, -2.0, 60.0, -60.0, 3600.0, -3600.0]),
    )
    def apply(self, by_ref: bool, deadline: int | None, runs: bool, skew: float = 0.0) -> None:
        source = {"flowRef": {"name": "etl"}} if by_ref else {"flowSpec": flow_spec()}
        policy = {**POLICY, **({"activeDeadlineSeconds": deadline} if deadline else {})}
        self.world = World(run_json({**source, "runPolicy": policy}), flow=flow_json() if by_ref else None)
        self.now = NOW
        self.operators = [Operator(self.world), Operator(self.world, skew)]
        self.processes: list[Process] = []
        self.history: list[JSON] = []
        self.ended = False
        self.asked_at: int | None = None  # the attempt under way when an end was asked for
        self.last_word: dict[int, str] = {}  # attempt → type of the outcome that was accepted
        self.heard: set[int] = set()  # those that came before the run's end
        for _ in range(3 if runs else 0):
            self._settle(self.operators[0])
            self.nodes_and_engines_go_on()

    # --- operators --------------------------------------------------------------------------------------------------------------------

    @rule(
        which=st.integers(0, 1), run=st.booleans(), pods=st.booleans(), times=st.integers(0, 8), survives=st.booleans()
    )
    def operate(self, which: int, run: bool, pods: bool, times: int, survives: bool) -> None:
        """Decide on what was delivered or not, do so many things, and perhaps be killed in the middle of it."""
        operator = self.operators[which]
        if run:
            operator.deliver_run()
        if pods:
            operator.deliver_pods()
        for _ in range(times):
            if not operator.todo and not operator.begin(self.now):
                break
            self._act(operator)
        if not survives:
            operator.crash()

    @rule(which=st.integers(0, 1))
    def settle(self, which: int) -> None:
        self._settle(self.operators[which])

    @rule(first=st.integers(0, 1))
    def they_agree(self, first: int) -> None:
        """Both believe to lead, and each sees at once what the other wrote: they come to rest, whatever their clocks say."""
        before = self.world.version
        for _ in range(AGREE):
            written = self.world.version
            self._settle(self.operators[first])
            self._settle(self.operators[1 - first])
            if self.world.version == written:
                return
        raise AssertionError(f"{self.world.version - before} writes, and still no rest: {self.run['status']['state']}")

    @rule()
    def nodes_and_engines_go_on(self) -> None:
        for pod in self.pods():
            self._kubelet(pod)
        for process in self.living():
            self._claim(process)

    @rule()
    def retries_become_due(self) -> None:
        due = parse_time(self.run.get("status", {}).get("scheduledTime"))
        if due is not None:
            self.now = max(self.now, due)

    @precondition(lambda self: self.reporting())
    @rule(code=st.sampled_from([0, 1, 137, 139, 143]), which=st.integers(0, 1))
    def an_attempt_is_lost(self, code: int, which: int) -> None:
        """The way to the later attempts, which chance alone seldom finds."""
        for process in self.reporting():
            pod = self.world.pods.get(process.pod)
            process.alive = False
            if pod is not None and pod["metadata"]["uid"] == process.pod_uid:
                self._exit(pod, process, code)
        for _ in range(2):
            self._settle(self.operators[which])
            self.retries_become_due()

    def _act(self, operator: Operator) -> bool:
        todo = operator.todo[0] if operator.todo else None
        if isinstance(todo, CreatePod):
            self._check_creation(todo)
        return operator.act() is not None

    def _check_creation(self, effect: CreatePod) -> None:
        """No attempt begins while the process of an earlier one is there, unless its pod is gone from the API server."""
        number = int(effect.manifest["metadata"]["labels"][k.LABEL_ATTEMPT])
        for process in self.processes:
            held = process.pod in self.world.pods and self.world.pods[process.pod]["metadata"]["uid"] == process.pod_uid
            assert not (process.attempt < number and process.alive and held), "an attempt begins beside its predecessor"

    # --- time and users -----------------------------------------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.5, 3, 6, 20, 70, 400]))
    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(desired=st.sampled_from(["Running", "Paused", "Suspended", "Running"]))
    def want(self, desired: str) -> None:
        if self.run["spec"]["desiredState"] not in ("Cancelled", desired):
            self.world.patch_spec(desiredState=desired)

    # An end that somebody asks for ends the story: it must not come too often.
    @precondition(lambda self: self.run["spec"]["desiredState"] != "Cancelled")
    @rule(really=st.integers(0, 5))
    def cancel(self, really: int) -> None:
        if really == 5:
            self.world.patch_spec(desiredState="Cancelled")

    @precondition(lambda self: "deletionTimestamp" not in self.run["metadata"])
    @rule(really=st.integers(0, 5))
    def delete_run(self, really: int) -> None:
        if really != 5:
            return
        # A finalizer of somebody else's holds it, so that there is something to look at.
        self.run["metadata"]["deletionTimestamp"] = rfc3339(self.now)
        self.run["metadata"]["resourceVersion"] = self.world.bump()

    # --- nodes --------------------------------------------------------------------------------------------------------------------------

    def pods(self) -> list[JSON]:
        return list(self.world.pods.values())

    def _touch(self, pod: JSON) -> None:
        pod["metadata"]["resourceVersion"] = self.world.bump()

    @precondition(lambda self: self.pods())
    @rule(data=st.data())
    def kubelet(self, data: st.DataObject) -> None:
        self._kubelet(data.draw(st.sampled_from(self.pods())))

    def _kubelet(self, pod: JSON) -> None:
        """The next thing that a kubelet does with a pod."""
        status, spec = pod["status"], pod["spec"]
        if status["phase"] in ("Succeeded", "Failed"):
            if "deletionTimestamp" in pod["metadata"]:
                self._remove(pod)
            return
        process = self._process(pod)
        if process is None:
            if "deletionTimestamp" in pod["metadata"]:
                self._remove(pod)
            elif "nodeName" not in spec:
                spec["nodeName"], status["startTime"] = "node-1", rfc3339(self.now.replace(microsecond=0))
                self._container(pod, {"waiting": {"reason": "ContainerCreating"}})
            else:
                self._container(pod, {"running": {"startedAt": rfc3339(self.now)}}, "Running")
                number = int(pod["metadata"]["labels"][k.LABEL_ATTEMPT])
                uid = pod["metadata"]["uid"]
                self.processes.append(Process(pod["metadata"]["name"], uid, number, f"{uid}/{len(self.processes)}"))
            return
        if not process.alive:
            failed = pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] != 0
            status["phase"] = "Failed" if failed else "Succeeded"
            self._touch(pod)
        elif "deletionTimestamp" in pod["metadata"] or self._expired(pod):
            self._terminate(pod, process)

    def _expired(self, pod: JSON) -> bool:
        limit, start = pod["spec"].get("activeDeadlineSeconds"), parse_time(pod["status"].get("startTime"))
        return limit is not None and start is not None and self.now >= start + timedelta(seconds=limit)

    def _terminate(self, pod: JSON, process: Process) -> None:
        """SIGTERM to an engine that obeys: it reports by what is wanted, and leaves."""
        intent = pod["metadata"]["annotations"][k.ANNOTATION_INTENT].split(" ")[0]
        desired = intent if intent in ("Cancelled", "Suspended") else self.run["spec"]["desiredState"]
        type_ = desired if desired in ("Cancelled", "Suspended") else "Interrupted"
        if process.accepted:
            self._report(process, type_)
        expired = self._expired(pod) and "deletionTimestamp" not in pod["metadata"]
        self._exit(pod, process, 143 if type_ == "Interrupted" else 0)
        if expired:
            pod["status"] |= {"phase": "Failed", "reason": "DeadlineExceeded"}
            self._touch(pod)

    def _container(self, pod: JSON, state: JSON, phase: str = "Pending") -> None:
        pod["status"] |= {
            "phase": phase,
            "conditions": [{"type": "PodScheduled", "status": "True"}],
            "containerStatuses": [{"name": k.ENGINE_CONTAINER, "state": state, "lastState": {}, "restartCount": 0}],
        }
        self._touch(pod)

    def _exit(self, pod: JSON, process: Process, code: int) -> None:
        process.alive = False
        state = {"exitCode": code, "reason": "Error" if code else "Completed", "startedAt": rfc3339(NOW)}
        self._container(pod, {"terminated": state}, pod["status"]["phase"])

    def _remove(self, pod: JSON) -> None:
        del self.world.pods[pod["metadata"]["name"]]

    def _process(self, pod: JSON) -> Process | None:
        return next((p for p in self.processes if p.pod_uid == pod["metadata"]["uid"]), None)

    def living(self) -> list[Process]:
        return [p for p in self.processes if p.alive]

    @precondition(lambda self: self.living())
    @rule(data=st.data(), code=st.sampled_from([0, 1, 137, 139, 143]))
    def process_dies(self, data: st.DataObject, code: int) -> None:
        process = data.draw(st.sampled_from(self.living()))
        process.alive = False
        pod = self.world.pods.get(process.pod)
        if pod is not None and pod["metadata"]["uid"] == process.pod_uid:
            self._exit(pod, process, code)

    @precondition(lambda self: self.pods())
    @rule(data=st.data())
    def evict(self, data: st.DataObject) -> None:
        pod = data.draw(st.sampled_from(self.pods()))
        if "nodeName" not in pod["spec"]:
            self._remove(pod)
            return
        pod["status"].setdefault("conditions", []).append(
            {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI", "message": "drain"}
        )
        pod["metadata"].setdefault("deletionTimestamp", rfc3339(self.now))
        self._touch(pod)

    @precondition(lambda self: self.reporting())
    @rule(data=st.data(), seen=st.booleans())
    def the_queue_takes_it_back(self, data: st.DataObject, seen: bool) -> None:
        """Its engine reports and leaves; by whom it was stopped is seen before or after the report was judged."""
        process = data.draw(st.sampled_from(self.reporting()))
        pod = self.world.pods.get(process.pod)
        if pod is None or pod["metadata"]["uid"] != process.pod_uid or process.attempt in self.last_word:
            return
        self._terminate(pod, process)
        if seen:
            self._settle(self.operators[0])
        pod["status"].setdefault("conditions", []).append(
            {
                "type": "TerminationTarget",
                "status": "True",
                "reason": "WorkloadEvictedDueToPreempted",
                "message": "preempted",
            }
        )
        pod["metadata"].setdefault("deletionTimestamp", rfc3339(self.now))
        self._touch(pod)

    @precondition(lambda self: self.reporting())
    @rule(data=st.data(), announced=st.booleans(), seen=st.booleans())
    def the_kubelet_evicts(self, data: st.DataObject, announced: bool, seen: bool) -> None:
        """Its engine reports and leaves; the pod says why only then: before or after the report was judged."""
        process = data.draw(st.sampled_from(self.reporting()))
        pod = self.world.pods.get(process.pod)
        if pod is None or pod["metadata"]["uid"] != process.pod_uid or process.attempt in self.last_word:
            return
        if announced:
            self.world.events.append(PodEvent("Warning", "Evicted", LOW))
        self._terminate(pod, process)
        if seen:
            self._settle(self.operators[0])
        pod["status"] |= {"phase": "Failed", "reason": "Evicted", "message": LOW}
        self._touch(pod)
        self.world.events.clear()

    @precondition(lambda self: self.pods())
    @rule(data=st.data())
    def force_delete(self, data: st.DataObject) -> None:
        self._remove(data.draw(st.sampled_from(self.pods())))

    # --- engines ------------------------------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.living())
    @rule(data=st.data())
    def claim(self, data: st.DataObject) -> None:
        self._claim(data.draw(st.sampled_from(self.living())))

    def _claim(self, process: Process) -> None:
        status = self.run.get("status", {})
        if process.accepted or process.refused:
            return
        attempt = status.get("attempt", {})
        fits = (
            attempt.get("number") == process.attempt
            and attempt.get("podName") == process.pod
            and attempt.get("podUID", process.pod_uid) == process.pod_uid
            and "completionTime" not in status
            and "report" not in status
        )
        if not fits:
            process.refused, process.alive = True, False
            pod = self.world.pods.get(process.pod)
            if pod is not None and pod["metadata"]["uid"] == process.pod_uid:
                self._exit(pod, process, 77)
            return
        process.accepted = True
        self._write_report(process, {"attempt": process.attempt, "instance": process.instance, "type": "Running"})

    def _write_report(self, process: Process, report: JSON) -> None:
        self.now += timedelta(milliseconds=1)
        process.acknowledged = rfc3339(self.now)
        self.world.patch_status(report={**report, "time": process.acknowledged})
        if report["type"] in OUTCOMES and not report.get("ending"):
            self.last_word[process.attempt] = report["type"]
            # The process of a pod that is gone may report when its run has ended long since: nobody listens.
            if "completionTime" not in self.run["status"]:
                self.heard.add(process.attempt)

    def reporting(self) -> list[Process]:
        return [p for p in self.living() if p.accepted]

    @precondition(lambda self: self.reporting())
    @rule(
        data=st.data(),
        type_=st.sampled_from(["Running", "Paused", *OUTCOMES]),
        ending=st.booleans(),
        late=st.booleans(),
    )
    def report(self, data: st.DataObject, type_: str, ending: bool, late: bool) -> None:
        process = data.draw(st.sampled_from(self.reporting()))
        if process.attempt in self.last_word:
            return  # its last word is said
        self._report(process, type_, ending=ending and type_ in OUTCOMES, late=late)

    def _report(self, process: Process, type_: str, *, ending: bool = False, late: bool = False) -> None:
        report: JSON = {"attempt": process.attempt, "instance": process.instance, "type": type_}
        if ending:
            report["ending"] = True
        if type_ == "AwaitingRetry":
            report["resumeTime"] = rfc3339(self.now + timedelta(seconds=30))
        assert process.acknowledged is not None
        process.delayed.append((process.acknowledged, report))
        if not late:
            self._arrive(process)

    @precondition(lambda self: any(p.delayed for p in self.processes))
    @rule(data=st.data())
    def a_late_report_arrives(self, data: st.DataObject) -> None:
        self._arrive(data.draw(st.sampled_from([p for p in self.processes if p.delayed])))

    def _arrive(self, process: Process) -> None:
        """The fence: the instance that has claimed, and the report that it knows of."""
        tests, report = process.delayed.pop()
        now = self.run.get("status", {}).get("report", {})
        if (
            now.get("instance") == process.instance
            and now.get("time") == tests
            and process.attempt not in self.last_word
        ):
            self._write_report(process, report)

    # --- what always holds ----------------------------------------------------------------------------------------------------------------

    @property
    def run(self) -> JSON:
        assert self.world.run is not None
        return self.world.run

    @invariant()
    def the_status_is_sound(self) -> None:
        if not hasattr(self, "world"):
            return
        status = copied(self.run.get("status", {}))
        before = self.history[-1] if self.history else {}
        self.history.append(status)
        old, new = before.get("state"), status.get("state")
        if old is not None and old["type"] in TERMINAL:
            assert new == old, "a terminal state is final"
            assert status["completionTime"] == before["completionTime"]
        if new is not None:
            assert (new["type"] in TERMINAL) == ("completionTime" in status)
        number, earlier = (s.get("attempt", {}).get("number", 0) for s in (status, before))
        assert earlier <= number <= earlier + 1, "attempts go up by one"
        if self.asked_at is not None:
            assert number <= self.asked_at, "no attempt begins once cancellation is asked"
            if new is not None and new["type"] in TERMINAL and not self.ended:
                assert new["name"] != "Interrupted", "what was cancelled is Cancelled, whoever stopped it"
        elif self.run["spec"]["desiredState"] == "Cancelled" or "deletionTimestamp" in self.run["metadata"]:
            self.asked_at = number
        self.ended = new is not None and new["type"] in TERMINAL
        for budget, used in status.get("retries", {}).items():
            assert used <= LIMITS[budget], "a budget is exceeded"
        counted = [a["number"] for a in status.get("attempts", ())]
        assert counted == sorted(set(counted)), "an attempt is counted once"
        assert not counted or counted[-1] == number - 1
        self._attempts_are_sound(before, status)
        if (
            self.last_word.get(number) == "Completed"
            and number in self.heard
            and new is not None
            and new["type"] in TERMINAL
        ):
            assert new["type"] == "Completed", "an engine that completed is Completed"
        claims = [p.attempt for p in self.processes if p.accepted]
        assert len(claims) == len(set(claims)), "one process of an attempt is past its claim"

    def _attempts_are_sound(self, before: JSON, status: JSON) -> None:
        """A judged attempt stays what it is; the cause of an interruption may come to light, once, while the run goes on.

        Where it was the run's queue, and no later attempt was judged, it counts for nothing from then on.
        """
        now = {a["number"]: a for a in status.get("attempts", ())}
        for old in before.get("attempts", ()):
            new = now.get(old["number"], old)
            if new == old:
                continue
            assert old["reason"] == "Interrupted", "a reason is amended once"
            assert before["state"]["type"] not in TERMINAL, "what has ended is told"
            told = {"reason": new["reason"], "message": new["message"]}
            if new["reason"] == "Preempted" and old is before["attempts"][-1]:
                used, left = (each["retries"]["infrastructure"] for each in (before, status))
                assert "budget" not in new, "a queue takes back what is counted in nothing"
                if status["attempt"] == before["attempt"]:
                    assert left == used - 1, "the retry is given back"
                told["budget"] = old["budget"]
                new = {**new, "budget": old["budget"]}
            assert new == {**old, **told}, "only the cause is amended"

    # --- the end ----------------------------------------------------------------------------------------------------------------------------

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        for operator in self.operators:
            operator.crash()
        for _ in range(300):
            self._fair_round()
            if self._over():
                return
        raise AssertionError(f"no end: {self.run['status']['state']}, pods {list(self.world.pods)}")

    def _over(self) -> bool:
        return bool(self.run.get("status", {}).get("state", {}).get("type") in TERMINAL) and not self.living()

    def _fair_round(self) -> None:
        if self.run["spec"]["desiredState"] in ("Paused", "Suspended"):
            self.world.patch_spec(desiredState="Running")
        for operator in self.operators:
            self._settle(operator)
        for process in self.living():
            pod = self.world.pods.get(process.pod)
            if pod is None or pod["metadata"]["uid"] != process.pod_uid:
                process.alive = False  # orphans die
            elif not process.accepted:
                self._claim(process)
            elif process.attempt not in self.last_word:
                self._report(process, "Completed")
            else:
                self._exit(pod, process, 0)
        for pod in self.pods():
            self._kubelet(pod)
        self.now += timedelta(seconds=7)

    def _settle(self, operator: Operator) -> None:
        """With everything delivered, an operator's own effects leave it nothing to do."""
        for _ in range(6):
            operator.deliver_run()
            operator.deliver_pods()
            if not operator.begin(self.now):
                return
            while operator.todo:
                self._act(operator)
            self.the_status_is_sound()
        raise AssertionError(f"no fixpoint: {operator.decision}")


TestModelCluster = ModelCluster.TestCase
TestModelCluster.settings = settings(
    max_examples=60,
    stateful_step_count=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    print_blob=True,
)


WAYS = ("deadline", "deadline of a pod that is deleted", "late", "creating", "starting", "stuck", "retry", "cancel")


@pytest.mark.parametrize(("way", "skew"), [(way, (-60.0, 3600.0)[n % 2]) for n, way in enumerate(WAYS)])
def test_two_clocks_write_no_more_than_one(way: str, skew: float) -> None:
    """Through every switch that time alone makes, second by second, each operator at once after the other's writes."""
    one, two = (_through(way, clock) for clock in (0.0, skew))
    assert two <= one + 6, f"{one} writes with one clock, {two} with two"


@cache
def _through(way: str, skew: float) -> int:
    machine = ModelCluster()
    machine.apply(by_ref=False, deadline=20 if way.startswith("deadline") else None, runs=way != "creating", skew=skew)
    pod = None
    if way == "creating":
        machine.they_agree(0)
    if way in ("starting", "creating"):
        (pod,) = machine.pods()
        pod["spec"]["nodeName"] = "node-1"
        state: JSON = (
            {"running": {"startedAt": rfc3339(NOW)}}
            if way == "starting"
            else {"waiting": {"reason": "ContainerCreating"}}
        )
        machine._container(pod, state, "Running" if way == "starting" else "Pending")
        if way == "starting":
            machine.world.patch_status(report=None)
            machine.run["status"]["state"] |= {"type": "Pending", "name": "Submitting"}
    elif way in ("stuck", "deadline of a pod that is deleted"):
        (pod,) = machine.pods()
        pod["metadata"]["deletionTimestamp"] = rfc3339(machine.now)
        machine._touch(pod)
    elif way in ("late", "retry"):
        machine._report(machine.reporting()[0], "Interrupted")
        if way == "retry":
            for process in machine.living():
                machine._exit(machine.world.pods[process.pod], process, 143)
    elif way == "cancel":
        machine.world.patch_spec(desiredState="Cancelled")
    before = machine.world.version
    for step in range(84):
        if step == 70:
            machine.operators[1].crash()  # what it remembered is gone; the other's memory is not
        machine.they_agree(step % 2)
        machine.now += timedelta(seconds=1.1)
    return machine.world.version - before


@pytest.mark.parametrize("back", [2, 60, 3600])
def test_a_clock_that_was_set_back_makes_no_wait_longer(back: int) -> None:
    """A retry is due after what its backoff asked for, counted from when the clock was set back at the latest."""
    machine = ModelCluster()
    machine.apply(by_ref=False, deadline=None, runs=True)
    machine._report(machine.reporting()[0], "Interrupted")
    for process in machine.living():
        machine._exit(machine.world.pods[process.pod], process, 143)
    operator = machine.operators[0]
    machine._settle(operator)
    due = parse_time(machine.run["status"]["scheduledTime"])
    assert due is not None
    asked = due - machine.now
    machine.now -= timedelta(seconds=back)
    machine._settle(operator)
    assert operator.decision.requeue_at is not None
    assert operator.decision.requeue_at - machine.now <= asked
    machine.now += asked
    machine._settle(operator)
    assert machine.run["status"]["state"]["type"] == "Pending"


def test_the_model_can_fail() -> None:
    """A core that forgot the switch would be caught: a report that stays with a new attempt is refused by the model's invariants."""
    machine = ModelCluster()
    machine.apply(by_ref=False, deadline=None, runs=False)
    machine.operators[0].begin(machine.now)
    while machine.operators[0].todo:
        machine._act(machine.operators[0])
    machine.the_status_is_sound()
    machine.world.patch_status(attempt={**machine.run["status"]["attempt"], "number": 3})
    try:
        machine.the_status_is_sound()
    except AssertionError:
        return
    raise AssertionError("two attempts at once went unnoticed")
