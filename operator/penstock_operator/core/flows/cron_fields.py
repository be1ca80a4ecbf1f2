"""What a cron expression says, field by field, or the word and the column where it says nothing.

The grammar is that of Kubernetes' CronJob (robfig/cron 3.0.1, `ParseStandard`), since that is what users compare with: five fields, lists,
ranges, steps, names, `?` as `*`, and macros. A day matches when either of day and weekday does, unless one of them is a star; a star with a
step above 1 is none. Beyond it, 7 is Sunday as well; less than it, an empty item of a list, a sign, and `*-5` are refused.
The library's own reader is not asked: it takes `*/2` for a star, has letters of its own (L, W, #), and does not say where a fault is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final, NoReturn

from ..faults import Unusable

_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_SUNDAY_TOO: Final = 7
_LONGEST_MONTHS: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)

MACROS: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_MACRO_LIST: Final = "@yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly"
_FIELD_LIST: Final = "minute, hour, day of month, month, day of week"


@dataclass(frozen=True, slots=True)
class _Kind:
    """One of the five fields: its name, its values, and the names that stand for values from `minimum` on."""

    name: str
    minimum: int
    maximum: int
    names: tuple[str, ...] = ()

    @property
    def all(self) -> frozenset[int]:
        return frozenset(range(self.minimum, self.maximum + 1))

    @property
    def values(self) -> str:
        named = f" or {self.names[0]} to {self.names[-1]}" if self.names else ""
        return f"{self.minimum} to {self.maximum}{named}"


_DAY_OF_WEEK: Final = _Kind("day of week", 0, 6, _WEEKDAYS)
_KINDS: Final = (
    _Kind("minute", 0, 59),
    _Kind("hour", 0, 23),
    _Kind("day of month", 1, 31),
    _Kind("month", 1, 12, _MONTHS),
    _DAY_OF_WEEK,
)


@dataclass(frozen=True, slots=True)
class CronFields:
    """A cron expression as sets of numbers.

    Attributes:
        days: days of the month; None for a star.
        weekdays: days of the week from 0, Sunday; None for a star.
    """

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int] | None
    months: frozenset[int]
    weekdays: frozenset[int] | None

    @property
    def every_hour(self) -> bool:
        """Whether it fires in each hour of its days."""
        return self.hours == _KINDS[1].all

    @property
    def plain(self) -> str:
        """The same in the words that every cron reads alike: stars alone, numbers, and ranges of them; no step, no name."""
        days, weekdays = self.days, self.weekdays
        if days is not None and weekdays is not None and (days == _KINDS[2].all or weekdays == _DAY_OF_WEEK.all):
            days = weekdays = None  # every day, or others too
        return " ".join(
            _listed(values, kind)
            for values, kind in zip((self.minutes, self.hours, days, self.months, weekdays), _KINDS, strict=True)
        )


def read_cron(expression: str) -> CronFields:
    """Read a cron expression.

    Args:
        expression: five fields between white space, or a macro.

    Returns:
        The values of its fields.

    Raises:
        Unusable: it is none, or names no day that ever comes; the message has the column, from 1.
    """
    if expression.strip().startswith("@"):
        return read_cron(_macro(expression))
    words = [_Word(found.group(), expression, found.start()) for found in re.finditer(r"\S+", expression)]
    if words and (zone := re.match(r"(CRON_)?TZ=", words[0].text)):
        name = words[0].text[zone.end() :]
        words[0].refuse(f"write the time zone into the schedule's timeZone{f': {name}' if name else ''}")
    if len(words) != len(_KINDS):
        _refuse_count(expression, words)
    fields = [_read_field(word, kind) for word, kind in zip(words, _KINDS, strict=True)]
    (minutes, _), (hours, _), (days, any_day), (months, _), (weekdays, any_weekday) = fields
    longest = max(_LONGEST_MONTHS[month - 1] for month in months)
    if any_weekday and min(days) > longest:
        words[2].refuse(f"never comes: the months named here have {longest} days at most")
    return CronFields(minutes, hours, None if any_day else days, months, None if any_weekday else weekdays)


@dataclass(frozen=True, slots=True)
class _Word:
    """A piece of an expression, and where it stands."""

    text: str
    expression: str = field(repr=False)
    start: int

    def split(self, mark: str) -> list[_Word]:
        """Cut it at each mark."""
        pieces, start = [], self.start
        for text in self.text.split(mark):
            pieces.append(_Word(text, self.expression, start))
            start += len(text) + len(mark)
        return pieces

    def refuse(self, why: str) -> NoReturn:
        words = f'cron "{self.expression}", column {self.start + 1}: {why}'
        raise Unusable("".join(letter if letter.isprintable() else " " for letter in words))


def _macro(expression: str) -> str:
    word = _Word(expression.strip(), expression, expression.index("@"))
    name = word.text.split()[0]
    if name == "@every":
        word.refuse("@every is no time of the calendar: use intervalSeconds, e.g. intervalSeconds: 3600 for each hour")
    if name == "@reboot":
        word.refuse("@reboot has no time: a Flow never boots; runOnChange: Always starts a run when the Flow changes")
    if word.text not in MACROS:
        word.refuse(f"{word.text} is no macro; there are {_MACRO_LIST}")
    return MACROS[word.text]


def _refuse_count(expression: str, words: list[_Word]) -> NoReturn:
    want = f"five are wanted: {_FIELD_LIST}"
    if len(words) > len(_KINDS):
        extra = words[len(_KINDS)]
        if len(words) == len(_KINDS) + 1:
            extra.refuse(f"six fields, {want}; there is no field for seconds (or years): use intervalSeconds for those")
        extra.refuse(f"{len(words)} fields, {want}; none for seconds or years")
    end = _Word("", expression, len(expression.rstrip()))
    end.refuse(f"{len(words) or 'no'} field{'' if len(words) == 1 else 's'}, {want}; or a macro like @daily")


def _read_field(word: _Word, kind: _Kind) -> tuple[frozenset[int], bool]:
    """Return a field's values, and whether it is a star."""
    values: set[int] = set()
    star = False
    for item in word.split(","):
        found, of_all = _read_item(item, kind)
        values |= found
        star = star or of_all
    return frozenset(values), star


