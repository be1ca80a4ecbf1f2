"""Log lines: which run and attempt, for machines and for people."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from penstock_operator.runtime import logs

log = logging.getLogger("penstock_operator.test")


@pytest.fixture(autouse=True)
def _as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Logging is the process's: put it back."""
    for name in ("logThreads", "logProcesses", "logMultiprocessing", "_srcfile"):
        monkeypatch.setattr(logging, name, getattr(logging, name))
    names = ("", "penstock_operator", "kopf")
    before = [(logging.getLogger(name), logging.getLogger(name).level) for name in names]
    handlers = logging.getLogger().handlers[:]
    yield
    logging.getLogger().handlers[:] = handlers
    for logger, level in before:
        logger.setLevel(level)


def lines(form: str, *, terminal: bool = False, level: str = "info") -> str:
    class Stream(io.StringIO):
        def isatty(self) -> bool:
            return terminal

    stream = Stream()
    logs.setup(form, level, stream)
    log.info("before")
    with logs.about(run="default/etl"):
        log.info("no attempt")
        logs.attempt(2)
        log.warning("with %s", "words")
        try:
            raise ValueError("oops")
        except ValueError:
            log.exception("failed")
    log.debug("detail")
    logging.getLogger("httpx").info("GET /")
    logging.getLogger("kopf.objects").warning("noise")
    logging.getLogger("kopf._core.reactor.orchestration").error("noise")
    return stream.getvalue()


def test_json() -> None:
    parsed: list[dict[str, Any]] = [json.loads(line) for line in lines("json").splitlines()]
    assert [(p["level"], p["message"], p.get("run"), p.get("attempt")) for p in parsed] == [
        ("info", "before", None, None),
        ("info", "no attempt", "default/etl", None),
        ("warning", "with words", "default/etl", 2),
        ("error", "failed", "default/etl", 2),
    ]
    assert "ValueError: oops" in parsed[-1]["error"]
    assert parsed[0]["time"].endswith("Z")


def test_text() -> None:
    found = lines("text")
    assert "INFO before\n" in found
    assert "INFO default/etl no attempt\n" in found
    assert "WARNING default/etl#2 with words\n" in found
    assert "ValueError: oops" in found
    assert "noise" not in found


@pytest.mark.parametrize(("terminal", "text"), [(True, True), (False, False)])
def test_auto(terminal: bool, text: bool) -> None:
    assert lines("auto", terminal=terminal).startswith("{") != text


def test_levels() -> None:
    assert "detail" in lines("text", level="debug")
    assert "INFO" not in lines("text", level="warning")
