"""Revisions: what is recorded, what proves itself, what is waited for, and what ends a run."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from penstock_operator.api.flowrun import FlowInfo
from penstock_operator.core.model import MISSING, UNKNOWN, ConfigMap, Emit, Look, Observed, Refusal, TidyRevisions
from penstock_operator.core.reconcile import reconcile
from penstock_operator.core.revisions import Stored, content_digest, of_flow, recorded_definition, superseded
from tests.support.builders import (
    NOW,
    files,
    flow,
    flow_spec,
    observed,
    pod,
    recorded,
    revision,
    run,
    status_json,
    waiting,
)
from tests.support.cases import Case, decide, state_of, verbs
from tests.support.cases import check as check_case

JSON = dict[str, Any]
BY_MAP: JSON = {"entrypoint": "etl.py:main", "source": {"configMap": {"name": "code"}}}
CODE = files({"etl.py": "1"}, {"model.bin": "//4AAQ=="})
MAPPED = flow(BY_MAP)
INLINE = flow()
CHANGED = flow(flow_spec(image="x:2"))


def fresh(made: Any = MAPPED, **more: Any) -> Observed:
    """A run before its first attempt."""
    return observed(run({"flowRef": {"name": "etl"}}), flow=made, **{"source": CODE, **more})


def begun(info: JSON, type_: str = "Pending", name: str = "Submitting", *, attempt: int = 1, **more: Any) -> Observed:
    """A run whose attempt is written down, and has no pod."""
    status = status_json(type_, name, attempt=attempt, flow=info)
    return observed(run({"flowRef": {"name": "etl"}}, status), run_is_live=True, **more)


def refused(code: int, message: str, *, ago: float = 0, reason: str = "") -> Refusal:
    return Refusal(code, reason, message, NOW + timedelta(seconds=10 - ago), what="revision's ConfigMap")


def planted(made: ConfigMap, **changes: Any) -> ConfigMap:
    return replace(made, **changes)


def test_a_flow_is_made_a_definition_of_once() -> None:
    """Each decision about each of its runs asks for it; another name, or another Flow, is another definition."""
    made = flow()
    first = of_flow(made, None)
    assert of_flow(made, None) is first
    renamed = made.model_copy(update={"metadata": made.metadata.model_copy(update={"name": "other"})})
    assert (of_flow(renamed, None).revision or "").startswith("other-")
    assert of_flow(made, None) == first
    assert of_flow(flow(flow_spec(image="x:2")), None).digest != first.digest
    by_map = [of_flow(MAPPED, files({"etl.py": text})).digest for text in ("1", "2")]
    assert by_map[0] != by_map[1], "what a Flow does not hold itself is looked at each time"


WEBHOOK = 'Internal error occurred: failed calling webhook "x": connection refused'
MADE = revision(MAPPED, CODE)
RECORDED = recorded(MAPPED, CODE)

CASES: list[Case] = [
    Case(
        "the first attempt makes it, and then its pod",
        fresh(revision=MISSING),
        "Pending/Submitting",
        ("create-revision", "create-pod"),
    ),
    Case("it is there already", fresh(revision=MADE), "Pending/Submitting", ("create-pod",)),
    # --- refused, and what heals
    Case(
        "refused by a webhook that is away: Pending, the server's words, tried again",
        begun(RECORDED, flow=MAPPED, source=CODE, revision=MISSING, refusal=refused(500, WEBHOOK)),
        None,
        says=("the revision's ConfigMap was refused (500", "failed calling webhook"),
        again=1,
    ),
    Case(
        "and after a second it is made",
        begun(RECORDED, flow=MAPPED, source=CODE, revision=MISSING, refusal=refused(500, WEBHOOK, ago=1)),
        None,
        ("create-revision", "create-pod"),
        says=("failed calling webhook",),
    ),
    Case(
        "quota: Pending/QuotaExceeded",
        begun(
            RECORDED,
            flow=MAPPED,
            source=CODE,
            revision=MISSING,
            refusal=refused(403, "exceeded quota: q, requested: count/configmaps=1, used: 1, limited: 1"),
        ),
        "Pending/QuotaExceeded",
        says=("count/configmaps=1",),
        again=10,
    ),
    Case(
        "the operator has not the right: Pending/Forbidden, Degraded",
        begun(RECORDED, flow=MAPPED, source=CODE, revision=MISSING, refusal=refused(403, "cannot create resource")),
        "Pending/Forbidden",
        degraded="Forbidden",
        again=2,
    ),
    Case(
        "too large for ever: Crashed/PodRejected",
        begun(RECORDED, flow=MAPPED, source=CODE, revision=MISSING, refusal=refused(422, "Too long: may not be more")),
        "Crashed/PodRejected",
        says=("the revision's ConfigMap was refused", "Too long"),
    ),
    # --- gone, and made again
    Case(
        "the operator was killed between the status and the creation: it is made of the source, looked at first",
        begun(RECORDED, flow=MAPPED, source=CODE, revision=MISSING),
        None,
        ("create-revision", "create-pod"),
    ),
    Case(
        "deleted between two attempts: made again",
        begun(RECORDED, "Scheduled", "AwaitingRetry", attempt=2, flow=MAPPED, source=CODE, revision=MISSING),
        "Pending/Submitting",
        ("create-revision", "create-pod"),
    ),
    Case(
        "deleted between two attempts, and the source has changed since: Crashed/FlowDeleted",
        begun(RECORDED, attempt=2, flow=MAPPED, source=files({"etl.py": "2"}), revision=MISSING),
        "Crashed/FlowDeleted",
        says=("has changed since",),
    ),
    # --- never made, and the Flow is another by now: nothing has begun that had to be gone on with
    *(
        Case(
            f"{what} before anything ran: the run begins anew",
            begun(RECORDED, flow=made, source=source, revision=MISSING, refusal=refusal),
            "Scheduled/Scheduled",
            (),
            says=("was changed before revision", "takes the Flow as it is now"),
            again=0,
        )
        for what, made, source, refusal in (
            ("the source was changed", MAPPED, files({"etl.py": "2"}), None),
            ("the Flow was changed", CHANGED, None, None),
            ("the Flow was changed while its revision was refused", CHANGED, None, refused(500, WEBHOOK)),
        )
    ),
    # --- likewise deleted: the run waits for what comes, as it did before its attempt was written down
    *(
        Case(
            f"{what} before anything ran: the run begins anew",
            begun(RECORDED, flow=made, source=source, revision=MISSING, refusal=refusal),
            "Scheduled/Scheduled",
            (),
            says=(says, "takes the Flow as it is now"),
            again=0,
        )
        for what, made, source, refusal, says in (
            ("the source was deleted", MAPPED, MISSING, None, "was changed before revision"),
            ("the Flow was deleted", MISSING, UNKNOWN, None, "was deleted before revision"),
            ("the Flow was deleted while the pod was refused", MISSING, UNKNOWN, refused(403, "quota"), "was deleted"),
        )
    ),
    *(
        Case(
            f"{what} between two attempts, and the revision with it: Crashed/FlowDeleted",
            begun(RECORDED, attempt=2, flow=made, source=MISSING, revision=MISSING),
            "Crashed/FlowDeleted",
            says=(says,),
        )
        for what, made, says in (
            ("the source was deleted", MAPPED, "has changed since"),
            ("the Flow was deleted", MISSING, "was deleted"),
        )
    ),
    Case(
        "the Flow has changed, and its revision is there: the run goes on with it",
        begun(RECORDED, flow=CHANGED, revision=MADE),
        None,
        ("create-pod",),
    ),
    Case(
        "the Flow is gone, and its revision still there",
        begun(RECORDED, flow=MISSING, revision=MADE),
        None,
        ("create-pod",),
    ),
    # --- something else under its name
    *(
        Case(
            f"before the first attempt: {what}: Scheduled/AwaitingFlow, Degraded",
            fresh(revision=found),
            "Scheduled/AwaitingFlow",
            says=(f"ConfigMap '{MADE.name}' is in the way", why),
            degraded="AwaitingFlow",
            again=30,
        )
        for what, found, why in (
            ("other content", planted(MADE, data={**MADE.data, "etl.py": "evil"}), "holds something else"),
            ("other binary content", planted(MADE, binary={"model.bin": "AAAA"}), "holds something else"),
            ("one file more", planted(MADE, data={**MADE.data, "os.py": ""}), "holds something else"),
            ("another owner", planted(MADE, owner_uid="flow-2"), "is not the Flow's"),
            ("no owner", planted(MADE, owner_uid=""), "is not the Flow's"),
            ("no label", planted(MADE, labels={}), "is not the Flow's"),
            ("it may be changed", planted(MADE, immutable=False), "could be changed"),
        )
    ),
    *(
        Case(
            f"after it was recorded: {what}: Crashed/RevisionChanged",
            begun(RECORDED, flow=made, source=CODE, revision=found),
            "Crashed/RevisionChanged",
            says=(f"ConfigMap '{MADE.name}' does not hold what the run began with", "is not executed"),
            budget="T",
        )
        for what, made, found in (
            ("other content", MAPPED, planted(MADE, data={**MADE.data, "etl.py": "evil"})),
            ("other content, and the Flow has changed", CHANGED, planted(MADE, data={"flow.json": "{}"})),
            ("other content, and the Flow is gone", MISSING, planted(MADE, binary={})),
        )
    ),
    Case(
        "other content while the attempt before is judged: the next does not begin",
        begun(
            RECORDED,
            "Scheduled",
            "AwaitingRetry",
            attempt=2,
            flow=CHANGED,
            revision=planted(MADE, data={**MADE.data, "etl.py": "evil"}),
        ),
        "Crashed/RevisionChanged",
    ),
    # --- a pod that waits for its volume
    Case(
        "the pod waits for a revision that is there again: it waits on",
        replace(
            begun(RECORDED, flow=CHANGED, revision=MADE, pod=pod(waiting())),
            run=run(
                {"flowRef": {"name": "etl"}},
                status_json("Pending", "ContainerCreating", flow=RECORDED, message="x", since=-30),
            ),
            events=(),
        ),
        None,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_revision(case: Case) -> None:
    check_case(case)


def test_a_refused_revision_is_told_by_an_event_once() -> None:
    seen = begun(RECORDED, flow=MAPPED, source=CODE, revision=MISSING, refusal=refused(500, WEBHOOK))
    decision = decide(seen)
    told = [effect for effect in decision.effects if isinstance(effect, Emit)]
    assert [(event.type, event.reason) for event in told] == [("Warning", "Submitting")]
    assert "failed calling webhook" in told[0].note
    assert decision.status is not None
    again = decide(replace(seen, run=seen.run.model_copy(update={"status": decision.status})))
    assert (again.status, again.effects) == (None, ())


def test_the_digest_is_recorded_with_attempt_1() -> None:
    status = decide(fresh(revision=MISSING)).status
    assert status is not None
    assert status.flow is not None
    assert status.flow.revision_digest == content_digest(MADE.data, MADE.binary)
    assert status.flow.revision == f"etl-{status.flow.revision_digest[:10]}"
    direct = decide(observed(run())).status
    assert direct is not None
    assert direct.flow is not None
    assert direct.flow.revision_digest is None


def test_old_revisions_are_tidied_when_a_new_one_is_made() -> None:
    assert TidyRevisions("etl", "flow-1") in decide(fresh(revision=MISSING)).effects
    assert not [e for e in decide(fresh(revision=MADE)).effects if isinstance(e, TidyRevisions)]


def test_of_a_source_that_nobody_looked_at_nothing_is_concluded() -> None:
    seen = begun(RECORDED, flow=MAPPED, revision=MISSING)
    assert reconcile(seen).looks == {Look.SOURCE}


def test_binary_data_is_part_of_the_revision() -> None:
    made = of_flow(MAPPED, CODE).manifest
    assert made is not None
    assert made["binaryData"] == {"model.bin": "//4AAQ=="}
    others = [CODE, files({"etl.py": "1"}), files({"etl.py": "1"}, {"model.bin": "//4AAg=="})]
    assert len({of_flow(MAPPED, one).revision for one in others}) == 3
    assert "binaryData" not in (of_flow(MAPPED, others[1]).manifest or {})


def test_a_files_text_or_bytes_are_the_same_file() -> None:
    """What is mounted can't be told apart."""
    assert content_digest({"a": "text"}, {}) == content_digest({}, {"a": "dGV4dA=="})


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (files({}, {"flow.json": "e30="}), "a key 'flow.json', which a revision needs for itself: rename it"),
        (files({"a": "x" * 500_000}, {"b": "A" * 600_000}), "950,002 bytes"),
    ],
)
def test_a_source_that_does_not_fit(source: ConfigMap, says: str) -> None:
    decision = decide(fresh(source=source))
    assert state_of(decision) == "Scheduled/AwaitingFlow"
    assert decision.status is not None
    assert decision.status.state is not None
    assert says in (decision.status.state.message or "")


