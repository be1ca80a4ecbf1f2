"""next: the times of a Flow, and what is wrong with those that have none."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from penstock_reading.planned import planned
from tests.cli.conftest import Penstock
from tests.cli.test_running import flow
from tests.support.cli import Stage

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
NIGHTLY = {"name": "nightly", "cron": "0 6 * * *", "timeZone": "Europe/Berlin"}
OFTEN = {"name": "often", "intervalSeconds": 36_000}


def test_the_times_of_all_schedules_in_order() -> None:
    found = planned({"schedules": [NIGHTLY, OFTEN, {**OFTEN, "name": "off", "suspend": True}]}, NOW, 4)
    assert [(schedule.name, f"{moment:%d %H:%M}") for moment, schedule in found.times] == [
        ("often", "30 22:00"), ("nightly", "01 05:00"), ("often", "01 08:00"), ("often", "01 18:00"),
    ]  # fmt: skip
    assert (found.suspended, found.faults) == (("off",), ())


def test_what_is_wrong_keeps_the_others_not_back() -> None:
    wrong: list[dict[str, Any]] = [
        {"name": "a", "cron": "99 99 * * *"},
        {**NIGHTLY, "name": "b", "timeZone": "Mars/Base"},
        {"name": "c"},
    ]
    found = planned({"schedules": [*wrong, NIGHTLY]}, NOW, 1)
    assert [schedule.name for _, schedule in found.times] == ["nightly"]
    assert [fault.partition(":")[0] for fault in found.faults] == [f"schedule {each!r}" for each in "abc"]
    assert "column 1" in found.faults[0]
    assert "Mars/Base" in found.faults[1]


def test_next(at: Stage, penstock: Penstock) -> None:
    flow(at, schedules=[NIGHTLY], suspend=True)
    done = penstock("next", "fl/etl")
    assert done.code == 0
    assert done.lines[0] == ["SCHEDULE", "TIME", "ZONE", "HERE", "IN"]
    assert len(done.lines) == 11
    assert all(line[:1] == ["nightly"] and line[3:5] == ["06:00:00", "Europe/Berlin"] for line in done.lines[1:])
    assert done.err == "note: flow etl is suspended, none of these start a run; penstock resume fl/etl\n"
    found = json.loads(penstock("next", "etl", "-c", "3", "-o", "json").out)
    times = [datetime.fromisoformat(each["time"]) for each in found["times"]]
    assert (found["flow"], found["suspended"], len(times)) == ("etl", True, 3)
    named = penstock("next", "etl", "-c", "3", "-o", "name").out.splitlines()
    assert named == [f"flowrun.penstock.dev/{each['run']}" for each in found["times"]]
    assert named[0] == f"flowrun.penstock.dev/etl-nightly-{times[0]:%Y%m%d%H%M}", "what the operator will call it"
    wide = penstock("next", "etl", "-c", "3", "-o", "wide").lines
    assert [line[-1] for line in wide] == ["RUN", *(each["run"] for each in found["times"])]
    assert timedelta(hours=22) < times[1] - times[0] < timedelta(hours=26)


def test_next_of_nothing(at: Stage, penstock: Penstock) -> None:
    flow(at)
    done = penstock("next", "etl")
    assert (done.code, done.out, done.err) == (0, "", "flow etl has no schedules\n")
    assert penstock("next", "none").code == 4
    flow(at, "bad", schedules=[{"name": "a", "cron": "0 25 * * *"}])
    done = penstock("next", "bad")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("error: schedule 'a': cron ")
