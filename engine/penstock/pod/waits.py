"""Long waits free the pod: a retry delay, a time to come or a pause that nothing else happens beside.

A thread looks, as long as something waits for long. Once everything rests and a later attempt would do nothing again, it
writes a record beside the results (what waits, until when, after how many tries), and the guard ends the attempt; the next
one gives the runs these states again, so that they go on counting. What cannot be left is waited for here, and why is said
once. Neighbours: ``penstock.pod.leaving`` decides, ``penstock.pod.resting`` and ``penstock.pod.repeats`` say what is
known of the runs, ``penstock.pod.body`` is told, ``penstock.pod.ending`` ends.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from penstock.base.texts import text_of
from penstock.core.outcome import describe
from penstock.core.state import State, StateDetails
from penstock.core.state_parts import PAUSED, SCHEDULED
from penstock.drivers.holding import pauses_of
from penstock.pod.keeping import tell
from penstock.pod.leaving import Earlier, Leaving, Paused, Wait, earlier, leaving, record
from penstock.pod.repeats import Repeats
from penstock.pod.report import PausePart
from penstock.pod.resting import Resting

if TYPE_CHECKING:
    from penstock.storage.store import ResultStore

LOOK_SECONDS = 0.2
TOLD_LOOK_SECONDS = 1.0  # once something was found that is against leaving: most likely it stays
NOT_DURABLE = (
    "results are stored nowhere that outlives the pod: set results.storage of the Flow to a volume or a bucket, and "
    "results.persist: true"
)


class Waits:
    """See the module.

    Attributes:
        left: Why the attempt ends, once it is to end.

    Args:
        flow: The flow.
        uid: Of the FlowRun.
        attempt: Number of this attempt.
        limit: Seconds that are waited for in the pod; 0: any wait is.
        resting: The runs that live.
        asked: What the open pause of the code's own asks for, if it has been told.
        wake: Makes the guard look.
    """

    def __init__(
        self,
        flow: Any,
        uid: str,
        attempt: int,
        limit: float,
        resting: Resting,
        asked: Callable[[], PausePart | None],
        wake: Callable[[], None],
    ) -> None:
        self._flow = flow
        self._key = f"wait-{hashlib.sha256(uid.encode()).hexdigest()}"
        self._attempt = attempt
        # A generator's values are gone once they were pulled.
        self._limit = 0.0 if flow.isgenerator else limit
        self._resting = resting
        self._asked = asked
        self._wake = wake
        self._repeats = Repeats()
        self._root: Any = None
        self._paused_at: float | None = None
        self._look = threading.Event()
        self._looks = False
        self._said = False
        self._changes = 0
        self._latest = datetime.fromtimestamp(0, UTC)
        self._earlier: Earlier | None = None
        self._noted = False
        self.left: Leaving | None = None

    # -- what was waited for before ----------------------------------------------------------------------------------

    def go_on(self, root: Any, waited: int) -> tuple[State | None, dict[str, State]]:
        """Take up what an earlier attempt has waited for: the first states of the root and of runs below it, by address.

        Args:
            root: The flow run.
            waited: Number of the last attempt that was given up to wait.
        """
        self._root = root
        if self._attempt > 1 and self._limit > 0 and (store := self._store()).durable:
            try:
                found = store.read_now(self._key)
                noted = None if found is None else found.read_value()
            except Exception as error:  # noqa: BLE001 - the store, which may be the user's own
                tell(f"What an earlier attempt has waited for can't be read, tries are counted anew: {text_of(error)}")
                noted = None
            self._earlier = earlier(noted, self._attempt, waited, _now(), self._limit)
        if self._earlier is None:
            return None, {}
        self._noted = True
        pauses_of(root).deadlines.update({key: until.timestamp() for key, until in self._earlier.deadlines.items()})
        states = {address: _awaiting(due, tries) for address, (due, tries) in self._earlier.runs.items()}
        return states.pop("", None), states

    def forget(self) -> None:
        """The flow has failed for good: a later attempt counts its tries anew."""
        if not self._noted:
            return
        try:
            self._write({"attempt": self._attempt})
        except Exception as error:  # noqa: BLE001 - as above
            tell(f"The record of what was waited for can't be taken back: {text_of(error)}")

    # -- what is seen ------------------------------------------------------------------------------------------------

    def observe(self, run: Any, old: Any, new: Any) -> None:
        """Take note of a change of a run, the root's too."""
        self._changes += 1
        self._resting.observe(run, new)
        kind = new.type
        if run is not self._root:
            self._repeats.observe(run, old, new)
        elif kind is SCHEDULED:
            self._repeats.forget()
            if old is not None:
                run.given_states = None  # a new try counts from the start
        elif kind is PAUSED and not new.state_details.pause_reschedule:
            self._paused_at = self._paused_at or time.monotonic()
        else:
            self._paused_at = None
        if kind is SCHEDULED:
            due = new.state_details.scheduled_time
            if due is None or (due - _now()).total_seconds() <= self._limit:
                return
            self._latest = max(self._latest, due)
        elif kind is not PAUSED or self._paused_at is None:
            return
        if self._limit > 0 and not self._looks:
            self._looks = True
            threading.Thread(target=self._run, name="penstock-waits", daemon=True).start()
        self._look.set()

    # -- in a thread of its own: the store may take its time -----------------------------------------------------------

    def _run(self) -> None:
        while self.left is None:
            long = self._paused_at is not None or (self._latest - _now()).total_seconds() > self._limit
            self._look.wait((LOOK_SECONDS if not self._said else TOLD_LOOK_SECONDS) if long else None)
            self._look.clear()
            found = self._found()
            if found is not None:
                try:
                    self._leave(found)
                except Exception as error:  # noqa: BLE001 - the store, or a bug of ours: the run goes on here
                    self._stay(found, f"the record of it can't be written: {text_of(error)}")

    def _found(self) -> Leaving | None:
        paused = None
        if (since := self._paused_at) is not None:
            part = self._asked()
            tickets = len(pauses_of(self._root).waiting)
            if tickets > 1 or (tickets and part is None):
                return None  # one answer resumes a run that was given up, not two
            paused = Paused(time.monotonic() - since, part.deadline if part else None, part if tickets else None)
        begun_for = self._earlier.begun_for if self._earlier is not None else None
        return leaving(self._waits(), paused, _now(), self._limit, begun_for)

    def _waits(self) -> list[Wait]:
        return [
            Wait(run.address, run.state.state_details.scheduled_time or _now(), run.run_count, _words(run))
            for run in self._resting.live()
            if run.state.type is SCHEDULED
        ]

    def _leave(self, found: Leaving) -> None:
        why = self._why_not()
        if why is not None:
            self._stay(found, why)
            return
        changes = self._changes
        if not self._resting.at_rest():
            return
        waits = self._waits()
        live = [run for run in self._resting.live() if run.state.type is not SCHEDULED and run.run_count > 1]
        deadlines = {found.pause.key: found.until} if found.pause is not None and found.until is not None else {}
        self._write(record(self._attempt, found, waits, {run.address: run.run_count - 1 for run in live}, deadlines))
        if self._changes != changes or not self._resting.at_rest() or self._found() is None:
            return  # something has begun meanwhile
        until = f" until {found.until:%Y-%m-%dT%H:%M:%SZ}" if found.until is not None else ""
        tell(f"{found.message}; nothing else is to be done, so the pod is given up{until}")
        self.left = found
        self._wake()

    def _why_not(self) -> str | None:
        """Why the wait is held in this pod although it is long; None: nothing is against leaving."""
        if not self._store().durable:
            return NOT_DURABLE
        if self._root.control.scopes:
            return "a timeout runs meanwhile"
        if any(_in_a_block(run) for run in self._resting.live()):
            return "a transaction is open"
        return self._repeats.why()

    def _stay(self, found: Leaving, why: str) -> None:
        if not self._said:
            self._said = True
            tell(f"{found.message}; the pod is not given up for this: {why}")

    def _store(self) -> ResultStore:
        from penstock.storage.store import ResultStore

        return ResultStore().for_flow(self._flow)

    def _write(self, noted: dict[str, Any]) -> None:
        from penstock.storage.steps import run_steps

        store = self._store()
        run_steps(store._write_steps(store.create_result_record(noted, key=self._key, kind="wait")))
        self._noted = True

    @property
    def state(self) -> State:
        """The state in which the flow run leaves this process."""
        left = self.left
        assert left is not None
        if left.paused:
            details = StateDetails(pause_reschedule=True, pause_timeout=left.until)
            return State(PAUSED, "Suspended", message=left.message, state_details=details)
        details = StateDetails(scheduled_time=left.until)
        return State(SCHEDULED, "AwaitingRetry", message=left.message, state_details=details)


def _now() -> datetime:
    return datetime.now(UTC)


def _awaiting(due: datetime | None, tries: int) -> State:
    return State(SCHEDULED, "AwaitingRetry", state_details=StateDetails(scheduled_time=due, run_count=tries))


def _in_a_block(run: Any) -> bool:
    """Whether the run is inside a transaction that user code has opened, and not closed."""
    transaction = None if run.is_flow else run.transaction
    while transaction is not None:
        if transaction.run is None:
            return True
        transaction = transaction._parent
    return False


def _words(run: Any) -> str:
    """What a run waits for, for people."""
    what = f"{run.kind.lower()} run {run.address}" if run.address else "the flow"
    state = run.state
    if state.name != "AwaitingRetry":
        return f"{what} waits for its time"
    total = getattr(run.definition, "tries_after_first", 0) + 1
    number = run.run_count + 1
    cause = describe(state.data) if isinstance(state.data, BaseException) else state.message
    return f"{what} waits for try {number}{f' of {total}' if total >= number else ''}{f': {cause}' if cause else ''}"