def _read_item(item: _Word, kind: _Kind) -> tuple[frozenset[int], bool]:
    if not item.text:
        item.refuse(f"{kind.name}: an item of the list is empty")
    values, *steps = item.split("/")
    if len(steps) > 1:
        steps[1].refuse(f"{kind.name}: a second step; write one, like */15")
    step = _read_step(steps[0], kind) if steps else 1
    if values.text in ("*", "?"):
        return frozenset(range(kind.minimum, kind.maximum + 1, step)), step == 1
    first, *rest = values.split("-")
    if len(rest) > 1:
        rest[1].refuse(f"{kind.name}: a range has two ends, like 1-5")
    start = _read_value(first, kind)
    end = _read_value(rest[0], kind) if rest else (max(start, kind.maximum) if steps else start)
    if start > end:
        values.refuse(f"{kind.name}: the range {values.text} ends before it begins; write a list, or two ranges")
    found = range(start, end + 1, step)
    return frozenset(value % _SUNDAY_TOO for value in found) if kind is _DAY_OF_WEEK else frozenset(found), False


def _read_step(word: _Word, kind: _Kind) -> int:
    if not _is_number(word.text):
        word.refuse(f"{kind.name}: the step is no whole number: {word.text or 'nothing'}")
    step = int(word.text)
    if step == 0:
        word.refuse(f"{kind.name}: a step of 0 leads nowhere; 1 is the least")
    return step


def _read_value(word: _Word, kind: _Kind) -> int:
    text = word.text.lower()
    if text in kind.names:
        return kind.names.index(text) + kind.minimum
    if not _is_number(text):
        word.refuse(_no_value(word.text, kind))
    value = int(text)
    if not kind.minimum <= value <= (_SUNDAY_TOO if kind is _DAY_OF_WEEK else kind.maximum):
        word.refuse(f"{kind.name}: {value} is not within {kind.values}")
    return value


def _no_value(text: str, kind: _Kind) -> str:
    """Say why a word is no value of a field: other crons have more of them."""
    if not text:
        return f"{kind.name}: a number is missing"
    if kind.name.startswith("day") and re.fullmatch(r"(?i)l|lw|\d+w|w|[a-z0-9]+(l|#\d*)", text):
        return f"{kind.name}: {text}: CronJob has no L, W and # (last day, nearest weekday, nth weekday), nor has this"
    if near := [name for name in kind.names if text.lower().startswith(name)]:
        return f"{kind.name}: {text} is no name here; write {near[0]}"
    return f"{kind.name}: {text} is no value; {kind.values}, * for all"


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 9


def _listed(values: frozenset[int] | None, kind: _Kind) -> str:
    """Write values as a list of numbers and ranges; a star for all of them."""
    if values is None or values == kind.all:
        return "*"
    runs: list[list[int]] = []
    for value in sorted(values):
        if runs and runs[-1][1] == value - 1:
            runs[-1][1] = value
        else:
            runs.append([value, value])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)
