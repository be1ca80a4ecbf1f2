"""A FlowRun in one screen: its state and why, the next step to take, what it asks, its attempts, its task runs, its last words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from penstock_operator.api import constants
from penstock_reading.asking import question
from penstock_reading.entries import readable
from penstock_reading.nextsteps import next_steps

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
    yield from _flow(run)
    yield from _state(run, program)
    yield from _times(run)
    yield from _values(run)
    yield from _attempts(api, run)
    yield from _tasks(api, run, program)
    yield from _log(api, run)
    yield from mapping("Labels", run.body["metadata"].get("labels"))
    yield from mapping("Annotations", run.body["metadata"].get("annotations"))
    yield from _conditions(run.status)


def _flow(run: Run) -> Iterator[str]:
    spec = run.body["spec"]
    yield field("Flow", run.flow or spec.get("flowSpec", {}).get("entrypoint", ""))
    if revision := (run.status.get("flow") or {}).get("revision"):
        yield field("Revision", revision)
    if spec.get("displayName"):
        yield field("Display Name", spec["displayName"])
    if repeated := (spec.get("rerunOf") or {}).get("name"):
        yield field("Retry Of", repeated)


def _state(run: Run, program: str) -> Iterator[str]:
    kind, name, message = run.state
    since = (run.status.get("state") or {}).get("time")
    shown = kind if name == kind else f"{kind}/{name}"
    lasting = f"{shown} (for {render.age(since)})" if kind and not run.finished else shown
    yield field("State", lasting or "<not seen by the operator yet>")
    if message:
        yield field("Message", message)
    if run.body["spec"].get("desiredState", "Running") != "Running":
        yield field("Desired State", run.body["spec"]["desiredState"])
    if kind == "Paused" and (run.status.get("pause") or {}).get("key"):
        yield from block("Question", question(run))
    for at, step in enumerate(next_steps(run, program)):
        yield field("Next Step" if at == 0 else "", step)


def _times(run: Run) -> Iterator[str]:
    yield field("Created", f"{render.age(run.body['metadata'].get('creationTimestamp'))} ago")
    for label, key in (("Started", "startTime"), ("Finished", "completionTime")):
        if run.status.get(key):
            yield field(label, f"{run.status[key]} ({render.age(run.status[key])} ago)")
    if run.status.get("duration"):
        yield field("Duration", run.status["duration"])
    if progress := (run.status.get("report") or {}).get("progress"):
        activity = f", {progress['activity']}" if progress.get("activity") and not run.finished else ""
        yield field("Progress", f"{progress.get('summary', '')}{activity}")


def _values(run: Run) -> Iterator[str]:
    from penstock_operator.core.inherited import given_to

    if parameters := given_to(run.status.get("parameters"), run.body["spec"].get("parameters")):
        yield "Parameters:"
        for key, value in parameters.items():
            yield from inner(key, json.dumps(value, ensure_ascii=False))
    if result := run.status.get("result"):
        yield "Result:"
        for key, value in result.items():
            yield from inner(key, str(value).lower() if isinstance(value, bool) else value)
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


def _attempts(api: Api, run: Run) -> Iterator[str]:
    status = run.status
    lines = [
        [
            str(a.get("number", "")),
            a.get("podName", ""),
            a.get("state", ""),
            a.get("reason", ""),
            str(a.get("exitCode", "")),
            a.get("message", ""),
        ]
        for a in status.get("attempts") or []
    ]
    now = status.get("attempt")
    if now and now.get("number") not in [a.get("number") for a in status.get("attempts") or []]:
        kind, name, message = run.state
        # The run's state is this attempt's; why it ended stands above already.
        code = _exit_code(api, run) if run.finished else ""
        lines.append([str(now["number"]), run.pod, kind, name if name != kind else "", code, message])
    if lines:
        yield from block(
            "Attempts", render.table(["NUMBER", "POD", "STATE", "REASON", "EXIT", "MESSAGE"], lines).split("\n")
        )


def _exit_code(api: Api, run: Run) -> str:
    """Return the exit code of the last attempt's engine, which only its pod still says; empty: there is none to be seen."""
    try:
        pod = api.find(POD.path(run.namespace, run.pod)) if run.pod else None
    except ServerError:
        return ""  # who may not read pods still wants the rest
    for container in ((pod or {}).get("status") or {}).get("containerStatuses") or []:
        if container.get("name") == constants.ENGINE_CONTAINER:
            ended = (container.get("state") or {}).get("terminated") or {}
            return str(ended.get("exitCode", ""))
    return ""


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
        shown = [text for each in api.lines(POD.path(run.namespace, run.pod, "log"), query) if (text := readable(each))]
    except ServerError as error:
        # No pod, or its container has not begun: there is no log. Who may not read it should know.
        if error.status == 403:
            yield field("Log", f"<{error.message}>")
        return
    if shown:
        yield from block("Log", "\n".join(shown).split("\n")[-_LOG_LINES:])


def _conditions(status: dict[str, Any]) -> Iterator[str]:
    if conditions := status.get("conditions") or []:
        rows = [[c["type"], c["status"], c.get("reason", ""), c.get("message", "")] for c in conditions]
        yield from block("Conditions", render.table(["TYPE", "STATUS", "REASON", "MESSAGE"], rows).split("\n"))
