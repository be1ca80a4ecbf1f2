"""CEL as a Kubernetes API server evaluates it (cel-go), where the library says something else.

The library (common-expression-language 0.10) counts the bytes of a text, takes a time's hour as it was written instead of in UTC, lets a
pattern's digits and words be those of all scripts, writes numbers, times and durations in its own way, and lacks some conversions. Its own
functions go before those of a context, so ours have names of their own, which `translated` puts into an expression. Right is what a
kube-apiserver 1.36 answers. Left: what is no function (a duration before `+`, a map's key of another numeric type) is an error here.
Neighbours: `rules` and `admission` compile and call.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import functools
import logging
import math
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from .schema import python_pattern

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FUNCTIONS", "duration", "octets", "translated"]

# It logs what its callers are told anyway: a function's error is the answer to a write.
logging.getLogger("cel").setLevel(logging.ERROR)

_TOKEN = re.compile(
    r"""
    (?://[^\n]*)                                       # a comment
    | (?:[rR][bB]?|[bB][rR]) (?: \"{3}.*?\"{3} | '{3}.*?'{3} | "[^"\n]*" | '[^'\n]*')
    | [bB]? (?: \"{3}(?:\\.|[^\\])*?\"{3} | '{3}(?:\\.|[^\\])*?'{3} | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*')
    | [A-Za-z_]\w*
    """,
    re.VERBOSE | re.DOTALL,
)
_CALLED = re.compile(r"\s*\(")
_SECOND = dt.timedelta(seconds=1)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_INT64 = 2**63
_OFFSET = re.compile(r"([+-]?)(\d\d):(\d\d)")
_DECIMAL = re.compile(r"[+-]?[0-9]+")
_TRUE = frozenset(("1", "t", "T", "true", "TRUE", "True"))
_FALSE = frozenset(("0", "f", "F", "false", "FALSE", "False"))
_DURATION = re.compile(r"([+-]?)((?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+|0)")
_AMOUNT = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)")
_UNITS = {"ns": "1e-9", "us": "1e-6", "µs": "1e-6", "μs": "1e-6", "ms": "1e-3", "s": "1", "m": "60", "h": "3600"}
_LEAST_EXPONENT, _EXPONENT_FROM = -4, 6  # strconv.FormatFloat(…, 'g', -1, 64)


def translated(expression: str) -> str:
    """Return an expression that calls our functions instead of the library's."""

    def renamed(found: re.Match[str]) -> str:
        name = found.group()
        ours = f"_{name}"
        return ours if ours in FUNCTIONS and _CALLED.match(expression, found.end()) else name

    return _TOKEN.sub(renamed, expression)


def duration(text: str) -> dt.timedelta | None:
    """Return the duration that a text is in Go's form (`1h30m`), None if it is none."""
    found = _DURATION.fullmatch(text)
    if found is None:
        return None
    seconds = sum(Decimal(amount) * Decimal(_UNITS[unit]) for amount, unit in _AMOUNT.findall(found.group(2)))
    lasts = dt.timedelta(microseconds=int(seconds * 1_000_000))
    return -lasts if found.group(1) == "-" else lasts


def octets(text: str) -> bytes | None:
    """Return the bytes of a field of format `byte`, None if it is no base64."""
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return None


def _unknown(name: str, value: object) -> TypeError:
    return TypeError(f"no such overload: {name}({type(value).__name__})")


def _size(value: Any) -> int:
    if isinstance(value, str | bytes | list | tuple | dict):
        return len(value)
    raise _unknown("size", value)


def _matches(text: Any, pattern: Any) -> bool:
    if not isinstance(text, str) or not isinstance(pattern, str):
        raise _unknown("matches", text)
    return _searcher(pattern)(text)


@functools.lru_cache(maxsize=256)
def _searcher(pattern: str) -> Callable[[str], bool]:
    try:
        compiled = re.compile(python_pattern(pattern))
    except re.error:  # RE2's own, as \pL: the library knows them
        import cel

        program = cel.compile("text.matches(pattern)")
        return lambda text: program.execute({"text": text, "pattern": pattern}) is True
    return lambda text: compiled.search(text) is not None


def _string(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, dt.timedelta):
        return f"{_plain(Decimal(value // dt.timedelta(microseconds=1)) / 1_000_000)}s"
    if isinstance(value, dt.datetime):
        text = value.isoformat()
        whole, point, rest = text.partition(".")
        if point:
            digits, offset = rest[:6].rstrip("0"), rest[6:]
            text = f"{whole}.{digits}{offset}" if digits else whole + offset
        return re.sub(r"[+-]00:00$", "Z", text)
    raise _unknown("string", value)


def _plain(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _number(value: float) -> str:
    if not math.isfinite(value):
        return {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}[str(value)]
    sign, digits, power = Decimal(repr(value)).as_tuple()
    assert isinstance(power, int)
    exponent = len(digits) - 1 + power if any(digits) else 0
    if _LEAST_EXPONENT <= exponent < _EXPONENT_FROM:
        return _plain(Decimal(repr(value)))
    mantissa = "".join(map(str, digits)).rstrip("0")
    fraction = f".{mantissa[1:]}" if len(mantissa) > 1 else ""
    return f"{'-' if sign else ''}{mantissa[0]}{fraction}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


def _bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise ValueError(f"type conversion error: {value!r} is no bool")


def _int(value: Any) -> int:
    if isinstance(value, dt.datetime):
        return (value - _EPOCH) // _SECOND
    if isinstance(value, str):
        if not _DECIMAL.fullmatch(value):
            raise ValueError("type conversion error from 'string' to 'int'")
        value = int(value)
    elif not isinstance(value, int | float) or isinstance(value, bool):
        raise _unknown("int", value)
    number = int(value)
    if not -_INT64 <= number < _INT64:
        raise OverflowError("integer overflow")
    return number


def _zone(name: str) -> dt.tzinfo:
    found = _OFFSET.fullmatch(name)
    if found is None:
        return ZoneInfo(name)
    away = dt.timedelta(hours=int(found.group(2)), minutes=int(found.group(3)))
    return dt.timezone(-away if found.group(1) == "-" else away)


def _part(of_time: Callable[[dt.datetime], int], of_duration: dt.timedelta | None = None) -> Callable[..., int]:
    """A getter: of a time in UTC or the zone that is named, of a duration as a whole."""

    def get(value: Any, zone: str | None = None) -> int:
        if isinstance(value, dt.datetime):
            return of_time(value.astimezone(_zone(zone) if zone is not None else dt.UTC))
        if isinstance(value, dt.timedelta) and of_duration is not None and zone is None:
            whole = abs(value) // of_duration
            return whole if value >= dt.timedelta(0) else -whole
        raise _unknown("get", value)

    return get


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "_size": _size,
    "_matches": _matches,
    "_string": _string,
    "_bool": _bool,
    "_int": _int,
    "_getFullYear": _part(lambda t: t.year),
    "_getMonth": _part(lambda t: t.month - 1),
    "_getDate": _part(lambda t: t.day),
    "_getDayOfMonth": _part(lambda t: t.day - 1),
    "_getDayOfWeek": _part(lambda t: t.isoweekday() % 7),
    "_getDayOfYear": _part(lambda t: t.timetuple().tm_yday - 1),
    "_getHours": _part(lambda t: t.hour, dt.timedelta(hours=1)),
    "_getMinutes": _part(lambda t: t.minute, dt.timedelta(minutes=1)),
    "_getSeconds": _part(lambda t: t.second, _SECOND),
    "_getMilliseconds": _part(lambda t: t.microsecond // 1000, dt.timedelta(milliseconds=1)),
}
"""By their names in a translated expression."""
