"""What is due of a Flow, and what its status says of it: one decision a row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from penstock_operator.api.flow import Flow
from penstock_operator.core.flows.children import scheduled_run
from penstock_operator.core.flows.decide import decide
from penstock_operator.core.flows.model import CreateRun, FlowDecision, FlowObserved
from penstock_operator.core.flows.names import LONGEST, scheduled_name
from penstock_operator.core.model import MISSING, Emit, Look, Refusal
from tests.support.builders import flow as build
from tests.support.builders import flow_spec

JSON = dict[str, Any]
DAY = datetime(2026, 11, 21, tzinfo=UTC)


def clock(text: str) -> datetime:
    """12:00, or 12:00:30; a day before it as `-1 12:00`."""
    days, _, time = text.rpartition(" ")
    parts = [int(part) for part in time.split(":")]
    return DAY + timedelta(days=int(days or 0), hours=parts[0], minutes=parts[1], seconds=(*parts, 0)[2])


def iso(text: str) -> str:
    return clock(text).isoformat().replace("+00:00", "Z")


def shown(times: Iterable[datetime | None]) -> list[str]:
    def one(time: datetime) -> str:
        days = (time - DAY).days
        return (f"{days} " if days else "") + time.strftime("%H:%M:%S" if time.second else "%H:%M")

    return [one(time) for time in times if time is not None]


HOURLY: JSON = {"name": "hourly", "cron": "0 * * * *"}
RULE = "0 * * * * UTC"


def row(
    next_: str | None = "12:00", last: str | None = "11:00", *, rule: str = RULE, overdue: tuple[str, ...] = ()
) -> JSON:
    """What the status has of the schedule."""
    made: JSON = {"name": "hourly", "rule": rule}
    made |= {"lastScheduledTime": iso(last)} if last else {}
    made |= {"nextScheduledTime": iso(next_)} if next_ else {}
    return made | ({"overdueTimes": [iso(time) for time in overdue]} if overdue else {})


def a_flow(
    schedules: Iterable[JSON] = (HOURLY,),
    rows: Iterable[JSON] | None = (),
    *,
    created: str = "10:30",
    generation: int = 1,
    **spec: Any,
) -> Flow:
    """A Flow; `rows` None: nobody has looked at it yet."""
    status: JSON = (
        {"observedGeneration": -1} if rows is None else {"observedGeneration": generation, "schedules": list(rows)}
    )
    made = build(
        {**flow_spec(), "schedules": list(schedules), **spec}, generation=generation, creationTimestamp=iso(created)
    )
    return Flow.model_validate({**made.model_dump(by_alias=True, exclude_unset=True), "status": status})


def refusal(at: str, code: int = 403, *, count: int = 1, message: str = "exceeded quota: runs") -> Refusal:
    return Refusal(code, "Forbidden", message, clock(at), count)


@dataclass(frozen=True)
class Case:
    """One decision: at `now`, about a schedule of which the status has `row`."""

    id: str
    now: str
    row: JSON | None = field(default_factory=row)
    start: tuple[str, ...] = ()
    next: str | None = "13:00"
    schedule: JSON = field(default_factory=dict)  # over HOURLY
    made: tuple[str, ...] = ()
    refused: Mapping[str, Refusal] = field(default_factory=dict)
    flow: JSON = field(default_factory=dict)  # arguments of `a_flow`
    last: str | None = None
    overdue: tuple[str, ...] = ()
    again: str | None = None
    says: str = ""  # of the Event
    condition: tuple[str, str] = ("", "")  # type, and words of its message


QUOTA = "run etl-hourly-202611211200 was refused (403 Forbidden): exceeded quota: runs; tried again until 2026-11-22T12:00:00Z"
ALL: JSON = {"missedRunPolicy": "All"}
NONE: JSON = {"missedRunPolicy": "None"}
NEW: JSON = {"rows": None, "created": "10:30"}

# `start`: what is started with the first decision; the other columns: what the status says when these were made.
CASES = [
    Case("nothing is due before its time", "11:59:59", next="12:00", last="11:00", again="12:00"),
    Case("due at its very time", "12:00", start=("12:00",), last="12:00", again="13:00"),
    Case("once it was made, the status says so", "12:00:01", made=("12:00",), last="12:00", again="13:00"),
    # --- since when a schedule counts
    Case("a new Flow: from its creation", "10:45", None, next="11:00", flow=NEW, again="11:00"),
    Case("a new Flow that nobody looked at in time", "12:10", None, start=("12:00",), flow=NEW, last="12:00",
        says="until 2026-11-21T11:00:00Z was missed"),
    Case("nothing is due at the second of the creation", "12:00", None, flow={"rows": None, "created": "12:00"}, again="13:00"),
    Case("a new Flow that was changed since: from now", "12:10", None, flow={**NEW, "generation": 2}, again="13:00"),
    Case("a schedule that was added: from now", "12:10", None, flow={"generation": 2}, again="13:00"),
    Case("a server's clock that is ahead", "12:10", None, next="15:00", flow={"rows": None, "created": "14:10"}, again="15:00"),
    Case("another cron: from now, and its last time stays", "12:10", row(rule="5 * * * * UTC"), last="11:00", again="13:00"),
    Case("another zone is another rule", "12:10", row(rule="0 * * * * Europe/Berlin"), last="11:00", again="13:00"),
    Case("spaces are no other rule", "12:10", start=("12:00",), schedule={"cron": "0  *  * * *"}, last="12:00"),
    # --- missed
    Case("three were due: the latest", "14:10", start=("14:00",), next="15:00", last="14:00",
        says="until 2026-11-21T13:00:00Z was missed, and only the latest"),
    Case("three were due: all", "14:10", schedule=ALL, start=("12:00", "13:00", "14:00"), next="15:00", last="14:00"),
    Case("three were due: none", "14:10", schedule=NONE, next="15:00", last="11:00",
        says="until 2026-11-21T14:00:00Z could not be started within 60 s"),
    Case("none, but the last is on time", "14:00:59", schedule=NONE, start=("14:00",), next="15:00", last="14:00",
        says="until 2026-11-21T13:00:00Z could"),
    Case("none, and a minute late is on time", "12:01", schedule=NONE, start=("12:00",), last="12:00"),
    Case("none, and a second more is not", "12:01:01", schedule=NONE, last="11:00", says="within 60 s"),
    Case("the deadline is over", "12:10", schedule={"startingDeadlineSeconds": 599}, last="11:00",
        says="until 2026-11-21T12:00:00Z could not be started within 599 s"),
    Case("the deadline is not over yet", "12:10", schedule={"startingDeadlineSeconds": 600}, start=("12:00",), last="12:00"),
    Case("all, as far as the deadline goes", "14:10", schedule={**ALL, "startingDeadlineSeconds": 3660 + 3600}, start=("13:00", "14:00"),
        next="15:00", last="14:00", says="until 2026-11-21T12:00:00Z could not"),
    # --- what could not be made
    Case("refused: overdue, and tried again", "12:00:05", refused={"12:00": refusal("12:00")}, overdue=("12:00",), last="11:00", again="12:00:10",
        condition=("Degraded", QUOTA)),
    Case("refused: its time has come", "12:00:10", refused={"12:00": refusal("12:00")}, start=("12:00",), last="12:00"),
    Case("what is overdue is made later", "12:30", row("13:00", overdue=("12:00",)), start=("12:00",), last="12:00", again="13:00"),
    Case("overdue when the next one is due: the latest", "13:00", row("13:00", overdue=("12:00",)), start=("13:00",), next="14:00", last="13:00",
        says="until 2026-11-21T12:00:00Z was missed"),
    Case("overdue when the next one is due: all", "13:00", row("13:00", overdue=("12:00",)), schedule=ALL, start=("12:00", "13:00"), next="14:00",
        last="13:00"),
    Case("overdue for too long", "12:30", row("13:00", overdue=("12:00",)), schedule={"startingDeadlineSeconds": 60}, last="11:00",
        says="could not be started within 60 s", again="13:00"),
    Case("refused for its own sake: the others go on", "14:10", schedule=ALL, refused={"13:00": refusal("14:09:59", 422, message="no")},
        start=("12:00", "14:00"), next="15:00", overdue=("13:00",), last="14:00", condition=("Degraded", "202611211300 was refused")),
    Case("an older one that is refused is given up for the latest", "13:00", made=("13:00",), refused={"12:00": refusal("12:59:59")},
        next="14:00", last="13:00", says="until 2026-11-21T12:00:00Z was missed"),
    Case("no answer is nobody's business at first", "12:00:00", refused={"12:00": refusal("12:00", 0)}, overdue=("12:00",), last="11:00",
        again="12:00:01", condition=("Degraded", "")),
    Case("no answer for a while is", "12:00:03", refused={"12:00": refusal("12:00:01", 0, count=3, message="")}, overdue=("12:00",), last="11:00",
        again="12:00:05", condition=("Degraded", "was not answered: no answer")),
    Case("another rule forgets what is overdue", "12:30", row("13:00", overdue=("12:00",), rule="1 * * * * UTC"), last="11:00", again="13:00"),
    # --- suspended
    Case("a Flow that is suspended starts nothing", "12:10", next=None, flow={"suspend": True}, last="11:00",
        condition=("Suspended", "those that you create still run")),
    Case("a schedule that is suspended starts nothing", "12:10", next=None, schedule={"suspend": True}, last="11:00",
        condition=("Suspended", "schedule 'hourly' is suspended")),
    Case("suspended: nothing is overdue any more", "12:10", row("13:00", overdue=("12:00",)), next=None, flow={"suspend": True}, last="11:00"),
    Case("it goes on: from now, what was due meanwhile is not missed", "14:10", row(None), next="15:00", last="11:00", again="15:00"),
    Case("suspended while its run was made", "12:00:01", made=("12:00",), next=None, flow={"suspend": True}, last="12:00"),
    # --- clocks
    Case("set back: nothing twice", "09:30", row("13:00", "12:00"), last="12:00", again="13:00"),
    Case("set back after it had been ahead by hours", "12:30", row("18:00", "17:00"), next="18:00", last="17:00", again="18:00"),
    Case("no clock is wrong by years: what one settled that was is not believed", "12:30", row("+999 13:00", "12:00"), last="12:00", again="13:00"),
    Case("but a schedule may be due in years", "12:30", row("+556 00:00", None, rule="0 0 29 2 * UTC"), schedule={"cron": "0 0 29 2 *"},
        next="465 00:00"),
]  # fmt: skip


def observed(case: Case, made: Mapping[str, CreateRun] | None = None) -> FlowObserved:
    schedule = {**HOURLY, **case.schedule}
    rows = [case.row] if case.row is not None else []
    flow = a_flow([schedule], **{"rows": rows, **case.flow})
    assert flow.spec.schedules

    def run(time: str) -> CreateRun:
        assert flow.spec.schedules
        return scheduled_run(flow, flow.spec.schedules[0], clock(time))

    done = {run(time).name: run(time) for time in case.made}
    refused = {run(time).name: why for time, why in case.refused.items()}
    return FlowObserved(flow, clock(case.now), live=True, made={**done, **(made or {})}, refused=refused)


def settled(seen: FlowObserved) -> FlowDecision:
    """What is decided when it is known that what is to be started was made."""
    found = decide(seen)
    assert not found.creates
    assert found.status is not None
    return found


def events(found: FlowDecision) -> list[Emit]:
    effects: tuple[object, ...] = found.effects
    return [effect for effect in effects if isinstance(effect, Emit)]


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_schedule(case: Case) -> None:
    seen = observed(case)
    first = decide(seen)
    assert shown(run.time for run in first.creates) == list(case.start)
    assert [run.name for run in first.creates] == [
        scheduled_name("etl", "hourly", run.time) for run in first.creates if run.time
    ]
    found = settled(observed(case, {run.name: run for run in first.creates}))
    assert found.status is not None
    its = found.status.schedules[0] if found.status.schedules else None
    assert its is not None
    assert shown([its.next_scheduled_time]) == ([case.next] if case.next else [])
    assert shown([its.last_scheduled_time]) == ([case.last] if case.last else [])
    assert shown(its.overdue_times or ()) == list(case.overdue)
    if case.again:
        assert shown([found.requeue_at]) == [case.again]
    notes = [e.note for e in events(found) if e.reason == "RunsMissed"]
    assert len(notes) == (1 if case.says else 0)
    assert case.says in "".join(notes)
    conditions = {c.type: c for c in found.status.conditions or ()}
    type_, words = case.condition
    if type_:
        assert words in conditions[type_].message
        assert conditions[type_].status == ("True" if words and "is suspended" not in words else "False")
    # The same once more changes nothing, and says nothing twice.
    again = settled(FlowObserved(seen.flow.model_copy(update={"status": found.status}), seen.now, refused=seen.refused))
    assert (again.status, again.effects) == (found.status, ())


def test_more_than_are_made_up_for() -> None:
    """All makes up for the newest hundred, and a condition tells of the others until a run was on time, an hour at least."""
    every = {"name": "hourly", "intervalSeconds": 10, **ALL}
    first = row("10:00", None, rule="every 10 s")
    now = clock("12:00")
    flow = a_flow([every], [first])
    creates = decide(FlowObserved(flow, now, live=True)).creates
    assert len(creates) == 100
    assert shown([creates[0].time, creates[-1].time]) == ["11:43:30", "12:00"]
    found = settled(FlowObserved(flow, now, made={run.name: run for run in creates}))
    assert found.status is not None

    def missed(decision: FlowDecision) -> tuple[str, str]:
        assert decision.status is not None
        c = {c.type: c for c in decision.status.conditions or ()}["MissedRuns"]
        return c.status.value, c.message

    words = "schedule 'hourly': more than 100 runs were missed: what was due until 2026-11-21T11:43:20Z is not started any more"
    assert missed(found) == ("True", words)
    assert words in [e.note for e in events(found)]
    for later, still in (("12:15", True), ("12:30", True), ("12:45", True), ("12:59:50", True), ("13:00", False)):
        assert found.status is not None
        flow = flow.model_copy(update={"status": found.status})
        seen = FlowObserved(flow, clock(later), live=True)
        found = settled(FlowObserved(flow, clock(later), made={run.name: run for run in decide(seen).creates}))
        assert missed(found) == (("True", words) if still else ("False", "")), later


def test_each_schedule_stands_for_itself() -> None:
    """One is written wrongly, one in a zone that there is not, one is refused: the last is started all the same."""
    schedules = [
        {"name": "wrong", "cron": "99 99 * * *"},
        {"name": "zone", "cron": "0 * * * *", "timeZone": "Mars/Base"},
        {"name": "refused", "cron": "0 * * * *"},
        HOURLY,
    ]
    rows = [{**row(), "name": "refused"}, row()]
    flow = a_flow(schedules, rows)
    refused = {"etl-refused-202611211200": refusal("12:00", message="denied by policy")}
    seen = FlowObserved(flow, clock("12:00"), live=True, refused=refused)
    assert [run.name for run in decide(seen).creates] == ["etl-hourly-202611211200"]
    made = {run.name: run for run in decide(seen).creates}
    status = settled(FlowObserved(flow, clock("12:00"), made=made, refused=refused)).status
    assert status is not None
    conditions = {c.type: (c.status.value, c.reason, c.message) for c in status.conditions or ()}
    ready, stalled = conditions["Ready"], conditions["Stalled"]
    assert ready[:2] == ("False", "ScheduleUnusable")
    assert stalled[0] == "True"
    for words in ("schedule 'wrong': cron", "column 1", "schedule 'zone': timeZone 'Mars/Base'"):
        assert words in ready[2]
        assert words in stalled[2]
    assert "run etl-refused-202611211200 was refused" in ready[2]
    assert "refused" not in stalled[2]
    assert conditions["Degraded"][:2] == ("True", "RunRefused")
    assert shown([status.last_scheduled_time, status.next_scheduled_time]) == ["12:00", "13:00"]


@pytest.mark.parametrize(
    ("changes", "source", "says"),
    [
        ({"source": {"configMap": {"name": "code"}}}, MISSING, "SourceMissing"),
        ({"unreadable": ("spec.parameters: no",)}, None, "Unusable"),
    ],
)
def test_a_flow_that_cannot_be_run_starts_nothing(changes: JSON, source: Any, says: str) -> None:
    """Runs would pile up, and all begin when it is mended: then the schedule's rules say which of them are started."""
    unreadable = changes.pop("unreadable", ())
    flow = a_flow([HOURLY], [row()], **changes).model_copy(update={"unreadable": unreadable})
    seen = FlowObserved(flow, clock("12:00"), live=True, **({"source": source} if source else {}))
    found = settled(seen)
    assert found.status is not None
    ready = next(c for c in found.status.conditions or () if c.type == "Ready")
    assert (ready.status, ready.reason) == ("False", says)
    mended = a_flow([HOURLY], [s.to_json() for s in found.status.schedules or ()])
    later = decide(FlowObserved(mended, clock("12:20"), live=True))
    assert shown(run.time for run in later.creates) == ["12:00"]


