"""What cron expressions, intervals and names of time zones say; where clocks jump is in test_cron_clocks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock_operator.api.flow import Schedule
from penstock_operator.core.faults import Unusable
from penstock_operator.core.flows.cron_fields import read_cron
from penstock_operator.core.flows.recurrence import Recurrence, recurrence
from tests.support.cronoracle import DAY, Cron, read_zone

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def cron(text: str, zone: str = "UTC") -> Recurrence:
    """Return the times of a cron expression."""
    return recurrence(Schedule(name="nightly", cron=text, time_zone=zone))


def following(found: Recurrence, start: str, count: int) -> list[str]:
    """Return the next times after one, as text."""
    moment, texts = datetime.fromisoformat(start), []
    for _ in range(count):
        later = found.after(moment)
        assert later is not None
        texts.append(f"{later:%Y-%m-%dT%H:%MZ}")
        moment = later
    return texts


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("0 6 * * *", "0 6 * * *"),
        ("  0\t6 *  * *\n", "0 6 * * *"),
        ("*/15 * * * *", "0,15,30,45 * * * *"),
        ("5/20 22-23 * * *", "5,25,45 22-23 * * *"),
        ("0-30/10,7 */12 * * *", "0,7,10,20,30 0,12 * * *"),
        ("00 06 01 08 *", "0 6 1 8 *"),
        ("0 0 ? * ?", "0 0 * * *"),
        ("? ?/6 ? JAN-mar/2 ?", "* 0,6,12,18 * 1,3 *"),
        ("0 0 * * Mon-FRI", "0 0 * * 1-5"),
        ("0 0 * * 7", "0 0 * * 0"),
        ("0 0 * * 5-7", "0 0 * * 0,5-6"),
        ("0 0 * * mon/2", "0 0 * * 1,3,5"),
        ("0 0 * * 0-7", "0 0 * * *"),
        # Either day suffices, but where one is a star. A step makes a star none; a step of 1, or a star in a list, does not.
        ("0 0 13 * fri", "0 0 13 * 5"),
        ("0 0 */2 * mon", "0 0 1,3,5,7,9,11,13,15,17,19,21,23,25,27,29,31 * 1"),
        ("0 0 */1 * mon", "0 0 * * 1"),
        ("0 0 *,13 * mon", "0 0 * * 1"),
        ("0 0 1-31 * mon", "0 0 * * *"),
        ("0 0 13 * 0-6", "0 0 * * *"),
        ("0 0 13 * *", "0 0 13 * *"),
        ("*/90 * * * *", "0 * * * *"),
        ("0 0 30 2 mon", "0 0 30 2 1"),
        ("@yearly", "0 0 1 1 *"),
        ("@annually", "0 0 1 1 *"),
        ("@monthly", "0 0 1 * *"),
        ("@weekly", "0 0 * * 0"),
        ("@daily", "0 0 * * *"),
        (" @midnight ", "0 0 * * *"),
        ("@hourly", "0 * * * *"),
    ],
)
def test_what_means_the_same_is_written_the_same(text: str, plain: str) -> None:
    """As robfig/cron 3.0.1 reads it; numbers, ranges and stars alone reach the library."""
    assert read_cron(text).plain == plain


@pytest.mark.parametrize(
    ("text", "column", "says"),
    [
        ("99 99 * * *", 1, "minute: 99 is not within 0 to 59"),
        ("0 24 * * *", 3, "hour: 24 is not within 0 to 23"),
        ("  0 6 32 * *", 7, "day of month: 32 is not within 1 to 31"),
        ("0 6 * 0 *", 7, "month: 0 is not within 1 to 12 or jan to dec"),
        ("0 6 * * 8", 9, "day of week: 8 is not within 0 to 6 or sun to sat"),
        ("0,15,75 * * * *", 6, "minute: 75 is not within"),
        ("0 6-26 * * *", 5, "hour: 26 is not within"),
        ("0 22-6 * * *", 3, "the range 22-6 ends before it begins"),
        ("0 0 * * fri-mon", 9, "the range fri-mon ends before it begins"),
        ("0 0 * * monday", 9, "monday is no name here; write mon"),
        ("0 0 * mai *", 7, "month: mai is no value; 1 to 12 or jan to dec, * for all"),
        ("0 0 mon * *", 5, "day of month: mon is no value"),
        ("*/0 * * * *", 3, "a step of 0 leads nowhere"),
        ("*/x * * * *", 3, "the step is no whole number: x"),
        ("*/ * * * *", 3, "the step is no whole number: nothing"),
        ("1/2/3 * * * *", 5, "a second step"),
        ("1-2-3 * * * *", 5, "a range has two ends"),
        ("1,,2 * * * *", 3, "an item of the list is empty"),
        ("1, * * * *", 3, "an item of the list is empty"),
        ("+5 * * * *", 1, "+5 is no value"),
        ("-5 * * * *", 1, "a number is missing"),
        ("*-5 * * * *", 1, "* is no value"),
        ("٣ * * * *", 1, "٣ is no value"),
        ("H * * * *", 1, "H is no value"),
        ("0 0 L * *", 5, "CronJob has no L, W and #"),
        ("0 0 15W * *", 5, "CronJob has no L, W and #"),
        ("0 0 LW * *", 5, "CronJob has no L, W and #"),
        ("0 0 * * 5#2", 9, "CronJob has no L, W and #"),
        ("0 0 * * friL", 9, "CronJob has no L, W and #"),
        ("0 0 30 2 *", 5, "never comes: the months named here have 29 days at most"),
        ("0 0 31 4,6,9,11 *", 5, "never comes: the months named here have 30 days at most"),
        ("0 6 * *", 8, "4 fields, five are wanted: minute, hour, day of month, month, day of week"),
        ("6", 2, "1 field, five are wanted"),
        (" ", 1, "no fields, five are wanted"),
        ("* * * * * *", 11, "there is no field for seconds"),
        ("0 0 6 * * * 2026", 11, "7 fields, five are wanted"),
        ("@every -1h", 1, "use intervalSeconds"),
        (" @every 5m", 2, "use intervalSeconds"),
        ("@reboot", 1, "runOnChange"),
        ("@Daily", 1, "@Daily is no macro; there are @yearly"),
        ("@daily 5", 1, "@daily 5 is no macro"),
        ("TZ=Europe/Berlin 0 6 * * *", 1, "timeZone: Europe/Berlin"),
        ("CRON_TZ=UTC @daily", 1, "timeZone: UTC"),
    ],
)
def test_a_fault_has_its_word_and_its_column(text: str, column: int, says: str) -> None:
    """One line: the expression, where in it, and what to do."""
    with pytest.raises(Unusable) as caught:
        cron(text)
    message = str(caught.value)
    assert message.startswith('cron "')
    assert f'", column {column}: ' in message
    assert says in message
    assert "\n" not in message


@given(st.text(alphabet="0123456789*/-,?@LW# \tmonsatjdcehry\nTZ=٣\x00\u2028", min_size=1, max_size=40))
def test_no_text_does_harm(text: str) -> None:
    """Whatever an older CRD let in is a recurrence or has words."""
    try:
        read_cron(text)
    except Unusable as unusable:
        words = str(unusable)
    else:
        words = "" if cron(text).after(EPOCH) else "never"
    assert len(words.splitlines()) <= 1
    assert words != "never"


@pytest.mark.parametrize(
    ("zone", "says"),
    [
        ("Mars/Base", "'Mars/Base' is not in the tz database; names are like Europe/Berlin"),
        ("europe/berlin", "did you mean Europe/Berlin?"),
        ("Berlin", "did you mean Europe/Berlin?"),
        ("Europe/Belin", "did you mean Europe/Berlin"),
        ("America/New York", "did you mean America/New_York?"),
        ("Local", "write its name"),
        ("local", "write its name"),
        ("", "names are like"),
        ("../etc/passwd", "is not in the tz database"),
        ("Europe/../Europe/Berlin", "is not in the tz database"),
        ("/usr/share/zoneinfo/UTC", "is not in the tz database"),
        ("Europe", "is not in the tz database"),
        ("zone.tab", "is not in the tz database"),
        ("UTC+2", "is not in the tz database"),
        ("UTC\n", "did you mean UTC?"),
        ("Europe\\Berlin", "did you mean Europe/Berlin"),
    ],
)
def test_an_unknown_zone_has_its_near_names(zone: str, says: str) -> None:
    """No name leads to a file: it is looked up in a list."""
    with pytest.raises(Unusable) as caught:
        cron("0 6 * * *", zone)
    assert says in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_zones_are_those_of_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine's own tz database, or one that its environment names, has no say."""
    import zoneinfo

    monkeypatch.setattr(zoneinfo, "TZPATH", ())
    monkeypatch.setenv("PYTHONTZPATH", "/nowhere")
    assert following(cron("0 6 * * *", "Europe/Berlin"), "2026-07-01T00:00Z", 1) == ["2026-07-01T04:00Z"]
    for zone in ("Etc/GMT+5", "US/Eastern", "EST5EDT", "UTC"):
        assert cron("0 6 * * *", zone).after(EPOCH) is not None


