"""Who has the last word is what the termination message tells, whatever another thread was about to say."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from penstock.pod.attempt import Attempt, Phase
from penstock.pod.ending import Ending
from penstock.pod.outcome import Outcome
from penstock.pod.report import ReportType

COMPLETED = Outcome(ReportType.COMPLETED, "Completed")


def made(log: Path) -> tuple[Attempt, Ending]:
    """An attempt whose flow runs, and the ending that listens for it."""
    identity: Any = SimpleNamespace(attempt=1, instance="i", uid="u")
    reporter: Any = SimpleNamespace()
    attempt = Attempt(identity, reporter, str(log), lambda: datetime.now(UTC))
    attempt.advance(Phase.RUNNING)
    nobody: Any = SimpleNamespace()
    return attempt, Ending(attempt, reporter, nobody, nobody, grace=30, suspend_wait=10)


def told(log: Path) -> tuple[str, int, bool]:
    said = json.loads(log.read_text())
    return said["type"], said["exit"], said["delivered"]


def test_a_first_report_tells_what_is_about_to_happen(tmp_path: Path) -> None:
    log = tmp_path / "log"
    attempt, ending = made(log)
    assert attempt.stop() is Phase.RUNNING
    ending._first_report("")
    assert told(log) == ("Interrupted", 143, False)
    assert attempt.take()
    attempt.note(attempt.ended(COMPLETED, ending=False), 0, delivered=True)
    assert told(log) == ("Completed", 0, True)


def test_a_first_report_that_comes_after_the_last_word_is_not_written(tmp_path: Path) -> None:
    """The guard heard a signal while the body ran, and was not given its turn until the body had ended and the process was leaving."""
    log = tmp_path / "log"
    attempt, ending = made(log)
    assert attempt.stop() is Phase.RUNNING
    assert attempt.take()
    attempt.note(attempt.ended(COMPLETED, ending=False), 0, delivered=True)
    ending._first_report("")
    assert told(log) == ("Completed", 0, True)
