"""The controller: what is written and done, in which order, and what happens when it can't be."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import httpx
import pytest

from penstock_operator.api.flowrun import Attempt, FlowRun, State, StateType
from penstock_operator.core.model import (
    MISSING,
    UNKNOWN,
    ConfigMap,
    Decision,
    Emit,
    Look,
    Observed,
)
from penstock_operator.core.observe import Pod
from penstock_operator.core.pod import pod_name
from penstock_operator.core.reconcile import reconcile
from penstock_operator.runtime.controller import UnsettledError
from penstock_operator.runtime.errors import ApiError
from penstock_operator.runtime.gather import AskedAgainError
from penstock_operator.runtime.ratelimit import TokenBucket
from penstock_operator.runtime.resources import FLOWRUNS, FLOWS, PODS, Key
from tests.support import virtualtime
from tests.support.fakeapi import refusal
from tests.support.runtimeobjects import flow, flowrun, pod, state
from tests.support.runtimerig import RUN, START, Rig, on, settled
from tests.support.smallcore import begins, nothing, server, to


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


def test_conflicts_without_end_are_met_later() -> None:
    """Somebody writes as fast as the operator: that is no fault of its own, and no reason to go on at once."""
    api = server()
    api.faults.append(lambda r: refusal(409, "Conflict", "modified") if r.verb == "patch" else None)

    async def story(rig: Rig) -> None:
        rig.sync()
        with pytest.raises(ApiError) as raised:
            await rig.controller.settle(RUN, 0.0)
        assert raised.value.code == 409

    rig = on(api, begins, story)
    assert len(api.asked("patch")) == rig.sample("penstock_status_conflicts_total") == 5


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
    meta = {"name": "src", "labels": {"l": "x"}, "ownerReferences": [{"uid": "v"}, {"uid": "u", "controller": True}]}
    api.put("configmaps", {"metadata": meta, "data": {"a.py": "1"}, "binaryData": {"b.bin": "AAE="}, "immutable": True})
    api.put("pods", pod("etl-1"))

    def decide(seen: Observed) -> Decision:
        if seen.revision is UNKNOWN:
            return Decision(looks=frozenset(Look) - {Look.POD_EVENTS, Look.LIMITS})
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
    assert last.revision == ConfigMap("etl-abc", {"flow.json": "{}"})
    assert last.source == ConfigMap("src", {"a.py": "1"}, {"b.bin": "AAE="}, {"l": "x"}, "u", immutable=True)


@pytest.mark.parametrize("gone", [False, True])
def test_a_live_read_of_a_pod_counts_though_the_watch_is_behind(gone: bool) -> None:
    api = server(status={"attempt": {"number": 2, "podName": "etl-2"}, "attempts": [{"number": 1, "podName": "etl-1"}]})
    api.put("pods", pod("etl-1"))

    def decide(seen: Observed) -> Decision:
        return Decision() if seen.previous_pod_is_live else Decision(looks=frozenset({Look.PREVIOUS_POD}))

    async def story(rig: Rig) -> None:
        rig.store.apply(FLOWRUNS, api.get("flowruns", "etl"))
        rig.store.apply(PODS, api.get("pods", "etl-1"))
        if gone:
            api.remove("pods", "etl-1")
        else:
            api.put("pods", pod("etl-1", status={"phase": "Failed"}))
        await rig.controller.settle(RUN, 0.0)

    before, last = on(api, decide, story).seen
    assert isinstance(before.previous_pod, Pod)
    assert before.previous_pod.phase != "Failed"
    if gone:
        assert last.previous_pod is MISSING
    else:
        assert isinstance(last.previous_pod, Pod)
        assert last.previous_pod.phase == "Failed"


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


def test_what_a_merge_patch_cannot_write_is_not_wanted() -> None:
    asked = {
        "properties": {"a": {"default": None, "anyOf": [{"default": None, "type": "integer"}, {"enum": [None, 1]}]}}
    }
    report = {"attempt": 1, "instance": "i", "type": "Paused", "pause": {"key": "k", "input": {"schema": asked}}}
    api = server(status={"report": report})

    def decide(seen: Observed) -> Decision:
        assert seen.run.status.report is not None
        return Decision(status=to(seen.run.status, pause=seen.run.status.report.pause))

    on(api, decide, settled)
    written = api.get("flowruns", "etl")["status"]["pause"]["input"]["schema"]
    assert written == {"properties": {"a": {"anyOf": [{"type": "integer"}, {"enum": [None, 1]}]}}}


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


@pytest.mark.parametrize(("code", "reason"), [(403, "Forbidden"), (400, "BadRequest"), (422, "Invalid")])
def test_a_refused_look_is_told_and_looked_again(code: int, reason: str) -> None:
    """A first status says why when nothing else can be said; it heals, and it can be cancelled."""
    api = server(spec={"flowRef": {"name": "etl"}})
    api.fail("get", "flows", *[refusal(code, reason, "no right to read this")] * 3)

    async def story(rig: Rig) -> None:
        await rig.settle()
        status = api.get("flowruns", "etl")["status"]
        assert (status["state"]["type"], status["state"]["name"]) == ("Scheduled", "AwaitingFlow")
        assert "no right to read this" in status["state"]["message"]
        degraded = next(c for c in status["conditions"] if c["type"] == "Degraded")
        assert (degraded["status"], degraded["reason"]) == ("True", "LookRefused")
        await rig.settle()
        assert len(api.asked("patch")) == 1, "the same refusal is no news"
        assert len([r for r in api.asked("get") if r == "get flows etl"]) == 1, "not looked at again at once"
        for _ in range(3):
            await asyncio.sleep(61)
            await rig.settle()
        api.put("flows", flow())
        await rig.settle()
        assert api.get("flowruns", "etl")["status"]["state"]["type"] == "Pending"

    on(api, reconcile, story)


def test_a_new_run_says_that_nothing_answers() -> None:
    """It would have no state at all, for as long as that lasts."""
    api = server(spec={"flowRef": {"name": "etl"}})
    api.fail("get", "flows", *[refusal(500, "InternalError", "the storage is away")] * 60)

    async def story(rig: Rig) -> None:
        rig.sync()
        worker = asyncio.create_task(rig.controller.work())
        rig.queue.add(RUN)
        await asyncio.sleep(120)
        status = api.get("flowruns", "etl")["status"]
        degraded = next(c for c in status["conditions"] if c["type"] == "Degraded")
        assert (degraded["status"], degraded["reason"]) == ("True", "LookRefused")
        assert "failed (500 InternalError): the storage is away" in status["state"]["message"]
        api.put("flows", flow())
        api.faults.clear()
        await asyncio.sleep(120)
        assert api.get("flowruns", "etl")["status"]["state"]["type"] == "Pending"
        rig.queue.close()
        await worker

    on(api, reconcile, story)


def test_a_run_whose_revision_cannot_be_read_is_cancelled_all_the_same() -> None:
    waiting = {
        "state": {
            "type": "Scheduled",
            "name": "AwaitingRetry",
            "since": "2026-01-01T00:00:00Z",
            "time": "2026-01-01T00:00:00Z",
        },
        "attempt": {"number": 2, "podName": pod_name(FlowRun.model_validate(flowrun()), 2)},
        "flow": {"name": "etl", "revision": "etl-0123456789"},
        "scheduledTime": "2026-01-01T00:00:01Z",
    }
    api = server(spec={"flowRef": {"name": "etl"}, "desiredState": "Cancelled"}, status=waiting)
    api.fail("get", "configmaps", *[refusal(403, "Forbidden", "no")] * 100)
    on(api, reconcile, settled)
    assert api.get("flowruns", "etl")["status"]["state"]["type"] == "Cancelled"
