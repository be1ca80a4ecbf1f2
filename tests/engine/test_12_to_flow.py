"""`Flow.to_flow` and the schedules: what can be said in code of a resource, and what is said of what cannot."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from penstock import flow
from penstock.definitions.to_flow import COLLECTED
from penstock.schedules import Cron, Interval, Schedule


@flow
def etl(day: str = "today") -> None: ...


@pytest.mark.parametrize(
    ("schedule", "spec"),
    [
        (Cron("0 6 * * *"), {"name": "x", "cron": "0 6 * * *"}),
        (Cron("@daily", "Europe/Berlin", slug="early"), {"name": "early", "cron": "@daily", "timeZone": "Europe/Berlin"}),
        (
            Cron("0 6 * * *", active=False, starting_deadline=60, missed_run_policy="All"),
            {"name": "x", "cron": "0 6 * * *", "suspend": True, "startingDeadlineSeconds": 60, "missedRunPolicy": "All"},
        ),
        (Interval(3600), {"name": "x", "intervalSeconds": 3600}),
        (Interval(timedelta(days=1)), {"name": "x", "intervalSeconds": 86400}),
        (
            Interval(60, datetime(2026, 11, 21, 6, tzinfo=timezone(timedelta(hours=1)))),
            {"name": "x", "intervalSeconds": 60, "anchorTime": "2026-11-21T05:00:00Z"},
        ),
        (
            Interval(60, anchor_date=datetime(2026, 7, 1, 6), timezone="Europe/Berlin"),
            {"name": "x", "intervalSeconds": 60, "anchorTime": "2026-07-01T04:00:00Z"},
        ),
        (Schedule(interval=timedelta(seconds=10)), {"name": "x", "intervalSeconds": 10}),
    ],
)  # fmt: skip
def test_schedules_as_the_resource_has_them(schedule: Schedule, spec: dict[str, Any]) -> None:
    assert schedule.to_spec("x", None) == spec
    assert schedule.to_spec("x", {"a": 1}) == {**spec, "parameters": {"a": 1}}


WRONG: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: Schedule(), ValueError, "either a cron expression or an interval"),
    (lambda: Schedule(cron="* * * * *", interval=timedelta(days=1)), ValueError, "either"),
    (lambda: Cron("* * * * *", day_or=False), ValueError, "joined by OR"),
    (lambda: Cron(5), TypeError, "cron of a schedule is str; 5 was given"),  # type: ignore[arg-type]
    (lambda: Cron("* * * * *", active=1), TypeError, "True or False"),  # type: ignore[arg-type]
    (lambda: Cron("* * * * *", missed_run_policy="Some"), ValueError, "one of Latest, None, All"),
    (lambda: Interval(9), ValueError, "10 or more; 9 s was given"),
    (lambda: Interval(10.5), ValueError, "whole number of seconds"),
    (lambda: Schedule(cron="* * * * *", anchor_date=datetime(2026, 1, 1, tzinfo=UTC)), ValueError, "Only intervals"),
    (lambda: Interval(60, datetime(2026, 1, 1), "Mars/Base").to_spec("x", None), ValueError, "'Mars/Base' is not known"),
    (lambda: etl.to_flow(cron="* * * * *"), TypeError, r"no option 'cron'; say schedules=\[Cron"),
    (lambda: etl.to_flow(paused=True), TypeError, "say suspend=True"),
    (lambda: etl.to_flow(nonsense=1), TypeError, "no option 'nonsense'"),
    (lambda: etl.to_flow(5), TypeError, "name of a Flow is text"),  # type: ignore[arg-type]
    (lambda: etl.to_flow(schedules=["* * * * *"]), TypeError, "schedules are Cron"),
    (lambda: etl.to_flow(env={"A": 1}), TypeError, "the value of A is text"),
    (lambda: etl.serve(), NotImplementedError, "`to_flow`.*`penstock build FILE.py:flow`"),
    (lambda: etl.deploy("x"), NotImplementedError, "penstock build"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "kind", "words"), WRONG, ids=[row[2] for row in WRONG])
def test_what_cannot_be_said(call: Callable[[], Any], kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        call()


def test_recurrence_rules_are_not_there() -> None:
    with pytest.raises(ImportError, match=r"penstock.schedules.RRule does not exist here; use `Cron`"):
        from penstock.schedules import RRule  # noqa: F401


def test_to_flow_shows_its_options() -> None:
    options = inspect.signature(etl.to_flow).parameters
    assert list(options)[:3] == ["name", "description", "parameters"]
    assert "others" not in options


def test_what_is_said_is_kept_and_collected() -> None:
    token = COLLECTED.set([])
    try:
        made = etl.to_flow("nightly", schedules=Cron("0 6 * * *"), concurrency=2, env={"A": "b"}, suspend=False)
        assert COLLECTED.get() == [made]
    finally:
        COLLECTED.reset(token)
    assert (made.flow, made.name, len(made.schedules)) == (etl, "nightly", 1)
    assert made.fields == {"env": [{"name": "A", "value": "b"}], "suspend": False, "concurrency": {"limit": 2}}
    assert repr(made) == "<FlowDefinition 'nightly': `penstock build` writes it down>"
    listed = etl.to_flow(env=[{"name": "A"}], concurrency={"limit": 1, "policy": "Skip"}, concurrency_groups=("db",))
    assert listed.fields == {
        "env": [{"name": "A"}], "concurrency": {"limit": 1, "policy": "Skip"}, "concurrencyGroups": ["db"],
    }  # fmt: skip