def test_an_older_status_proves_its_revision_by_the_name() -> None:
    info = {name: value for name, value in RECORDED.items() if name != "revisionDigest"}
    assert recorded_definition(begun(info, flow=CHANGED, revision=MADE)) is not None
    assert recorded_definition(begun(info, flow=CHANGED, revision=planted(MADE, binary={}))) is None


def test_the_newest_ten_and_those_in_use_are_kept() -> None:
    def stored(number: int, **more: Any) -> Stored:
        return Stored(
            **{
                "name": f"etl-{number:010x}",
                "uid": str(number),
                "owner_uid": "u",
                "created": NOW - timedelta(number),
                **more,
            }
        )

    own = [stored(number) for number in range(14)]
    foreign = [
        stored(90, owner_uid="other"),
        stored(91, name="etl-code"),
        stored(92, created=None),
        stored(93, name="x-0000000000"),
    ]
    gone = superseded([*reversed(own), *foreign], "etl", "u", {own[12].name, own[3].name})
    assert [s.uid for s in gone] == ["10", "11", "13"]


def test_what_the_server_warned_of_is_a_condition() -> None:
    seen = begun(RECORDED, flow=INLINE, revision=MADE, pod=pod(waiting()))

    def warned(seen: Observed) -> list[str]:
        decision = decide(seen)
        conditions = (decision.status or seen.run.status).conditions or ()
        return [c.message for c in conditions if c.type == "Warned"]

    assert warned(seen) == []
    told = replace(seen, pod_warnings=("env[1]: hides previous definition of A", "b"))
    assert warned(told) == ["env[1]: hides previous definition of A; b"]
    status = decide(told).status
    assert status is not None
    # Nobody remembers it after a restart of the operator; a later pod that is taken without a word ends it.
    later = replace(told, run=told.run.model_copy(update={"status": status}), pod_warnings=None)
    assert decide(later).status is None
    assert warned(later) == ["env[1]: hides previous definition of A; b"]
    assert warned(replace(later, pod_warnings=())) == []


