"""`describe`: one object in full, for people. A FlowRun tells its story; any other kind is shown as kubectl shows it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from . import render
from .api import ServerError
from .errors import CliError
from .kinds import EVENT, FLOWRUN, targets
from .runs import Run
from .terminal import line, say

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .api import Api, Json

__all__ = ["describe"]

_LABEL = 16
# The whole object once more, in one line.
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def describe(api: Api, words: Sequence[str], namespace: str) -> None:
    """Show objects in full, with their events."""
    wanted = targets(api, words)
    if not all(target.name for target in wanted):
        listed = [
            (t.kind, item["metadata"]["name"])
            for t in wanted
            for item in api.get(t.kind.path(namespace)).get("items") or []
        ]
    else:
        listed = [(target.kind, target.name) for target in wanted]
    if not listed:
        raise CliError(f"No resources found in {namespace} namespace.")
    for at, (kind, name) in enumerate(listed):
        if at:
            say("\n")
        body = api.get(kind.path(namespace, name))
        lines = list(_flow_run(Run(body))) if kind is FLOWRUN else list(_any(body))
        say("\n".join([*lines, *_events(api, body)]))


def _field(label: str, value: object) -> str:
    return f"{label + ':':<{_LABEL}}{line(str(value))}"


def _mapping(label: str, values: Mapping[str, Any] | None) -> Iterator[str]:
    pairs = [f"{key}={value}" for key, value in sorted((values or {}).items())] or ["<none>"]
    yield _field(label, pairs[0])
    for pair in pairs[1:]:
        yield " " * _LABEL + line(pair)


def _head(body: Json) -> Iterator[str]:
    metadata = body["metadata"]
    yield _field("Name", metadata["name"])
    if metadata.get("namespace"):
        yield _field("Namespace", metadata["namespace"])
    yield from _mapping("Labels", metadata.get("labels"))
    annotations = {k: v for k, v in (metadata.get("annotations") or {}).items() if k != _LAST_APPLIED}
    yield from _mapping("Annotations", annotations)


def _indented(text: str, by: int = 2) -> Iterator[str]:
    for each in text.rstrip("\n").split("\n"):
        yield " " * by + each


def _inner(key: str, text: object) -> Iterator[str]:
    """A field below another; the lines of its text stay below it."""
    first, *rest = str(text).split("\n")
    yield f"  {line(key)}: {first}"
    yield from (f"    {each}" for each in rest)


def _any(body: Json) -> Iterator[str]:
    yield from _head(body)
    yield _field("API Version", body["apiVersion"])
    yield _field("Kind", body["kind"])
    rest = {key: value for key, value in body.items() if key not in ("apiVersion", "kind", "metadata")}
    if body["kind"] == "Secret":
        rest["data"] = {key: f"{len(value) * 3 // 4} bytes" for key, value in (body.get("data") or {}).items()}
    for key, value in rest.items():
        yield f"{key[:1].upper()}{key[1:]}:"
        if isinstance(value, (dict, list)):
            yield from _indented(
                render.as_yaml({"metadata": {}, "value": value}).partition("value:")[2].strip("\n"), by=0
            )
        else:
            yield from _indented(str(value))


def _flow_run(run: Run) -> Iterator[str]:
    spec, status = run.body["spec"], run.status
    yield from _head(run.body)
    yield _field("Flow", run.flow or spec.get("flowSpec", {}).get("entrypoint", ""))
    if revision := (status.get("flow") or {}).get("revision"):
        yield _field("Revision", revision)
    yield _field("Created", f"{render.age(run.body['metadata'].get('creationTimestamp'))} ago")
    if spec.get("desiredState", "Running") != "Running":
        yield _field("Desired State", spec["desiredState"])
    kind, name, message = run.state
    since = (status.get("state") or {}).get("time")
    shown = kind if name == kind else f"{kind}/{name}"
    yield _field(
        "State",
        f"{shown} (for {render.age(since)})"
        if kind and not run.finished
        else shown or "<not seen by the operator yet>",
    )
    if message:
        yield _field("Message", message)
    if spec.get("displayName"):
        yield _field("Display Name", spec["displayName"])
    if kind == "Paused":
        yield from _pause(run)
    for label, key in (("Started", "startTime"), ("Finished", "completionTime")):
        if status.get(key):
            yield _field(label, f"{status[key]} ({render.age(status[key])} ago)")
    if status.get("duration"):
        yield _field("Duration", status["duration"])
    if progress := (status.get("report") or {}).get("progress"):
        activity = f", {progress['activity']}" if progress.get("activity") and not run.finished else ""
        yield _field("Progress", f"{progress.get('summary', '')}{activity}")
    if spec.get("parameters"):
        yield "Parameters:"
        for key, value in spec["parameters"].items():
            yield from _inner(key, json.dumps(value, ensure_ascii=False))
    if result := status.get("result"):
        yield "Result:"
        for key, value in result.items():
            yield from _inner(key, value)
    if error := status.get("error"):
        yield "Error:"
        for key in ("type", "message", "location"):
            if error.get(key):
                yield from _inner(key, error[key])
        if error.get("traceback"):
            yield "  traceback:"
            yield from _indented(error["traceback"], by=4)
    yield from _attempts(run)
    yield from _conditions(status)


def _pause(run: Run) -> Iterator[str]:
    """What is asked, and the command that answers."""
    from penstock_operator.core.asking import answering, example, patching  # not at every start of the command

    pause = run.status.get("pause") or {}
    desired = run.body["spec"].get("desiredState", "Running")
    name = run.body["metadata"]["name"]
    if desired != "Running":
        yield _field("To Resume", patching(run.namespace, name, {"desiredState": "Running"}))
    if not pause.get("key"):
        return
    asked = pause.get("input") or {}
    yield "Question:"
    if asked.get("description"):
        yield f"  text: {asked['description']}"
    yield f"  key: {pause['key']}"
    if asked.get("schema"):
        yield f"  answer: {json.dumps(asked['schema'], ensure_ascii=False)}"
    if asked.get("error"):
        yield f"  last answer refused: {asked['error']}"
    if pause.get("deadline"):
        yield f"  until: {pause['deadline']}"
    if desired == "Running":
        answer: Any = example(asked["schema"]) if asked.get("schema") else True
        yield _field("To Answer", answering(run.namespace, name, pause["key"], answer))


def _attempts(run: Run) -> Iterator[str]:
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
        lines.append([str(now["number"]), status.get("pod", ""), kind, name if name != kind else "", "", message])
    if lines:
        yield "Attempts:"
        yield from _indented(render.table(["NUMBER", "POD", "STATE", "REASON", "EXIT", "MESSAGE"], lines))


def _conditions(status: Mapping[str, Any]) -> Iterator[str]:
    conditions = status.get("conditions") or []
    if conditions:
        yield "Conditions:"
        rows = [[c["type"], c["status"], c.get("reason", ""), c.get("message", "")] for c in conditions]
        yield from _indented(render.table(["TYPE", "STATUS", "REASON", "MESSAGE"], rows))


def _events(api: Api, body: Json) -> Iterator[str]:
    metadata = body["metadata"]
    namespace = metadata.get("namespace") or "default"
    try:
        query = {"fieldSelector": f"involvedObject.uid={metadata['uid']}"}
        items = api.get(EVENT.path(namespace), query).get("items") or []
    except ServerError as error:
        yield _field("Events", f"<{error.message}>")
        return
    if not items:
        yield _field("Events", "<none>")
        return

    def seen(event: Json) -> str:
        return str(
            event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp") or ""
        )

    yield "Events:"
    rows = [
        [
            event.get("type", ""),
            event.get("reason", ""),
            render.age(seen(event)),
            (event.get("source") or {}).get("component") or event.get("reportingComponent", ""),
            event.get("message", ""),
        ]
        for event in sorted(items, key=seen)
    ]
    yield from _indented(render.table(["TYPE", "REASON", "AGE", "FROM", "MESSAGE"], rows))
