"""Effects: each may be repeated, a lost answer does no harm, and only the object that is meant is touched."""

from __future__ import annotations

import copy
from typing import Any

import httpx
import pytest

from penstock_operator.core.model import (
    CreatePod,
    CreateRevision,
    Decision,
    DeletePod,
    DeleteRun,
    Effect,
    Observed,
    PatchPod,
    Refusal,
    TidyRevisions,
)
from penstock_operator.core.observe import Pod
from penstock_operator.runtime.errors import ApiError
from penstock_operator.runtime.resources import FLOWRUNS, PODS, Key
from tests.support.fakeapi import FakeApi, refusal
from tests.support.runtimeobjects import flowrun, pod
from tests.support.runtimerig import START, Rig, on, settled

POD = Key("default", "etl-1")
MANIFEST = pod()
del MANIFEST["metadata"]["uid"], MANIFEST["metadata"]["resourceVersion"]


def server() -> FakeApi:
    api = FakeApi()
    api.put("flowruns", flowrun(status={"attempt": {"number": 1, "podName": "etl-1"}}))
    return api


def once(*effects: Effect) -> Any:
    """A core that wants these effects, once."""
    left = [Decision(effects=effects)]
    return lambda _: left.pop() if left else Decision()


def last(rig: Rig) -> Observed:
    return rig.seen[-1]


# --- the pod's creation ---------------------------------------------------------------------------------------------------------------


def test_a_pod_is_created_and_known_at_once() -> None:
    rig = on(server(), once(CreatePod(MANIFEST)), settled)
    assert isinstance(last(rig).pod, Pod)
    assert last(rig).pod_created
    assert last(rig).refusal is None


def test_our_own_pod_is_adopted() -> None:
    """Its creation was answered to somebody else: an operator before, or a connection that was lost."""
    api = server()
    api.put("pods", pod())

    async def story(rig: Rig) -> None:
        rig.store.apply(FLOWRUNS, api.get("flowruns", "etl"))
        await rig.controller.settle(Key("default", "etl"), 0.0)

    rig = on(api, once(CreatePod(MANIFEST)), story)
    assert api.asked() == ["create pods", "get pods etl-1"]
    assert isinstance(last(rig).pod, Pod)
    assert last(rig).pod_created


def test_another_owners_pod_is_not() -> None:
    api = server()
    api.put("pods", pod(owner="somebody"))
    refused = last(on(api, once(CreatePod(MANIFEST)), settled)).refusal
    assert refused is not None
    assert (refused.code, refused.reason) == (409, "AlreadyExists")
    assert "not this run's" in refused.message


def test_a_pod_that_vanished_between_conflict_and_read_is_tried_again_later() -> None:
    api = server()
    api.fail("create", "pods", refusal(409, "AlreadyExists", "exists"))

    async def story(rig: Rig) -> None:
        with pytest.raises(ApiError, match="not found"):
            await rig.settle()

    on(api, once(CreatePod(MANIFEST)), story)


REFUSALS = [
    (refusal(403, "Forbidden", "exceeded quota: q"), Refusal(403, "Forbidden", "exceeded quota: q", START)),
    (refusal(422, "Invalid", "spec.x: no"), Refusal(422, "Invalid", "spec.x: no", START)),
    (
        refusal(429, "TooManyRequests", "slow down", retry_after=7),
        Refusal(429, "TooManyRequests", "slow down", START, 1, 7.0),
    ),
    (refusal(500, "InternalError", "webhook failed"), Refusal(500, "InternalError", "webhook failed", START)),
    # A webhook's denial often has no reason.
    (
        httpx.Response(
            400, json={"kind": "Status", "code": 400, "message": 'admission webhook "w" denied the request'}
        ),
        Refusal(400, "", 'admission webhook "w" denied the request', START),
    ),
    (httpx.Response(503, text="upstream"), Refusal(503, "HTTP503", "upstream", START)),
    (httpx.ReadTimeout("late"), Refusal(0, "ReadTimeout", "ReadTimeout: late", START)),
]


@pytest.mark.parametrize(("answer", "told"), REFUSALS, ids=[str(r.code) for _, r in REFUSALS])
def test_a_refusal_is_told_to_the_core_at_once(answer: Any, told: Refusal) -> None:
    """One try: when to try again is the core's decision."""
    api = server()
    api.fail("create", "pods", answer)
    later = CreateRevision({"metadata": {"name": "never"}})
    rig = on(api, once(CreatePod(MANIFEST), later), settled)
    assert last(rig).refusal == told
    assert not last(rig).pod_created
    assert api.asked() == ["create pods"], "and what comes behind it is not done"


def test_refusals_are_counted_and_end_with_a_success() -> None:
    api = server()
    api.fail("create", "pods", *[refusal(403, "Forbidden", "exceeded quota")] * 2)
    plan = [Decision(effects=(CreatePod(MANIFEST),)) for _ in range(3)]
    rig = on(api, lambda _: plan.pop() if plan else Decision(), settled)
    counts = [o.refusal.count if o.refusal else 0 for o in rig.seen]
    assert counts == [0, 1, 2, 0]


