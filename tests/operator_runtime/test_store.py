"""The store: newest wins, deletions stay, and who must be looked at."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock_operator.api.flowrun import FlowRun
from penstock_operator.runtime.resources import FLOWRUNS, FLOWS, PODS, Key
from penstock_operator.runtime.store import Store
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
    assert store.apply(FLOWRUNS, flowrun(version=3)) == ()
    assert store.apply(FLOWRUNS, flowrun(version=2)) == ()
    assert store.apply(FLOWRUNS, flowrun(version=4)) == (RUN,)


def test_a_deletion_stays() -> None:
    """A read that was answered before the deletion, and arrives after it, does not bring the object back."""
    store = Store()
    store.apply(PODS, pod(version=3))
    assert store.apply(PODS, pod(version=5), deleted=True) == (RUN,)
    assert store.apply(PODS, pod(version=4)) == ()
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
    assert store.apply(PODS, pod(version=5)) == ()
    assert store.pods.get(POD) is None


def test_the_deletion_of_a_predecessor_is_no_deletion() -> None:
    store = Store()
    store.apply(FLOWRUNS, flowrun(uid="new", version=7))
    assert store.apply(FLOWRUNS, flowrun(uid="old", version=6), deleted=True) == ()
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
    assert store.apply(FLOWS, flow(version=5)) == (Key("default", "c"),)
    assert store.apply(FLOWS, flow(version=6), deleted=True) == (Key("default", "c"),)


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
    assert store.apply(PODS, pod(labels={})) == ()
    assert store.pods.get(POD) is None


def test_an_object_that_cannot_be_read_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    store = Store()
    assert store.apply(FLOWRUNS, {**flowrun(), "metadata": {**flowrun()["metadata"], "uid": 5}}) == ()
    assert "flowruns default/etl can't be read" in caplog.text


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
    assert store.apply(PODS, pod(version=4)) == (), "a late event of a pruned object is no news"


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


@pytest.mark.parametrize(
    ("parameters", "packed"),
    [
        ({"day": None, "rows": [1, 2.5, {"x": None}], "naïve": "\u2028"}, True),
        ({"deep": nested(190)}, True),
        ({"deep": nested(210)}, True),
        ({"deeper": nested(400)}, False),
        ({"lone": "\ud800"}, False),
    ],
)
def test_a_finished_run_is_kept_small_and_is_the_same(parameters: dict[str, Any], packed: bool) -> None:
    store = Store()
    raw = flowrun(status={"state": state("Completed")}, spec={"flowRef": {"name": "f"}, "parameters": parameters})
    store.apply(FLOWRUNS, raw)
    entry, run = store.runs.entry(Key("default", "etl")), store.runs.get(Key("default", "etl"))
    assert entry is not None
    assert isinstance(entry.value, bytes) is packed
    assert run == FlowRun.model_validate(raw)
    assert run.model_fields_set == FlowRun.model_validate(raw).model_fields_set


def test_a_run_that_goes_on_is_kept_as_it_is() -> None:
    store = Store()
    store.apply(FLOWRUNS, flowrun(status={"state": state("Running")}))
    assert store.runs.get(Key("default", "etl")) is store.runs.get(Key("default", "etl"))


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
