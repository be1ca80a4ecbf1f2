"""An ending that came from outside: a signal, the intent file, the fence; or a wait for which the pod is given up. It runs in the guard's thread.

The order is: say it (termination message, then report, for at most a second), then interrupt the body, then wait for
the body and its hooks as long as the grace lasts, then leave. Whatever the body, the hooks or the API server do, the
process is gone before the grace is over.

Who asked decides the outcome: Cancelled, Suspended, else Interrupted. The intent file speaks first, then the answer of
the report, since a kubelet changes no file once a pod is ending. An intent that comes late still corrects it.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from typing import TYPE_CHECKING, Any, NoReturn

from penstock.pod import claim, failures
from penstock.pod.attempt import Attempt, Phase, Trigger
from penstock.pod.intent import Intent
from penstock.pod.leave import leave
from penstock.pod.outcome import EXIT_CRASHED, CauseKind, Outcome, provisional
from penstock.pod.report import HooksPart, ReportType
from penstock.pod.reporter import ENDING_REQUEST_SECONDS
from penstock.pod.wanted import Wanted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from penstock.pod.body import Body
    from penstock.pod.guard import Guard
    from penstock.pod.intent import IntentFile
    from penstock.pod.reporter import Reporter

FIRST_REPORT_SECONDS = 1.0
C_CALL_SECONDS = 2.0
HOOKS_SECONDS = 10.0


class Ending:
    """The listener of the guard; see the module.

    Args:
        attempt: What is said.
        reporter: Brings it to the API server.
        guard: Whose thread this is.
        intent_file: What is wanted.
        grace: Seconds between SIGTERM and SIGKILL.
        suspend_wait: Seconds that a suspension waits for a boundary between tasks.
    """

    def __init__(
        self,
        attempt: Attempt,
        reporter: Reporter,
        guard: Guard,
        intent_file: IntentFile,
        *,
        grace: float,
        suspend_wait: float,
    ) -> None:
        self._attempt = attempt
        self._reporter = reporter
        self._guard = guard
        self._wanted = Wanted(reporter, intent_file)
        self._grace = grace
        self._suspend_wait = suspend_wait
        self._begun = False
        self._told_unknown = False
        self._begun_at = 0.0
        self._horizon = 0.0
        self._signal: int | None = None
        self._kind: CauseKind = "terminated"
        self._outcome: Outcome | None = None
        self.body: Body | None = None
        self._suspend_by: float | None = None

    # -- what is heard ---------------------------------------------------------------------------------------------

    def on_signal(self, number: int, at: float) -> None:
        """A signal: the first begins the ending, one more ends the process at once."""
        with self._or_leave():
            self._on_signal(number, at)

    def _on_signal(self, number: int, at: float) -> None:
        horizon = at + self._grace - min(0.5, self._grace / 10)
        if not self._begun:
            self._signal = number
            self._begin("terminated", at, horizon)
        elif self._signal is None:
            # The ending was begun by the intent file: now there is a time limit that is not ours.
            self._signal = number
            self._horizon = min(self._horizon, horizon)
            self._tell_trigger()
        else:
            self._leave_now()

    def on_wake(self) -> None:
        """Look at the intent file, the fence and the last answer."""
        with self._or_leave():
            self._on_wake()

    @contextlib.contextmanager
    def _or_leave(self) -> Iterator[None]:
        """An ending that fails has begun what nobody else ends: the process goes, and what its container says speaks."""
        try:
            yield
        except Exception:
            failures.tell()
            if not self._begun:
                raise
            os._exit(EXIT_CRASHED)

    def _on_wake(self) -> None:
        unknown = self._wanted.look()
        if unknown is not None and self.body is not None and not self._told_unknown:
            self._told_unknown = True
            # Not from this thread: users' log handlers may block.
            threading.Thread(target=_tell_unknown, args=(unknown,), daemon=True).start()
        if self._begun:
            self._correct()
            return
        wanted, now = self._wanted.kind, time.monotonic()
        if wanted is None:
            self._suspend_by = None
            if self.body is not None:
                self.body.hold(self.paused)
                changed = self._wanted.inputs_changed()
                if changed is not None:
                    self.body.look_for_inputs(fresh=changed == "since")
                if self.body.leaves:
                    self._begin("waiting", now, now + self._grace - min(0.5, self._grace / 10))
        elif wanted != "suspended" or self._at_boundary(now):
            self._begin(wanted, now, now + self._grace - min(0.5, self._grace / 10))

    @property
    def horizon(self) -> float | None:
        """When the process must be gone, monotonic; None while nothing presses."""
        return self._horizon if self._begun else None

    def _at_boundary(self, now: float) -> bool:
        """Whether a suspension may be carried out: a task is about to start, or it was waited for long enough."""
        if self.body is None or self.body.unwound:
            return True
        if self._suspend_by is None:
            self._suspend_by = now + self._suspend_wait
            self.body.hold_for_suspension()
        return self.body.held or now >= self._suspend_by

    def pause_by_answer(self) -> None:
        """The claim's answer says Paused, and the file may not yet: paused until the file changes."""
        self._wanted.pause_by_answer()

    @property
    def has_intent_file(self) -> bool:
        """Whether the intent comes by a file."""
        return self._wanted.has_file

    @property
    def kind(self) -> CauseKind | None:
        """Why the run ends, once it is asked to."""
        return self._kind if self._begun else None

    @property
    def paused(self) -> bool:
        """Whether the run is to be held."""
        return self._wanted.paused

    # -- the ending ------------------------------------------------------------------------------------------------

    def _begin(self, kind: CauseKind, at: float, horizon: float) -> None:
        self._begun, self._begun_at, self._horizon = True, at, horizon
        self._kind = kind if kind != "terminated" else self._wanted.kind or kind
        self._tell_trigger()
        phase = self._attempt.stop()
        if phase is Phase.LEAVING or self._decided:
            self._let_finish()
        elif phase is Phase.RUNNING:
            self._end_body()
        elif phase is Phase.LOADING:
            self._end_before_body(" while the flow was being loaded; its hooks are not known yet")
        else:
            self._end_claim()

    def _end_claim(self) -> NoReturn:
        """Claim with the outcome instead of Running: one try."""
        where = " before the flow was loaded"
        first = self._first_report(where)
        self._reporter.end_claim(first)
        self._guard.wait(self._reporter.claimed.is_set, self._first_report_until)
        outcome = self._reporter.claim_outcome
        if isinstance(outcome, claim.Refused):
            self._last_word(Outcome(ReportType.REFUSED, "Refused", outcome.message), forced=True)
        if not isinstance(outcome, claim.Accepted):
            self._last_word(self._say(where), forced=True)
        self._decide_kind()
        self._last_word(self._say(where), delivered=first if self._reporter.claimed_document is first else None)

    def _end_before_body(self, where: str) -> NoReturn:
        first = self._first_report(where)
        self._send_first(first)
        self._last_word(self._say(where))

    def _end_body(self) -> None:
        if self._kind != "waiting":  # nothing presses: one report is enough
            self._send_first(self._first_report(""))
        body = self.body
        if body is None or self._decided:
            # It ended by itself while we reported: its own outcome stands.
            self._let_finish()
            return
        body.interrupt(self._kind, self._signal, self._horizon)
        told = time.monotonic()
        self._guard.wait(lambda: self._attempt.taken or body.unwound, lambda: self._patience(body, told))
        if not self._attempt.taken and not body.unwound:
            self._take_over(body)
        self._let_finish()

    def _take_over(self, body: Body) -> None:
        """The body does not react: its states and hooks without it, in a thread that may be left behind."""
        done = threading.Event()

        def abandon() -> None:
            outcome = body.abandon()
            if outcome is not None:
                self._outcome = outcome
            done.set()
            self._guard.wake()

        threading.Thread(target=abandon, name="penstock-hooks", daemon=True).start()
        self._guard.wait(lambda: done.is_set() or self._attempt.taken, lambda: self._horizon)
        if not self._attempt.taken:
            self._last_word(self._outcome or self._say())

    def _let_finish(self) -> None:
        """Outcome and hooks are the main thread's: wait for it, and leave in its place when the time is over."""
        if self._attempt.last is not None:
            self._attempt.last.until = self._horizon
        if self.body is not None:
            self.body.limit_hooks(self._horizon)
        self._guard.wait(lambda: False, lambda: self._horizon)
        self._last_word(self._final_outcome(), forced=True)

    def _leave_now(self) -> NoReturn:
        self._last_word(self._final_outcome(), forced=True)

    # -- what is said ----------------------------------------------------------------------------------------------

    def _say(self, where: str = "") -> Outcome:
        if self._kind == "waiting" and self.body is not None:
            return self.body.left
        return provisional(self._kind, where, self.body.suspension_note if self.body is not None else None)

    def _first_report(self, where: str) -> dict[str, Any]:
        outcome = self._say(where)
        document = self._attempt.ended(outcome, ending=True)
        self._attempt.note_ending(document, self._attempt.exit_code(outcome))
        return document

    def _send_first(self, document: dict[str, Any]) -> None:
        """Send it, and go on when it is answered or after a second; retries continue beside."""
        if self._kind != "superseded":
            ticket = self._attempt.report_ending(document, self._horizon, ENDING_REQUEST_SECONDS)
            if ticket is not None:
                self._guard.wait(ticket.settled.is_set, self._first_report_until)
            self._decide_kind()

    def _final_outcome(self) -> Outcome:
        decided = self.body.outcome if self.body is not None else None
        return decided or self._outcome or self._say()

    def _last_word(
        self, outcome: Outcome, *, delivered: dict[str, Any] | None = None, forced: bool = False
    ) -> NoReturn:
        """Report, termination message, exit; from the guard's thread.

        Args:
            outcome: What it ended with.
            delivered: A report that stands already.
            forced: No time is left: the termination message speaks.
        """
        self._attempt.take()
        attempt, code = self._attempt, self._attempt.exit_code(outcome)
        hooks = self.body.hooks(left_behind=True) if self.body is not None else HooksPart()
        document = attempt.ended(outcome, ending=False, hooks=hooks)
        stands = delivered is not None and _same_outcome(delivered, document)
        attempt.note(document, code, delivered=stands)
        silent = outcome.type in (ReportType.REFUSED, ReportType.SUPERSEDED)
        if not silent and not stands and not forced:
            ticket = attempt.report(document, self._horizon, ENDING_REQUEST_SECONDS)
            # A second for the answer; while the server is away, as long as there is time.
            self._guard.wait(ticket.settled.is_set, lambda: self._horizon)
            stands = ticket.delivered
        elif attempt.last is not None and _same_outcome(attempt.last.document, document):
            stands = attempt.last.delivered
        attempt.note(document, code, delivered=stands)
        leave(code, normal=False, horizon=self._horizon)

    # -- what was heard too late ------------------------------------------------------------------------------------

    def _correct(self) -> None:
        """An intent that came late: Cancelled goes over Interrupted and Suspended."""
        wanted = self._wanted.kind
        if wanted is None or wanted == self._kind or self._kind in ("cancelled", "superseded"):
            return
        self._kind = wanted
        self._tell_trigger()
        if self.body is not None and self.body.told:
            self.body.interrupt(wanted, self._signal, self._horizon)

    def _decide_kind(self) -> None:
        """Who asked: what is known once the first report is answered."""
        self._kind = self._wanted.kind or self._kind
        self._tell_trigger()

    def _tell_trigger(self) -> None:
        intent = {"cancelled": Intent.CANCELLED, "suspended": Intent.SUSPENDED}.get(self._kind, Intent.RUNNING)
        self._attempt.trigger = Trigger(self._signal, intent.word)

    # -- how long --------------------------------------------------------------------------------------------------

    @property
    def _decided(self) -> bool:
        return self.body is not None and self.body.outcome is not None

    def _first_report_until(self) -> float:
        # Also when the grace is shorter: what is said first is worth more than what would come after.
        begun = max(self._begun_at, self._reporter.prepared_at or time.monotonic())
        return begun + FIRST_REPORT_SECONDS

    def _patience(self, body: Body, told: float) -> float:
        """Until when the body is waited for.

        A body that got the signal, or is in a section that must not be torn, has the whole grace, less what its hooks
        may need; a main thread in a C call has two seconds.
        """
        if body.reached:
            left = max(0.0, self._horizon - told)
            return self._horizon - min(HOOKS_SECONDS, left / 2) if body.has_hooks(self._kind) else self._horizon
        if body.held_back:
            return self._horizon
        return min(told + min(C_CALL_SECONDS, self._grace / 4), self._horizon)


def _same_outcome(one: Any, other: Any) -> bool:
    return all(one.get(key) == other.get(key) for key in ("type", "name", "message", "hooks"))


def _tell_unknown(word: str) -> None:
    import logging

    words = ", ".join(intent.word for intent in Intent)
    logging.getLogger("penstock.pod").warning("The intent %r is unknown and taken for Running; known: %s", word, words)
