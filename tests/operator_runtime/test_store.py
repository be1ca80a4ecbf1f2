"""The store: newest wins, deletions stay, and who must be looked at."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock_operator.api.flowrun import FlowRun
from penstock_operator.runtime.errors import UnreadableError
from penstock_operator.runtime.jsontext import parse
from penstock_operator.runtime.lanes import Urgency
from penstock_operator.runtime.packing import unpacked
from penstock_operator.runtime.resources import FLOWRUNS, FLOWS, PODS, Key
from penstock_operator.runtime.store import Store
from penstock_operator.runtime.table import AT_HAND_BYTES, LARGE_BYTES
from tests.support.builders import condition
from tests.support.runtimeobjects import flow, flowrun, pod, state

RUN = Key("default", "etl")
POD = Key("default", "etl-1")


def everywhere(_: Key) -> bool:
    return True


@pytest.mark.parametrize(
    ("versions", "kept"),
    [([1], 1), ([1, 2], 2), ([2, 1], 2), ([9, 10], 10), ([10, 9], 10), ([5, 5], 5)],
)
def test_an_older_version_never_replaces_a_newer(versions: list[int], kept: int) -> None:
    store = Store()
    for version in versions:
        store.apply(FLOWRUNS, flowrun(version=version))
    found = store.runs.get(RUN)
    assert found is not None
    assert found.metadata.resource_version == str(kept)


def test_what_is_no_news_concerns_nobody() -> None:
    store = Store()
    assert store.apply(FLOWRUNS, flowrun(version=3)) == (RUN,)
    assert store.apply(FLOWRUNS, flowrun(version=3)) is None
    assert store.apply(FLOWRUNS, flowrun(version=2)) is None
    assert store.apply(FLOWRUNS, flowrun(version=4)) == (RUN,)


def test_a_deletion_stays() -> None:
    """A read that was answered before the deletion, and arrives after it, does not bring the object back."""
    store = Store()
    store.apply(PODS, pod(version=3))
    assert store.apply(PODS, pod(version=5), deleted=True) == (RUN,)
    assert store.apply(PODS, pod(version=4)) is None
    assert store.pods.get(POD) is None
    assert store.apply(PODS, pod(uid="pod-2", version=6)) == (RUN,)
    assert store.pods.get(POD) is not None


def test_the_answer_of_a_delete_does_not_hide_the_deletion() -> None:
    """A DELETE that takes effect at once is answered with the version of the deletion itself, and the answer may come before the event."""
    store = Store()
    store.apply(PODS, pod(version=3))
    store.apply(PODS, pod(version=5))
    assert store.apply(PODS, pod(version=5), deleted=True) == (RUN,)
    assert store.pods.get(POD) is None
    assert store.apply(PODS, pod(version=5)) is None
    assert store.pods.get(POD) is None


def test_the_deletion_of_a_predecessor_is_no_deletion() -> None:
    store = Store()
    store.apply(FLOWRUNS, flowrun(uid="new", version=7))
    assert store.apply(FLOWRUNS, flowrun(uid="old", version=6), deleted=True) is None
    assert store.runs.get(RUN) is not None


def test_a_deletion_shows_how_the_pod_ended() -> None:
    store = Store()
    store.apply(PODS, pod(version=3))
    store.apply(PODS, pod(version=5, status={"phase": "Failed", "reason": "Evicted"}), deleted=True)
    last = store.last_pod(POD)
    assert last is not None
    assert last.reason == "Evicted"
    store.apply(PODS, pod(uid="pod-2", version=6))
    assert store.last_pod(POD) is None


def test_a_pod_concerns_its_run_and_a_flow_the_unfinished_runs_that_refer_to_it() -> None:
    store = Store()
    assert store.apply(PODS, pod()) == (RUN,)
    for name, kind in (("a", "Scheduled"), ("b", "Completed"), ("c", "Running")):
        status = {"state": state(kind)}
        store.apply(FLOWRUNS, flowrun(name, uid=name, version=2, spec={"flowRef": {"name": "etl"}}, status=status))
    assert store.apply(FLOWS, flow(version=3)) == (Key("default", "a"), Key("default", "c"))
    store.apply(
        FLOWRUNS, flowrun("a", uid="a", version=4, spec={"flowRef": {"name": "etl"}}, status={"state": state("Failed")})
    )
    assert store.apply(FLOWS, flow(version=5, entrypoint="other.py:main")) == (Key("default", "c"),)
    assert store.apply(FLOWS, flow(version=6), deleted=True) == (Key("default", "c"),)


@pytest.mark.parametrize(
    ("change", "news"),
    [
        ({"status": {"activeRuns": 7, "observedGeneration": 1}}, False),
        ({"status": {"conditions": [condition("Ready", reason="Ready")]}}, False),
        ({"status": {"changes": [{"revision": "etl-1", "runName": "etl-1", "time": "2026-01-01T00:00:00Z"}]}}, True),
        ({"metadata": {"annotations": {"team": "x"}}}, True),
        ({"metadata": {"uid": "another"}}, True),
        ({"spec": {"entrypoint": "other.py:main"}}, True),
        ({"spec": {"concurrency": {"limit": 2}}}, True),
    ],
)
def test_what_is_told_of_a_flow_is_no_news_to_its_runs_but_for_what_is_promised_to_one(
    change: dict[str, dict[str, Any]], news: bool
) -> None:
    """Counts are written every few seconds while thousands of runs live."""
    told: list[Key] = []
    heard: list[Key] = []
    store = Store(told.extend, heard.append)
    store.apply(FLOWRUNS, flowrun(spec={"flowRef": {"name": "etl"}}, status={"state": state("Running")}))
    store.apply(FLOWS, flow(version=2))
    told.clear()
    heard.clear()
    before = flow(version=3)
    after = before | {part: before.get(part, {}) | its for part, its in change.items()}
    assert store.apply(FLOWS, after) == ((RUN,) if news else ())
    assert told == ([RUN] if news else [])
    assert heard == [Key("default", "etl")], "the Flow itself is looked at"


def test_a_run_concerns_those_that_wait_to_rerun_it() -> None:
    store = Store()
    spec = {"flowRef": {"name": "f"}, "rerunOf": {"name": "etl"}}
    store.apply(FLOWRUNS, flowrun("again", uid="again", version=2, spec=spec))
    assert store.apply(FLOWRUNS, flowrun(version=3)) == (RUN, Key("default", "again"))
    attempt = {"attempt": {"number": 1, "podName": "again-1"}}
    store.apply(FLOWRUNS, flowrun("again", uid="again", version=4, spec=spec, status=attempt))
    assert store.apply(FLOWRUNS, flowrun(version=5)) == (RUN,)


def test_pods_of_a_run() -> None:
    store = Store()
    for number in (2, 1):
        store.apply(PODS, pod(f"etl-{number}", uid=f"pod-{number}", version=number))
    assert [p.name for p in store.pods_of(RUN)] == ["etl-1", "etl-2"]
    store.apply(PODS, pod("etl-2", uid="pod-2", version=9), deleted=True)
    assert [p.name for p in store.pods_of(RUN)] == ["etl-1"]


def test_a_pod_without_our_label_is_not_kept() -> None:
    """No watch would tell of its end."""
    store = Store()
    assert store.apply(PODS, pod(labels={})) is None
    assert store.pods.get(POD) is None


# Fields that can't be read are left out; of these objects not even the reader makes anything, as of what nobody thought of.
BROKEN = [
    {**flowrun(), "metadata": {**flowrun()["metadata"], "uid": 5}},
    OverflowError(),
    RecursionError(),
    KeyError("x"),
]


@pytest.mark.parametrize("broken", BROKEN)
def test_a_run_that_cannot_be_read_is_left_alone_and_told(
    broken: dict[str, Any] | Exception, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store()
    raw = flowrun() if isinstance(broken, Exception) else broken
    if isinstance(broken, Exception):
        monkeypatch.setattr("penstock_operator.runtime.store.read_run", _raises(broken))
    assert store.apply(FLOWRUNS, raw) == (RUN,)
    assert store.apply(FLOWRUNS, raw) is None, "once"
    assert "flowruns default/etl can't be read" in caplog.text
    assert dict(store.unreadables())["flowruns"] == 1
    noted = store.unreadable(FLOWRUNS, RUN)
    assert noted is not None
    assert (noted.version, noted.stateless) == (1, True)
    with pytest.raises(UnreadableError):
        store.run(RUN)


UNREADABLE = {**flowrun(), "metadata": {**flowrun()["metadata"], "uid": 5}}


def test_what_can_be_read_again_is() -> None:
    store = Store()
    store.apply(FLOWRUNS, UNREADABLE)
    assert store.apply(FLOWRUNS, flowrun(version=2)) == (RUN,)
    assert store.run(RUN) is not None
    assert dict(store.unreadables())["flowruns"] == 0


@pytest.mark.parametrize("how", ["deleted", "pruned"])
def test_what_is_gone_need_not_be_read(how: str) -> None:
    store = Store()
    store.apply(FLOWRUNS, UNREADABLE)
    if how == "deleted":
        store.apply(FLOWRUNS, flowrun(version=2), deleted=True)
    else:
        store.prune(FLOWRUNS, set(), 2, everywhere)
    assert store.unreadable(FLOWRUNS, RUN) is None
    assert store.run(RUN) is None


def test_any_exception_of_a_reader_is_that_objects_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also those that nobody thought of."""
    store = Store()
    for error in (OverflowError("date value out of range"), RecursionError(), KeyError("x"), AssertionError()):
        with monkeypatch.context() as patch:
            patch.setattr("penstock_operator.runtime.store.parse_pod", _raises(error))
            assert store.apply(PODS, pod(version=3)) == ()
        assert dict(store.unreadables())["pods"] == 1
        store = Store()


