"""A failed run's timeline tells a person everything about it, and nothing of other runs."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from tests.support.chaos.history import History, Lived, PodSeen, Said, Version
from tests.support.chaos.timeline import read_log, timeline

BEGAN = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def history() -> History:
    made = History(clock=lambda: 0.0)
    for run in ("mine", "other"):
        status = {"state": {"type": "Running", "name": "Running", "message": f"{run} runs"}, "attempt": {"number": 1}}
        made.add(Version(2.0, run, "u", 12, {"desiredState": "Running"}, status))
        made.add(PodSeen(1.0, run, f"{run}-1", "uid-1", 1, 11, "ADDED", "Pending"))
        made.add(Said(1.5, run, 1, f"{run}-1-abc", "Running", accepted=False))
        made.add(Lived(1.2, run, 1, f"{run}-1-abc", begins=True))
        made.note("user: Cancelled", run)
    made.note("the API server is killed")
    return made


def test_everything_of_one_run_in_the_order_of_time(tmp_path: Path) -> None:
    log = tmp_path / "7-first-1.log"
    said = [
        {"time": "2026-11-21T12:00:01.7Z", "level": "info", "logger": "penstock_operator", "message": "wrote", "run": "n/mine"},
        {"time": "2026-11-21T12:00:01.7Z", "level": "info", "logger": "penstock_operator", "message": "hidden", "run": "n/other"},
        {"time": "2026-11-21T12:00:03Z", "level": "warning", "logger": "penstock_operator", "message": "the watches ended"},
    ]  # fmt: skip
    log.write_text("\n".join(json.dumps(line) for line in said) + "\nSegmentation fault\n")
    lines = timeline(history(), "mine", read_log(log, BEGAN)).splitlines()
    assert [line.split(None, 1)[1] for line in lines] == [
        "---- user: Cancelled",
        "---- the API server is killed",
        "POD  11 mine-1 uid-1 ADDED Pending",
        "PROC mine-1-abc begins",
        "SAID - mine-1-abc Running: REFUSED",
        "7-first-1 info: wrote",
        "RUN  12 Running/Running attempt 1 | mine runs",
        "7-first-1 warning: the watches ended",
        "7-first-1 raw: Segmentation fault",
    ]
