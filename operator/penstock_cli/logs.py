"""`logs`: what the pods of a run's attempts wrote, from the first to the last, and what the run is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol

from penstock_reading import attempts
from penstock_reading.entries import read
from penstock_reading.wholelines import stamped

from .api import ServerError
from .errors import CliError, outcome_unknown
from .exits import Exit, of_state
from .follow import LogLine, follow
from .kinds import FLOWRUN, POD, run_names
from .runs import attempts_pods, find
from .terminal import escaped, pass_on, say

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .api import Api
    from .runs import Run

__all__ = ["logs"]

# Every run passes through these on its way: they are told by its log, a moment later.
_PASSING = frozenset({"Submitting", "Initializing", "ContainerCreating", "Starting"})


class Said(Protocol):
    """What is said between log lines."""

    def document(self) -> dict[str, Any]:
        """Return it as JSON."""


class _Text:
    """Writes for people."""

    def line(self, written: str, attempt: int) -> None:
        for entry in read(written):
            if (shown := entry.shown) is not None:
                pass_on(shown)

    def say(self, said: Said) -> None:
        pass_on(escaped(str(said)))


class _Json:
    """Writes for programs: an object a line, prints of the flow's code too."""

    def __init__(self, run: str) -> None:
        self._run = run

    def line(self, written: str, attempt: int) -> None:
        for entry in read(written):
            record = entry.record or {"logger": "stdout", "msg": entry.written, "run": self._run}
            self._write({**record, "attempt": attempt})

    def say(self, said: Said) -> None:
        self._write({"run": self._run, **said.document()})

    def _write(self, document: Mapping[str, Any]) -> None:
        pass_on(json.dumps(document, ensure_ascii=False))


class _Narrator:
    """Puts what is said between two attempts where the next one begins."""

    def __init__(self, writer: _Text | _Json, only: int | None) -> None:
        self._writer = writer
        self._only = only
        self._attempt = 0

    def line(self, run: Run, written: str, attempt: int, stamp: str) -> None:
        if self._only not in (None, attempt):
            return
        self.reach(run, attempt, stamp)
        self._writer.line(written, attempt)

    def reach(self, run: Run, attempt: int, stamp: str = "") -> None:
        """Say what lies between the attempt that was told last and this one."""
        if self._only is None:
            for number in range(max(self._attempt, 1), attempt):
                began = stamp if number + 1 == attempt else ""
                self._writer.say(attempts.between(run.status, number, began))
        self._attempt = max(self._attempt, attempt)

    def gone(self, numbers: list[int]) -> None:
        """Say which logs are not there any more."""
        numbers = [number for number in numbers if self._only in (None, number)]
        if numbers:
            self._writer.say(attempts.Gone(numbers))

    def state(self, run: Run) -> None:
        """Say what the run is."""
        self._writer.say(attempts.end(run.status))


def logs(
    api: Api, word: str, namespace: str, *, follow_on: bool = False, attempt: int | None = None, as_json: bool = False
) -> Exit:
    """Show a run's log: all attempts that still have their pod, in order; with `follow_on` until the run has ended.

    What the pod wrote is given on as it is, escape sequences included, as kubectl logs does.

    Returns:
        With `follow_on` how the run ended.
    """
    run = find(api, namespace, run_names([word])[0])
    if attempt is not None and attempt > max(run.attempt, 1) and (run.finished or not follow_on):
        was = f"it has had {run.attempt}" if run.attempt else "it has had none"
        raise CliError(f"error: {FLOWRUN.label(run.name)} has no attempt {attempt}: {was}", Exit.NOT_FOUND)
    narrator = _Narrator(_Json(run.name) if as_json else _Text(), attempt)
    pods = attempts_pods(api, run)
    narrator.gone(attempts.gone(run.status, [number for number, _ in pods]))
    if follow_on:
        with outcome_unknown():
            return _followed(api, run, narrator, attempt)
    for number, pod in pods:
        _whole(api, run, number, pod, narrator)
    if attempt is None:
        run = find(api, namespace, run.name) if not run.finished else run
        narrator.reach(run, run.attempt)
        narrator.state(run)
    return Exit.OK


def _whole(api: Api, run: Run, number: int, pod: str, narrator: _Narrator) -> None:
    """Show an attempt's log as it is now."""
    query = {"container": "engine", "timestamps": "true"}
    try:
        for stamp, written in stamped(api.lines(POD.path(run.namespace, pod, "log"), query)):
            narrator.line(run, written, number, stamp)
    except ServerError as error:
        # 400: its container does not run yet; 404: it was deleted meanwhile. What the run is says more.
        if error.status == 404:
            narrator.gone([number])
        elif error.status in (401, 403):
            raise
        elif error.status != 400:
            say(f"the log of attempt {number} cannot be read: {error.message}", error=True)


def _followed(api: Api, run: Run, narrator: _Narrator, attempt: int | None) -> Exit:
    latest = run
    for event in follow(api, [run]):
        if isinstance(event, LogLine):
            if attempt is not None and event.attempt > attempt:
                return Exit.OK
            if event.run.attempt > latest.attempt:
                latest = event.run  # another attempt in the same state is no change of it
            narrator.line(latest, event.text, event.attempt, event.stamp)
            continue
        latest = event.run
        kind, name, _ = latest.state
        if latest.finished:
            narrator.reach(latest, latest.attempt)
            narrator.state(latest)
        elif attempt is not None and latest.attempt > attempt:
            return Exit.OK
        elif kind in ("Scheduled", "Paused", "Cancelling") or (kind == "Pending" and name not in _PASSING):
            narrator.state(latest)
    if not latest.finished:
        raise CliError(f"error: {FLOWRUN.label(run.name)} was deleted", Exit.NOT_FOUND)
    return of_state(latest.state[0])
