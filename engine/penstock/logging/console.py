"""The engine's lines on a console, `HH:MM:SS.mmm | LEVEL   | Flow run 'x' - text`, without the module `logging`.

As long as nobody has imported `logging`, nobody can have a handler, and lines need no records: the world writes by what
is here. Importing `logging` takes as long as the rest of a first flow run, and most scripts never use it. Whoever does
finds it configured as if it had been before the first run: the import of it is noticed, and the world goes on by `setup`.
Neighbours: `setup` shows records in the same form; `base.noticing` notices the import.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from penstock.core.runs import Run

LEVELS = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40, "CRITICAL": 50}
NAMES = {number: name for name, number in LEVELS.items()}


def who(run: Run) -> str:
    """Of which run a line speaks."""
    return f"{run.kind} run {run.name!r}"


class LineFormat:
    """Makes lines; keeps the text of the second, which most lines share."""

    __slots__ = ("_clock", "_second")

    def __init__(self) -> None:
        self._second = -1
        self._clock = ""

    def line(self, created: float, level: str, who: str, text: str, exc: BaseException | None = None) -> str:
        """One line without its end, and the traceback if there is an exception.

        Args:
            created: seconds since the epoch.
            level: its name.
            who: the run, or the name of a logger.
            text: what it says.
            exc: what happened.
        """
        second = int(created)
        if second != self._second:
            self._clock = time.strftime("%H:%M:%S", time.localtime(second))
            self._second = second
        line = f"{self._clock}.{int((created - second) * 1000):03d} | {level:<7} | {who} - {text}"
        if exc is not None:
            from penstock.base.tracebacks import formatted

            line = f"{line}\n{formatted(exc).rstrip()}"
        return line


class Unheard:
    """Stands for the loggers of runs while nobody has imported `logging`.

    Args:
        level: from which level on lines are written.
        otherwise: takes a line that the console does not take, with what `write` is given.
    """

    __slots__ = ("_format", "_level", "_otherwise")

    def __init__(self, level: int, otherwise: Callable[..., None]) -> None:
        self._format = LineFormat()
        self._level = level
        self._otherwise = otherwise

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802  (as the loggers that it stands for)
        """Whether a line of the level is wanted."""
        return level >= self._level

    def write(self, run: Run, level: int, message: str, args: tuple[Any, ...], exc: BaseException | None) -> None:
        """Write a line, whole, to whatever `sys.stderr` is at the moment."""
        try:
            text = message % args if args else message
            line = self._format.line(time.time(), NAMES[level], who(run), text, exc)
            stream = sys.stderr
            if stream is not None:
                stream.write(line + "\n")
        except RecursionError:
            raise
        except Exception:  # noqa: BLE001  (`logging` knows how to say what is wrong)
            self._otherwise(run, level, message, args, exc)


def unheard(otherwise: Callable[..., None]) -> Unheard | None:
    """What writes lines by itself; None where somebody has imported `logging`, or the settings ask for more of it."""
    if "logging" in sys.modules:
        return None
    from penstock.base.settings import get_current_settings

    settings = get_current_settings().logging
    level = LEVELS.get(settings.level)
    return Unheard(level, otherwise) if level is not None and not settings.extra_loggers else None


def emit(logger: Unheard, run: Run, level: int, message: str, args: tuple[Any, ...], exc: BaseException | None) -> None:
    """Write a line of the run; `setup.emit` for those that `unheard` gave."""
    logger.write(run, level, message, args, exc)
