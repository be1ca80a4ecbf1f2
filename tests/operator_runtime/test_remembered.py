"""What a decision is shown besides the objects: first sights, last sights, and what others are told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from penstock_operator.api.flowrun import FlowRun, State, StateType
from penstock_operator.core.model import (
    UNKNOWN,
    CreatePod,
    Decision,
    Look,
    Observed,
)
from penstock_operator.runtime.resources import FLOWRUNS, PODS, Key
from tests.support.fakeapi import Request, refusal
from tests.support.runtimeobjects import flow, flowrun, pod, state
from tests.support.runtimerig import RUN, START, Rig, now, on, settled
from tests.support.smallcore import MANIFEST, begins, nothing, server, to


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
                for key in rig.store.apply(FLOWRUNS, api.change("flowruns", "etl", {"spec": {"priority": 3}})) or ():
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
