"""Lines on the console: with and without records, with and without `logging`; whoever listens hears them all."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from penstock import flow, task
from penstock.drivers.world import WORLD
from penstock.logging import console, setup
from penstock.logging.setup import ConsoleFormatter, ConsoleHandler, EngineLogger


def console_of(monkeypatch: pytest.MonkeyPatch) -> ConsoleHandler:
    """The engine's loggers as they are where nobody has configured anything, pytest neither."""
    handler = ConsoleHandler()
    top = logging.getLogger("penstock")
    monkeypatch.setattr(top, "handlers", [handler])
    monkeypatch.setattr(top, "propagate", False)
    monkeypatch.setattr(top, "level", logging.INFO)
    logging.getLogger("penstock.flow_runs").manager._clear_cache()  # type: ignore[attr-defined]
    return handler


@task(name="load", task_run_name="it's")
def load() -> None:
    pass


@flow(name="etl", flow_run_name="daily")
def etl() -> None:
    load()


class Silent:
    """An object whose methods raise."""

    def __str__(self) -> str:
        raise ValueError("no text")

    __repr__ = __str__


def failure() -> BaseException:
    try:
        raise KeyError("lost")
    except KeyError as exc:
        return exc


LINES: dict[str, tuple[int, str, tuple[Any, ...], BaseException | None]] = {
    "plain": (logging.INFO, "Finished", (), None),
    "with arguments": (logging.DEBUG, "%s of %r in %.1f s", ("run", "etl", 0.25), None),
    "without arguments a per cent sign is one": (logging.WARNING, "100 %s", (), None),
    "with an exception": (logging.ERROR, "Encountered: %r", (1,), failure()),
    "of a level without a name": (25, "Finished", (), None),
    "of an object whose text raises": (logging.ERROR, "%s", (Silent(),), None),
}


