"""`wait`: until runs have ended, have a condition, or are gone."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from .errors import CliError
from .kinds import FLOWRUN, run_names
from .runs import Run, not_found
from .terminal import line, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .api import Api

__all__ = ["seconds", "wait"]

_POLL_SECONDS = 0.2
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds(text: str) -> float:
    """Return a span of time as kubectl takes it: `30s`, `1h30m`; a bare number counts seconds.

    Raises:
        CliError: it is none.
    """
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise CliError(f'error: invalid duration "{text}": write it as 30s, 5m or 1h30m')
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def wait(api: Api, words: Sequence[str], namespace: str, *, condition: str | None, timeout: float) -> int:
    """Wait for runs: for their end (exit code 1 unless all are Completed), or as kubectl does for a condition or their deletion."""
    deadline = time.monotonic() + timeout
    names = run_names(words)
    code = 0
    for name in names:
        run = _wait_for(api, namespace, name, condition, deadline)
        if condition is not None or run is None:
            say(f"{FLOWRUN.label(name)} {'deleted' if run is None else 'condition met'}")
            continue
        kind, state, message = run.state
        shown = kind if kind == state else f"{kind}/{state}"
        say(f"{FLOWRUN.label(name)} {shown}" + (f": {line(message)}" if message else ""))
        code = code or int(not run.completed)
    return code


def _wait_for(api: Api, namespace: str, name: str, condition: str | None, deadline: float) -> Run | None:
    """Return the run when it is as wanted; None when it is gone and that was wanted."""
    deleting = condition == "delete"
    kind, _, rest = (condition or "condition=Finished").partition("=")
    if not deleting and (kind != "condition" or not rest):
        raise CliError(
            f"error: --for={condition} is not understood: use delete, condition=NAME or condition=NAME=STATUS"
        )
    wanted, _, status = rest.partition("=")
    while True:
        found = api.find(FLOWRUN.path(namespace, name))
        if found is None and deleting:
            return None
        if found is None:
            raise not_found(name)
        run = Run(found)
        if not deleting and run.condition(wanted).lower() == (status or "True").lower():
            return run
        if time.monotonic() >= deadline:
            raise CliError(f"error: timed out waiting for the condition on flowruns/{name}")
        time.sleep(_POLL_SECONDS)