def _raises(error: Exception) -> Any:
    def reader(_: Any) -> Any:
        raise error

    return reader


@pytest.mark.parametrize("raw", [{}, {"metadata": None}, {"metadata": {}}, {"metadata": {"namespace": "x"}}])
def test_what_has_no_name_is_nothing(raw: dict[str, Any]) -> None:
    assert Store().apply(PODS, raw) is None


def test_a_finished_run_is_read_when_it_is_asked_for() -> None:
    """At a restart there may be very many; what can't be read of one is found when its turn comes."""
    store = Store()
    raw = {**UNREADABLE, "status": {"state": state("Completed")}}
    assert store.apply(FLOWRUNS, raw) == (RUN,)
    with pytest.raises(UnreadableError):
        store.run(RUN)
    assert dict(store.unreadables())["flowruns"] == 1


def test_an_object_of_which_a_field_cannot_be_read_is_known_without_it() -> None:
    store = Store()
    assert store.apply(FLOWRUNS, flowrun(spec={"desiredState": "Flying", "priority": 7})) == (RUN,)
    known = store.runs.get(RUN)
    assert known is not None
    assert known.spec.priority == 7
    assert known.unreadable[0].startswith("spec.desiredState: ")
    assert "unreadable" not in known.to_json()


def test_pruning_forgets_what_a_later_listing_does_not_show() -> None:
    store = Store()
    store.apply(PODS, pod(version=3))
    store.apply(PODS, pod("etl-2", uid="pod-2", version=9))  # newer than the listing
    assert store.prune(PODS, set(), 5, everywhere) == (RUN,)
    assert store.pods.get(POD) is None
    assert store.pods.get(Key("default", "etl-2")) is not None
    assert store.apply(PODS, pod(version=4)) is None, "a late event of a pruned object is no news"


