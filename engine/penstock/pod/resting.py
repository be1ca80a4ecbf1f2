"""Whether nothing happens in a flow run but waiting, so that it may be left and gone on with elsewhere.

A run that lives is at rest when the thread that executes it waits in the engine for runs, for time or for a resume; when
it is held at the gate; or when it has not begun and waits for upstreams. In async code the loop has to be looked at: each
of its tasks must be in such a wait, or await others of them, and none of its timers may be somebody's own (a sleep or a
timeout of asyncio). What cannot be told counts as busy. Looked at from a thread of the engine's, so it may be out of date
at once: whoever acts by it looks twice, and what is cut short all the same is done again.

Neighbours: ``penstock.interruption`` marks the waits, ``penstock.pod.waits`` asks.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from penstock.core.inputs import Found, is_future, scan
from penstock.interruption.section import Section

if TYPE_CHECKING:
    from penstock.interruption.interrupt import Control

MANY = 1000
"""From so many runs that live on it is looked whether some have been left."""

_ENDED = frozenset({"COMPLETED", "FAILED", "CANCELLED", "CRASHED"})


class Resting:
    """The runs below a root that live, and whether they rest.

    Args:
        control: of the root.
        held: Whether a run waits at the gate.
    """

    def __init__(self, control: Control, held: Callable[[Any], bool]) -> None:
        self._control = control
        self._held = held
        self._live: dict[int, Any] = {}
        self._busy: Any = None
        self._many = MANY

    def observe(self, run: Any, new: Any) -> None:
        """Take note of a change of a run; the root's too."""
        if new.type.value in _ENDED or new.name == "NotReady":
            self._live.pop(id(run), None)
        else:
            self._live[id(run)] = run
            if len(self._live) > self._many:
                self._forget_left()

    def _forget_left(self) -> None:
        """Let go of runs that ended in a state which is no end: nothing tells of them."""
        for run in self.live(every=True):
            if run.call is None:
                self._live.pop(id(run), None)
        self._many = max(MANY, 2 * len(self._live))

    def live(self, *, every: bool = False) -> list[Any]:
        """The runs that are not over, in the order in which they were made; ``every``: also those that were left."""
        while True:
            try:
                return [run for run in list(self._live.values()) if every or run.call is not None]
            except RuntimeError:
                continue  # it changed while it was read

    def at_rest(self) -> bool:
        """Whether nothing happens but waiting."""
        loops = _Loops(self._targets())
        # The one that was busy the last time most likely still is: a flow may have many that wait.
        if self._busy is not None and id(self._busy) in self._live and not self._rests(self._busy, loops):
            return False
        self._busy = next((run for run in self.live() if not self._rests(run, loops)), None)
        return self._busy is None

    def _rests(self, run: Any, loops: _Loops) -> bool:
        target = self._control.active.get(run)
        if target is None:
            return self._held(run) or _waits_for_upstreams(run)
        if isinstance(target, Section):
            return not target.shields and (target.resting or loops.rest_in(target))
        return loops.rests(target)

    def _targets(self) -> list[Any]:
        while True:
            try:
                return [target for target in list(self._control.active.values()) if hasattr(target, "loop")]
            except RuntimeError:
                continue


class _Loops:
    """The event loops in which runs execute, and which of them rest; each is looked at once."""

    def __init__(self, targets: Iterable[Any]) -> None:
        self._by_loop: dict[Any, list[Any]] = {}
        for target in targets:
            self._by_loop.setdefault(target.loop, []).append(target)
        self._known: dict[Any, bool] = {}

    def rests(self, target: Any) -> bool:
        """Whether the loop of a target rests, and nothing shields the target."""
        return not target.shields and self._loop_rests(target.loop)

    def rest_in(self, section: Section) -> bool:
        """Whether a thread waits for a loop that runs in it, and rests."""
        return any(targets[0].section is section and self._loop_rests(loop) for loop, targets in self._by_loop.items())

    def _loop_rests(self, loop: Any) -> bool:
        if loop not in self._known:
            targets = self._by_loop[loop]
            # A loop whose thread is blocked by a wait of the engine's does nothing, whatever is due in it.
            self._known[loop] = targets[0].section.resting or _rests(loop, {t.task for t in targets if t.resting})
        return self._known[loop]


def _rests(loop: Any, waiting: set[Any]) -> bool:
    """Whether nothing happens in a loop but waits of the engine's.

    Args:
        loop: An event loop.
        waiting: Its tasks that are in such waits.
    """
    import asyncio

    timers = getattr(loop, "_scheduled", None)
    if timers is None:
        return False  # of another make, which does not tell
    try:
        tasks = [task for task in asyncio.all_tasks(loop) if not task.done()]
        due = [handle for handle in list(timers) if not handle.cancelled()]
    except RuntimeError:
        return False  # it changed while it was read
    waiters = []
    for task in tasks:
        waiter = getattr(task, "_fut_waiter", None)
        if waiter is None:
            return False
        if task in waiting:
            waiters.append(waiter)
        elif not _awaits_tasks(task, waiter):
            return False
    return all(any(argument is waiter for argument in handle._args or () for waiter in waiters) for handle in due)


def _awaits_tasks(task: Any, waiter: Any) -> bool:
    """Whether a task waits for other tasks of its loop, by `await`, `gather`, `wait` or a task group."""
    import asyncio

    if isinstance(waiter, asyncio.Task) or type(waiter).__name__ == "_GatheringFuture":
        return True
    inner = task.get_coro()
    while hasattr(getattr(inner, "cr_await", None), "cr_code"):
        inner = inner.cr_await
    code = getattr(inner, "cr_code", None)
    if code is None:
        return False
    module = sys.modules.get("asyncio.taskgroups")
    groups = () if module is None else (module.__file__,)
    if code.co_filename == asyncio.tasks.__file__:
        return str(code.co_name) == "_wait"
    return bool(code.co_filename in groups and code.co_name in ("__aexit__", "_aexit"))


def _waits_for_upstreams(run: Any) -> bool:
    """Whether a submitted run has not begun, and cannot before others are done."""
    future = getattr(run, "future", None)
    if future is None or future._cancel is None:
        return False
    found: Found = []
    for value in (run.parameters or {}).values():
        scan(value, found)
    if run.wait_for:
        scan(run.wait_for, found)
    return any(is_future(item) and not item.done() for item, _ in found if hasattr(item, "done"))
