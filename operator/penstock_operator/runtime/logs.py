"""Logs: one JSON object a line for machines, short lines for a terminal, and which run and attempt each line is about.

The run is a context variable, so that whatever is called on its behalf need not know it. Set up once, by the program; a library that
embeds the operator keeps its own logging.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TextIO


@dataclass(slots=True)
class _About:
    run: str
    attempt: int | None = None


_about: ContextVar[_About | None] = ContextVar("about", default=None)


@contextmanager
def about(*, run: str) -> Iterator[None]:
    """Say on each line logged meanwhile which run it is about."""
    token = _about.set(_About(run))
    try:
        yield
    finally:
        _about.reset(token)


def attempt(number: int | None) -> None:
    """Say from now on which attempt of the run it is about."""
    present = _about.get()
    if present is not None:
        present.attempt = number


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, and run, attempt, error where there are any."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a record."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        present = _about.get()
        if present is not None:
            line["run"] = present.run
            if present.attempt is not None:
                line["attempt"] = present.attempt
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class TextFormatter(logging.Formatter):
    """`12:00:01.123 INFO default/etl#2 Running/Running`."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a record."""
        time = datetime.fromtimestamp(record.created).strftime("%H:%M:%S.%f")[:-3]  # noqa: DTZ006: a person's own clock
        present = _about.get()
        subject = ""
        if present is not None:
            subject = f" {present.run}" if present.attempt is None else f" {present.run}#{present.attempt}"
        line = f"{time} {record.levelname}{subject} {record.getMessage()}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def setup(form: str, level: str, stream: TextIO) -> None:
    """Begin to log.

    Args:
        form: json, text, or auto: text on a terminal.
        level: of our own lines; the libraries' begin at warnings.
        stream: where lines go.
    """
    text = form == "text" or (form == "auto" and stream.isatty())
    handler = logging.StreamHandler(stream)
    handler.setFormatter(TextFormatter() if text else JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for ours in ("penstock_operator", "penstock_ui"):
        logging.getLogger(ours).setLevel(level.upper())
    # kopf logs each request that it repeats, and two tracebacks for each watch that ends; what matters of these we say ourselves.
    logging.getLogger("kopf").setLevel(logging.CRITICAL)
    # No line of ours says where in the source, in which thread or process it was written: logging need not find out.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None  # the documented way
