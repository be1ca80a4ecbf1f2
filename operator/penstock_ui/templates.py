"""The environment of the templates: everything from outside is escaped, and control characters in it are made visible.

The templates are the files beside this module. What they write is text unless it is marked as HTML, which only they and `svg` do.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import jinja2
from markupsafe import Markup

from penstock_reading import facts, flows
from penstock_reading.spans import duration
from penstock_reading.timeline import span
from penstock_reading.visible import escaped

from .assets import address

__all__ = ["FOLDER", "environment"]

FOLDER: Final = Path(__file__).parent / "templates"
# Each state has a sign besides its colour.
_SIGNS: Final = {
    "New": "○", "Scheduled": "◷", "Pending": "◌", "Running": "▶", "Paused": "‖", "Cancelling": "◍",
    "Completed": "✓", "Failed": "✕", "Crashed": "!", "Cancelled": "⊘", "Cached": "↺", "NotReady": "✕",
    "AwaitingRetry": "↻", "Ready": "✓", "Stalled": "✕", "Suspended": "‖",
}  # fmt: skip


def environment() -> jinja2.Environment:
    """Return it, with the filters that the templates use."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
        auto_reload=False,
    )
    made.globals["asset"] = address
    made.globals["headings"] = {
        "attempts": facts.ATTEMPTS, "conditions": facts.CONDITIONS, "events": facts.EVENTS, "schedules": flows.SCHEDULES,
        "next": flows.NEXT,
    }  # fmt: skip
    made.filters.update(
        ago=_ago, lasted=duration, span=span, stamp=_stamp, clock=_clock, daytime=_daytime, sign=_sign, pretty=_pretty
    )
    return made


def _shown(value: Any) -> Any:
    if isinstance(value, str) and not isinstance(value, Markup):
        return escaped(value)
    return "" if value is None else value


def _ago(seconds: float, now: float) -> str:
    return duration(now - seconds)


def _stamp(seconds: float) -> str:
    """A time for programs."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _clock(seconds: float) -> str:
    """A time for people, in this machine's zone."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")


def _daytime(when: datetime) -> str:
    """The time of a day, as the log has it, without its thousandths; the day too if it is another."""
    here = when.astimezone()
    return here.strftime("%H:%M:%S" if here.date() == datetime.now().astimezone().date() else "%d %b %H:%M:%S")


def _sign(kind: str) -> str:
    return _SIGNS.get(kind, "•")


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