@pytest.mark.parametrize(
    ("text", "zone", "start", "times"),
    [
        # Berlin, 29 March 2026: 02:00 to 03:00 is skipped (01:00Z); 25 October: it comes twice (00:00Z, 01:00Z).
        ("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00Z", ["2026-03-29T01:00Z", "2026-03-30T00:30Z"]),
        ("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00Z", ["2026-10-25T00:30Z", "2026-10-26T01:30Z"]),
        ("*/20 2 * * *", "Europe/Berlin", "2026-03-28T12:00Z", ["2026-03-29T01:00Z", "2026-03-30T00:00Z"]),
        (
            "*/30 2 * * *",
            "Europe/Berlin",
            "2026-10-24T12:00Z",
            ["2026-10-25T00:00Z", "2026-10-25T00:30Z", "2026-10-26T01:00Z"],
        ),
        ("0 */2 * * *", "Europe/Berlin", "2026-03-28T23:30Z", ["2026-03-29T01:00Z", "2026-03-29T02:00Z"]),
        ("0 2,3 * * *", "Europe/Berlin", "2026-03-28T23:30Z", ["2026-03-29T01:00Z", "2026-03-30T00:00Z"]),
        ("30 * * * *", "Europe/Berlin", "2026-03-29T00:00Z", ["2026-03-29T00:30Z", "2026-03-29T01:30Z"]),
        ("30 * * * *", "Europe/Berlin", "2026-10-25T00:00Z", ["2026-10-25T00:30Z", "2026-10-25T01:30Z"]),
        (
            "*/30 * * * *",
            "Europe/Berlin",
            "2026-03-29T00:15Z",
            ["2026-03-29T00:30Z", "2026-03-29T01:00Z", "2026-03-29T01:30Z"],
        ),
        (
            "*/30 0-23 * * *",
            "Europe/Berlin",
            "2026-10-25T00:15Z",
            ["2026-10-25T00:30Z", "2026-10-25T01:00Z", "2026-10-25T01:30Z"],
        ),
        # Lord Howe jumps by half an hour: 4 October 2026, 02:00 to 02:30 (15:30Z the day before).
        ("0 12 * * *", "Australia/Lord_Howe", "2026-10-03T12:00Z", ["2026-10-04T01:00Z", "2026-10-05T01:00Z"]),
        ("0 0 * * *", "Australia/Lord_Howe", "2026-10-04T00:00Z", ["2026-10-04T13:00Z", "2026-10-05T13:00Z"]),
        ("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00Z", ["2026-10-03T15:30Z", "2026-10-04T15:15Z"]),
        (
            "15 * * * *",
            "Australia/Lord_Howe",
            "2026-10-03T14:00Z",
            ["2026-10-03T14:45Z", "2026-10-03T15:30Z", "2026-10-03T16:15Z"],
        ),
        # A day without midnight, and one with two hours before it.
        ("0 0 * * *", "America/Sao_Paulo", "2018-11-03T12:00Z", ["2018-11-04T03:00Z", "2018-11-05T02:00Z"]),
        ("30 23 * * *", "Africa/Cairo", "2026-10-29T12:00Z", ["2026-10-29T20:30Z", "2026-10-30T21:30Z"]),
        ("0 0 * * *", "Africa/Cairo", "2026-10-29T12:00Z", ["2026-10-29T22:00Z", "2026-10-30T22:00Z"]),
        # Apia left out 30 December 2011, a Friday.
        ("0 9 30 12 *", "Pacific/Apia", "2011-12-01T00:00Z", ["2011-12-30T10:00Z", "2012-12-29T19:00Z"]),
        ("0 9,15 * * fri", "Pacific/Apia", "2011-12-29T00:00Z", ["2011-12-30T10:00Z", "2012-01-05T19:00Z"]),
        ("0 * * * fri", "Pacific/Apia", "2011-12-29T00:00Z", ["2012-01-05T10:00Z"]),
    ],
)
def test_where_a_clock_jumps(text: str, zone: str, start: str, times: list[str]) -> None:
    """The table of docs/schedules.md; the oracle has the rest."""
    found = cron(text, zone)
    assert following(found, start, len(times)) == times
    begin, end = datetime.fromisoformat(start), datetime.fromisoformat(times[-1])
    assert [f"{moment:%Y-%m-%dT%H:%MZ}" for moment in found.between(begin, end, 99)] == times


