"""A run before its first attempt: what it says of a Flow or a source that is not there, for how long it waits, and that it takes what comes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from difflib import get_close_matches
from typing import Any

import pytest

from penstock_operator.api.flow import Flow
from penstock_operator.api.flowrun import FlowRun, FlowRunStatus
from penstock_operator.core import nearnames
from penstock_operator.core.concurrency import holds
from penstock_operator.core.model import MISSING, UNKNOWN, CreatePod, Look, Observed, Refusal
from penstock_operator.core.nearnames import meant, near_names
from penstock_operator.core.reconcile import reconcile
from penstock_operator.core.revisions import of_flow
from tests.support.builders import NOW, at, files, flow, flow_spec, observed, recorded, revision, run, status_json
from tests.support.cases import Case, check, decide, state_of

JSON = dict[str, Any]
BY_MAP: JSON = {"entrypoint": "etl.py:main", "source": {"configMap": {"name": "code"}}}
REF: JSON = {"flowRef": {"name": "etl"}}
LIMIT: JSON = {"runPolicy": {"pendingDeadlineSeconds": 60}}
UNUSABLE = flow(flow_spec(parametersSchema={"type": "x"}))
NO_RIGHT = Refusal(403, "Forbidden", "no right", NOW + timedelta(seconds=50), count=9)
MAPPED, DIRECT = flow(BY_MAP), {"flowSpec": BY_MAP}
# Whose source it is: the run's spec, and what is known besides.
SOURCES: tuple[tuple[JSON, JSON], ...] = ((REF, {"flow": MAPPED}), (DIRECT, {}))
CODE = files({"etl.py": "1"})


def seen(spec: JSON, waits: str | None = None, *, since: float = 0, time: float | None = None, **more: Any) -> Observed:
    """A run without an attempt: just applied, or waiting as `Type/Name` since then."""
    type_, _, name = (waits or "").partition("/")
    status = status_json(type_, name, attempt=None, since=since, time=time, message="before") if waits else None
    return observed(run(spec, status), **more)


CASES = [
    # --- near names
    Case(
        "no such Flow, and one that is near",
        seen({"flowRef": {"name": "odrers"}}, flow=MISSING, near=("orders",)),
        "Scheduled/AwaitingFlow",
        says=("no Flow 'odrers' in namespace 'default' (yet); did you mean 'orders'?",),
    ),
    Case(
        "several are near",
        seen({"flowRef": {"name": "odrers"}}, flow=MISSING, near=("orders", "order", "borders")),
        "Scheduled/AwaitingFlow",
        says=("did you mean 'orders', 'order' or 'borders'?",),
    ),
    # --- pendingDeadlineSeconds: counted while the run waits for what it executes
    Case(
        "the deadline lies ahead: looked at when it passes",
        seen({**REF, **LIMIT}, flow=MISSING),
        "Scheduled/AwaitingFlow",
        again=60,
    ),
    Case(
        "one second before",
        seen({**REF, **LIMIT}, "Scheduled/AwaitingFlow", seconds=59, flow=MISSING, near=("elt",)),
        None,
        again=1,
    ),
    Case(
        "no Flow for longer than pendingDeadlineSeconds: Crashed/AwaitingFlow",
        seen({**REF, **LIMIT}, "Scheduled/AwaitingFlow", seconds=60, flow=MISSING, near=("elt",)),
        "Crashed/AwaitingFlow",
        says=("not running after pendingDeadlineSeconds (60 s): there is no Flow 'etl'", "did you mean 'elt'?"),
    ),
    Case(
        "what it waited for before, for its time, is not counted",
        seen({**REF, **LIMIT}, "Scheduled/Scheduled", seconds=9000, flow=MISSING),
        "Scheduled/AwaitingFlow",
        again=60,
    ),
    Case(
        "it was Scheduled for long, and has awaited its Flow for a short while",
        seen({**REF, **LIMIT}, "Scheduled/AwaitingFlow", since=-9000, time=0, seconds=59, flow=MISSING),
        None,
        again=1,
    ),
    *(
        Case(
            f"{what}: Crashed/AwaitingFlow",
            seen({**REF, **LIMIT, **spec}, "Scheduled/AwaitingFlow", seconds=60, **more),
            "Crashed/AwaitingFlow",
            says=("pendingDeadlineSeconds (60 s)", says),
        )
        for what, spec, more, says in (
            ("a Flow that can't be used", {}, {"flow": UNUSABLE}, "parametersSchema"),
            ("a rerunOf that is not there", {"rerunOf": {"name": "before"}}, {"flow": flow()}, "'before'"),
            ("a Flow that may not be read", {}, {"refused": {Look.FLOW: NO_RIGHT}}, "no right"),
        )
    ),
    Case(
        "the Flow's own deadline counts as well, once the Flow is there",
        seen(
            REF,
            "Scheduled/AwaitingFlow",
            seconds=60,
            flow=flow(flow_spec(runPolicy={"pendingDeadlineSeconds": 60}, parametersSchema={"type": "x"})),
        ),
        "Crashed/AwaitingFlow",
    ),
    Case(
        "the Flow that comes in time is used",
        seen({**REF, **LIMIT}, "Scheduled/AwaitingFlow", seconds=59, flow=flow(), revision=MISSING),
        "Pending/Submitting",
        ("create-revision", "create-pod"),
    ),
    Case(
        "cancelled while it waits",
        seen({**REF, "desiredState": "Cancelled"}, "Scheduled/AwaitingFlow", flow=MISSING),
        "Cancelled/Cancelled",
    ),
    # --- the source's ConfigMap
    *(
        Case(
            f"{whose} source is not there: Pending/ConfigError, Degraded, its name, no pod",
            seen(spec, source=MISSING, **more),
            "Pending/ConfigError",
            says=("ConfigMap 'code' does not exist in namespace 'default' (yet)", says),
            degraded="ConfigError",
            again=2,
        )
        for (spec, more), (whose, says) in zip(
            SOURCES,
            (
                ("a Flow's", "Flow 'etl' takes its source from it"),
                ("flowSpec's", "flowSpec takes its source from it"),
            ),
            strict=True,
        )
    ),
    *(
        Case(
            f"still not there after {seconds} s: looked for in {again} s",
            seen(spec, "Pending/ConfigError", source=MISSING, seconds=seconds, **more),
            None,
            again=again,
        )
        for spec, more in SOURCES
        for seconds, again in ((5, 2), (80, 10), (9000, 30))
    ),
    *(
        Case(
            "not there for longer than pendingDeadlineSeconds: Crashed/ConfigError",
            seen({**spec, **LIMIT}, "Pending/ConfigError", source=MISSING, seconds=60, **more),
            "Crashed/ConfigError",
            says=("pendingDeadlineSeconds (60 s)", "ConfigMap 'code'"),
        )
        for spec, more in SOURCES
    ),
    Case(
        "a Flow's source comes",
        seen(REF, "Pending/ConfigError", flow=MAPPED, source=CODE, revision=MISSING),
        "Pending/Submitting",
        ("create-revision", "create-pod"),
    ),
    Case(
        "flowSpec's source comes",
        seen(DIRECT, "Pending/ConfigError", source=CODE),
        "Pending/Submitting",
        ("create-pod",),
    ),
    Case(
        "flowSpec's source is gone before a later attempt: no pod is made that would wait for it",
        observed(run(DIRECT, status_json("Scheduled", "AwaitingRetry", attempt=2, scheduledTime=at(5))), source=MISSING),
        "Pending/ConfigError",
        degraded="ConfigError",
    ),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=str)
def test_awaiting(case: Case) -> None:
    check(case)


def after(before: Observed, **more: Any) -> Observed:
    """The same run with the status that is decided; with what is known then."""
    decision = decide(before)
    assert decision.status is not None, state_of(decision)
    status: FlowRunStatus = decision.status
    return replace(before, run=before.run.model_copy(update={"status": status}), **more)


@pytest.mark.parametrize(
    ("lost", "waits"),
    [
        ({"flow": MISSING, "source": UNKNOWN}, "Scheduled/AwaitingFlow"),
        ({"source": MISSING}, "Pending/ConfigError"),
    ],
)
def test_what_was_deleted_before_the_first_pod_is_waited_for_and_used_when_it_comes(lost: JSON, waits: str) -> None:
    status = status_json("Pending", "Submitting", flow=recorded(MAPPED, CODE), message="quota")
    begun = observed(run(REF, status), run_is_live=True, flow=MAPPED, source=CODE, revision=MISSING)
    seen = after(replace(begun, **lost))
    assert seen.run.status.flow is not None
    assert seen.run.status.flow.revision is None, "what it executes is open again"
    waiting = after(seen)
    state = waiting.run.status.state
    assert state is not None
    assert f"{state.type.value}/{state.name}" == waits
    assert not holds(waiting.run), "it has no slot: nothing of it can run"
    assert decide(waiting).status is None, "and says so once"
    other = files({"etl.py": "2"})
    come = after(replace(waiting, flow=MAPPED, source=other))
    assert come.run.status.flow is not None
    assert come.run.status.flow.revision == recorded(MAPPED, other)["revision"]
    assert holds(come.run)


def test_flowspecs_source_is_looked_for_before_a_pod_is_made() -> None:
    assert reconcile(seen(DIRECT)).looks == {Look.SOURCE}


NAMES = ("orders", "order", "borders", "invoices", "orders-eu", "x" * 300)


@pytest.mark.parametrize(
    ("wanted", "near"),
    [
        ("odrers", ("orders", "borders", "order")),
        ("invoice", ("invoices",)),
        ("INVOICES", ("invoices",)),
        ("etl", ()),
        ("x" * 63, ()),
        ("orders", ("orders-eu", "borders", "order")),
    ],
)
def test_near_names(wanted: str, near: tuple[str, ...]) -> None:
    found = near_names(wanted, NAMES)
    assert set(found) <= set(near) if len(near) > 1 else found == near
    assert bool(found) == bool(near)
    assert len(found) <= 3
    assert found == near_names(wanted, reversed(NAMES)), "the order in which they are known plays no part"


def test_of_many_names_few_are_looked_at_closely(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []

    def counting(wanted: str, names: list[str], n: int, cutoff: float) -> list[str]:
        looked.append(len(names))
        return get_close_matches(wanted, names, n, cutoff)

    monkeypatch.setattr(nearnames, "get_close_matches", counting)
    many = [f"flow-{number:04}-etl" for number in range(2000)]
    assert near_names("flow-0012-elt", many)[0] == "flow-0012-etl"
    assert near_names("etl", [*many, "elt"]) == ("elt",)
    assert max(looked) <= 50


def test_the_question_quotes_names_and_stays_short() -> None:
    assert meant(()) == ""
    assert meant(("a", "b", "c", "d")) == "; did you mean 'a', 'b' or 'c'?"
    assert "\n" not in meant(("a\nb",))


def test_a_status_without_a_revision_that_has_begun_is_not_open() -> None:
    """Somebody took the revision out of the status of a run that works: its slot is held."""

    def with_status(**more: Any) -> FlowRun:
        return run(REF, status_json("Running", **more) | {"flow": {"name": "etl"}})

    assert holds(with_status())
    assert holds(with_status(pod_uid="p"))


# --- a run that was started for a change executes that revision ---------------------------------------------------------------------------


OWNER = {"apiVersion": "penstock.dev/v1alpha1", "kind": "Flow", "name": "etl", "uid": "flow-1", "controller": True}


def of_change(*, current: Flow, digest: str | None = None, **more: Any) -> Observed:
    """A run that the Flow has started for what it was; the Flow is another by now."""
    was = of_flow(WAS, None)
    change = {"revision": was.revision, "digest": digest or was.digest, "runName": "etl", "runs": 1}
    status = current.status.model_validate({"changes": [change]})
    made = run(REF, **{"ownerReferences": [OWNER], **more.pop("meta", {})})
    return observed(made, flow=current.model_copy(update={"status": status}), **more)


WAS, IS = flow(flow_spec(image="x:1")), flow(flow_spec(image="x:2"))
OF_A_CHANGE = [
    Case(
        "the Flow is as it was: its revision",
        of_change(current=WAS, revision=revision(WAS)),
        "Pending/Submitting",
        ("create-pod",),
    ),
    Case(
        "the Flow has changed: the revision that the run was started for",
        of_change(current=IS, revision=revision(WAS)),
        "Pending/Submitting",
        ("create-pod",),
    ),
    Case(
        "the Flow can't be run any more: that revision can",
        of_change(current=UNUSABLE, revision=revision(WAS)),
        "Pending/Submitting",
        ("create-pod",),
    ),
    Case(
        "that revision is gone: Cancelled/Superseded",
        of_change(current=IS, revision=MISSING),
        "Cancelled/Superseded",
        says=(f"revision {revision(WAS).name} is not kept any more",),
    ),
    Case(
        "something else under its name is not executed",
        of_change(current=IS, revision=replace(revision(WAS), data={"flow.json": '{"entrypoint": "evil.py:main"}'})),
        "Scheduled/AwaitingFlow",
        says=("does not hold the revision",),
        degraded="AwaitingFlow",
    ),
    *(
        Case(
            f"of another owner ({whose}): no promise is made to it, and it takes the Flow as it is",
            of_change(current=IS, revision=MISSING, meta={"ownerReferences": owners}),
            "Pending/Submitting",
            ("create-revision", "create-pod"),
        )
        for whose, owners in (("nobody", []), ("the Flow before", [{**OWNER, "uid": "flow-0"}]))
    ),
]


@pytest.mark.parametrize("case", OF_A_CHANGE, ids=str)
def test_of_a_change(case: Case) -> None:
    decision = check(case)
    status = decision.status
    assert status is not None
    if status.state is not None and status.state.name == "Submitting":
        assert status.flow is not None
        expected = IS if case.id.startswith("of another owner") else WAS
        assert status.flow.revision == recorded(expected)["revision"]
        image = next(e for e in decision.effects if isinstance(e, CreatePod)).manifest["spec"]["containers"][0]["image"]
        assert image == expected.spec.image
