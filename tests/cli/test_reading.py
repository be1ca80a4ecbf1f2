"""A pod's log as it is read: lines for people, task runs, a timeline, and what is said between attempts."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from zlib import crc32

import pytest

from penstock_reading import attempts
from penstock_reading.entries import read, readable
from penstock_reading.position import Position
from penstock_reading.tasks import TaskRun, TaskRuns, chosen, of_report
from penstock_reading.timeline import rows, span

COMMON = {"ts": "2026-11-21T12:00:00.500000Z", "level": "INFO", "logger": "penstock.flow_runs", "msg": "hi"}
FLOW = {**COMMON, "run": "one", "flow": "f", "flowRun": "one"}
TASK = {**FLOW, "logger": "penstock.task_runs", "task": "load", "taskRun": "t-1", "taskRunName": "load-c79"}
STATE = {**TASK, "logger": "penstock.states", "event": "state", "address": "load:0", "from": None, "to": "RUNNING", "name": "Running"}  # fmt: skip


def text(line: dict[str, Any], **more: Any) -> str:
    return json.dumps({**line, **more})


LINES = {
    "text": ("plain text", "plain text"),
    "nothing": ("", ""),
    "no JSON": ("{not json", "{not json"),
    "other JSON": ('{"msg": "json"}', '{"msg": "json"}'),
    "of a flow run": (text(FLOW), "INFO    | Flow run 'one' - hi"),
    "of a subflow run": (text(FLOW, flowRun="spry-newt", address="sub:0"), "INFO    | Flow run 'spry-newt' - hi"),
    "of a task run": (text(TASK), "INFO    | Task run 'load-c79' - hi"),
    "of a logger of the user's": (text(COMMON, logger="my.module", level="WARNING"), "WARNING | my.module - hi"),
    "a traceback": (text(FLOW, exc="Traceback\nValueError\n"), "INFO    | Flow run 'one' - hi\nTraceback\nValueError"),
    "a state that nobody says": (text(STATE, level="DEBUG"), None),
    "a state that is said": (text(STATE, msg="Finished in state Completed()"), "INFO    | Task run 'load-c79' - Finished in state Completed()"),
    "a torn line": (f"begun{text(FLOW)}", "begun\nINFO    | Flow run 'one' - hi"),
    "a torn line of the log": (f"{text(FLOW)[:30]}{text(FLOW)}", f"{text(FLOW)[:30]}\nINFO    | Flow run 'one' - hi"),
    "a line that speaks of a line": (text(FLOW, msg=text(FLOW)), f"INFO    | Flow run 'one' - {text(FLOW)}"),
}  # fmt: skip


@pytest.mark.parametrize(("line", "wanted"), LINES.values(), ids=LINES.keys())
def test_a_line_for_people(line: str, wanted: str | None) -> None:
    shown = readable(line)
    here = datetime.fromisoformat(COMMON["ts"]).astimezone().strftime("%H:%M:%S.500 | ")
    assert (shown.replace(here, "") if shown is not None else None) == wanted


def test_a_log_that_is_read_again() -> None:
    """After a lost connection, from the second of the last line; lines of one time, and a log that was rotated meanwhile."""
    position = Position()

    def taken(*lines: str) -> list[str]:
        position.begin()
        return [found[1] for line in lines if (found := position.take(line)) is not None]

    first = ("2026-11-21T12:00:00.1Z a", "2026-11-21T12:00:00.10Z b", "2026-11-21T12:00:00.2Z c")
    assert taken(*first) == ["a", "b", "c"]
    more = ("2026-11-21T12:00:00.2Z d", "2026-11-21T12:00:00.200000001Z ", "2026-11-21T12:00:01Z f")
    assert taken(*first, *more) == ["d", "", "f"]
    assert taken(*first, *more) == []
    assert taken("2026-11-21T12:00:01Z f", "2026-11-21T12:00:01Z f") == ["f"]
    assert taken("2026-11-21T13:00:00Z g") == ["g"], "what was there before was rotated away"
    assert position.stamp == "2026-11-21T13:00:00Z"
    assert taken("a text without a time") == ["a text without a time"]


def change(address: str, to: str, at: float, name: str = "", **more: Any) -> str:
    when = (datetime(2026, 11, 21, 12, tzinfo=UTC) + timedelta(seconds=at)).isoformat()
    task = address.rpartition("/")[2].partition(":")[0]
    of = {"flowRun": "the-child"} if task == "sub" else {"task": task, "taskRunName": f"{task}-1"}
    record = {**COMMON, "event": "state", "ts": when, "address": address, "to": to, "name": name or to.capitalize()}
    return json.dumps({**record, "tries": 1, **of, **more})


STORY = (
    change("load:0", "PENDING", 0), change("load:0", "RUNNING", 1), change("sub:0", "RUNNING", 2),
    change("load:0", "RUNNING", 3, "Retrying", tries=2), "a print", change("sub:0/add:0", "RUNNING", 3),
    change("load:0", "FAILED", 5, "TimedOut", tries=2, durationMs=4000.0, message="too long"),
    change("sub:0/add:0", "COMPLETED", 4, durationMs=1000.0), change("old:0", "COMPLETED", 4, "Cached", tries=0),
    change("wait:0", "PENDING", 5, "NotReady", tries=0), change("long:0", "RUNNING", 5), change("next:0", "PENDING", 6),
)  # fmt: skip


def of_story() -> list[TaskRun]:
    known = TaskRuns()
    for line in STORY:
        known.learn(read(line))
    return known.runs


def test_task_runs_of_a_log() -> None:
    found = {
        run.address: (run.name, run.state, run.type, run.start and run.start.second, run.seconds, run.tries)
        for run in of_story()
    }
    assert found == {
        "load:0": ("load-1", "TimedOut", "Failed", 1, 4.0, 2),
        "sub:0": ("the-child", "Running", "Running", 2, None, 1),
        "sub:0/add:0": ("add-1", "Completed", "Completed", 3, 1.0, 1),
        "old:0": ("old-1", "Cached", "Completed", 4, 0.0, 0),
        "wait:0": ("wait-1", "NotReady", "NotReady", None, None, 0),
        "long:0": ("long-1", "Running", "Running", 5, None, 1),
        "next:0": ("next-1", "Pending", "Pending", None, None, 1),
    }


def test_a_log_that_begins_in_the_middle() -> None:
    known = TaskRuns()
    known.learn(read(change("load:0", "COMPLETED", 9, durationMs=4000.0)))
    (run,) = known.runs
    assert (run.start and run.start.second, run.seconds) == (5, 4.0)


def test_a_table_and_a_timeline() -> None:
    now = datetime(2026, 11, 21, 12, 0, 9, tzinfo=UTC)
    shown = rows(chosen(of_story(), 0, over=False), 8, now, over=False)
    assert [row.cells for row in shown] == [
        ("load-1", "TimedOut", "+0ms", "4.00s", "2", "━━━━"),
        ("the-child", "Running", "+1.00s", "7.00s…", "1", " ┅┅┅┅┅┅┅"),
        ("  add-1", "Completed", "+2.00s", "1.00s", "1", "  ━"),
        ("old-1", "Cached", "+3.00s", "0ms", "0", "   ╸"),
        ("long-1", "Running", "+4.00s", "4.00s…", "1", "    ┅┅┅┅"),
        ("next-1", "Pending", "", "", "1", ""),
        ("wait-1", "NotReady", "", "", "0", ""),
    ]
    over = chosen(of_story(), 0, over=True)
    assert [run.state for run in over if not run.ended] == [
        "Running (unfinished)", "Running (unfinished)", "Pending (unfinished)",
    ]  # fmt: skip


def test_few_of_many() -> None:
    many = [
        TaskRun(
            f"t:{n}", f"t-{n}", "Failed" if n == 7 else "Completed", "Failed" if n == 7 else "Completed",
            datetime.fromtimestamp(n, UTC), n / 10,
        )
        for n in range(10_000)
    ]  # fmt: skip
    running = TaskRun("r:0", "r", "Running", "Running", datetime.fromtimestamp(5, UTC))
    assert [run.address for run in chosen([*many, running], 4, over=False)] == ["r:0", "t:7", "t:9998", "t:9999"]
    assert len(chosen(many, 0, over=True)) == 10_000


def test_task_runs_of_a_report() -> None:
    row = {"startTime": "2026-11-21T12:00:01.500Z", "durationSeconds": 2}
    runs, omitted = of_report(
        {
            "omitted": 3,
            "runs": [
                {"address": "load:1", "state": "TimedOut", "type": "Failed", "tries": 2, **row},
                {"address": "sub:0", "name": "the-child", "state": "Completed", "subflow": True, **row},
                {"address": "load:0[0]", "state": "Cached", "type": "Completed", "cached": True},
                {"address": "sub:0/a%20%5Bb%5D~2:0", "state": "Running"},
            ],
        }
    )
    assert omitted == 3
    assert [(run.name, run.state, run.failed, run.ended, run.depth) for run in runs] == [
        ("load-3c7", "TimedOut", True, True, 0),  # what the engine calls it
        ("the-child", "Completed", False, True, 0),
        ("load-c79", "Cached", False, True, 0),
        (f"a [b]-{crc32(b'sub:0/a%20%5Bb%5D~2:0') & 0xFFF:03x}", "Running", False, False, 1),
    ]
    assert runs[0].document() == {
        "address": "load:1", "name": "load-3c7", "state": "TimedOut", "type": "Failed", "tries": 2,
        "startTime": "2026-11-21T12:00:01.500000Z", "durationSeconds": 2.0,
    }  # fmt: skip


SPANS = {0: "0ms", 0.0124: "12ms", 0.9996: "1.00s", 1.25: "1.25s", 12.34: "12.3s", 59.96: "1m00s", 245: "4m05s", 7800: "2h10m"}  # fmt: skip


@pytest.mark.parametrize(("seconds", "wanted"), SPANS.items())
def test_spans(seconds: float, wanted: str) -> None:
    assert span(seconds) == wanted


STATUS = {
    "state": {"type": "Running", "name": "Retrying", "message": "attempt 2 of 4"},
    "attempt": {"number": 2, "podName": "one-2", "podUID": "u", "startTime": "2026-11-21T12:00:30Z"},
    "attempts": [
        {
            "number": 1, "state": "Crashed", "reason": "Evicted", "message": "node pressure:\n memory",
            "endTime": "2026-11-21T12:00:10Z",
        }
    ],
}  # fmt: skip
WAITING = {**STATUS, "attempt": {"number": 2, "podName": "one-2"}}


def test_what_is_said_between_two_attempts() -> None:
    assert str(attempts.between(STATUS, 1, "2026-11-21T12:00:22.5Z")) == (
        "--- attempt 1 Crashed/Evicted: node pressure: memory; attempt 2 began 12.5s later"
    )
    assert attempts.between(STATUS, 1, "").seconds == 20
    assert str(attempts.between(WAITING, 1, "")) == "--- attempt 1 Crashed/Evicted: node pressure: memory"
    assert str(attempts.between({}, 3, "")) == "--- attempt 3 is over; attempt 4 began"


def test_what_is_said_at_the_end() -> None:
    assert str(attempts.end(STATUS)) == "--- Running/Retrying: attempt 2 of 4"
    assert str(attempts.end({"state": {"type": "Completed", "name": "Completed", "message": "completed"}})) == (
        "--- Completed"
    )
    assert str(attempts.end({})) == "--- not seen by the operator yet"


def test_which_logs_are_gone() -> None:
    assert attempts.gone(STATUS, [2]) == [1]
    assert attempts.gone(STATUS, []) == [1, 2]
    assert attempts.gone(WAITING, []) == [1], "the second has had no pod yet"
    assert attempts.gone({}, []) == []
    assert "attempt 1: its pod is gone" in str(attempts.Gone([1]))
    assert "attempts 1, 2 and 4: their" in str(attempts.Gone([1, 2, 4]))
    assert "attempts 1 to 9: their" in str(attempts.Gone(list(range(1, 10))))
