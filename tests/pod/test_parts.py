"""Long lines of the log in parts, and put together again; a line on the descriptor."""

from __future__ import annotations

import fcntl
import json
import os
import select
import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.clusterruns.podlines import PodLines
from penstock.pod import lines
from penstock.pod.parts import parts_of
from penstock_reading.wholelines import WholeLines, whole_lines

LONG = st.builds(lambda text, times: text * times, st.text(), st.integers(1, 300))
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | LONG,
    lambda of: st.lists(of, max_size=4) | st.dictionaries(st.text(), of, max_size=4),
    max_leaves=8,
)
LINES = st.fixed_dictionaries(
    {"ts": st.just("2026-11-21T12:00:00.500000Z"), "level": LONG, "logger": LONG, "msg": LONG},
    optional={"run": LONG, "attempt": st.integers(1, 9), "address": LONG, "exc": LONG, "after": st.lists(st.text()), "extra": PLAIN},
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(LINES, st.integers(1024, 4093))
def test_parts_are_short_and_together_the_line(fields: dict[str, Any], longest: int) -> None:
    line = json.dumps(fields, ensure_ascii=False).encode()
    parts = parts_of(line, longest, "1-1")
    assert all(len(part) <= longest for part in parts)
    texts = [part.decode() for part in parts]  # no character is cut
    read = [json.loads(text) for text in texts]
    if len(parts) > 1:
        assert [(each["part"], each["parts"]) for each in read] == [(n, len(parts)) for n in range(1, len(parts) + 1)]
        assert all({"ts", "level", "logger", "msg"} <= each.keys() for each in read)
        assert all(len(text.splitlines()) == 1 for text in texts)
    (whole,) = whole_lines(texts)
    assert json.loads(whole) == fields


@pytest.mark.parametrize("line", [b"short", b"x" * 5000, b"[" + b"1," * 5000 + b"1]"])
def test_what_is_no_object_stays_as_it_is(line: bytes) -> None:
    assert parts_of(line, 1024, "1-1") == [line]


def cut(name: str, text: str) -> list[str]:
    fields = {"ts": "2026-11-21T12:00:00Z", "level": "INFO", "logger": "a", "msg": text}
    parts = [part.decode() for part in parts_of(json.dumps(fields).encode(), 1024, name)]
    assert len(parts) == 3
    return parts


ONE, TWO, OTHER = cut("1-1", 2000 * "a"), cut("1-2", 2000 * "b"), cut("2-1", 2000 * "c")
# What stands in the log, and how it is read: `A` is the text of ONE, put together.
READ = {
    "one": (ONE, "A"),
    "others' lines between": ([ONE[0], "x", *ONE[1:2], OTHER[0], ONE[2], *OTHER[1:]], "XAC"),
    "empty lines that were put between": ([ONE[0] + " ", "", ONE[1] + " ", "", ONE[2] + " "], "A"),
    "an empty line that was printed": ([ONE[0], "", ONE[1], ONE[2]], ".A"),
    "an end only": (ONE[1:], "pp"),
    "a beginning only": (ONE[:2], "pp"),
    "the next line before the end": ([*ONE[:2], *TWO], "ppB"),
    "a part that is missing": ([ONE[0], ONE[2], "x"], "ppX"),
    "a part twice": ([ONE[0], ONE[0], *ONE[1:]], "pA"),
    "a print that looks like one": (['{"ts": "", "parts": 2, "part": 1, "whole": 7}'], "?"),
    "a piece that does not fit": ([ONE[0], ONE[1].replace('"msg": "', '"msg": 7, "x": "'), ONE[2]], "ppp"),
}


@pytest.mark.parametrize(("written", "wanted"), READ.values(), ids=READ.keys())
def test_parts_are_put_together(written: list[str], wanted: str) -> None:
    known = WholeLines()
    told = [text for line in written for _, text in known.take("", line)] + [text for _, text in known.rest()]
    shown = ""
    for text in told:
        found = json.loads(text) if text.startswith("{") else {"msg": text}
        message = str(found.get("msg", "?"))
        assert len(message) in (0, 1, 2000) or "part" in found
        shown += "p" if "part" in found and message != "?" else message[:1].upper() or "."
    assert shown == wanted


def test_who_waits_for_a_run_is_told_its_long_lines_whole() -> None:
    reader = PodLines()
    told = [said.text for line in (*ONE[:2], "x", ONE[2], *TWO, *OTHER[:2]) for said in reader.take(line)]
    assert [(text[0], len(text)) for text in told] == [("x", 1), ("a", 2000), ("b", 2000)]
    (rest,) = reader.rest()
    assert rest.text
    assert set(rest.text) == {"c"}


def piped() -> tuple[lines.Output, int, int]:
    reading, writing = os.pipe()
    return lines.Output(writing), reading, writing


def test_a_pipe_that_does_not_wait_loses_nothing() -> None:
    output, reading, writing = piped()
    os.set_blocking(writing, False)
    text = 3000 * "x"

    def write() -> None:
        for _ in range(100):
            output.line(text)

    writer = threading.Thread(target=write)
    writer.start()
    left, got = 100 * 3001, b""
    while len(got) < left and select.select([reading], [], [], 10)[0]:
        got += os.read(reading, 1 << 16)
    writer.join(10)
    assert got.decode() == 100 * f"{text}\n"


def test_a_pipe_has_room_for_what_a_child_writes_at_once() -> None:
    _, reading, _ = piped()
    assert fcntl.fcntl(reading, fcntl.F_GETPIPE_SZ) == lines.ROOM


def test_nobody_reads_any_more() -> None:
    output, reading, _ = piped()
    os.close(reading)
    output.line("said")


def test_a_line_that_was_broken_off_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    output, reading, _ = piped()

    def stopped(descriptor: int, content: bytes) -> int:
        os.write(descriptor, content[:3])
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(lines, "_real_write", stopped)
        with pytest.raises(KeyboardInterrupt):
            output.line("first")
    output.line("second")
    assert os.read(reading, 100) == b"fir\nsecond\n"
