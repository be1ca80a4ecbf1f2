"""Stopping a root run from outside: signals, cancellation, suspension, replacement by another pod.

`Control` is the handle on one root run. The pod makes one, gives it to `FlowRun(control=...)`, and stops the run by
`control.interrupt(Cause(...))` from whatever thread; a plain process gets its own, made with the run.

What an interrupt does, in this order:

1. Task runs that were submitted and have not started are ended (CANCELLED); nothing new is started from the queue.
2. `TerminationSignal` is raised in user code only: on the main thread by a signal that also wakes a blocking sleep, in
   other threads by injection at the next bytecode, in async code by cancelling the task. While the engine's own code
   runs, or inside `shield()`, it is kept and raised when user code goes on.
3. The states follow the cause, innermost run first, then hooks: cancelled: CANCELLING, `on_cancellation`, CANCELLED;
   terminated: CRASHED, `on_crashed`; suspended: PAUSED/Suspended, no hooks; waiting (for so long that the process is
   given up): the state of the cause, what waits between two tries stays AwaitingRetry, no hooks; superseded: CRASHED,
   no hooks.

A body that swallows the signal does not change that outcome; the message says what it did. A body that ended before
the signal reached it, or inside `shield()`, keeps its own outcome. Worker threads are not waited for (setting
`tasks.cancel_wait_seconds`); what they return later is dropped.

If the body does not end (the main thread sits in a C call), `control.abandon()` takes the run over: the calling thread
writes the states and runs the hooks, and whatever the body does afterwards is dropped.

Hooks: `control.hooks` is live, so a guard thread can read it at any moment: `ran`, `failed`, `not_run` (names skipped
because `hooks_until` had passed) and `current`. The final flow run carries the same object as `FlowRun.hooks`.

Neighbours: `section` delivers, the drivers register what executes and say how a run is taken over, `signals` installs
the handlers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from penstock.base.current import current_run
from penstock.base.exceptions import TerminationSignal
from penstock.interruption import forks

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

CauseKind = Literal["terminated", "cancelled", "suspended", "waiting", "superseded"]


class Cause(NamedTuple):
    """Why a run is asked to stop.

    Attributes:
        kind: what the final state will be; see the module's docstring.
        signal: number of the signal that came, if one did.
        message: for people; ends up in the message of the state.
        state: with `waiting`: the state in which the run leaves this process, SCHEDULED or PAUSED.
    """

    kind: CauseKind
    signal: int | None = None
    message: str = ""
    state: Any = None


class HookRecord:
    """What became of the hooks of a root flow run; names in the order of events."""

    __slots__ = ("current", "failed", "not_run", "ran", "until")

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.failed: list[str] = []
        self.not_run: list[str] = []
        self.current: str | None = None
        self.until: float | None = None


class Target(Protocol):
    """Where a body executes: a thread's section, or a task of an event loop."""

    def deliver(self, exc: BaseException, on_raise: Callable[[Any], None] | None = None) -> None:
        """Raise `exc` there, and say when it is raised."""


class Life(Protocol):
    """What Control knows of a run that executes."""

    reached: bool


def nobody(life: Any, exc: BaseException) -> None:
    """Taking over before a driver has begun: there is no run to end."""


