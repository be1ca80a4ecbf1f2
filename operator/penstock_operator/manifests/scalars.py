"""What a scalar of YAML means to Go's reader (goyaml.v2, `resolve`): YAML 1.1 with octal 0o17, without base 60, with times as text.

As a value, a number is then what JSON makes of it on the way to the API server: `1.0` is written `1`, `1e3` as `1000`. Integers stay exact
here, whatever their size; an API server rounds those beyond 64 bits (`served`).
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from datetime import date, datetime
from decimal import Decimal
from typing import Final

Scalar = str | int | float | bool | None

_PREFIX: Final = "tag:yaml.org,2002:"
STRING: Final = _PREFIX + "str"
BINARY: Final = _PREFIX + "binary"
MERGE: Final = _PREFIX + "merge"
_KINDS: Final = {_PREFIX + kind: kind for kind in ("str", "bool", "int", "float", "null", "timestamp")}

_WORDS: Final[dict[str, tuple[str, Scalar]]] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), ("bool", True)),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), ("bool", False)),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), ("null", None)),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), ("float", math.nan)),
    **{sign + word: ("float", math.inf) for sign in ("", "+") for word in (".inf", ".Inf", ".INF")},
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), ("float", -math.inf)),
}
_INTEGER: Final = re.compile(r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[oO]([0-7]+)|0[bB]([01]+)|0([0-7]*)|([1-9][0-9]*))")
_BASES: Final = (16, 8, 2, 8, 10)
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_TIME: Final = re.compile(
    r"([0-9]{4}-[0-9]{1,2}-[0-9]{1,2})(?:(?:[Tt]| )([0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2})(?:\.[0-9]+)?(?:[zZ]|[-+][0-9]{2}:[0-9]{2})?)?"
)
_INT64: Final = range(-(2**63), 2**63)
_UINT64: Final = 2**64
_NO_EXPONENT: Final = 1e21


def plain(text: str) -> Scalar:
    """Return what a scalar means that is neither quoted nor tagged."""
    return _resolved(text)[1]


def tagged(tag: str, text: str) -> Scalar:
    """Return what a scalar means that has a tag; a tag that nobody knows leaves the text as it is.

    Raises:
        ValueError: it is none of the tag's.
    """
    if tag == BINARY:
        return _decoded(text)
    wanted = _KINDS.get(tag)
    if wanted is None or wanted == "str":
        return text
    if wanted == "timestamp" and _is_time(text):
        return text
    kind, value = _resolved(text)
    if kind != wanted and (kind, wanted) != ("int", "float"):
        raise ValueError(f"!!{wanted} cannot be {text!r}")
    return value


def as_value(value: Scalar) -> Scalar:
    """Return a scalar as it stands in JSON.

    Raises:
        ValueError: an infinity, or no number.
    """
    if not isinstance(value, float):
        return value
    if not math.isfinite(value):
        raise ValueError(f"{_float_key(value)} is no number in JSON; quote it if it is text")
    return int(value) if value.is_integer() and int(value) in _INT64 else value


def served(value: int | float) -> int | float:
    """Return the number that an API server gives back for one: beyond 64 bits it is a float, and a whole float has no point.

    Raises:
        ValueError: no float is as large.
    """
    if isinstance(value, int) and value in _INT64:
        return value
    try:
        nearest = float(value)
    except OverflowError:
        nearest = math.inf
    if not math.isfinite(nearest):
        raise ValueError(f"{value} is larger than any float")
    # Go writes a float below 1e21 by its shortest digits, without an exponent.
    return int(Decimal(repr(nearest))) if nearest.is_integer() and abs(nearest) < _NO_EXPONENT else nearest


def key_text(value: Scalar) -> str:
    """Return the text that a scalar becomes as a key of JSON.

    Raises:
        ValueError: it can be none.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and value in _INT64:
        return str(value)
    if isinstance(value, float):
        return _float_key(value)
    raise ValueError(f"{'null' if value is None else value} cannot be a key; quote it")


def _resolved(text: str) -> tuple[str, Scalar]:
    if text in _WORDS:
        return _WORDS[text]
    if text[0] == ".":
        return _as_float(re.sub("(?<=[0-9])_(?=[0-9])", "", text)) or ("str", text)
    if text[0] not in "+-0123456789":
        return "str", text
    digits = text.replace("_", "")
    if (found := _INTEGER.fullmatch(digits)) is not None:
        sign, *parts = found.groups()
        number, base = next((part, base) for part, base in zip(parts, _BASES, strict=True) if part is not None)
        value = int(number or "0", base) * (-1 if sign == "-" else 1)
        if value in _INT64 or (value < _UINT64 and sign == "" and value > 0) or base == 10:
            return "int", value
    return _as_float(digits) or ("str", text)


def _as_float(text: str) -> tuple[str, Scalar] | None:
    if _FLOAT.fullmatch(text) is None or not math.isfinite(value := float(text)):
        return None
    return "float", value


def _is_time(text: str) -> bool:
    if (found := _TIME.fullmatch(text)) is None:
        return False
    try:
        date(*map(int, found[1].split("-")))
        if found[2]:
            datetime(2000, 1, 1, *map(int, found[2].split(":")))  # type: ignore[arg-type]
    except ValueError:
        return False
    return True


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text.replace("\n", "").replace("\r", ""), validate=True).decode("utf-8", "replace")
    except binascii.Error:
        raise ValueError("!!binary value contains invalid base64 data") from None


def _float_key(value: float) -> str:
    """Write a float as Go's `%g` does in its shortest form."""
    if not math.isfinite(value):
        return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
    sign, digits, places = Decimal(repr(value)).normalize().as_tuple()
    assert isinstance(places, int)
    power = len(digits) + places - 1
    if -5 < power < 6:
        return f"{Decimal(repr(value)).normalize():f}"
    first, *rest = map(str, digits)
    mantissa = f"{first}.{''.join(rest)}" if rest else first
    return f"{'-' if sign else ''}{mantissa}e{'-' if power < 0 else '+'}{abs(power):02d}"