def test_pruning_leaves_other_namespaces_alone() -> None:
    store = Store()
    store.apply(PODS, pod(version=3))
    assert store.prune(PODS, set(), 5, lambda key: key.namespace == "other") == ()


def test_pruning_keeps_what_is_listed() -> None:
    store = Store()
    store.apply(PODS, pod(version=3))
    assert store.prune(PODS, {POD}, 5, everywhere) == ()


def test_a_live_read_that_finds_nothing_beats_what_was_known_before_it() -> None:
    store = Store()
    store.apply(PODS, pod(version=3))
    seen = store.seen(PODS, POD)
    assert store.absent(PODS, POD, seen) == (RUN,)
    assert store.pods.get(POD) is None


def test_but_not_what_came_in_meanwhile() -> None:
    store = Store()
    seen = store.seen(PODS, POD)
    store.apply(PODS, pod(version=3))
    assert store.absent(PODS, POD, seen) == ()
    assert store.pods.get(POD) is not None


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"in": value}
    return value


PARAMETERS = [
    {"day": None, "rows": [1, 2.5, {"x": None}], "naïve": "\u2028"},
    {"deep": nested(190)},
    {"deep": nested(210)},
    {"deeper": nested(400)},
    {"lone": "\ud800"},
]


@pytest.mark.parametrize("parameters", PARAMETERS)
@pytest.mark.parametrize("kind", ["Completed", "Running"])
def test_what_is_kept_as_text_is_the_same(parameters: dict[str, Any], kind: str) -> None:
    """A finished run at once, another when it is long since it was heard of, or when it is large."""
    store = Store()
    raw = flowrun(status={"state": state(kind)}, spec={"flowRef": {"name": "f"}, "parameters": parameters})
    store.apply(FLOWRUNS, raw, size=LARGE_BYTES)
    entry, run = store.runs.entry(RUN), store.run(RUN)
    assert entry is not None
    assert isinstance(entry.value, bytes) or parameters.get("deeper")
    assert run == FlowRun.model_validate(raw)
    assert run.model_fields_set == FlowRun.model_validate(raw).model_fields_set