def test_another_refusal_in_between_is_counted_anew() -> None:
    api = server()
    quota = refusal(403, "Forbidden", "exceeded quota")
    api.fail("create", "pods", quota, quota, refusal(500, "InternalError", "webhook"), quota)
    plan = [Decision(effects=(CreatePod(MANIFEST),)) for _ in range(4)]
    rig = on(api, lambda _: plan.pop() if plan else Decision(), settled)
    assert [o.refusal.count if o.refusal else 0 for o in rig.seen] == [0, 1, 2, 1, 1]


def test_a_lost_answer_makes_no_second_pod() -> None:
    api = server()
    lost = [True]

    def loses(request: Any) -> None:
        if request.verb == "create" and lost:
            lost.clear()
            raise httpx.ReadError("connection reset")

    api.after = loses
    plan = [Decision(effects=(CreatePod(MANIFEST),)) for _ in range(2)]
    rig = on(api, lambda _: plan.pop() if plan else Decision(), settled)
    assert [o.refusal.code if o.refusal else None for o in rig.seen] == [None, 0, None]
    assert [n for n in api.objects if n[0] == "pods"] == [("pods", "default", "etl-1")]


def test_a_new_attempt_begins_with_nothing_remembered() -> None:
    api = server()
    api.fail("create", "pods", refusal(403, "Forbidden", "exceeded quota"))

    async def story(rig: Rig) -> None:
        await rig.settle()
        api.change("flowruns", "etl", {"status": {"attempt": {"number": 2, "podName": "etl-2"}}})
        await rig.settle()

    rig = on(api, once(CreatePod(MANIFEST)), story)
    assert [o.refusal is not None for o in rig.seen] == [False, True, False]


# --- the pod's change and end -------------------------------------------------------------------------------------------------------------

STOP = {"metadata": {"annotations": {"penstock.dev/intent": "Cancelled"}}, "spec": {"activeDeadlineSeconds": 9}}
STOP_AS_WRITTEN = copy.deepcopy(STOP)


def test_a_pod_is_patched_under_its_uid() -> None:
    api = server()
    api.put("pods", pod())
    rig = on(api, once(PatchPod("etl-1", "pod-1", STOP)), settled)
    body = api.requests[0].body
    assert body["metadata"] == {"annotations": {"penstock.dev/intent": "Cancelled"}, "uid": "pod-1"}
    found = last(rig).pod
    assert isinstance(found, Pod)
    assert found.active_deadline_seconds == 9
    assert last(rig).stopped_at == START
    assert STOP == STOP_AS_WRITTEN, "the effect itself is left as it was"


@pytest.mark.parametrize("effect", [PatchPod("etl-1", "pod-1", STOP), DeletePod("etl-1", "pod-1")])
def test_another_pod_of_that_name_is_left_alone(effect: Effect) -> None:
    api = server()
    before = api.put("pods", pod(uid="pod-2"))
    rig = on(api, once(effect), settled)
    assert api.get("pods", "etl-1") == before
    found = last(rig).pod
    assert isinstance(found, Pod)
    assert found.uid == "pod-2", "and the core sees which it is"


@pytest.mark.parametrize("effect", [PatchPod("etl-1", "pod-1", STOP), DeletePod("etl-1", "pod-1")])
def test_a_pod_that_is_gone_already_is_fine(effect: Effect) -> None:
    api = server()
    api.put("pods", pod())

    async def story(rig: Rig) -> None:
        rig.sync()
        api.remove("pods", "etl-1")
        await rig.controller.settle(Key("default", "etl"), 0.0)

    rig = on(api, once(effect), story)
    assert rig.store.pods.get(POD) is None
    assert len(rig.seen) == 2


def test_a_patch_that_is_refused_for_another_reason_is_an_error() -> None:
    api = server()
    api.put("pods", pod())
    api.fail("patch", "pods", refusal(422, "Invalid", "spec.activeDeadlineSeconds: must be less than or equal"))

    async def story(rig: Rig) -> None:
        with pytest.raises(ApiError, match="less than or equal"):
            await rig.settle()

    on(api, once(PatchPod("etl-1", "pod-1", STOP)), story)


@pytest.mark.parametrize(
    ("grace", "sent"), [(None, {}), (0, {"gracePeriodSeconds": 0}), (30, {"gracePeriodSeconds": 30})]
)
def test_a_pod_is_deleted_under_its_uid(grace: int | None, sent: dict[str, int]) -> None:
    api = server()
    api.put("pods", pod())
    rig = on(api, once(DeletePod("etl-1", "pod-1", grace)), settled)
    assert api.requests[0].body == {"preconditions": {"uid": "pod-1"}, **sent}
    found = last(rig).pod
    assert isinstance(found, Pod)
    assert found.deletion_timestamp is not None
    assert last(rig).stopped_at == START


