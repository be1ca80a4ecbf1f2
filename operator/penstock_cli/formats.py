"""What texts of a `format` look like, for `-p`: a date, a time, an address. Each takes what the pod would take, by the same library.

Neighbour: `parameters` checks by it, before anything is made. A format that is not here takes any text.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from jsonschema import FormatChecker
from pydantic import AnyUrl, TypeAdapter, ValidationError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CHECKED", "checker"]

# By the names that pydantic gives them in schemas.
CHECKED: Final[dict[str, Any]] = {
    "date": date, "date-time": datetime, "time": time, "duration": timedelta, "uuid": UUID, "uri": AnyUrl,
    "ipv4": IPv4Address, "ipv6": IPv6Address, "ipv4network": IPv4Network, "ipv6network": IPv6Network,
    "ipv4interface": IPv4Interface, "ipv6interface": IPv6Interface,
}  # fmt: skip


def checker() -> FormatChecker:
    """Return what jsonschema checks formats by."""
    made = FormatChecker(formats=())
    for name, kind in CHECKED.items():
        made.checks(name, raises=ValidationError)(_check(TypeAdapter(kind)))
    return made


def _check(adapter: TypeAdapter[Any]) -> Callable[[object], bool]:
    def fits(value: object) -> bool:
        if isinstance(value, str):
            adapter.validate_python(value)
        return True

    return fits