def test_of_what_nobody_reads_nothing_is_kept() -> None:
    store = Store()
    applied = {"kubectl.kubernetes.io/last-applied-configuration": "x" * 10_000, "mine": "1"}
    fields = [{"manager": "kubectl", "operation": "Apply", "fieldsV1": {"f:spec": {"f:parameters": {}}}}]
    raw = flowrun(status={"state": state("Completed")}, annotations=applied, managedFields=fields)
    store.apply(FLOWRUNS, raw)
    entry, run = store.runs.entry(RUN), store.run(RUN)
    assert entry is not None
    assert isinstance(entry.value, bytes)
    assert len(entry.value) < 1_000
    assert run is not None
    assert run.metadata.annotations == {"mine": "1"}
    assert parse(unpacked(entry.value))["metadata"]["managedFields"] == [{"manager": "kubectl", "operation": "Apply"}]


def test_a_run_that_goes_on_is_at_hand() -> None:
    store = Store()
    store.apply(FLOWRUNS, flowrun(status={"state": state("Running")}))
    assert store.runs.get(Key("default", "etl")) is store.runs.get(Key("default", "etl"))


def test_so_much_is_at_hand_and_no_more() -> None:
    store = Store()
    count = 3 * AT_HAND_BYTES // 20_000
    for number in range(count):
        store.apply(FLOWRUNS, flowrun(f"r{number}", uid=str(number), version=number + 1), size=20_000)
    models = [n for n in range(count) if isinstance(store.runs.entry(Key("default", f"r{n}")).value, FlowRun)]  # type: ignore[union-attr]
    assert AT_HAND_BYTES // 20_000 - 1 <= len(models) <= AT_HAND_BYTES // 20_000
    assert models == list(range(count - len(models), count)), "those that were heard of last"
    assert all(store.run(Key("default", f"r{n}")) for n in range(count))


def test_of_the_pod_of_a_finished_run_only_its_name_is_kept() -> None:
    """Whichever comes first."""
    ended = {"phase": "Succeeded", "containerStatuses": [{"name": "engine", "state": {"terminated": {"exitCode": 0}}}]}
    finished = flowrun(version=5, status={"state": state("Completed")})
    first, second = Store(), Store()
    first.apply(PODS, pod(version=3, status=ended))
    assert first.pods_of(RUN)[0].containers
    first.apply(FLOWRUNS, finished)
    second.apply(FLOWRUNS, finished)
    second.apply(PODS, pod(version=3, status=ended))
    for store in (first, second):
        (kept,) = store.pods_of(RUN)
        assert (kept.name, kept.uid, kept.owner_uid, kept.phase) == ("etl-1", "pod-1", "run-1", "Succeeded")
        assert not kept.containers
        store.apply(PODS, pod(version=6, status=ended), deleted=True)
        assert store.last_pod(POD) is None, "nobody judges it any more"


def test_a_pod_of_a_finished_run_that_lives_is_kept_whole() -> None:
    store = Store()
    store.apply(FLOWRUNS, flowrun(version=5, status={"state": state("Cancelled")}))
    store.apply(PODS, pod(version=3, status={"phase": "Running"}))
    assert store.pods_of(RUN)[0].containers


def test_what_others_write_on_a_pod_is_not_kept() -> None:
    store = Store()
    labels = {
        "penstock.dev/flow-run-uid": "run-1",
        "penstock.dev/flow-run": "etl",
        "app.kubernetes.io/managed-by": "us",
    }
    store.apply(PODS, pod(labels=labels, annotations={"penstock.dev/intent": "Running", "much": "x" * 10_000}))
    (kept,) = store.pods_of(RUN)
    assert kept.annotations == {"penstock.dev/intent": "Running"}
    assert set(kept.labels) == {"penstock.dev/flow-run-uid", "penstock.dev/flow-run"}