@pytest.mark.parametrize("name", LINES)
def test_a_line_without_a_record_is_that_of_its_record(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = console_of(monkeypatch)
    level, message, args, exc = LINES[name]
    monkeypatch.setattr("time.time", lambda: 1_700_000_000.0625)
    shown = []
    for run in (_run_of(etl), _run_of(load)):
        capsys.readouterr()
        handler.handle(setup.record_of(logging.getLogger("penstock"), run, level, message, args, exc))
        by_record = capsys.readouterr().err
        handler.write(run, level, message, args, exc)
        shown.append((without_places(capsys.readouterr().err), without_places(by_record)))
    assert all(line == by_record and line for line, by_record in shown), shown
    assert name == "of an object whose text raises" or ".062 | " in shown[0][0]


def _run_of(definition: Any) -> Any:
    runs: list[Any] = []
    from penstock.observers import subscribe

    end = subscribe(lambda run, _old, _new: runs.append(run))
    definition()
    end()
    return runs[0]


def without_places(text: str) -> str:
    """A report of a failed handler, without where it was called."""
    return re.sub(r'  File ".*\n(    .*\n)*', "", re.sub(r"(?s)Call stack:.*Message", "Message", text))


heard: list[str] = []


class Listening(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        heard.append(record.getMessage())


class OwnFormatter(ConsoleFormatter):
    def format(self, record: logging.LogRecord) -> str:
        heard.append(record.getMessage())
        return super().format(record)


class OwnConsole(ConsoleHandler):
    def emit(self, record: logging.LogRecord) -> None:
        heard.append(record.getMessage())


class OwnLogger(logging.Logger):
    def handle(self, record: logging.LogRecord) -> None:
        heard.append(record.getMessage())


def hears(record: logging.LogRecord) -> bool:
    heard.append(record.getMessage())
    return True


def made(*args: Any, **kwargs: Any) -> logging.LogRecord:
    record = logging.LogRecord(*args, **kwargs)
    heard.append(record.getMessage())
    return record


def called(self: logging.Logger, record: logging.LogRecord) -> None:
    heard.append(record.getMessage())


Patch = pytest.MonkeyPatch
LISTENERS: dict[str, Callable[[Patch, ConsoleHandler], Any]] = {
    "a handler of penstock": lambda patch, handler: patch.setattr(top(), "handlers", [handler, Listening()]),
    "a handler of penstock alone": lambda patch, handler: patch.setattr(top(), "handlers", [Listening()]),
    "a handler of the loggers of runs": lambda patch, handler: [
        patch.setattr(logger, "handlers", [Listening()]) for logger in of_runs()
    ],
    "a handler of root": lambda patch, handler: (
        patch.setattr(top(), "propagate", True),
        patch.setattr(logging.getLogger(), "handlers", [Listening()]),
    ),
    "a filter of the loggers": lambda patch, handler: [
        patch.setattr(logger, "filters", [hears]) for logger in of_runs()
    ],
    "a filter of the console": lambda patch, handler: patch.setattr(handler, "filters", [hears]),
    "a formatter of the console": lambda patch, handler: patch.setattr(handler, "formatter", OwnFormatter()),
    "a console of one's own": lambda patch, handler: patch.setattr(top(), "handlers", [OwnConsole()]),
    "a class of loggers": lambda patch, handler: [
        patch.setattr(logger, "__class__", OwnLogger) for logger in of_runs()
    ],
    "a factory of records": lambda patch, handler: patch.setattr(logging, "_logRecordFactory", made),
    "a collector in the place of handle": lambda patch, handler: patch.setattr(logging.Logger, "handle", called),
    "a collector in the place of callHandlers": lambda patch, handler: patch.setattr(
        logging.Logger, "callHandlers", called
    ),
}


def top() -> logging.Logger:
    return logging.getLogger("penstock")


def of_runs() -> tuple[logging.Logger, logging.Logger]:
    return logging.getLogger("penstock.flow_runs"), logging.getLogger("penstock.task_runs")


@pytest.mark.parametrize("name", LISTENERS)
def test_whoever_listens_hears_every_line(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    handler = console_of(monkeypatch)
    heard.clear()
    with monkeypatch.context() as patch:
        LISTENERS[name](patch, handler)
        etl()
    assert heard == ["Beginning flow run 'daily' for flow 'etl'", *["Finished in state Completed()"] * 2]


def test_a_console_with_a_level_of_its_own(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    handler = console_of(monkeypatch)
    assert isinstance(of_runs()[0], EngineLogger)
    etl()
    assert capsys.readouterr().err.count("Finished") == 2
    monkeypatch.setattr(handler, "level", logging.ERROR)
    etl()
    assert not capsys.readouterr().err


def test_records_are_made_for_nobody_where_the_console_is_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    console_of(monkeypatch)
    monkeypatch.setattr(setup, "record_of", lambda *_: pytest.fail("a record was made"))
    etl()


class Full:
    """A stream that takes nothing."""

    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")

    flush = write


@pytest.mark.parametrize("stream", [None, Full()])
def test_a_console_that_takes_nothing_harms_no_run(stream: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    console_of(monkeypatch)
    monkeypatch.setattr(sys, "stderr", stream)
    etl()
    monkeypatch.setattr(WORLD, "emit", console.emit)
    told: list[str] = []
    silent = console.Unheard(logging.INFO, lambda _run, _level, message, *_: told.append(message))
    monkeypatch.setattr(WORLD, "flow_logger", silent)
    monkeypatch.setattr(WORLD, "task_logger", silent)
    etl()
    assert len(told) == (0 if stream is None else 3)


SCRIPT = """
import sys
from penstock import flow, task

@task
def good(): pass

@task
def bad(): raise KeyError("lost")

@flow(flow_run_name="f")
def f():
    for future in [good.submit(), bad.submit()]:
        future.wait()
    bad(return_state=True)
    AT_END
    raise ValueError("100 %s")

f(return_state=True)
print(*{"logging", "concurrent.futures"} & set(sys.modules))
"""


def run_script(at_end: str = "pass", first: str = "", **variables: str) -> tuple[str, list[str]]:
    """Output and lines, without times and places; a sorted list, for two of them come from threads."""
    code = first + SCRIPT.replace("AT_END", at_end)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=variables)
    lines = re.sub(r"\d\d:\d\d:\d\d\.\d\d\d", "TIME", re.sub(r", line \d+", "", done.stderr)).splitlines()
    return done.stdout.strip(), sorted(lines)


def test_without_logging_the_lines_are_the_same() -> None:
    loaded, lines = run_script()
    assert loaded == ""
    expected = run_script(first="import logging")
    assert expected[0] == "logging"
    assert lines == expected[1]
    assert len([line for line in lines if "Finished in state" in line]) == 4
    assert run_script(PENSTOCK_LOGGING_LEVEL="ERROR")[0] == ""
    assert len(run_script(PENSTOCK_LOGGING_LEVEL="ERROR")[1]) < len(lines)


def test_who_imports_logging_in_a_run_finds_it_configured() -> None:
    say = "logging.getLogger('penstock.own').info('heard'); logging.getLogger('penstock.own').debug('unheard')"
    loaded, lines = run_script(f"import logging; logging.basicConfig(level='ERROR', format='root %(message)s'); {say}")
    assert loaded == "logging"
    assert "TIME | INFO    | penstock.own - heard" in lines
    assert not [line for line in lines if "unheard" in line or line.startswith("root")]
    assert len([line for line in lines if "Finished in state" in line]) == 4


@pytest.mark.parametrize(
    "imports", ["penstock.logging.configuration", "penstock.logging.handlers", "penstock.logging.setup"]
)
def test_modules_of_ours_that_import_logging(imports: str) -> None:
    loaded, lines = run_script(
        f"import {imports}; import logging; log = logging.getLogger('penstock.own'); good(); log.info('heard')"
    )
    assert loaded == "logging"
    assert "TIME | INFO    | penstock.own - heard" in lines
    assert len([line for line in lines if "Finished in state" in line]) == 5


def test_a_console_that_takes_nothing_at_first() -> None:
    full = "class Full:\n    def write(self, text): raise OSError(28, 'full')\n    flush = lambda self: None\n"
    code = f"import sys\nreal = sys.stderr\n{full}sys.stderr = Full()\n{SCRIPT.replace('AT_END', 'sys.stderr = real')}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "logging"
    assert "Finished in state Failed(" in done.stderr


def test_loggers_of_the_settings_need_logging() -> None:
    say = "import logging; logging.getLogger('mine').warning('heard')"
    loaded, lines = run_script(say, PENSTOCK_LOGGING_EXTRA_LOGGERS="mine")
    assert loaded == "logging"
    assert "TIME | WARNING | mine - heard" in lines
