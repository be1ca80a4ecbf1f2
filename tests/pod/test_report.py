"""The report and the termination message: what is in them, and that they always fit."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, create_model

from penstock.pod.pauses import asked_for
from penstock.pod.report import (
    ErrorPart,
    HooksPart,
    PausePart,
    ProgressPart,
    Report,
    ReportType,
    ResultPart,
    cut,
    cut_front,
    document,
    minimal,
)
from penstock.pod.results import whole_json
from penstock.pod.termination import LIMIT_BYTES, render, write

TIME = datetime(2026, 11, 21, 12, 0, 0, 5, UTC)
PLAIN = Report(ReportType.RUNNING, "Running", 1, "abcd", TIME)
FULL = Report(
    ReportType.FAILED,
    "Failed",
    2,
    "abcd",
    TIME,
    message="it failed",
    start_time=TIME,
    error=ErrorPart("ValueError", "bad day", "etl.py:12 in load", "Traceback …"),
    result=ResultPart('{"rows": 3}', "dict", "s3://bucket/key", kept=True),
    signal="SIGTERM",
    intent="Cancelled",
    ending=True,
    hooks=HooksPart(("a",), ("b",), ("c",)),
    resume_time=TIME,
    waiting="load:0",
    pause=PausePart("approve", TIME, TIME, "0123", {"type": "object"}, "please", "x: wrong"),
    progress=ProgressPart(40, 2, 12, 0, 3, "12/40", "load:12 and 1 more"),
    tasks={"runs": [{"address": "load:0", "state": "Completed"}]},
)


def test_a_plain_report() -> None:
    assert document(PLAIN) == {
        "type": "Running",
        "name": "Running",
        "attempt": 1,
        "instance": "abcd",
        "time": "2026-11-21T12:00:00.000005Z",
    }


def test_a_full_report() -> None:
    stamp = "2026-11-21T12:00:00.000005Z"
    assert document(FULL) == {
        "type": "Failed",
        "name": "Failed",
        "message": "it failed",
        "attempt": 2,
        "instance": "abcd",
        "time": stamp,
        "startTime": stamp,
        "ending": True,
        "signal": "SIGTERM",
        "intent": "Cancelled",
        "hooks": {"ran": ["a"], "failed": ["b"], "notRun": ["c"]},
        "resumeTime": stamp,
        "waiting": "load:0",
        "pause": {
            "key": "approve",
            "since": stamp,
            "deadline": stamp,
            "seen": "0123",
            "input": {"schema": {"type": "object"}, "description": "please", "error": "x: wrong"},
        },
        "progress": {
            "total": 40,
            "running": 2,
            "completed": 12,
            "failed": 0,
            "cached": 3,
            "summary": "12/40",
            "activity": "load:12 and 1 more",
        },
        "tasks": {"runs": [{"address": "load:0", "state": "Completed"}]},
        "error": {
            "type": "ValueError",
            "message": "bad day",
            "location": "etl.py:12 in load",
            "traceback": "Traceback …",
        },
        "result": {"json": '{"rows": 3}', "type": "dict", "kept": True, "location": "s3://bucket/key"},
    }


def test_times_are_in_utc() -> None:
    local = datetime(2026, 11, 21, 14, tzinfo=timezone(timedelta(hours=2)))
    assert document(replace(PLAIN, time=local))["time"] == "2026-11-21T12:00:00.000000Z"


def test_names_and_messages_are_one_line() -> None:
    shown = document(replace(PLAIN, name="a\nb", message="one\r\n  two\tthree "))
    assert (shown["name"], shown["message"]) == ("a b", "one two three")


LIMITS = {
    ("name",): 64,
    ("message",): 1024,
    ("waiting",): 512,
    ("error", "type"): 256,
    ("error", "message"): 1024,
    ("error", "location"): 512,
    ("error", "traceback"): 2048,
    ("result", "type"): 256,
    ("result", "location"): 2048,
    ("result", "preview"): 512,
    ("result", "size"): 32,
    ("pause", "key"): 253,
    ("pause", "input", "description"): 1024,
    ("pause", "input", "error"): 1024,
    ("progress", "summary"): 64,
    ("progress", "activity"): 253,
}


@given(st.text(min_size=1), st.integers(1, 3000))
def test_every_text_is_cut_to_its_bound(text: str, times: int) -> None:
    long = "x" + text * times
    report = replace(
        FULL,
        name=long,
        message=long,
        waiting=long,
        error=ErrorPart(long, long, long, long),
        result=ResultPart(None, long, long, long, long, kept=False),
        pause=PausePart(long, TIME, description=long, error=long),
        progress=ProgressPart(1, 1, 1, 1, 1, long, long),
        hooks=HooksPart((long,) * 40),
    )
    shown = document(report)
    for path, limit in LIMITS.items():
        value: Any = shown
        for key in path:
            value = value[key]
        assert len(value.encode()) <= limit, path
        assert value.encode().decode() == value
    assert len(shown["hooks"]["ran"]) == 32
    assert all(len(name.encode()) <= 253 for name in shown["hooks"]["ran"])


@pytest.mark.parametrize(
    ("text", "limit", "head", "tail"),
    [
        ("abcdef", 6, "abcdef", "abcdef"),
        ("abcdef", 3, "abc", "def"),
        ("äöü", 3, "ä", "ü"),
        ("äöü", 1, "", ""),
        ("😀", 4, "😀", "😀"),
        ("a\udcffb", 10, "a?b", "a?b"),
        ("\udcff", 10, "?", "?"),
    ],
)
def test_cut(text: str, limit: int, head: str, tail: str) -> None:
    assert (cut(text, limit), cut_front(text, limit)) == (head, tail)


def test_a_schema_that_is_too_large_is_left_out_with_a_note() -> None:
    pause = PausePart("k", TIME, schema={"description": "x" * 9000})
    shown = document(replace(PLAIN, pause=pause))["pause"]["input"]
    assert "schema" not in shown
    assert "8192" in shown["error"]


class Sign:
    """A type that pydantic does not know."""


def test_what_a_pause_asks_for_can_be_said_in_json() -> None:
    """Else the thread that tells it would end, and the run would wait for what nobody has heard of."""
    types: dict[str, Any] = {
        "a": (float, float("inf")),
        "b": (str, "\ud83d"),
        "c": (int | None, None),
        "d": (Callable[[], int], print),
        "f": (int, 2**64),
    }
    model: Any = create_model("Q", __config__={"arbitrary_types_allowed": True}, e=(Sign, ...), **types)
    description, schema = asked_for(model)
    assert description is None
    assert schema is not None
    properties = {name: {key for key in field if key != "title"} for name, field in schema["properties"].items()}
    assert properties == {
        "a": {"type"},
        "b": {"type"},
        "c": {"anyOf", "default"},
        "d": set(),
        "e": set(),
        "f": {"type"},
    }
    shown = document(replace(PLAIN, pause=PausePart("k", TIME, schema=schema)))
    assert json.loads(json.dumps(shown, ensure_ascii=False, allow_nan=False).encode()) == shown


def test_a_model_that_cannot_be_described_is_asked_for_all_the_same() -> None:
    class Odd(BaseModel):
        @classmethod
        def __get_pydantic_json_schema__(cls, *_: Any) -> Any:
            raise ValueError("no")

    assert asked_for(Odd) == (None, None)


def test_the_minimal_report() -> None:
    full = document(replace(FULL, message="m" * 1000))
    assert minimal(full) == {
        "type": "Failed",
        "name": "Failed",
        "attempt": 2,
        "instance": "abcd",
        "time": full["time"],
        "message": "m" * 128,
    }


@pytest.mark.parametrize(
    ("value", "want"),
    [
        ({"rows": 3}, '{"rows": 3}'),
        (3, "3"),
        ("ä", '"ä"'),
        ("x" * 1022, '"' + "x" * 1022 + '"'),
        ("x" * 1023, None),
        ("ä" * 512, None),
        (float("nan"), None),
        (object(), None),
        ({1: {2}}, None),
    ],
)
def test_preview(value: object, want: str | None) -> None:
    assert whole_json(value) == want


def test_outcomes_are_those_that_end_an_attempt() -> None:
    assert {kind.value for kind in ReportType if kind.outcome} == {
        "Completed",
        "Failed",
        "Cancelled",
        "Crashed",
        "Interrupted",
        "Suspended",
        "AwaitingRetry",
    }


# -- the termination message ---------------------------------------------------------------------------------------


def test_the_order_of_the_termination_message() -> None:
    shown = json.loads(render(document(FULL), "u-1", 1, delivered=True))
    assert list(shown)[:9] == [
        "type", "name", "message", "attempt", "instance", "time", "uid", "exit", "delivered",
    ]  # fmt: skip
    assert (shown["uid"], shown["exit"], shown["delivered"]) == ("u-1", 1, True)
    told = {key: value for key, value in document(FULL).items() if key != "tasks"}
    assert {key: shown.get(key) for key in told} == told
    assert "tasks" not in shown, "no room for them, and nobody decides by them"


def test_a_running_message_has_no_exit_code() -> None:
    assert "exit" not in json.loads(render(document(PLAIN), "u-1", None, delivered=True))


def test_the_traceback_goes_first() -> None:
    error = ErrorPart("ValueError", "m" * 1000, "here", "\n".join(f'File "{line}"' for line in range(300)))
    report = replace(FULL, message="x" * 1024, error=error, result=ResultPart('"' + "r" * 1000 + '"', "str"))
    content = render(document(report), "u-1", 1, delivered=False)
    assert len(content) <= LIMIT_BYTES
    shown = json.loads(content)
    assert shown["result"]["json"]
    assert shown["error"]["message"]
    traceback = shown["error"].get("traceback", "")
    assert len(traceback) < 2048
    assert document(report)["error"]["traceback"].endswith(traceback)


@given(st.text(), st.integers(0, 4000), st.integers(0, 40))
def test_the_message_always_fits_and_says_what_counts(text: str, times: int, hooks: int) -> None:
    long = text * times
    report = replace(
        FULL,
        name="Failed",
        message=long,
        error=ErrorPart(long, long, long, long),
        result=ResultPart(whole_json(long), long, long, long, long),
        hooks=HooksPart((long,) * hooks, (long,) * hooks, (long,) * hooks),
        pause=PausePart("k", TIME, schema={"x": long[:2000]}, error=long),
        waiting=long,
    )
    content = render(document(report), "u-1", 1, delivered=False)
    assert len(content) <= LIMIT_BYTES
    shown = json.loads(content)
    assert {key: shown[key] for key in ("type", "name", "attempt", "instance", "uid", "exit", "delivered")} == {
        "type": "Failed",
        "name": "Failed",
        "attempt": 2,
        "instance": "abcd",
        "uid": "u-1",
        "exit": 1,
        "delivered": False,
    }


def test_a_shorter_message_replaces_a_longer_one_in_place(tmp_path: Path) -> None:
    path = tmp_path / "termination-log"
    path.write_text("")
    inode = path.stat().st_ino
    write(str(path), b"x" * 100)
    write(str(path), b"short")
    assert path.read_bytes() == b"short"
    assert path.stat().st_ino == inode


def test_a_file_that_cannot_be_written_is_ignored(tmp_path: Path) -> None:
    write(str(tmp_path), b"x")
    write(str(tmp_path / "none" / "at" / "all"), b"x")
