"""Cron where clocks jump, against an oracle that goes through UTC minute by minute: ten years in each zone that has a jump in them.

`make test` walks some hours around every jump of these years, and from chosen minutes elsewhere; with PENSTOCK_EVERY_MINUTE=1 it walks all of
them (minutes, not seconds).
"""

from __future__ import annotations

import os
from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from penstock_operator.api.flow import Schedule
from penstock_operator.core.flows.recurrence import Recurrence, recurrence
from tests.support.cronoracle import DAY, Cron, clocks, fires, jumps, read_zone, walk

BEGIN, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2036, 1, 1, tzinfo=UTC)
EVERY_MINUTE = bool(os.environ.get("PENSTOCK_EVERY_MINUTE"))
AROUND = 2 * 60 + 15
FIRST, LAST = int(BEGIN.timestamp()) // 60, int(END.timestamp()) // 60
CLOCKS = clocks(60 * FIRST, 60 * LAST)


def times(text: str, zone: str) -> Recurrence:
    """Return the times of a cron expression."""
    return recurrence(Schedule(name="nightly", cron=text, time_zone=zone))


def at(minute: int) -> datetime:
    """Return the moment of a minute since the epoch."""
    return datetime.fromtimestamp(minute * 60, UTC)


def check(text: str, zone: str, walked: list[tuple[int, int]]) -> None:
    """Compare the times of an expression with a walk's: all at once, one after the other, and the last of them."""
    cron, found = Cron(text), times(text, zone)
    expected = tuple(map(at, fires(cron, walked)))
    first, last = at(walked[0][0]), at(walked[-1][0])
    shown = (text, zone)
    assert (found.between(first, last, len(expected) + 1), shown) == (expected, shown)
    assert found.between(first, last, 3) == expected[-3:], shown
    assert found.latest(first, last) == (expected[-1] if expected else None), shown
    pairs = list(zip((first, *expected), expected, strict=False))
    for earlier, later in pairs[:: max(1, len(pairs) // 400)]:
        assert (found.after(earlier), shown) == (later, shown)
    # Also while the clock shows again what it has shown: ten minutes after a jump.
    for minute, _ in {*walked[:: max(300, len(walked) // 400)], walked[len(walked) // 2 + 10], walked[9 - AROUND]}:
        moment = at(minute)
        due = bisect_right(expected, moment)
        if due < len(expected):
            assert (found.after(moment), moment, shown) == (expected[due], moment, shown)
        assert (found.latest(first, moment), moment, shown) == (expected[due - 1] if due else None, moment, shown)
    if expected:
        # Neither the moment itself nor the fraction of a second before it is skipped, or given twice.
        blink = timedelta(microseconds=1)
        assert found.after(expected[0] - blink) == expected[0], shown
        assert found.latest(expected[0] - blink, expected[0]) == expected[0], shown


def around(zone: str, jump: int) -> list[str]:
    """Return expressions that have to do with a jump: of the hours and minutes that it skips, shows again, or leaves alone."""
    minutes = [shown for _, shown in walk(read_zone(zone), jump - 1, jump)]
    low, high = min(minutes), max(minutes)
    inside = (low + high) // 2 % DAY
    hour, minute = divmod(inside, 60)
    day = at((low + high) // 2)
    return [
        f"{minute} {hour} * * *",
        f"*/15 {hour} * * *",
        f"5,{minute} {(hour - 1) % 24},{hour},{(hour + 1) % 24} {day.day} * *",
        "*/15 * * * *",
        f"{minute} * * * *",
        f"7 */1 * * {day.isoweekday()}",
        "0 */2 * * *",
        "0 0,12 * * *",
    ]


def test_every_zone_of_the_database_that_jumps_is_looked_at() -> None:
    """Not a few of them: some two hundred names, some thirty clocks; and the odd ones are there."""
    names = {name for clock in CLOCKS for name in clock}
    assert {"Europe/Berlin", "Australia/Lord_Howe", "Africa/Casablanca", "Africa/Cairo", "Europe/Dublin"} < names
    assert len(CLOCKS) > 30
    assert len(names) > 190
    assert "Asia/Tokyo" not in names


@pytest.mark.parametrize("clock", CLOCKS, ids=[clock[0] for clock in CLOCKS])
@pytest.mark.timeout(3600 if EVERY_MINUTE else 120)
def test_ten_years_of_jumps(clock: tuple[str, ...]) -> None:
    """What fires around each jump, and from there on, is what the oracle sees on the clock."""
    zone = read_zone(clock[0])
    found = list(jumps(zone, FIRST, LAST))
    assert found, "a zone that jumps"
    for number, jump in enumerate(found):
        begin, end = jump - AROUND, jump + AROUND
        if EVERY_MINUTE:  # from one jump to the next
            begin = found[number - 1] - AROUND if number else FIRST
            end = end if number + 1 < len(found) else LAST
        walked = list(walk(zone, begin, end))
        expressions = around(clock[0], jump)
        for text in expressions if EVERY_MINUTE else (expressions[(3 * number + more) % 8] for more in range(2)):
            check(text, clock[number % len(clock)], walked)  # all names of a clock take part


def test_chosen_minutes_of_quiet_years() -> None:
    """Away from jumps too the next time is the one to which a walk leads."""
    random = Random(20)
    for clock in CLOCKS:
        for text in ("*/15 * * * *", "40 */3 * * *", "10 4,16 * * 1-5"):
            start = random.randrange(FIRST, LAST - 5 * DAY)
            found = next(fires(Cron(text), walk(read_zone(clock[0]), start, start + 4 * DAY)))
            assert times(text, clock[-1]).after(at(start)) == at(found), (text, clock[-1], at(start))


@pytest.mark.parametrize(
    ("zone", "jump"),
    [
        ("Pacific/Apia", "2011-12-30T10:00Z"),  # a whole day skipped
        ("Pacific/Kwajalein", "1993-08-21T12:00Z"),  # the same, with another rule
        ("America/Sao_Paulo", "2018-11-04T03:00Z"),  # a day without its first hour
        ("America/Sao_Paulo", "2018-02-18T02:00Z"),  # a day with its last hour twice
        ("America/St_Johns", "2010-03-14T03:31Z"),  # one minute past midnight
        ("Asia/Pyongyang", "2015-08-14T15:00Z"),  # half an hour back, for good
        ("Asia/Pyongyang", "2018-05-04T15:00Z"),  # and ahead
        ("America/Caracas", "2016-05-01T07:00Z"),
        ("Antarctica/Casey", "2018-03-10T17:00Z"),  # three hours back
        ("Antarctica/Troll", "2025-03-30T01:00Z"),  # two hours ahead
        (
            "America/Juneau",
            "1867-10-19T00:00Z",
        ),  # a day twice, and seconds in its offset: nothing is said of it, nothing breaks
    ],
)
def test_jumps_of_the_past(zone: str, jump: str) -> None:
    """What zones have done to their clocks so far: a day skipped, a day without midnight, half hours, for good."""
    moment = int(datetime.fromisoformat(jump).timestamp()) // 60
    if moment < 0:
        assert times("30 2 * * *", zone).after(at(moment)) is not None
        return
    walked = list(walk(read_zone(zone), moment - 2 * DAY, moment + 2 * DAY))
    changes = {shown - minute for minute, shown in walked}
    assert len(changes) > 1, "no jump there"
    for text in around(zone, moment):
        check(text, zone, walked)
