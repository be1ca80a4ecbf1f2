"""The flow run in this pod: started on the main thread, watched by an observer, stopped by the guard.

Uses the engine's public hooks only: ``run_engine``, observers, ``Control``. Everything that happens is told through
states; what they mean to the report is said by ``penstock.pod.outcome``.
"""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from penstock.base.exceptions import ParameterBindError, TerminationSignal
from penstock.base.texts import text_of
from penstock.core.changes import hook_name
from penstock.core.runs import FlowRun
from penstock.interruption.interrupt import Cause, Control
from penstock.pod.assignment import given_up_last, inputs
from penstock.pod.keeping import advice, durable, stored, tell, unstored
from penstock.pod.outcome import CauseKind, Outcome, from_state
from penstock.pod.pauses import Pauses
from penstock.pod.report import ErrorPart, HooksPart, ReportType
from penstock.pod.reporter import REQUEST_SECONDS
from penstock.pod.resting import Resting
from penstock.pod.suspensions import Suspensions
from penstock.pod.waits import Waits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from penstock.pod.assignment import Assignment
    from penstock.pod.attempt import Attempt
    from penstock.pod.environment import PodEnvironment
    from penstock.pod.gate import Gate
    from penstock.pod.logs import StateLines
    from penstock.pod.reporter import Reporter

_HOOKS = {
    ReportType.COMPLETED: "on_completion_hooks",
    ReportType.FAILED: "on_failure_hooks",
    ReportType.CRASHED: "on_crashed_hooks",
    ReportType.INTERRUPTED: "on_crashed_hooks",
}
SETTLE_SECONDS = 5.0
FIRST_PROGRESS_SECONDS = 2.0
"""From the start of the flow to the first report of progress: a run that is shorter makes none."""
NOT_DURABLE = "Flow run was suspended; no result storage is set, so everything will be repeated."
_KIND_HOOKS = {"cancelled": "on_cancellation_hooks", "terminated": "on_crashed_hooks"}


class Demand(Protocol):
    """What a body knows of an ending that came from outside; ``penstock.pod.ending`` is one."""

    @property
    def kind(self) -> CauseKind | None:
        """Why the run ends, once it is asked to."""

    @property
    def horizon(self) -> float | None:
        """When the process must be gone, monotonic; None while nothing presses."""

    @property
    def has_intent_file(self) -> bool:
        """Whether the intent comes by a file."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a body needs of the pod around it."""

    env: PodEnvironment
    attempt: Attempt
    reporter: Reporter
    lines: StateLines | None
    ending: Demand
    source_dir: str | None
    signalled: Callable[[float], bool]
    wake: Callable[[], None]