def test_a_field_that_the_server_does_not_know_is_the_flows_fault() -> None:
    words = 'Pod in version "v1" cannot be handled as a Pod: strict decoding error: unknown field "spec.nodeSelctor"'
    seen = observed(
        run({"flowSpec": flow_spec()}, status_json("Pending", "Submitting")),
        run_is_live=True,
        refusal=Refusal(400, "BadRequest", words, NOW),
    )
    decision = decide(seen)
    assert state_of(decision) == "Failed/InvalidFlow"
    assert decision.status is not None
    assert decision.status.state is not None
    assert decision.status.state.message == (
        'the pod was refused (400 BadRequest): strict decoding error: unknown field "spec.nodeSelctor"'
    )


def test_a_run_that_begins_anew_takes_the_flow_as_it_is_now() -> None:
    first = decide(begun(RECORDED, flow=CHANGED, revision=MISSING))
    assert first.status is not None
    assert first.status.flow == FlowInfo(name="etl")
    assert first.status.attempt is not None
    assert first.status.attempt.number == 1  # the CRD lets it never decrease
    anew = run({"flowRef": {"name": "etl"}}, first.status.model_dump(mode="json", by_alias=True, exclude_none=True))
    second = decide(observed(anew, run_is_live=True, flow=CHANGED, revision=MISSING, refusal=refused(500, WEBHOOK)))
    assert verbs(second.effects) == ("create-revision", "create-pod")
    assert second.status is not None
    assert second.status.flow is not None
    made = recorded(CHANGED)
    assert (second.status.flow.revision, second.status.flow.revision_digest) == (
        made["revision"],
        made["revisionDigest"],
    )
    in_the_way = decide(
        observed(anew, run_is_live=True, flow=CHANGED, revision=planted(revision(CHANGED), immutable=False))
    )
    assert state_of(in_the_way) == "Scheduled/AwaitingFlow"
    bad = decide(
        observed(anew, run_is_live=True, flow=flow(flow_spec(parametersSchema={"required": ["x"]})), revision=MISSING)
    )
    assert state_of(bad) == "Failed/InvalidParameters"


def test_a_run_does_not_begin_anew_before_its_pod_was_looked_for() -> None:
    seen = begun(RECORDED, flow=CHANGED, revision=MISSING)
    assert reconcile(seen).looks == frozenset({Look.POD})
    assert reconcile(replace(seen, run_is_live=False, pod=MISSING)).looks == frozenset({Look.RUN})


def test_a_run_whose_pod_was_made_does_not_begin_anew() -> None:
    seen = begun(RECORDED, flow=CHANGED, revision=MISSING, pod_created=True)
    assert state_of(decide(seen)) == "Scheduled/AwaitingRetry"  # PodDeleted, counted
