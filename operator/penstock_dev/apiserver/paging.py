"""Continue tokens of limited lists: the place after which the next page begins. Pure."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .status import bad_request
from .store import key_of

if TYPE_CHECKING:
    from .store import Object


@dataclass(frozen=True, slots=True)
class Page:
    """A LIST's result."""

    items: list[Object] = field(default_factory=list)
    token: str = ""
    remaining: int = 0


def paged(items: list[Object], limit: int, token: str) -> Page:
    """Return one page of ordered objects.

    Args:
        items: all of them, as they are now (a later page sees later writes, as an expired token's does on a real server).
        limit: how many; 0 for all.
        token: of the page before; "" for the first.

    Raises:
        ApiError: 400 for a token that is none.
    """
    if token:
        after = _place(token)
        items = [obj for obj in items if key_of(obj) > after]
    if not limit or len(items) <= limit:
        return Page(items)
    return Page(items[:limit], _token(key_of(items[limit - 1])), len(items) - limit)


def _token(place: tuple[str, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def _place(token: str) -> tuple[str, str]:
    try:
        namespace, name = json.loads(base64.urlsafe_b64decode(token))
    except (ValueError, TypeError, binascii.Error) as error:
        raise bad_request("continue key is not valid") from error
    return namespace, name