def test_a_revision_is_created_once() -> None:
    api = server()
    manifest = {"metadata": {"name": "etl-abc"}, "data": {"flow.json": "{}"}}
    on(api, once(CreateRevision(manifest), CreateRevision(manifest), CreatePod(MANIFEST)), settled)
    assert api.asked() == ["create configmaps", "create configmaps", "get configmaps etl-abc", "create pods"]


def test_what_stands_under_a_revisions_name_proves_itself_before_a_pod_is_made() -> None:
    api = server()
    api.put("configmaps", {"metadata": {"name": "etl-abc"}, "data": {"flow.json": "other"}})
    manifest = {"metadata": {"name": "etl-abc"}, "data": {"flow.json": "{}"}}
    rig = on(api, once(CreateRevision(manifest), CreatePod(MANIFEST)), settled)
    assert api.asked() == ["create configmaps", "get configmaps etl-abc"]
    assert last(rig).refusal is None, "the core looks for itself"


def test_a_revision_that_is_refused_is_told_to_the_core_and_keeps_the_pod_from_being_made() -> None:
    api = server()
    api.fail("create", "configmaps", refusal(403, "Forbidden", "no"), refusal(500, "InternalError", "webhook"))
    effects = (CreateRevision({"metadata": {"name": "etl-abc"}, "data": {}}), CreatePod(MANIFEST))
    plan = [Decision(effects=effects) for _ in range(3)]
    rig = on(api, lambda _: plan.pop() if plan else Decision(), settled)
    assert api.asked() == ["create configmaps"] * 3 + ["create pods"]
    told = [(o.refusal.code, o.refusal.what, o.refusal.count) if o.refusal else None for o in rig.seen]
    assert told == [None, (403, "revision's ConfigMap", 1), (500, "revision's ConfigMap", 1), None]


def test_a_pod_is_created_with_strict_validation_and_its_warnings_are_told() -> None:
    api = server()
    rig = on(api, once(CreatePod(MANIFEST)), settled)
    assert api.requests[0].query["fieldValidation"] == "Strict"
    assert last(rig).pod_warnings == ()


def test_old_revisions_go_and_those_in_use_stay() -> None:
    api = FakeApi()
    using = {"flow": {"name": "etl", "revision": "etl-000000000a"}, "state": {"type": "Running", "name": "Running"}}
    api.put("flowruns", flowrun(spec={"flowRef": {"name": "etl"}}, status=using))

    def stored(number: int, **more: Any) -> None:
        name = f"etl-{number:010x}"
        owner = {
            "apiVersion": "penstock.dev/v1alpha1",
            "kind": "Flow",
            "name": "etl",
            "uid": "flow-1",
            "controller": True,
        }
        time = f"2026-11-21T10:{number:02}:00Z"
        meta = {
            "name": name,
            "creationTimestamp": time,
            "labels": {"penstock.dev/flow": "etl"},
            "ownerReferences": [owner],
        }
        api.put("configmaps", {"metadata": {**meta, **more}, "data": {"flow.json": "x"}})

    for number in range(8, 24):
        stored(number)
    stored(1, ownerReferences=[])  # somebody else's
    stored(2, labels={})
    stored(3, name="etl-notes")
    on(api, once(TidyRevisions("etl", "flow-1")), settled)
    gone = sorted(asked.split()[-1] for asked in api.asked() if asked.startswith("delete"))
    # 16 are the Flow's: the newest ten stay, and the one that a live run uses.
    assert gone == [f"etl-{number:010x}" for number in (8, 9, 11, 12, 13)]


def test_revisions_that_cannot_be_tidied_are_in_nobodys_way() -> None:
    api = server()
    api.fail("list", "configmaps", refusal(403, "Forbidden", "cannot list resource"))
    on(api, once(TidyRevisions("etl", "flow-1")), settled)
    assert [asked.split()[:2] for asked in api.asked()] == [["list", "configmaps"]]


def test_a_run_is_deleted_only_as_it_was_seen() -> None:
    api = server()
    on(api, once(DeleteRun("run-1")), settled)
    assert api.requests[0].body["preconditions"] == {"uid": "run-1", "resourceVersion": "101"}
    assert not api.objects


def test_a_run_that_changed_meanwhile_is_not_deleted() -> None:
    api = server()

    async def story(rig: Rig) -> None:
        rig.sync()
        api.change("flowruns", "etl", {"metadata": {"annotations": {"keep": "me"}}})
        await rig.controller.settle(Key("default", "etl"), 0.0)

    rig = on(api, once(DeleteRun("run-1")), story)
    assert ("flowruns", "default", "etl") in api.objects
    assert len(rig.seen) == 1, "the event about the change leads to the next decision"
    assert rig.store.seen(PODS, POD) == 0
