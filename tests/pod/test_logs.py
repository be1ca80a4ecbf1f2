"""Lines of the log."""

from __future__ import annotations

import io
import json
import logging
import math
import sys
from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace

import pytest

from penstock.base.texts import StateText
from penstock.core.state import State
from penstock.pod.logs import JsonFormatter, LogHandler, Stamp, StateLines

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


class Odd:
    def __str__(self) -> str:
        raise RuntimeError


EXTRA: dict[str, tuple[object, object]] = {
    "a number": (3, 3),
    "text": ("é", "é"),
    "none, true, false": ([None, True, False], [None, True, False]),
    "what JSON has no number for": ([math.nan, math.inf, 2**70], ["nan", "inf", str(2**70)]),
    "a decimal": (Decimal("1.5"), "1.5"),
    "a time": (datetime(2026, 11, 21, tzinfo=UTC), "2026-11-21 00:00:00+00:00"),
    "bytes": (b"x", "b'x'"),
    "a mapping": ({"a": {1: (2, 3)}}, {"a": {"1": [2, 3]}}),
    "no text": (Odd(), "<no text: __str__ of Odd raises RuntimeError>"),
    "long text": ("x" * 2000, "x" * 1023 + "…"),
    "many": (list(range(70)), [*range(64), "… 6 more"]),
    "deep": ([[[[[[1]]]]]], [[[["[[1]]"]]]]),
    "half a character": ("\udce9", "\udce9"),
    "ends of lines": ("a\nb\u2028c\x85", "a\nb\u2028c\x85"),
}


@pytest.mark.parametrize(("value", "want"), EXTRA.values(), ids=EXTRA.keys())
def test_what_a_logger_is_given_besides(value: object, want: object) -> None:
    text = JsonFormatter(COMMON).format(record("x", run="not this", flow_name="etl", given=value))
    assert len(text.splitlines()) == 1
    line = json.loads(text)
    assert line["run"] == "etl"
    assert line["extra"] == {"run": "not this", "given": want}


def test_what_refers_to_itself_is_bounded() -> None:
    loop: dict[str, object] = {}
    loop.update(a=loop, b=[loop] * 100)
    assert len(JsonFormatter(COMMON).format(record("x", loop=loop))) < 200_000


def test_a_traceback_is_written_once() -> None:
    made = record("failed")
    again = record("failed again")
    try:
        raise ValueError("bad day")
    except ValueError:
        made.exc_info = again.exc_info = sys.exc_info()
    formatter = JsonFormatter(COMMON)
    assert "exc" in json.loads(formatter.format(made))
    assert "exc" not in json.loads(formatter.format(again))
    assert "exc" in json.loads(JsonFormatter(COMMON).format(again)), "in another log it was not"


def test_a_record_that_says_a_state_is_left_out_where_states_are_lines() -> None:
    said: list[str] = []
    for states in (False, True):
        handler = LogHandler(said.append, logging.Formatter("%(message)s"), states=states)
        handler.handle(record(StateText("Finished in state %s"), "Completed()"))
        handler.handle(record("Finished in state %s", "by the user"))
    assert said == ["Finished in state Completed()", *2 * ["Finished in state by the user"]]


def test_state_changes_with_their_duration() -> None:
    stream = io.StringIO()
    lines = StateLines(lambda text: stream.write(f"{text}\n"), COMMON)
    flow = SimpleNamespace(definition=SimpleNamespace(name="etl-flow"))
    run = SimpleNamespace(
        name="load-1a2", key=SimpleNamespace(text="i"), address="load:0", run_count=2, is_flow=False, flow=flow,
        definition=SimpleNamespace(name="load"), _start=1.0, _end=1.5,
    )  # fmt: skip
    pending, running, failed = State("PENDING"), State("RUNNING", name="Retrying"), State("FAILED", message="no")
    failed.ended = True
    lines.observe(run, None, pending)
    lines.observe(run, pending, running)
    lines.observe(run, running, failed)
    told = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(line["from"], line["to"], line["name"], line["level"]) for line in told] == [
        (None, "PENDING", "Pending", "DEBUG"),
        ("PENDING", "RUNNING", "Retrying", "DEBUG"),
        ("RUNNING", "FAILED", "Failed", "ERROR"),
    ]
    last = told[-1]
    assert last.pop("ts").endswith("Z")
    assert last == {
        **COMMON, "level": "ERROR", "logger": "penstock.states", "event": "state",
        "msg": "Finished in state Failed('no')", "flow": "etl-flow", "task": "load", "taskRun": "i",
        "taskRunName": "load-1a2", "address": "load:0", "from": "RUNNING", "to": "FAILED", "name": "Failed",
        "tries": 2, "durationMs": 500.0, "message": "no",
    }  # fmt: skip


def test_stamps_have_six_digits() -> None:
    assert Stamp().of(0.000001) == "1970-01-01T00:00:00.000001Z"
    assert Stamp().of(1.9999999) == "1970-01-01T00:00:01.999999Z"
