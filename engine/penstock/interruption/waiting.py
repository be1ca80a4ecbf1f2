"""Blocking inside the engine: interruptible, and without holding a slot of a bounded pool.

Neighbours: futures, sleeps between tries, pauses and locks wait through here.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from penstock.base.managers import contextmanager
from penstock.interruption.section import current_section

if TYPE_CHECKING:
    from collections.abc import Iterator


def block(waiter: threading.Lock, timeout: float | None = None, resting: bool = False) -> bool:
    """Wait until `waiter` (held) is released; the slot of a pool is given up meanwhile.

    Args:
        waiter: held by the caller.
        timeout: seconds.
        resting: nothing else is to be done here until then; see `Section.block`.

    Returns:
        True when released, False when `timeout` seconds passed.
    """
    section = current_section()
    slot = section.slot
    if slot is None:
        return section.block(waiter, timeout, resting)
    if waiter.acquire(False):
        return True
    slot.give_up()
    try:
        return section.block(waiter, timeout, resting)
    finally:
        slot.take_back()


@contextmanager
def without_slot() -> Iterator[None]:
    """Give up the slot of a pool for the block."""
    slot = current_section().slot
    if slot is None:
        yield
        return
    slot.give_up()
    try:
        yield
    finally:
        slot.take_back()


def pause_here(seconds: float) -> None:
    """Sleep between two tries, interruptible."""
    lock = threading.Lock()
    lock.acquire()
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        block(lock, min(left, 3600.0), resting=True)
