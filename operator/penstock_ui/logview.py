"""A log on a page: its last lines when the page is made, and those that come to it while it is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .podlog import LEVELS, Wanted
from .rundetail import between
from .site import rendered

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohttp import web

    from penstock_reading.runs import Run

    from .live import Patch
    from .looking import Look
    from .podlog import Line

__all__ = ["LogView", "attempt_of", "wanted_of"]

_LONGEST_TEXT = 200


def attempt_of(request: web.Request) -> int | None:
    """Return the attempt that an address asks for; None: the last."""
    asked = request.query.get("attempt", "")
    return int(asked) if asked.isascii() and asked.isdigit() and 0 < len(asked) < 7 else None


def wanted_of(request: web.Request) -> Wanted:
    """Return which lines an address asks for."""
    query = request.query
    level = query.get("level", "").upper()
    return Wanted(
        query.get("text", "").strip()[:_LONGEST_TEXT], query.get("task", ""), level if level in LEVELS else ""
    )


class LogView:
    """See the module.

    Args:
        request: of the page, or of its stream.
        look: whose log.
        most: lines that are shown at first.
    """

    def __init__(self, request: web.Request, look: Look, most: int) -> None:
        self._request = request
        self._look = look
        self._most = most
        mark, _, number = request.headers.get("Last-Event-ID", request.query.get("log", "")).partition("-")
        self._mark, self._number = mark, int(number) if number.isascii() and number.isdigit() else 0

    @property
    def place(self) -> str:
        """How far the log was shown, for the address of the stream."""
        log = self._look.log
        return f"{log.mark}-{log.kept}" if log is not None else ""

    def values(self, run: Run) -> dict[str, Any]:
        """Return what the templates show."""
        log, attempt = self._look.log, self._look.attempt
        lines: Sequence[Line] = log.since(max(0, log.kept - self._most))[0] if log is not None else ()
        return {
            "lines": lines, "left": log.kept - len(lines) if log is not None else 0,
            "logged": list(self._look.watch.attempts) if self._look.watch is not None else [],
            "run": run, "gone": self._look.gone, "attempt": attempt, "log": log, "wanted": wanted_of(self._request), "levels": LEVELS,
            "after": between(run, attempt) if attempt else "", "asked": attempt_of(self._request),
        }  # fmt: skip

    def bring(self, patch: Patch) -> None:
        """Add what has come since the last time; or the whole, where this reading of the log is another than was shown."""
        log = self._look.log
        if log is None or (log.mark, log.kept) == (self._mark, self._number):
            return
        if log.mark == self._mark:
            lines, missed = log.since(self._number)
            patch.added["log"] = rendered(self._request, "log_lines.html", lines=lines, left=missed)
        else:
            lines, _ = log.since(max(0, log.kept - self._most))
            left = log.kept - len(lines)
            patch.regions["log"] = rendered(self._request, "log_lines.html", lines=lines, left=left)
        self._mark, self._number = log.mark, log.kept
        patch.place = self.place
