"""The life of the pod's process on the main thread, after the claim was sent: load, run, report, leave.

Reads like the list of its steps. What comes from outside is dealt with by ``penstock.pod.ending`` in the guard's thread;
once that has begun, the main thread begins nothing new and waits for the end.
"""

from __future__ import annotations

import gc
import threading
import time
from typing import TYPE_CHECKING, Any, NoReturn

from penstock.base.texts import repr_of
from penstock.drivers.sync import Dropped
from penstock.interruption import forks
from penstock.pod import assignment, claim, failures, loading, logs, patching, revision, scratch
from penstock.pod.attempt import Phase
from penstock.pod.body import Body, Surroundings
from penstock.pod.delivery import Fence
from penstock.pod.gate import Gate
from penstock.pod.intent import Intent
from penstock.pod.leave import leave
from penstock.pod.outcome import EXIT_CRASHED, Outcome
from penstock.pod.report import HooksPart, ReportType
from penstock.pod.reporter import REQUEST_SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from penstock.pod.attempt import Attempt
    from penstock.pod.ending import Ending
    from penstock.pod.environment import PodEnvironment
    from penstock.pod.guard import Guard
    from penstock.pod.reporter import Reporter


class Life:
    """The steps; each ends the process itself when it is the last."""

    def __init__(
        self,
        env: PodEnvironment,
        run_dir: str | None,
        attempt: Attempt,
        reporter: Reporter,
        ending: Ending,
        guard: Guard,
    ) -> None:
        self._env = env
        self._run_dir = run_dir
        self._attempt = attempt
        self._reporter = reporter
        self._ending = ending
        self._guard = guard

    def live(self) -> NoReturn:
        """Wait for the claim, load, run, report, leave."""
        try:
            self._live()
        except Dropped:
            # The guard has taken the run over; this thread is not needed any more.
            _park()
        except BaseException as error:  # noqa: BLE001 - a bug of ours must be told like any other end
            if forks.forked():
                forks.end(error)
            from penstock.pod.errors import describe

            self._finish(
                Outcome(ReportType.CRASHED, "EngineError", f"the engine failed: {repr_of(error)}", describe(error))
            )

    def _live(self) -> NoReturn:
        env = self._env
        common = {
            "run": env.flow_run,
            "namespace": env.namespace,
            "attempt": env.attempt,
            "pod": env.pod_name,
            "podUid": env.pod_uid,
            "node": env.node_name,
        }
        common = {name: value for name, value in common.items() if value is not None}
        lines = logs.install(env.log_format, env.log_level, common)
        ahead = loading.compile_ahead(env.entrypoint, env.source_dir)
        flow_run = self._claimed()
        proven = self._proven(flow_run)
        given = self._assigned(flow_run)
        if given.desired.ends or not self._attempt.advance(Phase.LOADING):
            # The guard reads the same answer, and ends the process.
            _park()
        folder = self._folder(given)
        flow = self._loaded(given, folder, loading.still_valid(ahead, env.source_dir, folder, proven))
        body = Body(
            flow,
            given,
            Surroundings(
                env, self._attempt, self._reporter, lines, self._ending, folder, self._guard.signalled, self._guard.wake
            ),
            Gate(on_held=self._guard.wake),
        )
        if given.desired is Intent.PAUSED:
            self._ending.pause_by_answer()
        self._ending.body = body
        body.hold(self._ending.paused)
        if not self._attempt.advance(Phase.RUNNING):
            _park()
        self._finish(body.run(), body)

    def _finish(self, outcome: Outcome, body: Body | None = None) -> NoReturn:
        """Say the last word and leave."""
        if forks.forked():
            # Whatever way a child of the user's has come here: the run, and what is said of it, are its parent's.
            forks.end(None)
        if not self._attempt.take():
            _park()
        try:
            self._last_word(outcome, body)
        except Exception:  # noqa: BLE001 - from here on nobody else ends the process; what was reported before stands
            failures.tell()
            leave(EXIT_CRASHED, normal=False)

    def _last_word(self, outcome: Outcome, body: Body | None) -> NoReturn:
        attempt, reporter = self._attempt, self._reporter
        attempt.advance(Phase.LEAVING)
        if body is None or not body.stated:
            _tell(outcome)
        code = attempt.exit_code(outcome)
        hooks = body.hooks(left_behind=False) if body is not None else HooksPart()
        document = attempt.ended(outcome, ending=False, hooks=hooks)
        attempt.note(document, code, delivered=False)
        if outcome.type not in (ReportType.REFUSED, ReportType.SUPERSEDED) and reporter.claimed_document:
            horizon = self._ending.horizon
            until = horizon if horizon is not None else time.monotonic() + self._env.timings.report_timeout
            ticket = attempt.report(document, until, REQUEST_SECONDS)
            ticket.settled.wait()
            fenced = reporter.fenced
            if fenced is not None and fenced.fence is Fence.SUPERSEDED and not ticket.delivered:
                outcome = Outcome(ReportType.SUPERSEDED, "Superseded", fenced.message)
                code = attempt.exit_code(outcome)
                document = attempt.ended(outcome, ending=False)
            attempt.note(document, code, delivered=ticket.delivered)
        leave(code, normal=self._ending.horizon is None, horizon=self._ending.horizon)

    def _claimed(self) -> Any:
        """Wait for the claim; the FlowRun that it brought."""
        self._reporter.claimed.wait()
        if not self._attempt.advance(Phase.CLAIMING):
            _park()
        outcome = self._reporter.claim_outcome
        if isinstance(outcome, claim.Refused):
            self._finish(Outcome(ReportType.REFUSED, "Refused", outcome.message))
        if isinstance(outcome, claim.Unclaimed):
            self._finish(Outcome(ReportType.CRASHED, outcome.name, outcome.message))
        flow_run = self._reporter.flow_run
        self._attempt.note_running(self._reporter.claimed_document)
        _tell_pruned(self._reporter.claimed_document, assignment.report_of(flow_run or {}))
        return flow_run

    def _proven(self, flow_run: Any) -> Mapping[str, str] | None:
        try:
            return revision.prove(flow_run or {}, self._env.source_dir)
        except revision.RevisionChangedError as error:
            self._finish(Outcome(ReportType.CRASHED, "RevisionChanged", str(error)))

    def _folder(self, given: assignment.Assignment) -> str | None:
        try:
            return loading.source_folder(given, self._env.source_dir, self._run_dir)
        except OSError as error:
            text = (
                f"the source can't be written: {error}; the pod needs a folder that it may write ({scratch.VARIABLE})"
            )
            self._finish(Outcome(ReportType.CRASHED, "LoadError", text))

    def _assigned(self, flow_run: Any) -> assignment.Assignment:
        try:
            # A flow.json beside a flowSpec is a file of the user's.
            whole = assignment.has_flow(flow_run)
            flow = None if whole else loading.flow_file(self._env.source_dir)
            return assignment.assign(flow_run, flow, self._env.entrypoint)
        except (assignment.NoEntrypointError, ValueError) as error:
            self._finish(Outcome(ReportType.CRASHED, "LoadError", str(error)))
        except assignment.TooDeepError as error:
            self._finish(Outcome(ReportType.FAILED, "InvalidParameters", str(error)))

    def _loaded(self, given: assignment.Assignment, folder: str | None, ahead: Any) -> Any:
        gc.enable()
        forks.watch()
        patching.refuse()
        try:
            loading.use_folder(folder)
            flow = loading.load(given.entrypoint, folder, ahead)
        except BaseException as error:  # noqa: BLE001 - whatever the user's module does at its level
            if forks.forked():
                forks.end(getattr(error, "user_exc", None) or error)
            from penstock.pod.errors import describe, in_one_line

            cause = getattr(error, "user_exc", None) or error
            part = describe(cause, folder)
            self._finish(Outcome(ReportType.CRASHED, "LoadError", in_one_line(part), part))
        if forks.forked():
            forks.end(None)
        return flow


def _tell(outcome: Outcome) -> None:
    """Say in the log, too, why there was no run, or none that could say it itself."""
    import logging

    logger = logging.getLogger("penstock.pod")
    words = (outcome.name, outcome.message or "")
    record = logger.makeRecord(logger.name, logging.ERROR, __file__, 0, "%s: %s", words, None)
    traceback = outcome.error.traceback if outcome.error is not None else ""
    # Without a place of the user's it has nothing that the message lacks.
    if '  File "' in traceback:
        record.exc_text = traceback
    logger.handle(record)


def _tell_pruned(sent: Any, kept: Any) -> None:
    """Say which fields the server dropped without a word: its CRD is older than this engine."""
    lost = sorted(set(sent) - set(kept))
    if lost:
        import logging

        logging.getLogger("penstock.pod").warning(
            "The API server dropped fields of the report: %s. Its CRD is older than this engine.", ", ".join(lost)
        )


def _park() -> NoReturn:
    """Wait for the guard to end the process."""
    forever = threading.Event()
    while True:
        forever.wait()
