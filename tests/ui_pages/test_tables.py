"""What pages are made of, without a server: filters, the strip, the chart of task runs, the history of a run, commands to copy."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest

from penstock_reading.actions import actions
from penstock_reading.entries import read as read_line
from penstock_reading.history import history
from penstock_reading.runs import Run
from penstock_reading.tasks import TaskRuns, chosen
from penstock_ui import filters
from penstock_ui.gantt import Chart, chart
from penstock_ui.podlog import Wanted
from penstock_ui.runrow import RunRow, run_row
from penstock_ui.strip import BARS, bars
from tests.ui_pages.recorded import pod, run, said, state

NOW = datetime(2026, 11, 30, 4, 1, tzinfo=UTC)


def row(name: str, kind: str = "Running", hours: float = 1, flow: str = "etl", **more: Any) -> RunRow:
    begun = (NOW - timedelta(hours=hours)).isoformat()
    status = {
        "state": {"type": kind, "name": more.pop("state", kind), "message": more.pop("message", "")},
        "startTime": begun,
    }
    return run_row(run(name, status=status, flowRef={"name": flow}, created=begun, **more))


ROWS = [
    row("a", "Failed", 1, message="KeyError: 'rows'", labels={"team": "web", "kind": "x"}),
    row("b", "Completed", 5, flow="hello", labels={"team": "data"}),
    row("c", "Crashed", 30, state="OOMKilled", displayName="Monday's"),
    row("d", "Running", 200, namespace="other"),
]
FILTERS = [
    ("", "abcd"), ("state=Failed&state=crashed", "ac"), ("state=failed,running", "ad"), ("flow=hello", "b"),
    ("label=team", "ab"), ("label=team%3Dweb", "a"), ("label=team%3Dweb,kind%3Dx", "a"), ("label=team%3Dweb&label=kind%3Dy", ""),
    ("text=keyerror", "a"), ("text=oomk", "c"), ("text=MONDAY", "c"), ("time=6h", "ab"), ("time=7d", "abc"),
    ("namespace=other", "d"), ("from=2026-11-29T22:00:00Z&to=2026-11-29T23:30:00Z", "b"), ("text=%00", ""),
    ("state=Nonsense", "abcd"), ("time=soon", "abcd"), ("from=soon", "abcd"), ("page=-1", "abcd"), ("page=9999999999999", "abcd"),
]  # fmt: skip


def asked(query: str) -> filters.Filter:
    several = parse_qs(query)
    return filters.read({name: values[0] for name, values in several.items()}, several)


@pytest.mark.parametrize(("query", "want"), FILTERS)
def test_which_runs_an_address_asks_for(query: str, want: str) -> None:
    found = asked(query)
    assert "".join(each.key.name for each in found.chosen(ROWS, NOW.timestamp())) == want
    again = asked(found.query().removeprefix("?"))
    assert (again.states, again.labels, again.span, again.begin, again.end, again.text) == (
        found.states, found.labels, found.span, found.begin, found.end, found.text,
    )  # fmt: skip
    assert bool(found.problems) == any(word in query for word in ("Nonsense", "soon"))
    assert found.page == 1


def test_links_keep_what_is_asked_for_and_begin_at_the_first_page() -> None:
    found = asked("state=Failed&flow=etl&page=3&order=longest&text=%22%3E%3Cb%3E")
    assert found.page == 3
    assert asked(found.query(flow="hello").removeprefix("?")).page == 1
    assert asked(found.toggled("Failed").removeprefix("?")).states == frozenset()
    assert asked(found.toggled("Running").removeprefix("?")).states == {"Failed", "Running"}
    assert not {"<", ">", '"'} & set(found.query())


def test_orders() -> None:
    for order, want in (("newest", "abcd"), ("oldest", "dcba"), ("longest", "dcba"), ("odd", "abcd")):
        found = asked(f"order={order}")
        assert "".join(each.key.name for each in found.ordered(ROWS, NOW.timestamp())) == want


def test_the_strip_counts_each_run_of_the_day_once() -> None:
    made, highest = bars([*ROWS, row("e", "Completed", 1), row("future", hours=-0.2)], NOW.timestamp())
    assert len(made) == BARS
    assert sum(bar.count for bar in made) == 4, "what began before, is not of the day"
    (full,) = [bar for bar in made if bar.count == 2]
    assert highest == 2
    assert [(part.kind, part.y, part.height) for part in full.parts] == [("Completed", 50, 50), ("Failed", 0, 50)]
    assert full.words.endswith("1 Failed, 1 Completed")
    begun = asked(f"from={datetime.fromtimestamp(full.begin, UTC).isoformat().replace('+', '%2B')}")
    assert begun.begin == full.begin


LOG = [
    state("slow:0", "PENDING", "01.000"), state("below:0", "PENDING", "01.000", task="", flowRun="below-1"),
    state("slow:0", "RUNNING", "03.000"), state("below:0", "RUNNING", "01.500", task="", flowRun="below-1"),
    state("slow:0", "SCHEDULED", "04.000", name="AwaitingRetry"), state("slow:0", "RUNNING", "06.000", name="Retrying", tries=2),
    state("slow:0", "COMPLETED", "07.000", tries=2, durationMs=4000), state("below:0/in:0", "PENDING", "02.000"),
    state("below:0/in:0", "RUNNING", "07.000", after=["id-slow:0", "id-unknown"]),
    state("below:0/in:0", "COMPLETED", "09.000", durationMs=2000),
    state("below:0", "FAILED", "09.500", task="", flowRun="below-1", durationMs=8000, message="no"),
    state("quick:0", "PENDING", "09.000"), state("quick:0", "COMPLETED", "09.000", name="Cached", durationMs=0),
    state("held:0", "PENDING", "09.000"), state("held:0", "PENDING", "09.100", name="NotReady", after=["id-slow:0"]),
    state("last:0", "PENDING", "09.000"), state("last:0", "RUNNING", "09.200"),
]  # fmt: skip


def drawn(lines: list[str], *, over: bool = False) -> Chart:
    known = TaskRuns()
    for line in lines:
        known.learn(read_line(line))
    return chart(chosen(known.runs, 0, over=over), datetime(2026, 11, 30, 4, 0, 11, tzinfo=UTC), over=over)


def test_the_chart_of_task_runs() -> None:
    """Ten seconds from the first change to now: a percent is a tenth of a second."""
    made = drawn(LOG)
    lines = {line.run.address: line for line in made.lines}
    assert [line.run.address for line in made.lines] == [
        "below:0",
        "below:0/in:0",
        "slow:0",
        "quick:0",
        "last:0",
        "held:0",
    ]
    assert [(bar.kind, bar.x, bar.width) for bar in lines["slow:0"].bars] == [
        ("wait", 0, 20), ("k-Failed try", 20, 10), ("wait retry", 30, 20), ("k-Completed", 50, 10),
    ]  # fmt: skip
    assert lines["slow:0"].bars[1].words == "try 1 failed after 1.00s"
    assert [(bar.kind, bar.x, bar.width) for bar in lines["last:0"].bars] == [("wait", 80, 2), ("k-Running", 82, 18)]
    assert lines["last:0"].took == "1.80s…"
    assert (lines["quick:0"].kind, lines["quick:0"].bars[-1].kind) == ("Cached", "k-Cached")
    assert lines["held:0"].kind == "NotReady"
    assert (lines["below:0"].children, lines["below:0"].run.depth, lines["below:0/in:0"].run.depth) == (1, 0, 1)
    (edge,) = made.edges
    assert (edge.begin, edge.end, edge.above, edge.below) == (60, 60, 2, 1)
    assert [tick.words for tick in made.ticks] == ["0", "2s", "4s", "6s", "8s", "10s"]
    assert made.total == "10.0s"


def test_what_an_attempt_left_unfinished_does_not_grow() -> None:
    (line,) = [line for line in drawn(LOG, over=True).lines if line.run.address == "last:0"]
    assert (line.state, line.took) == ("Running (unfinished)", "")


def test_a_chart_of_nothing_and_of_an_instant() -> None:
    assert chart([], NOW, over=False) == Chart((), (), (), "")
    assert drawn([state("a:0", "PENDING", "01.000")]).lines[0].bars
    made = drawn([state("a:0", "PENDING", "01.000"), state("a:0", "COMPLETED", "01.000", durationMs=0)], over=True)
    assert all(0 <= bar.x <= 100 and 0 < bar.width <= 100 for line in made.lines for bar in line.bars)


def test_a_run_that_is_tried_without_end_takes_no_more_room() -> None:
    known = TaskRuns()
    for second in range(500):
        at = f"{second // 60 % 60:02}.{second % 60:03}"
        known.learn(read_line(state("a:0", "RUNNING" if second % 2 else "SCHEDULED", at, name="AwaitingRetry")))
    assert len(known.runs[0].changes) <= 24
    for number in range(300):
        known.learn(
            read_line(state(f"t:{number}", "FAILED" if number == 7 else "COMPLETED", "01.000", durationMs=number))
        )
    known.shrink(100)
    addresses = {each.address for each in known.runs}
    assert len(addresses) == 100
    assert {"a:0", "t:7", "t:299"} <= addresses, "what failed, runs, or took long stays"
    assert known.forgotten == 201


ENDED = {
    "startedAt": "2026-11-30T04:00:14Z", "finishedAt": "2026-11-30T04:00:19Z", "exitCode": 137, "reason": "OOMKilled",
}  # fmt: skip


def test_the_history_of_a_run_is_told_in_order_and_once() -> None:
    body = run(
        status={
            "state": {"type": "Failed", "name": "Failed", "message": "no rows", "time": "2026-11-30T04:00:20Z"},
            "startTime": "2026-11-30T04:00:05Z", "completionTime": "2026-11-30T04:00:20Z",
            "attempts": [{
                "number": 1, "podName": "p-1", "state": "Crashed", "reason": "Evicted", "message": "node pressure",
                "startTime": "2026-11-30T04:00:05Z", "endTime": "2026-11-30T04:00:10Z",
            }],
            "attempt": {"number": 2, "podName": "p-2", "startTime": "2026-11-30T04:00:15Z"},
        }
    )  # fmt: skip
    of = pod(body, 2, "Failed")
    of["status"].update(
        conditions=[
            {"type": "Initialized", "status": "True", "lastTransitionTime": "2026-11-30T04:00:12Z"},
            {"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-11-30T04:00:12Z"},
            {"type": "Ready", "status": "False", "lastTransitionTime": "2026-11-30T04:00:19Z"},
        ],
        containerStatuses=[{"name": "engine", "state": {"terminated": ENDED}}],
    )  # fmt: skip
    events: list[dict[str, Any]] = [
        {"metadata": {}, "reason": "Failed", "message": "no rows", "lastTimestamp": "2026-11-30T04:00:21Z"},
        {
            "metadata": {},
            "reason": "Retrying",
            "message": "attempt 2 of 4",
            "eventTime": "2026-11-30T04:00:11.5Z",
            "count": 2,
        },
        {"metadata": {}, "reason": "Odd", "lastTimestamp": "never"},
    ]
    told = [(moment.when.second, moment.what) for moment in history(Run(body), [of], events)]
    assert told == [
        (0, "created"), (1, "pod created"), (5, "the operator saw the flow begin"), (10, "attempt 1 ended: Crashed/Evicted"),
        (11, "Retrying (2 times)"),
        (12, "pod scheduled"), (12, "pod's init containers done"), (14, "container engine started"), (15, "attempt 2 began"),
        (19, "container engine ended: exit code 137, OOMKilled"), (20, "ended: Failed"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("told", "want"),
    [
        ("2026-11-30T04:00:03.5Z", (3, "the flow's code began")),
        (None, (5, "the operator saw the flow begin")),
        ("2026-11-30T04:00:09Z", (5, "the operator saw the flow begin")),  # the node's clock is ahead
        ("2026-11-30T03:59:59Z", (5, "the operator saw the flow begin")),  # or behind
        ("soon", (5, "the operator saw the flow begin")),
    ],
)
def test_when_a_flow_began_is_what_its_engine_says(told: str | None, want: tuple[int, str]) -> None:
    status = {
        "state": {"type": "Running", "name": "Running"},
        "startTime": "2026-11-30T04:00:05Z",
        "report": {"startTime": told},
    }
    found = [(moment.when.second, moment.what) for moment in history(Run(run(status=status)), [], [])]
    assert found == [(0, "created"), want]


@pytest.mark.parametrize(
    ("kind", "spec", "want"),
    [
        ("Running", {}, ["logs", "pause", "suspend", "cancel", "describe", "delete"]),
        ("Failed", {}, ["logs", "retry", "describe", "delete"]),
        ("Paused", {"desiredState": "Paused"}, ["logs", "resume", "cancel", "describe", "delete"]),
        ("Cancelling", {"desiredState": "Cancelled"}, ["logs", "describe", "delete"]),
    ],
)
def test_what_can_be_done_is_shown_as_commands(kind: str, spec: dict[str, Any], want: list[str]) -> None:
    body = run(
        "etl-1",
        namespace="team",
        status={"state": {"type": kind, "name": kind}, "attempt": {"number": 1, "podName": "p"}},
        **spec,
    )
    found = actions(Run(body), "kubectl penstock")
    assert [shlex.split(each.command)[2] for each in found] == want
    for each in found:
        assert "-n team" in each.command
        assert not each.kubectl or ("-n team" in each.kubectl and shlex.split(each.kubectl)[0] == "kubectl")


def test_which_lines_of_a_log_are_meant() -> None:
    (line,) = read_line(said("loaded 5 rows", "below:0/load:1", "WARNING"))
    (printed,) = read_line("a print")
    for wanted, fits in (
        (Wanted(), True), (Wanted(text="ROWS"), True), (Wanted(text="cows"), False), (Wanted(task="below:0"), True),
        (Wanted(task="below:0/load:1"), True), (Wanted(task="below:0/load:11"), False), (Wanted(task="below"), False),
        (Wanted(level="ERROR"), False), (Wanted(level="INFO"), True),
    ):  # fmt: skip
        assert wanted.fits(line, str(line.shown)) is fits, wanted
    assert Wanted(level="INFO").fits(printed, "a print")
    assert not Wanted(level="ERROR").fits(printed, "a print")
    assert not Wanted(task="below:0").fits(printed, "a print")