class Control:
    """The handle on one root run.

    Args:
        gate: called with the run record before each task run and subflow run of the root starts, in the thread or
            loop that is to run it; it may block (sync) and must return None. With none set the cost is a truth test.
        handle_signals: False when the caller owns SIGTERM and SIGINT, as the pod does; then only the harmless wake
            signal is installed.
        settle: called when a body crashes, before anything is made of it: whether that is how user code answered a
            signal of which this handle hears a moment later; it may wait for that.
    """

    __slots__ = (
        "active", "cause", "finished", "gate", "handle_signals", "hooks", "reached", "root", "scopes", "settle",
        "stoppers", "take_over",
    )  # fmt: skip

    def __init__(
        self,
        *,
        gate: Callable[[Any], None] | None = None,
        handle_signals: bool = True,
        settle: Callable[[], bool] | None = None,
    ) -> None:
        forks.watch()
        self.gate = gate
        self.handle_signals = handle_signals
        self.settle = settle
        self.cause: Cause | None = None
        self.hooks = HookRecord()
        self.root: Life | None = None
        self.active: dict[Any, Target] = {}
        self.stoppers: list[Callable[[], None]] = []
        self.reached = False
        self.finished = False
        self.scopes: list[Any] = []
        self.take_over: Callable[[Any, BaseException], Any] = nobody

    @property
    def hooks_until(self) -> float | None:
        """`time.monotonic()` value after which no further hook is started; None: no limit. May be set at any time."""
        return self.hooks.until

    @hooks_until.setter
    def hooks_until(self, until: float | None) -> None:
        self.hooks.until = until

    def interrupt(self, cause: Cause, *, hooks_until: float | None = None) -> bool:
        """Ask the run to stop. Thread-safe, also from a signal handler; never blocks on user code.

        A second call changes nothing but: `cancelled` replaces `terminated`, `suspended` or `waiting` as long as the outcome is
        not decided (the intent came late), and a given `hooks_until` is always taken.

        Returns:
            False when the run is over, or was not started under this control yet (then `cause` is kept, and the body
            will not be run).
        """
        if hooks_until is not None:
            self.hooks.until = hooks_until
        if self.finished:
            return False
        first = self.cause is None
        if first or (cause.kind == "cancelled" and self.cause is not None and self.cause.kind != "superseded"):
            self.cause = cause
        if self.root is None:
            return False
        if first:
            for stop in list(self.stoppers):
                stop()
            self._deliver()
        return True

    def _deliver(self) -> None:
        cause = self.cause
        told: list[Target] = []
        for target in list(self.active.values()):
            if not any(target is other for other in told):
                told.append(target)
        for target in told:
            target.deliver(
                TerminationSignal(cause.signal if cause and cause.signal is not None else 15), self.mark_reached
            )

    def mark_reached(self, target: Target) -> None:
        """The signal is being raised in `target`: every run that executes there is interrupted from now on."""
        self.reached = True
        for life, where in list(self.active.items()):
            if where is target:
                life.reached = True

    def crashed(self, run: Any, exc: BaseException) -> None:
        """A body was left by what is no `Exception`: a crash of its own, unless a signal is behind it."""
        if self.settle is None or run.reached or isinstance(exc, Exception) or forks.forked():
            return
        if self.settle():
            target = self.active.get(run)
            if target is not None:
                self.mark_reached(target)

    def abandon(self) -> Any:
        """Finish the interrupted run in the calling thread, without its body.

        For a body that does not react: ends every run that still executes, innermost first, sets the states, runs the
        hooks here. What the body returns or raises later is dropped, and its thread gets `SystemExit` where it comes
        back to the engine.

        Returns:
            The final State of the root flow run; None when the run has ended by itself meanwhile, or when no
            interrupt was asked for.
        """
        if self.cause is None or self.finished:
            return None
        state = None
        for life in reversed(list(self.active)):
            ended = self.take_over(life, TerminationSignal(self.cause.signal or 15))
            if life is self.root:
                state = ended
        return state


def leave_with(run: Any) -> None:
    """Let nobody go on by a run that is only left, for another process to go on with: whoever waited for it leaves as well.

    Where no run waits (the runner of a root flow is closed) nobody is to leave: that flow has its state already.

    Args:
        run: one that was waited for; None: not one of this engine's.

    Raises:
        TerminationSignal: it is left.
    """
    cause = None if run is None or run.exempt else run.control.cause
    if cause is not None and cause.kind == "waiting" and current_run.get() is not None:
        raise TerminationSignal(cause.signal or 15)


class _Roots:
    """The root runs of this process that are active; the one registry that signals and cancellation look into."""

    def __init__(self) -> None:
        self.by_id: dict[int, tuple[Control, Any]] = {}

    def add(self, control: Control, flow_run: Any) -> None:
        self.by_id[id(control)] = (control, flow_run)

    def remove(self, control: Control) -> None:
        self.by_id.pop(id(control), None)

    def find(self, flow_run_id: UUID | str | None) -> Control | None:
        """The control of that root run.

        Raises:
            ValueError: no id was given and several root runs are active.
        """
        entries = list(self.by_id.values())
        if flow_run_id is not None:
            wanted = str(flow_run_id)
            return next((control for control, run in entries if str(run.id) == wanted), None)
        if len(entries) > 1:
            raise ValueError(f"{len(entries)} flow runs are active in this process; give the flow_run_id of one.")
        return entries[0][0] if entries else None


roots = _Roots()


def interrupt(cause: Cause, flow_run_id: UUID | None = None, *, hooks_until: float | None = None) -> bool:
    """Ask the (root) flow run to stop; see the module's docstring for what follows. Thread-safe.

    Args:
        cause: why, and so with which final state.
        flow_run_id: which root run; None: the only one.
        hooks_until: `time.monotonic()` value after which no further hook is started.

    Returns:
        False if no such run is active.
    """
    control = roots.find(flow_run_id)
    return control is not None and control.interrupt(cause, hooks_until=hooks_until)


def find_control(flow_run_id: UUID | None = None) -> Control | None:
    """The control of an active root run, by id, or of the only one; None if there is none."""
    return roots.find(flow_run_id)
