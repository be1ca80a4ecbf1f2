"""What new states and records are marked with when nobody gives it: random ids, and the time.

Ids are what `uuid.uuid4` makes, at a third of its cost; `uuid` is loaded for the object alone: it takes three
milliseconds, and a run whose id is only logged needs none. Neighbours: runs get their times from the world instead.
"""

from __future__ import annotations

import os
import threading
from os import urandom
from time import time as now
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uuid import UUID

__all__ = ["LAZY", "new_id", "new_id_text", "now"]

LAZY = threading.Lock()  # held while an id or a name is made that nobody had asked for before
os.register_at_fork(after_in_child=LAZY._at_fork_reinit)  # type: ignore[attr-defined]  # as the standard library does
_VARIANT = (0x8000 << 48) | (4 << 76)
_KEEP = ~((0xC000 << 48) | (0xF000 << 64))


def new_id_text() -> str:
    """A random UUID, version 4, as text."""
    digits = f"{(int.from_bytes(urandom(16), 'big') & _KEEP) | _VARIANT:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def new_id() -> UUID:
    """A random UUID, version 4."""
    from uuid import UUID, SafeUUID

    made = object.__new__(UUID)
    object.__setattr__(made, "int", (int.from_bytes(urandom(16), "big") & _KEEP) | _VARIANT)
    object.__setattr__(made, "is_safe", SafeUUID.unknown)
    return made
