"""The beginning of the pod's process, on the main thread: environment, claim under way, guard at its post.

What is imported here is all that the claim needs; the engine is imported after the claim was sent.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import os
import random
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NoReturn

from penstock.kube.client import KubeClient
from penstock.kube.credentials import TokenFile
from penstock.pod import beat, clib, environment, processes, scratch, termination
from penstock.pod.attempt import Attempt
from penstock.pod.claim import Identity
from penstock.pod.ending import Ending
from penstock.pod.environment import ConfigurationError
from penstock.pod.intent import IntentFile
from penstock.pod.outcome import EXIT_CRASHED, Outcome
from penstock.pod.report import ReportType
from penstock.pod.reporter import Reporter

if TYPE_CHECKING:
    from penstock.pod.guard import Guard


def run(guard: Guard) -> NoReturn:
    """Be the pod's process, from the first statement after the handlers to the exit."""
    # Importing makes many objects and no garbage; users' code gets the collector back.
    gc.disable()
    if sys.argv[1:] == ["--version"]:
        _version()
    try:
        env = environment.parse(os.environ)
    except ConfigurationError as error:
        _misconfigured(str(error))
    processes.lead_group()
    identity = Identity(env.uid, env.attempt, env.pod_name, os.urandom(8).hex())
    reporter = Reporter(
        KubeClient(env.api_server, TokenFile(env.token_file), env.ca_file, env.proxy),
        env.status_path,
        identity,
        claim_timeout=env.timings.claim_timeout,
        clock=time.monotonic,
        random=random.random,
        on_change=guard.wake,
    )
    attempt = Attempt(identity, reporter, env.termination_log, lambda: datetime.now(UTC))
    reporter.start(attempt.running("Running" if env.attempt == 1 else "Retrying"))
    ending = Ending(
        attempt,
        reporter,
        guard,
        IntentFile(env.intent_file),
        grace=env.grace,
        suspend_wait=env.timings.suspend_wait,
    )
    guard.poll_seconds = env.timings.intent_poll or guard.poll_seconds
    guard.attach(ending)
    run_dir = scratch.folder(env.run_dir)
    beat.start(run_dir, _beside_the_start)

    # Two threads that import share one interpreter: let the claim go out first, and import while it is answered.
    reporter.prepared.wait()
    try:
        from penstock.pod.life import Life
    except Exception as error:  # noqa: BLE001 - the image is broken: no failure of the flow's, and no exit 1
        _broken(attempt, f"the engine cannot be imported: {type(error).__name__}: {error}")
    Life(env, run_dir, attempt, reporter, ending, guard).live()


def _beside_the_start() -> None:
    """Do what need not hold up the start."""
    # The last words of a process that dies in code in C: where it was.
    with contextlib.suppress(OSError, ValueError, RuntimeError, AttributeError):
        faulthandler.enable()
    processes.adopt_orphans()
    clib.print_by_lines()


def _version() -> NoReturn:
    """Say what is installed here, with all imported that a claim needs: the cold start of an image is the time of this."""
    from penstock.base.version import __version__

    sys.stdout.write(f"penstock {__version__}, Python {sys.version.split()[0]}\n")
    sys.exit(0)


def _broken(attempt: Attempt, message: str) -> NoReturn:
    sys.stderr.write(f"penstock.pod: {message}\n")
    outcome = Outcome(ReportType.CRASHED, "EngineError", message)
    attempt.note(attempt.ended(outcome, ending=False), EXIT_CRASHED, delivered=False)
    sys.stderr.flush()
    os._exit(EXIT_CRASHED)


def _misconfigured(message: str) -> NoReturn:
    sys.stderr.write(f"penstock.pod: {message}\n")
    document = {"type": "Crashed", "name": "EngineError", "message": message}
    path = os.environ.get("PENSTOCK_TERMINATION_LOG") or environment.TERMINATION_LOG
    uid = os.environ.get("PENSTOCK_FLOWRUN_UID", "")
    termination.write(path, termination.render(document, uid, EXIT_CRASHED, delivered=False))
    sys.stderr.flush()
    os._exit(EXIT_CRASHED)
