"""What this process knows of its attempt, and says of it: reports and termination messages come from here.

Two threads end an attempt: the main thread when the flow run is over, the guard when something came from outside and
the main thread does not get free. Whoever takes the last word (:meth:`Attempt.take`) has it; the other leaves it alone.
The lock is held for a few statements of our own and never while user code runs.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from penstock.pod import termination
from penstock.pod.outcome import Outcome, exit_code, signal_name
from penstock.pod.progress import Progress
from penstock.pod.report import HooksPart, PausePart, ProgressPart, Report, ReportType, document
from penstock.pod.task_summary import TaskSummary

if TYPE_CHECKING:
    from penstock.pod.claim import Identity
    from penstock.pod.reporter import Reporter, Ticket

# What may differ between two reports that say the same.
_SAYS_NOTHING = frozenset({"time", "ending", "progress", "tasks"})


class Phase(IntEnum):
    """How far the process is."""

    CLAIMING = 0
    LOADING = 1
    RUNNING = 2
    LEAVING = 3


@dataclass(frozen=True, slots=True)
class Trigger:
    """What ended the run from outside: a signal, or (None) the intent file or the fence."""

    signal: int | None
    intent: str


class Attempt:
    """See the module.

    Args:
        identity: Which process this is.
        reporter: Brings reports to the API server.
        termination_log: Where the termination message goes.
        now: Gives the wall-clock time, in UTC.
    """

    def __init__(
        self, identity: Identity, reporter: Reporter, termination_log: str, now: Callable[[], datetime]
    ) -> None:
        self.identity = identity
        self._reporter = reporter
        self.progress = Progress()
        self.tasks = TaskSummary()
        self.start_time: datetime | None = None
        self.trigger: Trigger | None = None
        self.lost_place: Callable[[], str | None] = _nowhere
        self.last: Ticket | None = None
        self._termination_log = termination_log
        self._now = now
        self._last_time: datetime | None = None
        self._lock = threading.Lock()
        self._phase = Phase.CLAIMING
        self._stopped = False
        self._decided = False
        self._told: tuple[ProgressPart | None, str | None] = (None, None)
        self._paused: Mapping[str, Any] | None = None
        self._taken = False

    # -- who goes on -----------------------------------------------------------------------------------------------

    def advance(self, phase: Phase) -> bool:
        """Go on to the next phase, on the main thread; False when the guard is ending the process already."""
        with self._lock:
            if self._stopped and phase <= Phase.RUNNING:
                return False
            self._phase = phase
            return True

    def stop(self) -> Phase:
        """Let the main thread begin nothing new, and tell how far it is."""
        with self._lock:
            self._stopped = True
            return self._phase

    def take(self) -> bool:
        """Take the last word; True for the first who asks."""
        with self._lock:
            taken, self._taken = self._taken, True
            return not taken

    @property
    def taken(self) -> bool:
        """Whether somebody has the last word."""
        return self._taken

    # -- what is said ----------------------------------------------------------------------------------------------

    def time(self) -> datetime:
        """Give a time for a report: now, but never the same twice, since reports are told apart by it."""
        with self._lock:
            time = self._now()
            if self._last_time is not None and time <= self._last_time:
                time = self._last_time + timedelta(microseconds=1)
            self._last_time = time
            return time

    def running(self, name: str = "Running", pause: PausePart | None = None) -> dict[str, Any]:
        """Compose a report of a run that goes on: Running, or Paused with its pause."""
        kind = ReportType.RUNNING if name != "Paused" else ReportType.PAUSED
        return self._compose(Outcome(kind, name, pause=pause), ending=False, hooks=None)

    def ended(self, outcome: Outcome, *, ending: bool, hooks: HooksPart | None = None) -> dict[str, Any]:
        """Compose the report of an outcome; ``ending`` says that the process is still alive."""
        return self._compose(outcome, ending=ending, hooks=hooks)

    def exit_code(self, outcome: Outcome) -> int:
        """Give the code that goes with an outcome."""
        return exit_code(outcome.type, outcome.name, self.trigger.signal if self.trigger is not None else None)

    def note(self, report: Mapping[str, Any], code: int | None, *, delivered: bool) -> None:
        """Write the termination message."""
        termination.write(
            self._termination_log, termination.render(report, self.identity.uid, code, delivered=delivered)
        )

    def note_running(self, report: Mapping[str, Any]) -> None:
        """Write the termination message of a run that goes on, unless the end has begun."""
        with self._lock:
            if not self._stopped:
                self.note(report, None, delivered=True)

    def note_ending(self, report: Mapping[str, Any], code: int) -> None:
        """Write the termination message of what is about to happen, unless somebody has the last word meanwhile: that must stand."""
        with self._lock:
            if not self._taken:
                self.note(report, code, delivered=False)

    def report(self, report: Mapping[str, Any], until: float, seconds: float) -> Ticket:
        """Hand an outcome over for delivery, unless the report under way says the same; give its ticket."""
        with self._lock:
            self._decided = True
            return self._submit(report, until, seconds)

    def report_ending(self, report: Mapping[str, Any], until: float, seconds: float) -> Ticket | None:
        """Hand over what is about to happen; None when the outcome is decided meanwhile, for that must stand."""
        with self._lock:
            return None if self._decided else self._submit(report, until, seconds)

    def report_running(self, report: Mapping[str, Any], seconds: float) -> None:
        """Hand over a report of a run that goes on, to be repeated until it stands; not once the end has begun."""
        with self._lock:
            if not self._decided and not self._stopped:
                self._paused = report if report["type"] == ReportType.PAUSED.value else None
                self._submit(report, math.inf, seconds)

    def progress_report(self) -> dict[str, Any] | None:
        """Compose a report of progress, if there is some (or results that will be lost) and the end has not begun; a paused run stays so.

        What was done just before a pause is told during it, and tasks that were submitted go on.
        """
        tells = self.progress.part(), self.lost_place()
        with self._lock:
            if tells == (None, None) or tells == self._told or self._stopped or self._decided:
                return None
            self._told = tells
            paused = self._paused
        report = self.running()
        return report if paused is None else {**report, **{name: paused[name] for name in _PAUSED if name in paused}}

    def _submit(self, report: Mapping[str, Any], until: float, seconds: float) -> Ticket:
        last = self.last
        if last is not None and says_the_same(last.document, report) and (last.delivered or not last.settled.is_set()):
            last.until = until
            return last
        self.last = self._reporter.submit(report, until=until, seconds=seconds)
        return self.last

    def _compose(self, outcome: Outcome, *, ending: bool, hooks: HooksPart | None) -> dict[str, Any]:
        trigger = self.trigger if outcome.type in _BY_TRIGGER else None
        message = outcome.message
        if hooks is not None and hooks.not_run:
            message = f"{message + '; ' if message else ''}hooks not run: {', '.join(hooks.not_run)}"
        return document(
            Report(
                type=outcome.type,
                name=outcome.name,
                attempt=self.identity.attempt,
                instance=self.identity.instance,
                time=self.time(),
                message=message,
                start_time=self.start_time,
                error=outcome.error,
                result=outcome.result,
                signal=signal_name(trigger.signal) if trigger is not None and trigger.signal is not None else None,
                intent=trigger.intent if trigger is not None else None,
                ending=ending,
                hooks=hooks,
                resume_time=outcome.resume_time,
                waiting=outcome.waiting,
                pause=outcome.pause,
                progress=self.progress.part(),
                not_durable=self.lost_place(),
                tasks=self.tasks.part(self.progress.running, self.progress.total) if outcome.type.outcome else None,
            )
        )


def _nowhere() -> None:
    """No results are lost before there are any."""


_PAUSED = ("type", "name", "message", "pause")
_BY_TRIGGER = frozenset({ReportType.CANCELLED, ReportType.INTERRUPTED, ReportType.SUSPENDED, ReportType.SUPERSEDED})


def says_the_same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Tell whether two reports differ in nothing that matters."""
    return {key: value for key, value in one.items() if key not in _SAYS_NOTHING} == {
        key: value for key, value in other.items() if key not in _SAYS_NOTHING
    }
