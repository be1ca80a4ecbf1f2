"""A FlowRun in one screen: its state and why, the next step to take, what it asks, its attempts, its task runs, its last words."""

from __future__ import annotations

from itertools import starmap
from typing import TYPE_CHECKING, Any

from penstock_reading import facts
from penstock_reading.asking import question
from penstock_reading.entries import readable
from penstock_reading.nextsteps import next_steps
from penstock_reading.wholelines import whole_lines

from . import render
from .api import ServerError
from .kinds import POD
from .tasks import overview
from .texts import block, field, indented, inner, mapping

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .api import Api
    from .runs import Run

__all__ = ["flow_run"]

_LOG_LINES = 10
_TASKS = 10
_TRACEBACK_LINES = 12


def flow_run(api: Api, run: Run, program: str) -> Iterator[str]:
    """Yield the lines that tell of a run.

    Args:
        api: the API server, for the log.
        run: as it is.
        program: what the user called this program, for commands to paste.
    """
    yield field("Name", run.name)
    yield field("Namespace", run.namespace)
    yield from starmap(field, facts.flow(run))
    yield from _state(run, program)
    yield from starmap(field, facts.times(run))
    yield from _values(run)
    if attempts := facts.attempts(run, _exit_code(api, run) if run.finished else ""):
        yield from block("Attempts", render.table(facts.ATTEMPTS, attempts).split("\n"))
    yield from _tasks(api, run, program)
    yield from _log(api, run)
    yield from mapping("Labels", run.body["metadata"].get("labels"))
    yield from mapping("Annotations", run.body["metadata"].get("annotations"))
    yield from _conditions(run.status)


def _state(run: Run, program: str) -> Iterator[str]:
    kind, _, message = run.state
    yield field("State", facts.state(run))
    if message:
        yield field("Message", message)
    if run.body["spec"].get("desiredState", "Running") != "Running":
        yield field("Desired State", run.body["spec"]["desiredState"])
    if kind == "Paused" and (run.status.get("pause") or {}).get("key"):
        yield from block("Question", question(run))
    for at, step in enumerate(next_steps(run, program)):
        yield field("Next Step" if at == 0 else "", step)


def _values(run: Run) -> Iterator[str]:
    for label, pairs in (("Parameters", facts.parameters(run)), ("Result", facts.result(run))):
        if shown := list(pairs):
            yield f"{label}:"
            for key, value in shown:
                yield from inner(key, value)
    if error := run.status.get("error"):
        yield "Error:"
        for key in ("type", "message", "location"):
            if error.get(key):
                yield from inner(key, error[key])
        if error.get("traceback"):
            yield "  traceback:"
            lines = str(error["traceback"]).rstrip("\n").split("\n")
            left_out = (
                [f"... ({len(lines) - _TRACEBACK_LINES} lines more: -o yaml)"] if len(lines) > _TRACEBACK_LINES else []
            )
            yield from indented("\n".join([*left_out, *lines[-_TRACEBACK_LINES:]]), by=4)


def _exit_code(api: Api, run: Run) -> str:
    """Return the exit code of the last attempt's engine, which only its pod still says; empty: there is none to be seen."""
    try:
        pod = api.find(POD.path(run.namespace, run.pod)) if run.pod else None
    except ServerError:
        return ""  # who may not read pods still wants the rest
    return facts.exit_code(pod or {})


def _tasks(api: Api, run: Run, program: str) -> Iterator[str]:
    try:
        shown = overview(api, run, _TASKS, program) if run.attempt else []
    except ServerError as error:
        yield field("Tasks", f"<{error.message}>")  # who may not read pods still wants the rest
        return
    if shown:
        yield from block("Tasks", shown)


def _log(api: Api, run: Run) -> Iterator[str]:
    """The last lines of the last attempt, while its pod is there."""
    if not run.pod:
        return
    # Of what a pod writes most are state changes that a plain process does not print.
    query = {"container": "engine", "tailLines": str(8 * _LOG_LINES)}
    try:
        lines = whole_lines(api.lines(POD.path(run.namespace, run.pod, "log"), query))
        shown = [text for each in lines if (text := readable(each))]
    except ServerError as error:
        # No pod, or its container has not begun: there is no log. Who may not read it should know.
        if error.status == 403:
            yield field("Log", f"<{error.message}>")
        return
    if shown:
        yield from block("Log", "\n".join(shown).split("\n")[-_LOG_LINES:])


def _conditions(status: dict[str, Any]) -> Iterator[str]:
    if rows := facts.conditions(status):
        yield from block("Conditions", render.table(facts.CONDITIONS, rows).split("\n"))
