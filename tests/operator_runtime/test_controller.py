"""The controller: what is written and done, in which order, and what happens when it can't be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest

from penstock_operator.api.flowrun import Attempt, FlowRun, FlowRunStatus, State, StateType
from penstock_operator.core.model import (
    MISSING,
    UNKNOWN,
    CreatePod,
    Decision,
    Emit,
    Look,
    Observed,
    Revision,
)
from penstock_operator.core.observe import Pod
from penstock_operator.runtime.controller import UnsettledError
from penstock_operator.runtime.errors import ApiError
from penstock_operator.runtime.gather import AskedAgainError
from penstock_operator.runtime.ratelimit import TokenBucket
from penstock_operator.runtime.resources import FLOWRUNS, FLOWS, PODS, Key
from tests.support import virtualtime
from tests.support.fakeapi import FakeApi, Request, refusal
from tests.support.runtimeobjects import flow, flowrun, pod, state
from tests.support.runtimerig import RUN, START, Rig, now, on, settled

MANIFEST = pod(version=0)


def server(**run: Any) -> FakeApi:
    api = FakeApi()
    api.put("flowruns", flowrun(**run))
    return api


def to(status: FlowRunStatus, **changes: Any) -> FlowRunStatus:
    return status.model_copy(update=changes)


def pending(seen: Observed) -> FlowRunStatus:
    return to(
        seen.run.status,
        state=State(type=StateType.PENDING, name="Submitting", since=START, time=START),
        attempt=Attempt(number=1, pod_name="etl-1"),
    )


def begins(seen: Observed) -> Decision:
    """Pending first, then the pod, then nothing."""
    if seen.run.status.state is None:
        return Decision(status=pending(seen), effects=(CreatePod(MANIFEST),))
    if isinstance(seen.pod, Pod):
        return Decision()
    return Decision(effects=(CreatePod(MANIFEST),))


def nothing(_: Observed) -> Decision:
    return Decision()


def test_the_status_comes_first_and_then_the_pod() -> None:
    api = server()
    rig = on(api, begins, settled)
    assert api.asked() == ["patch flowruns/status etl", "create pods"]
    assert api.get("flowruns", "etl")["status"]["attempt"] == {"number": 1, "podName": "etl-1"}
    assert api.requests[0].body["metadata"] == {"resourceVersion": "101"}, "guarded by what was read"
    # The answers are known at once: the last decision saw both, and that it was the operator's own write.
    assert isinstance(rig.seen[-1].pod, Pod)
    assert rig.seen[-1].pod_created
    assert rig.seen[0].run_is_live is False
    assert rig.seen[1].run_is_live is True


def test_nothing_is_written_when_nothing_changed() -> None:
    api = server(status={"state": state("Running"), "startTime": "2026-01-01T00:00:00Z"})

    def same(seen: Observed) -> Decision:
        return Decision(status=to(seen.run.status, state=State(type=StateType.RUNNING, name="Running")))

    on(api, same, settled)
    assert api.asked() == []


def test_no_effect_without_its_status() -> None:
    api = server()
    api.fail("patch", "flowruns/status", *[refusal(500, "InternalError", "etcd is away")] * 9)

    async def story(rig: Rig) -> None:
        with pytest.raises(ApiError, match="etcd is away"):
            await rig.settle()

    on(api, begins, story)
    assert api.asked("create") == []


def test_a_conflict_is_read_live_and_decided_again_at_once() -> None:
    api = server()

    async def story(rig: Rig) -> None:
        rig.sync()
        api.change("flowruns", "etl", {"spec": {"desiredState": "Cancelled"}})  # no watch has told yet
        await rig.controller.settle(RUN, 0.0)

    def decide(seen: Observed) -> Decision:
        if seen.run.spec.desired_state == "Cancelled":
            done = State(type=StateType.CANCELLED, name="Cancelled")
            return Decision(status=to(seen.run.status, state=done))
        return begins(seen)

    rig = on(api, decide, story)
    assert api.asked() == ["patch flowruns/status etl", "get flowruns etl", "patch flowruns/status etl"]
    assert api.get("flowruns", "etl")["status"]["state"]["type"] == "Cancelled"
    assert rig.seen[1].run_is_live
    assert rig.sample("penstock_status_conflicts_total") == 1


@pytest.mark.parametrize("successor", [False, True])
def test_a_run_that_is_gone_is_forgotten(successor: bool) -> None:
    api = server()

    async def story(rig: Rig) -> None:
        rig.sync()
        api.remove("flowruns", "etl")
        if successor:
            api.put("flowruns", flowrun(uid="run-2"))
        await rig.controller.settle(RUN, 0.0)
        assert rig.queue.delayed == 0

    on(api, begins, story)
    assert api.asked("create") == []


def test_looks_are_read_live_and_the_core_is_asked_again() -> None:
    api = server(
        spec={"flowRef": {"name": "etl"}},
        status={
            "attempt": {"number": 2, "podName": "etl-2"},
            "attempts": [{"number": 1, "podName": "etl-1"}],
            "flow": {"name": "etl", "revision": "etl-abc"},
        },
    )
    api.put("flows", flow(source={"configMap": {"name": "src"}}))
    api.put("configmaps", {"metadata": {"name": "etl-abc"}, "data": {"flow.json": "{}"}})
    api.put("configmaps", {"metadata": {"name": "src"}, "data": {"a.py": "1"}})
    api.put("pods", pod("etl-1"))

    def decide(seen: Observed) -> Decision:
        if seen.revision is UNKNOWN:
            return Decision(looks=frozenset(Look) - {Look.POD_EVENTS})
        return Decision()

    async def story(rig: Rig) -> None:
        for resource in (FLOWRUNS, FLOWS):  # the store knows of no pod
            rig.store.apply(resource, api.get(resource.plural, "etl"))
        await rig.controller.settle(RUN, 0.0)

    last = on(api, decide, story).seen[-1]
    assert sorted(api.asked()) == [
        "get configmaps etl-abc",
        "get configmaps src",
        "get flowruns etl",
        "get flows etl",
        "get pods etl-1",
        "get pods etl-2",
    ]
    assert last.run_is_live
    assert last.pod is MISSING
    assert isinstance(last.previous_pod, Pod)
    assert last.revision == Revision("etl-abc", {"flow.json": "{}"})
    assert last.source == {"a.py": "1"}


def test_events_of_the_pod_are_read_by_its_uid_newest_last() -> None:
    api = server(status={"attempt": {"number": 1, "podName": "etl-1"}})
    api.put("pods", pod())

    def event(name: str, uid: str, time: str) -> None:
        body = {"metadata": {"name": name}, "involvedObject": {"uid": uid}, "reason": name, "lastTimestamp": time}
        api.put("events", body)

    event("ALater", "pod-1", "2026-01-01T00:00:02Z")  # servers list by name
    event("Before", "pod-1", "2026-01-01T00:00:01Z")
    event("Other", "pod-9", "2026-01-01T00:00:03Z")

    def decide(seen: Observed) -> Decision:
        return Decision(looks=frozenset({Look.POD_EVENTS})) if seen.events is None else Decision()

    last = on(api, decide, settled).seen[-1]
    assert last.events is not None
    assert [e.reason for e in last.events] == ["Before", "ALater"]


def test_a_core_that_asks_for_what_it_was_told_is_a_fault() -> None:
    async def story(rig: Rig) -> None:
        with pytest.raises(AskedAgainError, match="pod"):
            await rig.settle()

    api = server(status={"attempt": {"number": 1, "podName": "etl-1"}})
    on(api, lambda _: Decision(looks=frozenset({Look.POD})), story)
    assert api.asked() == ["get pods etl-1"]


def test_a_core_that_never_rests_is_a_fault() -> None:
    def restless(seen: Observed) -> Decision:
        message = str(int(seen.run.status.state.message or 0) + 1) if seen.run.status.state else "0"
        changed = State(type=StateType.PENDING, name="Submitting", message=message)
        return Decision(status=to(seen.run.status, state=changed))

    async def story(rig: Rig) -> None:
        with pytest.raises(UnsettledError):
            await rig.settle()

    on(server(), restless, story)


def test_the_report_is_the_engines() -> None:
    """It is never written; it goes with the attempt that it was about."""
    report = {"attempt": 1, "instance": "i", "type": "Interrupted"}
    api = server(status={"state": state("Running"), "report": report, "attempt": {"number": 1, "podName": "etl-1"}})

    def next_attempt(seen: Observed) -> Decision:
        attempt = seen.run.status.attempt
        assert attempt
        if attempt.number == 2:
            return Decision()
        # Whatever the core says of the report is no wish to write it.
        status = to(seen.run.status, attempt=Attempt(number=2, pod_name="etl-2"), report=seen.run.status.report)
        return Decision(status=status, drop_report=True)

    on(api, next_attempt, settled)
    assert api.requests[0].body["status"] == {"attempt": {"number": 2, "podName": "etl-2"}, "report": None}
    assert "report" not in api.get("flowruns", "etl")["status"]


def test_what_the_new_status_lacks_is_removed() -> None:
    attempt = {"number": 1, "podName": "etl-1", "podUID": "u", "nodeName": "n"}
    api = server(status={"state": state("Running"), "attempt": attempt, "pause": {"key": "k"}})

    def decide(seen: Observed) -> Decision:
        return Decision(status=to(seen.run.status, attempt=Attempt(number=2, pod_name="etl-2"), pause=None))

    on(api, decide, settled)
    wanted = {"attempt": {"number": 2, "podName": "etl-2", "podUID": None, "nodeName": None}, "pause": None}
    assert api.requests[0].body["status"] == wanted


def test_a_time_is_kept() -> None:
    async def story(rig: Rig) -> None:
        await rig.settle()
        assert rig.queue.delayed == 1
        assert await rig.queue.get() == (RUN, 30.0)

    on(server(), lambda _: Decision(requeue_at=START + timedelta(seconds=30)), story)


def test_a_time_that_has_passed_is_soon_but_no_loop() -> None:
    async def story(rig: Rig) -> None:
        await rig.settle()
        found = await rig.queue.get()
        assert found is not None
        assert 0 < found[1] < 0.2

    on(server(), lambda _: Decision(requeue_at=START - timedelta(hours=1)), story)


def test_no_time_cancels_the_one_before() -> None:
    async def story(rig: Rig) -> None:
        rig.queue.add_after(RUN, 5)
        await rig.settle()
        assert rig.queue.delayed == 0

    on(server(), nothing, story)


def test_an_event_alone_is_no_reason_to_decide_again() -> None:
    rig = on(server(), lambda _: Decision(effects=(Emit("Normal", "Fine", "note", "Look"),)), settled)
    assert len(rig.seen) == 1


class Abort(BaseException):
    """No Exception: it passes `except Exception`, and ends an asyncio task."""


@pytest.mark.parametrize(
    "error", [Abort("stop"), RuntimeError("oops"), asyncio.CancelledError(), KeyboardInterrupt(), SystemExit(3)]
)
def test_one_runs_fault_is_its_own(error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    """It neither ends the worker, nor is it lost: logged, counted, tried again after its backoff."""
    api = server()
    api.put("flowruns", flowrun("other", uid="run-2"))
    failures = 2

    def decide(seen: Observed) -> Decision:
        nonlocal failures
        if seen.run.metadata.name == "etl" and failures:
            failures -= 1
            raise error
        if seen.run.status.state is None:
            return Decision(status=to(seen.run.status, state=State(type=StateType.COMPLETED, name="Completed")))
        return Decision()

    async def story(rig: Rig) -> None:
        rig.sync()
        worker = asyncio.create_task(rig.controller.work())
        rig.queue.add(RUN)
        rig.queue.add(Key("default", "other"))
        await asyncio.sleep(5)
        assert not worker.done()
        rig.queue.close()
        await worker

    rig = on(api, decide, story)
    for name in ("etl", "other"):
        assert api.get("flowruns", name)["status"]["state"]["type"] == "Completed"
    assert rig.sample("penstock_reconcile_errors_total", kind="error") == 2
    assert caplog.text.count("Traceback") == 2


def test_a_worker_that_is_cancelled_ends() -> None:
    async def story(rig: Rig) -> None:
        worker = asyncio.create_task(rig.controller.work())
        await asyncio.sleep(0)
        worker.cancel()
        with pytest.raises(asyncio.CancelledError):
            await worker

    on(server(), nothing, story)


def test_an_outage_is_waited_out_and_the_key_is_not_lost(caplog: pytest.LogCaptureFixture) -> None:
    api = server()
    api.fail("patch", "flowruns/status", *[httpx.ConnectError("refused")] * 30)

    async def story(rig: Rig) -> None:
        rig.sync()
        worker = asyncio.create_task(rig.controller.work())
        rig.queue.add(RUN)
        await asyncio.sleep(300)
        rig.queue.close()
        await worker

    rig = on(api, begins, story)
    assert api.get("flowruns", "etl")["status"]["state"]["name"] == "Submitting"
    assert rig.sample("penstock_reconcile_errors_total", kind="api") == 10, "three tries each"
    assert "WARNING" not in caplog.text


def test_a_missing_right_is_named(caplog: pytest.LogCaptureFixture) -> None:
    api = server()
    words = 'flowruns.penstock.dev "etl" is forbidden: User "op" cannot patch resource "flowruns/status"'
    api.fail("patch", "flowruns/status", refusal(403, "Forbidden", words))

    async def story(rig: Rig) -> None:
        rig.sync()
        worker = asyncio.create_task(rig.controller.work())
        rig.queue.add(RUN)
        await asyncio.sleep(10)
        rig.queue.close()
        await worker

    on(api, begins, story)
    assert f"a right is missing: {words}" in caplog.text
    assert api.get("flowruns", "etl")["status"]["state"]["name"] == "Submitting", "and it heals"


def test_requests_for_a_cancellation_do_not_wait_for_the_rate_limit() -> None:
    api = server(spec={"desiredState": "Cancelled", "flowSpec": {"entrypoint": "a.py:f"}})

    def decide(seen: Observed) -> Decision:
        return Decision(status=to(seen.run.status, state=State(type=StateType.CANCELLED, name="Cancelled")))

    async def story(rig: Rig) -> None:
        rig.client._bucket = TokenBucket(0.001, 1, clock=virtualtime.clock, sleep=asyncio.sleep)
        await rig.client.list(FLOWRUNS)  # takes the only token
        await rig.settle()
        assert virtualtime.clock() == 0.0

    on(api, decide, story)


# --- a status that the API server does not want ---------------------------------------------------------------------------------------


def failed(seen: Observed, *, message: str = "x" * 900) -> FlowRunStatus:
    wanted = {
        "state": {"type": "Failed", "name": "Failed", "message": message, "time": "2026-01-01T00:00:00Z"},
        "completionTime": "2026-01-01T00:00:00Z",
        "error": {"type": "ValueError", "message": "m" * 900, "traceback": "t" * 2000},
        "attempt": {"number": 1, "podName": "etl-1"},
        "retries": {"infrastructure": 1},
        "conditions": [
            {
                "type": "Degraded",
                "status": "False",
                "reason": "Failed",
                "message": "",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }
        ],
    }
    return FlowRunStatus.model_validate({**seen.run.status.to_json(), **wanted})


INVALID = refusal(422, "Invalid", 'FlowRun "etl" is invalid: status.error: nonsense')
TOO_LARGE = refusal(413, "RequestEntityTooLarge", "limit is 3145728")


@pytest.mark.parametrize("answer", [INVALID, TOO_LARGE])
@pytest.mark.parametrize("times", [1, 2])
def test_a_refused_status_is_written_with_less(answer: httpx.Response, times: int) -> None:
    api = server(status={"state": state("Running")})
    api.fail("patch", "flowruns/status", *[answer] * times)
    rig = on(api, lambda seen: Decision(status=failed(seen)), settled)
    status = api.get("flowruns", "etl")["status"]
    assert status["state"]["type"] == "Failed"
    assert status["completionTime"] == "2026-01-01T00:00:00Z"
    assert status["retries"] == {"infrastructure": 1}
    assert len(status["state"]["message"]) <= 200
    assert ("error" in status) == (times == 1)
    assert "traceback" not in status.get("error", {})
    assert "refused" in status["conditions"][0]["message"]
    assert rig.sample("penstock_status_reduced_total") == times
    assert len(api.asked("patch")) == times + 1, "no loop: the same cut is no change"


def test_a_refused_status_of_a_live_run_asks_for_a_person() -> None:
    api = server()
    api.fail("patch", "flowruns/status", INVALID)
    degraded = {
        "type": "Degraded",
        "status": "False",
        "reason": "Running",
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }

    def decide(seen: Observed) -> Decision:
        status = {**seen.run.status.to_json(), "state": state("Running"), "conditions": [degraded]}
        return Decision(status=FlowRunStatus.model_validate(status))

    on(api, decide, settled)
    condition = api.get("flowruns", "etl")["status"]["conditions"][0]
    assert (condition["status"], condition["reason"]) == ("True", "StatusRefused")


def test_a_status_of_which_nothing_is_wanted_is_tried_again_later_and_less_and_less() -> None:
    api = server(status={"state": state("Running")})
    api.fail("patch", "flowruns/status", *[INVALID] * 100)

    async def story(rig: Rig) -> None:
        rig.sync()
        worker = asyncio.create_task(rig.controller.work())
        rig.queue.add(RUN)
        await asyncio.sleep(600)
        rig.queue.close()
        await worker

    on(api, lambda seen: Decision(status=failed(seen)), story)
    assert len(api.asked("patch")) < 30


def test_the_next_state_is_written_whole_again() -> None:
    api = server(status={"state": state("Pending")})
    api.fail("patch", "flowruns/status", INVALID)
    wanted: list[dict[str, Any]] = [
        {"state": state("Running", message="m" * 500)},
        {"state": state("Running", "Retrying", "m" * 500)},
    ]

    def decide(seen: Observed) -> Decision:
        return Decision(status=FlowRunStatus.model_validate(wanted[0]))

    async def story(rig: Rig) -> None:
        await rig.settle()
        assert len(api.get("flowruns", "etl")["status"]["state"]["message"]) == 200
        wanted.pop(0)
        await rig.settle()
        assert len(api.get("flowruns", "etl")["status"]["state"]["message"]) == 500

    on(api, decide, story)


# --- memory ---------------------------------------------------------------------------------------------------------------------------


def test_first_sights_are_on_the_operators_own_clock() -> None:
    running = {"containerStatuses": [{"name": "engine", "state": {"running": {"startedAt": "2020-01-01T00:00:00Z"}}}]}
    api = server(status={"attempt": {"number": 1, "podName": "etl-1"}})
    api.put("pods", pod(annotations={"penstock.dev/intent": "Running"}))

    async def story(rig: Rig) -> None:
        await rig.settle()
        await asyncio.sleep(10)
        api.change("pods", "etl-1", {"status": running})
        await rig.settle()
        await asyncio.sleep(10)
        api.change("pods", "etl-1", {"metadata": {"annotations": {"penstock.dev/intent": "Cancelled"}}})
        await rig.settle()
        await asyncio.sleep(10)
        await rig.settle()

    def at(seconds: float) -> Any:
        return START + timedelta(seconds=seconds)

    first, second, third, last = on(api, nothing, story).seen
    assert (first.running_at, first.intent_at, first.stopped_at) == (None, at(0), None)
    assert (second.running_at, second.intent_at, second.stopped_at) == (at(10), at(0), None)
    assert (third.running_at, third.intent_at, third.stopped_at) == (at(10), at(20), at(20))
    assert (last.running_at, last.intent_at, last.stopped_at) == (at(10), at(20), at(20))


def test_a_run_of_the_same_name_begins_with_nothing_remembered() -> None:
    api = server(status={"attempt": {"number": 1, "podName": "etl-1"}})
    api.fail("create", "pods", refusal(403, "Forbidden", "exceeded quota"))
    wanted = [Decision(effects=(CreatePod(MANIFEST),))]

    async def story(rig: Rig) -> None:
        await rig.settle()
        assert rig.seen[-1].refusal is not None
        api.put("flowruns", flowrun(uid="run-2", status={"attempt": {"number": 1, "podName": "etl-1"}}))
        await rig.settle()
        assert rig.seen[-1].refusal is None

    on(api, lambda _: wanted.pop() if wanted else Decision(), story)


def test_the_last_sight_of_a_pod_that_is_gone_is_shown() -> None:
    api = server(status={"attempt": {"number": 1, "podName": "etl-1"}})
    api.put("pods", pod())

    async def story(rig: Rig) -> None:
        await rig.settle()
        api.change("pods", "etl-1", {"status": {"phase": "Failed", "reason": "Evicted"}})
        rig.store.apply(PODS, api.remove("pods", "etl-1"), deleted=True)
        await rig.settle()

    last = on(api, nothing, story).seen[-1]
    assert last.pod is UNKNOWN
    assert last.last_pod is not None
    assert last.last_pod.reason == "Evicted"


def test_other_pods_of_the_run_and_the_run_it_reruns_are_shown() -> None:
    spec = {"flowSpec": {"entrypoint": "a.py:f"}, "rerunOf": {"name": "before"}}
    api = server(spec=spec, status={"attempt": {"number": 2, "podName": "etl-2"}})
    api.put("flowruns", flowrun("before", uid="run-0"))
    for number in (1, 2):
        api.put("pods", pod(f"etl-{number}", uid=f"pod-{number}"))
    api.put("pods", pod("etl-0", uid="pod-0", owner="a run before of the same name"))
    seen = on(api, nothing, settled).seen[-1]
    assert [p.name for p in seen.older_pods] == ["etl-1"]
    assert isinstance(seen.rerun_of, FlowRun)


def test_latency_is_counted_from_the_event() -> None:
    api = server()

    async def story(rig: Rig) -> None:
        rig.sync()
        rig.queue.add(RUN)
        await asyncio.sleep(0.2)
        worker = asyncio.create_task(rig.controller.work())
        await asyncio.sleep(1)
        rig.queue.close()
        await worker

    rig = on(api, begins, story)
    assert rig.sample("penstock_event_to_status_seconds_count") == 1
    assert rig.sample("penstock_event_to_status_seconds_sum") == pytest.approx(0.2)
    assert rig.sample("penstock_run_transitions_total", type="Pending", name="Submitting") == 1


def test_what_happens_during_a_write_is_not_lost() -> None:
    """An event that comes while a worker is at the run leads to another look."""
    api = server()
    wrote: list[Callable[[], None]] = []

    async def story(rig: Rig) -> None:
        rig.sync()
        worker = asyncio.create_task(rig.controller.work())

        def meanwhile(request: Request) -> None:
            if request.verb == "create" and not wrote:
                wrote.append(lambda: None)
                for key in rig.store.apply(FLOWRUNS, api.change("flowruns", "etl", {"spec": {"priority": 3}})):
                    rig.queue.add(key)

        api.after = meanwhile
        rig.queue.add(RUN)
        await asyncio.sleep(5)
        rig.queue.close()
        await worker

    rig = on(api, begins, story)
    assert rig.seen[-1].run.spec.priority == 3


def test_what_is_learnt_by_the_way_is_told_to_others_and_not_to_itself() -> None:
    """A live read for one run brings a Flow for which another waits; no watch will tell of it again."""
    api = server(spec={"flowRef": {"name": "etl"}}, status={"state": state("Running")})
    api.put("flowruns", flowrun("other", uid="run-2", spec={"flowRef": {"name": "etl"}}))

    def decide(seen: Observed) -> Decision:
        if seen.flow is UNKNOWN:
            return Decision(looks=frozenset({Look.FLOW, Look.RUN}))
        return Decision(status=to(seen.run.status, state=State(type=StateType.COMPLETED, name="Completed")))

    async def story(rig: Rig) -> None:
        rig.sync()
        rig.told.clear()
        api.put("flows", flow())
        await rig.controller.settle(RUN, 0.0)
        assert rig.told == [Key("default", "other")]

    on(api, decide, story)


def test_a_successor_that_is_met_by_a_live_read_is_looked_at() -> None:
    api = server(status={"attempt": {"number": 1, "podName": "etl-1"}})

    async def story(rig: Rig) -> None:
        rig.sync()
        rig.told.clear()
        api.remove("flowruns", "etl")
        api.put("flowruns", flowrun(uid="run-2"))
        await rig.controller.settle(RUN, 0.0)
        assert rig.told == [RUN]
        found = rig.store.runs.get(RUN)
        assert found is not None
        assert found.metadata.uid == "run-2"

    on(api, lambda seen: Decision(looks=frozenset({Look.RUN})), story)


def test_now_is_the_operators() -> None:
    async def story(rig: Rig) -> None:
        await asyncio.sleep(7)
        await rig.settle()
        assert rig.seen[-1].now == now() == START + timedelta(seconds=7)

    on(server(), nothing, story)
