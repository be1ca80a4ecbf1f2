"""Lines of the log."""

from __future__ import annotations

import io
import json
import logging
import sys
from types import SimpleNamespace

from penstock.core.state import State
from penstock.pod.logs import JsonFormatter, StateLines, stamp

COMMON = {"run": "etl", "namespace": "team-a", "attempt": 1}


def record(message: str, *args: object, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("penstock.flow_runs", logging.INFO, "f.py", 1, message, args, None)
    made.__dict__.update(extra)
    return made


def test_a_record() -> None:
    line = json.loads(JsonFormatter(COMMON).format(record("read %d rows", 3, flow_name="etl", task_name="load")))
    assert line.pop("ts").endswith("Z")
    assert line == {
        "level": "INFO",
        "logger": "penstock.flow_runs",
        "msg": "read 3 rows",
        **COMMON,
        "flow": "etl",
        "task": "load",
    }


def test_a_record_with_an_exception_is_one_line() -> None:
    made = record("failed")
    try:
        raise ValueError("bad\nday")
    except ValueError:
        made.exc_info = sys.exc_info()
    text = JsonFormatter(COMMON).format(made)
    assert "\n" not in text
    assert "ValueError: bad\nday" in json.loads(text)["exc"]


def test_values_that_json_does_not_know() -> None:
    assert json.loads(JsonFormatter({"run": object()}).format(record("x")))["run"].startswith("<object")


def test_state_changes_with_their_duration() -> None:
    stream = io.StringIO()
    lines = StateLines(lambda text: stream.write(f"{text}\n"), COMMON)
    run = SimpleNamespace(name="load-1a2", id="i", task_key="load", address="load:0", run_count=2)
    pending, running, failed = State("PENDING"), State("RUNNING", name="Retrying"), State("FAILED", message="no")
    lines.observe(run, None, pending)
    lines.observe(run, pending, running)
    lines.observe(run, running, failed)
    told = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(line["from"], line["to"], line["name"]) for line in told] == [
        (None, "PENDING", "Pending"),
        ("PENDING", "RUNNING", "Retrying"),
        ("RUNNING", "FAILED", "Failed"),
    ]
    last = told[-1]
    assert last["event"] == "state"
    assert (last["tries"], last["message"], last["address"], last["task"], last["taskRun"]) == (
        2,
        "no",
        "load:0",
        "load-1a2",
        "i",
    )
    assert last["durationMs"] >= 0
    assert {key: last[key] for key in COMMON} == COMMON


def test_stamps_have_six_digits() -> None:
    assert stamp(0.000001) == "1970-01-01T00:00:00.000001Z"
    assert stamp(1.9999999) == "1970-01-01T00:00:01.999999Z"