def test_runs_are_counted_by_state() -> None:
    store = Store()
    store.apply(FLOWRUNS, flowrun(version=1))
    store.apply(FLOWRUNS, flowrun(version=2, status={"state": state("Running")}))
    store.apply(FLOWRUNS, flowrun("other", uid="2", version=3, status={"state": state("Running")}))
    assert dict(store.states()) == {"New": 0, "Running": 2}
    store.apply(FLOWRUNS, flowrun(version=4), deleted=True)
    assert dict(store.states())["Running"] == 1


MESSAGES = st.lists(st.tuples(st.integers(1, 12), st.booleans()), max_size=12, unique_by=lambda m: m[0])


@settings(deadline=None)
@given(MESSAGES, st.randoms())
def test_any_order_of_messages_ends_where_the_right_order_does(messages: list[tuple[int, bool]], rng: Any) -> None:
    """Watch, listing, own answers: each message has its version, and only the newest counts."""
    shuffled = list(messages)
    rng.shuffle(shuffled)
    store = Store()
    for version, deleted in shuffled:
        store.apply(PODS, pod(version=version), deleted=deleted)
    newest = max(messages, default=None)
    expected = None if newest is None or newest[1] else str(newest[0])
    found = store.pods.get(POD)
    assert (found.resource_version if found is not None else None) == expected


def test_children_are_looked_at_when_their_parent_ends_them_and_only_then() -> None:
    told: list[Key] = []
    store = Store(lambda keys: told.extend(keys))
    owner = {"kind": "FlowRun", "name": "etl", "uid": "u", "controller": True}
    for name in ("b", "a"):
        raw = flowrun(name, version=1, uid=name)
        raw["metadata"]["ownerReferences"] = [owner]
        store.apply(FLOWRUNS, raw)
    told.clear()
    store.apply(FLOWRUNS, flowrun(version=2, uid="u", status={"state": state("Running")}))
    assert told == [RUN]
    told.clear()
    cancelled = flowrun(version=3, uid="u", status={"state": state("Cancelled")})
    cancelled["spec"]["desiredState"] = "Cancelled"
    store.apply(FLOWRUNS, cancelled, own=RUN)
    assert told == [Key("default", "a"), Key("default", "b")]
    told.clear()
    ended = flowrun("a", version=4, uid="a", status={"state": state("Cancelled")})
    ended["metadata"]["ownerReferences"] = [owner]
    store.apply(FLOWRUNS, ended)
    store.apply(FLOWRUNS, {**cancelled, "metadata": {**cancelled["metadata"], "resourceVersion": "5"}}, own=RUN)
    assert told == [Key("default", "a"), Key("default", "b")]


@pytest.mark.parametrize(
    ("status", "lane"),
    [
        ({}, Urgency.USUAL),
        ({"state": state("Scheduled")}, Urgency.USUAL),
        ({"state": state("Pending"), "attempt": {"number": 1, "podName": "etl-1"}}, Urgency.BEGUN),
        ({"state": state("Pending"), "attempt": {"number": 1, "podName": "etl-1"}, "report": "Running"}, Urgency.BEGUN),
        (
            {"state": state("Pending"), "attempt": {"number": 1, "podName": "etl-1"}, "report": "Completed"},
            Urgency.ENDING,
        ),
        ({"state": state("Running"), "attempt": {"number": 1, "podName": "etl-1"}, "report": "Failed"}, Urgency.ENDING),
        ({"state": state("Running"), "attempt": {"number": 2, "podName": "etl-2"}, "report": "Failed"}, Urgency.USUAL),
        ({"state": state("Running"), "attempt": {"number": 1, "podName": "etl-1"}, "report": "Running"}, Urgency.USUAL),
        ({"state": state("Completed")}, Urgency.LATE),
    ],
)
def test_the_lane_of_a_run(status: dict[str, Any], lane: Urgency) -> None:
    """What the engine has said of its end goes before what is new, that it has begun behind it; an older attempt's report counts for nothing."""
    if "report" in status:
        status = {**status, "report": {"attempt": 1, "instance": "i", "type": status["report"]}}
    store = Store()
    store.apply(FLOWRUNS, flowrun(status=status))
    gist = store.gist(Key("default", "etl"))
    assert gist is not None
    assert gist.urgency is lane