class Body:
    """See the module.

    Attributes:
        outcome: What the flow run ended with, once its last state is set; hooks may still run.
        unwound: Whether the user's function has been left.

    Args:
        flow: The flow.
        assignment: What it is to be run with.
        around: The pod.
        gate: Holds runs back while the run is to be paused.
    """

    def __init__(self, flow: Any, assignment: Assignment, around: Surroundings, gate: Gate) -> None:
        self._flow = flow
        self._assignment = assignment
        self._around = around
        self._control = Control(gate=gate, handle_signals=False, settle=self._answers_a_signal)
        self._gate = gate
        self._suspensions = Suspensions(
            around.env.uid, around.env.attempt, lambda: inputs(around.reporter.flow_run or {})
        )
        self._pauses = Pauses(around.attempt, around.reporter, lambda: around.ending.has_intent_file)
        self._waits = Waits(
            flow,
            around.env.uid,
            around.env.attempt,
            around.env.timings.long_wait,
            Resting(self._control, lambda run: any(run is held for held in gate.waiting)),
            lambda: self._pauses.part,
            around.wake,
        )
        self.outcome: Outcome | None = None
        self.unwound = False
        self._told = threading.Event()
        self.root: Any = None

    # -- on the main thread ----------------------------------------------------------------------------------------

    def run(self) -> Outcome:
        """Run the flow to its end, hooks included."""
        from penstock.drivers import observing

        env, given = self._around.env, self._assignment
        attempt = self._around.attempt
        self.root = FlowRun(
            name=given.display_name or env.flow_run,
            lineage_id=given.lineage,
            attempt=env.attempt,
            namespace=env.namespace,
            control=self._control,
        )
        self.root.suspend = self._suspensions.suspend
        attempt.progress.count(self.root.progress)
        attempt.lost_place = lambda: self.root.lost_place
        state, states = self._waits.go_on(self.root, given_up_last(self._around.reporter.flow_run or {}))
        observing.subscribe(self._observe)
        period = env.timings.progress
        self._around.reporter.send_progress(attempt.progress_report, period, first=min(FIRST_PROGRESS_SECONDS, period))
        try:
            ended = self._decide(self._drained() if self._flow.isgenerator else self._run_to_its_end(state, states))
        except ParameterBindError as error:
            # Raised before there is a run: neither states nor hooks tell of it.
            return Outcome(
                ReportType.FAILED,
                "InvalidParameters",
                f"{text_of(error)}{_hint(given.parameters)}",
                self._describe(error),
            )
        if ended.type in (ReportType.FAILED, ReportType.CRASHED):
            self._waits.forget()
        return ended

    def _run_to_its_end(self, state: Any, states: Mapping[str, Any]) -> Any:
        given = self._assignment
        ended = self._flow.run_engine(
            parameters=dict(given.parameters), context=dict(given.context), flow_run=self.root, retry_wait_limit=None,
            state=state, task_states=states,
        )  # fmt: skip
        if not self._flow.isasync:
            return ended
        import asyncio

        return asyncio.run(ended)

    def _drained(self) -> Any:
        """Pull a generator flow to its end; nobody wants what it yields."""
        from penstock.drivers import generators
        from penstock.drivers.entry import new_flow_run

        given, flow = self._assignment, self._flow
        bound = flow.binder.bind_mapping(dict(given.parameters))

        def make() -> FlowRun:
            return new_flow_run(flow, bound, None, flow_run=self.root, context=dict(given.context))

        # What it raises is in its last state.
        with contextlib.suppress(Exception, SystemExit, KeyboardInterrupt, TerminationSignal):
            if flow.isasync:
                import asyncio

                asyncio.run(_drain(generators.agenerate(make)))
            else:
                for _ in generators.generate(make):
                    pass
        return self.root.state

    def hooks(self, *, left_behind: bool) -> HooksPart:
        """Tell what became of the hooks.

        Args:
            left_behind: The process leaves now: those that run, or have not run yet, will not.
        """
        record = self._control.hooks
        ran, failed, not_run = list(record.ran), list(record.failed), list(record.not_run)
        if left_behind and (self.told or self.outcome is not None):
            met = {*ran, *failed, *not_run}
            not_run = [*not_run, *(name for name in self._wanted_hooks() if name not in met)]
        return HooksPart(tuple(ran), tuple(failed), tuple(not_run))

    @property
    def stated(self) -> bool:
        """Whether the run has had a state, and so has told of itself in the log."""
        return self.root is not None and self.root.state is not None

    @property
    def told(self) -> bool:
        """Whether the run was asked to stop."""
        return self._told.is_set()

    @property
    def suspension_note(self) -> str | None:
        """What is to be known when this run is suspended from outside, if anything."""
        return None if durable(self._flow) else NOT_DURABLE

    def _answers_a_signal(self) -> bool:
        """Whether the body crashes because a signal came, which its own handler was quicker to hear than the guard.

        Then what the signal means is decided first; that takes a report, at most.
        """
        return self._around.signalled(SETTLE_SECONDS) and self._told.wait(SETTLE_SECONDS)

    # -- from the guard --------------------------------------------------------------------------------------------

    def interrupt(self, kind: CauseKind, signal: int | None, horizon: float) -> None:
        """Ask the run to stop."""
        message = (self.suspension_note or "") if kind == "suspended" else ""
        state = self._waits.state if kind == "waiting" else None
        self._control.interrupt(Cause(kind, signal, message, state), hooks_until=horizon)
        self._gate.open()
        self._told.set()

    def hold(self, paused: bool) -> None:
        """Hold tasks and subflows back, or let them go on."""
        if paused:
            self._gate.close(pausing=True)
        else:
            self._gate.open()

    def hold_for_suspension(self) -> None:
        """Hold tasks and subflows back until the suspension, which is near, ends them."""
        self._gate.close(pausing=False)

    @property
    def leaves(self) -> bool:
        """Whether it waits for so long that the pod is to be given up."""
        return self._waits.left is not None

    @property
    def left(self) -> Outcome:
        """What the attempt ends with when it is given up for a wait."""
        state = self._waits.state
        return self._as_left(from_state(state, None, False, previews=False, describe=self._describe, stored=stored))

    def _as_left(self, outcome: Outcome) -> Outcome:
        left = self._waits.left
        if left is None:
            return outcome
        return replace(outcome, message=left.message, resume_time=left.until, waiting=left.address, pause=left.pause)

    def look_for_inputs(self, *, fresh: bool) -> None:
        """The run's inputs may have changed, in the last answer or (``fresh``) since."""
        self._pauses.look(fresh=fresh)

    @property
    def held(self) -> bool:
        """Whether something waits at the gate."""
        return self._gate.held > 0

    def limit_hooks(self, horizon: float) -> None:
        """Start no hook after that time."""
        self._control.hooks_until = horizon

    def abandon(self) -> Outcome | None:
        """Finish the run in this thread, without its body."""
        state = self._control.abandon()
        return None if state is None else self._decide(state)

    @property
    def reached(self) -> bool:
        """Whether the signal was raised in the body."""
        return self._control.reached

    @property
    def held_back(self) -> bool:
        """Whether the body is where it must not be interrupted: shielded, or the engine stores something."""
        targets = list(self._control.active.values())
        # Nothing of the user's executes: a result is being stored, which may take as long as the grace.
        return not targets or any(
            getattr(target, "shields", 0) or not getattr(target, "open", True) for target in targets
        )

    def has_hooks(self, kind: CauseKind) -> bool:
        """Whether hooks are to run when the run ends so."""
        return bool(_KIND_HOOKS.get(kind) and getattr(self._flow, _KIND_HOOKS[kind], ()))

    # -- what is seen ----------------------------------------------------------------------------------------------

    def _observe(self, run: Any, old: Any, new: Any) -> None:
        if run.control is not self._control:
            return
        if self._around.lines is not None:
            self._around.lines.observe(run, old, new)
        self._waits.observe(run, old, new)
        if run.root is run:
            self._observe_root(old, new)
            return
        self._around.attempt.tasks.observe(run, old, new)
        if not run.is_flow:
            self._around.attempt.progress.observe(run, old, new)

    def _observe_root(self, old: Any, new: Any) -> None:
        attempt, kind = self._around.attempt, new.type.value
        if kind == "RUNNING" and attempt.start_time is None:
            attempt.start_time = new.timestamp
        elif kind == "PAUSED" and new.state_details.pause_reschedule:
            # Suspended: the outcome follows.
            self.unwound = True
        elif kind == "PAUSED" and new.state_details.pause_key is not None:
            self._pauses.begun(self.root, new)
        elif kind == "PAUSED":
            attempt.report_running(attempt.running("Paused"), REQUEST_SECONDS)
        elif old is not None and old.type.value == "PAUSED" and kind in ("RUNNING", "PENDING"):
            attempt.report_running(attempt.running(), REQUEST_SECONDS)
        elif kind == "CANCELLING":
            self.unwound = True
        elif kind in ("COMPLETED", "FAILED", "CANCELLED", "CRASHED"):
            self._report(self._decide(new))

    def _decide(self, state: Any) -> Outcome:
        # The engine says by the state whether it was the signal that ended the body; a crash of its own is one still.
        interrupted = type(state.data).__name__ == "TerminationSignal"
        outcome = from_state(
            state,
            self._around.ending.kind,
            interrupted,
            previews=self._around.env.previews,
            describe=self._describe,
            stored=stored,
        )
        if outcome.type is ReportType.SUSPENDED:
            outcome = replace(outcome, pause=self._suspensions.part)
        if outcome.type in (ReportType.SUSPENDED, ReportType.AWAITING_RETRY) and self._control.cause is not None:
            outcome = self._as_left(outcome) if self._control.cause.kind == "waiting" else outcome
        if (lost := unstored(self.root.unstored, self.root.lost_place)) is not None:
            outcome = replace(outcome, message=f"{outcome.message}; {lost}" if outcome.message else lost)
        if self.outcome is None and outcome.result is not None and (words := advice(outcome.result)) is not None:
            tell(words)
        self.outcome = outcome
        self.unwound = True
        return outcome

    def _report(self, outcome: Outcome) -> None:
        """Say how it ended, before the hooks run."""
        attempt, horizon = self._around.attempt, self._around.ending.horizon
        hooks_follow = bool(getattr(self._flow, _HOOKS.get(outcome.type, ""), ()))
        if outcome.type is ReportType.SUPERSEDED or not hooks_follow:
            # The last word follows at once.
            return
        report = attempt.ended(outcome, ending=True)
        if attempt.last is None or attempt.last.document["type"] != report["type"]:
            attempt.note(report, attempt.exit_code(outcome), delivered=False)
            until = horizon if horizon is not None else time.monotonic() + self._around.env.timings.report_timeout
            attempt.report(report, until, REQUEST_SECONDS)

    def _wanted_hooks(self) -> list[str]:
        if self.outcome is not None and self.outcome.type is not ReportType.CANCELLED:
            hooks = getattr(self._flow, _HOOKS.get(self.outcome.type, ""), ())
        else:
            cause = self._control.cause
            hooks = getattr(self._flow, _KIND_HOOKS.get(cause.kind, ""), ()) if cause is not None else ()
        return [hook_name(hook) for hook in hooks]

    def _describe(self, error: BaseException) -> ErrorPart:
        from penstock.pod.errors import describe

        return describe(error, self._around.source_dir)


async def _drain(generator: Any) -> None:
    async for _ in generator:
        pass


def _hint(parameters: Mapping[str, object]) -> str:
    """What kubectl has made of a name: its YAML reads a bare `n`, `y`, `on` or `off` as a truth value."""
    found = [name for name in ("true", "false") if name in parameters]
    return f"; YAML reads a bare n, y, on, off as {' or '.join(found)}: put the name in quotes" if found else ""
