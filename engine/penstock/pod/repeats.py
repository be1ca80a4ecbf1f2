"""What a later attempt would do again of what this one has done: the reason not to give a pod up for a long wait.

A task run that completed is found again if its result is stored under a key, where it outlives the pod. One that ended
otherwise is not: it would be tried again, more often than its `retries` say. What was done inside a task run or subflow
counts no more once that is found again itself; and a flow that waits for a try of its own does everything again anyway.
Neighbours: ``penstock.pod.waits`` asks; it is told what the observer of the run sees.
"""

from __future__ import annotations

import threading
from typing import Any

from penstock.base.texts import marked

MANY = 100
"""From so many staged results on it is looked which are committed by now: each holds its value."""

_ENDS = frozenset({"FAILED", "CANCELLED", "CRASHED"})


class Repeats:
    """See the module."""

    def __init__(self) -> None:
        self._first: str | None = None
        self._below: dict[int, str] = {}  # by the run around it, which is not over
        self._staged: list[tuple[Any, str]] = []  # transactions, each with the name of its run
        self._many = MANY
        self._lock = threading.Lock()

    def forget(self) -> None:
        """The flow itself is tried again, and everything in it."""
        self._first = None
        self._below = {}
        self._staged = []

    def observe(self, run: Any, old: Any, new: Any) -> None:
        """Take note of a change of a run below the root."""
        kind = new.type.value
        if kind == "COMPLETED" or kind in _ENDS:
            inner = self._below.pop(id(run), None)
            if old is not None and old.type.value == kind:
                self._note(run, f"{_name(run)} was rolled back")
            elif (reason := self._why(run, new, inner)) is not None:
                self._note(run, reason)
        elif kind == "SCHEDULED":
            self._below.pop(id(run), None)  # its next try does all of this again

    def why(self) -> str | None:
        """Say what would be done again, the first of it; None: nothing."""
        with self._lock:
            self._forget_committed()
            if self._staged:
                return f"{self._staged[0][1]} belongs to a transaction that is open"
        return self._first or next(iter(self._below.values()), None)

    def _forget_committed(self) -> None:
        self._staged = [staged for staged in self._staged if staged[0].is_staged()]
        self._many = max(MANY, 2 * len(self._staged))

    def _why(self, run: Any, new: Any, inner: str | None) -> str | None:
        if new.type.value != "COMPLETED":
            return f"{_name(run)} has ended as {new.name}, and would run again"
        stored = _found_again(run, new)
        if run.is_flow:
            return None if stored else inner
        transaction = run.transaction
        if stored and transaction is not None and transaction.is_staged():
            with self._lock:
                self._staged.append((transaction, _name(run)))
                if len(self._staged) > self._many:
                    self._forget_committed()
        if stored:
            return None
        return f"the result of {_name(run)} is not stored, so that it would run again"

    def _note(self, run: Any, reason: str) -> None:
        above = run.parent
        if above is None or above.root is above:
            self._first = self._first or reason
        else:
            self._below.setdefault(id(above), reason)


def _found_again(run: Any, state: Any) -> bool:
    """Whether a later attempt finds the result of a run that completed."""
    data = state.data
    store = getattr(data, "_store", None) if marked(data, "__penstock_stored__") else None
    if store is None or not store.durable:
        return False
    # Without a key it lies under a random one.
    keyed = run.is_flow or state.state_details.cache_key is not None
    return keyed and not getattr(run.definition, "refresh_cache", None)


def _name(run: Any) -> str:
    return f"{run.kind.lower()} run {run.address}"