def test_nothing_is_made_without_a_live_look() -> None:
    """The store may be behind: somebody may have suspended the Flow a moment ago."""
    seen = FlowObserved(a_flow(rows=[row()]), clock("12:00"))
    assert decide(seen) == FlowDecision(looks=frozenset({Look.FLOW}))
    gone = a_flow(rows=[row()])
    meta = gone.metadata.model_copy(update={"deletion_timestamp": clock("12:00")})
    assert decide(FlowObserved(gone.model_copy(update={"metadata": meta}), clock("12:00"), live=True)) == FlowDecision()


def test_a_run_of_a_schedule() -> None:
    """Whose it is, what for, and with what."""
    schedule = {**HOURLY, "parameters": {"day": None, "n": [1]}}
    flow = a_flow([schedule], [row()])
    (run,) = decide(FlowObserved(flow, clock("12:00"), live=True)).creates
    assert run.manifest == {
        "apiVersion": "penstock.dev/v1alpha1",
        "kind": "FlowRun",
        "metadata": {
            "name": "etl-hourly-202611211200",
            "namespace": "default",
            "labels": {"penstock.dev/flow": "etl", "penstock.dev/schedule": "hourly"},
            "ownerReferences": [
                {
                    "apiVersion": "penstock.dev/v1alpha1",
                    "kind": "Flow",
                    "name": "etl",
                    "uid": "flow-1",
                    "controller": True,
                    "blockOwnerDeletion": False,
                }
            ],
        },
        "spec": {
            "flowRef": {"name": "etl"},
            "parameters": {"day": None, "n": [1]},
            "scheduledTime": "2026-11-21T12:00:00Z",
            "displayName": "hourly 2026-11-21T12:00:00Z",
        },
    }


# --- names -------------------------------------------------------------------------------------------------------------------------------


def test_names_are_told_apart() -> None:
    """By Flow, schedule and second, whatever dashes they have and however long they are; always a name that a run may have."""
    pairs = [
        ("a", "b"),
        ("a", "b-c"),
        ("a-b", "c"),
        ("a-b-c", "d"),
        ("a", "b-c-d"),
        ("a", "b--c"),
        ("a--b", "c"),
        ("a", "1"),
    ]
    pairs += [("f" * 41, "s" * 40), ("f" * 41, "s" * 39), ("f" * 40, "s" * 40), ("a-" * 20 + "a", "s-" * 19 + "s")]
    times = [clock("12:00"), clock("12:00:10"), clock("12:01"), clock("1 12:00")]
    names = {scheduled_name(flow, schedule, time) for flow, schedule in pairs for time in times}
    assert len(names) == len(pairs) * len(times)
    for name in names:
        assert len(name) <= LONGEST
        assert name.replace("-", "").isalnum()
        assert name == name.lower().strip("-")
    assert scheduled_name("etl", "nightly", clock("12:00")) == "etl-nightly-202611211200"
    assert scheduled_name("etl", "quick", clock("12:00:10")) == "etl-quick-20261121120010"