def expressions(random: Random, count: int) -> Iterator[str]:
    """Yield expressions of the whole grammar that come at least some time."""

    def item(low: int, high: int, names: tuple[str, ...]) -> str:
        def name(value: int) -> str:
            return random.choice((names[value - low], names[value - low].upper(), str(value))) if names else str(value)

        first = random.randint(low, high)
        last = random.randint(first, high)
        step = random.choice(("", "", f"/{random.randint(1, 9)}"))
        return random.choice(
            (f"{random.choice('**?')}{step}", name(first), f"{name(first)}{step}", f"{name(first)}-{name(last)}{step}")
        )

    def some(low: int, high: int, *names: str) -> str:
        if random.random() < 0.3:
            return "*"
        return ",".join(item(low, high, names) for _ in range(random.choice((1, 1, 2, 3))))

    months = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
    weekdays = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
    for _ in range(count):
        yield " ".join((some(0, 59), some(0, 23), some(1, 28), some(1, 12, *months), some(0, 6, *weekdays)))


def test_two_thousand_expressions_against_a_calendar_of_days() -> None:
    """The first match after a moment, and the last before it, by looking at each day and each of its minutes."""
    random = Random(20_26)
    for text in expressions(random, 2000):
        wanted, found = Cron(text), cron(text)
        start = random.randrange(0, 40_000 * DAY)
        moment = EPOCH + timedelta(minutes=start, seconds=random.choice((0, 1, 59)))
        after = next(
            day * DAY + minute
            for day in range(start // DAY, start // DAY + 1500)
            if wanted.day(day)
            for minute in _minutes(wanted, day, start)
        )
        assert (text, found.after(moment)) == (text, EPOCH + timedelta(minutes=after))
        assert found.latest(moment, moment + timedelta(days=1500)) is not None
        until = EPOCH + timedelta(minutes=after)
        assert found.between(moment, until, 9) == (until,)
        assert found.latest(until, until) is None


def _minutes(wanted: Cron, day: int, start: int) -> Iterator[int]:
    first = start % DAY + 1 if day == start // DAY else 0
    minute = wanted.times.find(1, first)
    if minute >= 0:
        yield minute


@pytest.mark.parametrize(
    ("seconds", "anchor", "moment", "after"),
    [
        (3600, None, "2026-03-01T05:59:59Z", "2026-03-01T06:00:00Z"),
        (3600, None, "2026-03-01T06:00:00Z", "2026-03-01T07:00:00Z"),
        (3600, "2026-03-01T00:10:00Z", "2026-03-01T06:00:00Z", "2026-03-01T06:10:00Z"),
        (3600, "2026-03-01T00:10:00Z", "2020-01-01T00:00:00Z", "2020-01-01T00:10:00Z"),
        (
            86_400,
            "2026-03-28T02:30:00+01:00",
            "2026-03-29T00:00:00Z",
            "2026-03-29T01:30:00Z",
        ),  # elapsed, whatever Berlin shows
        (7, None, "1970-01-01T00:00:00Z", "1970-01-01T00:00:10Z"),  # an older CRD's 7 is the least that there is
        (10, "2026-03-01T00:00:00.9Z", "2026-03-01T00:00:00.5Z", "2026-03-01T00:00:10Z"),
        (2_000_000_000, "0001-01-01T00:00:00Z", "2026-03-01T00:00:00Z", "2029-01-29T17:46:40Z"),
    ],
)
def test_intervals_are_elapsed_seconds(seconds: int, anchor: str | None, moment: str, after: str) -> None:
    """From the anchor on, and back before it."""
    found = recurrence(Schedule.model_validate({"name": "a", "intervalSeconds": seconds, "anchorTime": anchor}))
    start, want = datetime.fromisoformat(moment), datetime.fromisoformat(after)
    assert found.after(start) == want
    assert found.latest(start, want) == want
    assert found.between(start, want, 5) == (want,)
    assert found.between(want, want, 5) == ()
    assert found.latest(want, want - timedelta(days=1)) is None


@pytest.mark.parametrize(
    "schedule", [{"cron": "0 6 29 2 *", "timeZone": "Europe/Berlin"}, {"cron": "* * * * *"}, {"intervalSeconds": 10}]
)
def test_the_ends_of_the_calendar(schedule: dict[str, object]) -> None:
    """Nothing overflows; what lies beyond is none."""
    found = recurrence(Schedule.model_validate({"name": "a", **schedule}))
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    assert found.after(last) is None
    assert found.latest(first, first) is None
    assert found.after(first) is not None
    assert len(found.between(first, last, 3)) in (0, 3)


def test_neither_cron_nor_interval_is_never_due() -> None:
    """No CRD lets that in; a reader does."""
    with pytest.raises(Unusable, match="neither cron nor intervalSeconds"):
        recurrence(Schedule(name="a"))


def _rows() -> list[tuple[str, str, list[str]]]:
    text = (Path(__file__).parents[2] / "docs/schedules.md").read_text()
    rows = re.findall(r"^\| `([^`|]+)` \| (\w+/\w+) \| [^|]* \| (`2[^|]*`) \|$", text, re.M)
    return [(expression, zone, re.findall(r"`([^`]+)`", runs)) for expression, zone, runs in rows]


@pytest.mark.parametrize(("text", "zone", "runs"), _rows())
def test_the_documented_table(text: str, zone: str, runs: list[str]) -> None:
    """What it says of clocks that jump: these runs, and none between them."""
    moments = tuple(datetime.fromisoformat(run) for run in runs)
    assert cron(text, zone).between(moments[0] - timedelta(seconds=1), moments[-1], 99) == moments
    assert [run[-6:] for run in runs] == [
        f"{moment.astimezone(read_zone(zone)):%z}"[:3] + ":" + f"{moment.astimezone(read_zone(zone)):%z}"[3:]
        for moment in moments
    ]


def test_there_is_a_documented_table() -> None:
    """Each of the two rules has its rows."""
    assert len(_rows()) >= 15
