"""What callers hand in, checked before anything is asked or sent: texts, moments, durations, labels.

Pure. An argument of another kind than the signature says is told by its name, with what it should be. Neighbours: everything here
that users call.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from penstock.base.jsonvalues import to_json

# As Kubernetes has labels: a name of at most 63 characters, perhaps below a domain; a value of at most 63, or none.
_WORD = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
_LABEL = re.compile(rf"(?:[a-z0-9.-]{{1,253}}/)?{_WORD}\Z")
_VALUE = re.compile(rf"{_WORD}\Z")
# Labels by which a tool knows what is its own: a run that bore them would be taken for the tool's, and deleted.
_TRACKED = re.compile(
    r"(^|[./])(kubernetes\.io|k8s\.io|fluxcd\.io|argoproj\.io|helm\.sh|cattle\.io|k14s\.io|gke\.io|penstock\.dev)/"
)


def text(value: Any, what: str) -> str:
    """Give a text that arrives as it is.

    Raises:
        TypeError: It is none.
        NotJsonError: It has a lone surrogate.
    """
    if not isinstance(value, str):
        raise TypeError(f"{what} must be a text; {type(value).__name__} was given.")
    return str(to_json(value, what))


def mapping(value: Any, what: str) -> Mapping[str, Any]:
    """Give a mapping.

    Raises:
        TypeError: It is none.
    """
    if not isinstance(value, Mapping):
        raise TypeError(f"{what} must be a mapping; {type(value).__name__} was given.")
    return value


def labels(value: Any, what: str = "labels") -> dict[str, str]:
    """Give labels as texts: numbers and such are written as texts.

    Raises:
        TypeError: It is no mapping, or a value is None.
    """
    given = mapping(value, what)
    absent = next((name for name, item in given.items() if item is None), None)
    if absent is not None:
        raise TypeError(f"{what}: {absent!r} has no value; give a text, '' for a label without one.")
    return {text(str(name), what): text(str(item), what) for name, item in given.items()}


def selector(value: Any, what: str = "labels") -> str:
    """Give the selector of what bears all of these labels.

    Raises:
        TypeError: As for `labels`.
        ValueError: Nothing can bear one of them: in a selector it would mean something else.
    """
    given = labels(value, what)
    for name, item in given.items():
        if not _LABEL.match(name) or not (item == "" or _VALUE.match(item)):
            raise ValueError(f"{what}: {name}={item} is no label that anything can have.")
    return ",".join(f"{name}={item}" for name, item in given.items())


def pairs(value: Any, what: str = "labels") -> dict[str, str]:
    """Give labels that may be texts, `name=value` or a name alone, as Prefect 1 has them.

    Raises:
        TypeError: They are neither texts nor a mapping of texts.
    """
    if isinstance(value, Mapping):
        return labels(value, what)
    parts = [each.partition("=") for each in tags(value, what)]
    return {name: item if equals else "true" for name, equals, item in parts}


def inherited(given: Mapping[str, str]) -> dict[str, str]:
    """Give the labels of a Flow that a run of it may bear."""
    return {name: item for name, item in given.items() if not _TRACKED.search(name)}


def tags(value: Any, what: str = "tags") -> list[str]:
    """Give tags as a list; a text is one tag.

    Raises:
        TypeError: They are no texts.
    """
    if value is None:
        return []
    if isinstance(value, str) or not isinstance(value, Iterable):
        return [text(value, what)]
    return [text(tag, what) for tag in value]


def seconds(value: Any, what: str = "timeout") -> float | None:
    """Give a duration in seconds; None: without an end.

    Raises:
        TypeError: It is no duration.
        ValueError: It is negative, or not a number.
    """
    if value is None:
        return None
    given = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise TypeError(f"{what} must be a number of seconds, or None; {type(value).__name__} was given.")
    if math.isnan(given) or given < 0:
        raise ValueError(f"{what} must be 0 or more seconds; {value} was given.")
    return float(given)


def moment(value: Any, what: str, *, back: bool = False) -> datetime:
    """Give a time in UTC. A naive one is of UTC, as everywhere here.

    Args:
        value: A datetime, or a timedelta from now.
        what: The name of the argument.
        back: Whether a timedelta counts back.

    Raises:
        TypeError: It is neither.
        ValueError: No calendar has it.
    """
    try:
        if isinstance(value, timedelta):
            return datetime.now(UTC) - value if back else datetime.now(UTC) + value
        if isinstance(value, datetime):
            return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{what} lies beyond the calendar: {value}.") from None
    raise TypeError(f"{what} must be a datetime, or a timedelta; {type(value).__name__} was given.")


def not_before(value: Any, what: str) -> str:
    """Give a time as a resource has it, in whole seconds: rather a moment later than sooner.

    Raises:
        TypeError: As for `moment`.
        ValueError: As for `moment`.
    """
    when = moment(value, what)
    whole = when.replace(microsecond=0)
    if whole < when:
        with contextlib.suppress(OverflowError):  # in the last second of the calendar
            whole += timedelta(seconds=1)
    return whole.isoformat().replace("+00:00", "Z")
