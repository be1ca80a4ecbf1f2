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

__all__ = ["LAZY", "new_id", "new_id_text", "now", "random_bytes"]

LAZY = threading.Lock()  # held while an id or a name is made that nobody had asked for before
os.register_at_fork(after_in_child=LAZY._at_fork_reinit)  # type: ignore[attr-defined]  # as the standard library does
_AHEAD = 64  # pieces that one call of the system brings
_PIECES: list[bytes] = []
os.register_at_fork(after_in_child=_PIECES.clear)  # parent and child would give out the same ones
_VARIANT = (0x8000 << 48) | (4 << 76)
_KEEP = ~((0xC000 << 48) | (0xF000 << 64))


def random_bytes() -> bytes:
    """Sixteen random bytes of the system's; read ahead, for each call of the system costs as much as ten of these."""
    try:
        return _PIECES.pop()
    except IndexError:
        block = urandom(16 * _AHEAD)
        # Whole at once: another thread may take from the list in between.
        _PIECES.extend([block[at : at + 16] for at in range(16, len(block), 16)])
        return block[:16]


def new_id_text() -> str:
    """A random UUID, version 4, as text."""
    digits = f"{(int.from_bytes(random_bytes(), 'big') & _KEEP) | _VARIANT:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def new_id() -> UUID:
    """A random UUID, version 4."""
    from uuid import UUID, SafeUUID

    made = object.__new__(UUID)
    object.__setattr__(made, "int", (int.from_bytes(random_bytes(), "big") & _KEEP) | _VARIANT)
    object.__setattr__(made, "is_safe", SafeUUID.unknown)
    return made
