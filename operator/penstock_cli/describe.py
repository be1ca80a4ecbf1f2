"""`describe`: one object in full, for people. A FlowRun and a Flow tell their story; any other kind is shown as kubectl shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock_reading import facts

from . import render
from .absent import with_near
from .api import ServerError
from .describe_flow import flow
from .describe_run import flow_run
from .exits import Exit, worst
from .kinds import EVENT, FLOW, FLOWRUN, targets
from .runs import Run
from .terminal import say
from .texts import field, indented, mapping
from .yamltext import as_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .api import Api, Json
    from .kinds import Kind

__all__ = ["describe"]


def describe(api: Api, words: Sequence[str], namespace: str, program: str) -> Exit:
    """Show objects in full, with their events; of a run its story and the next step, by the name that the user called this program.

    Returns:
        The exit code: one that is not there keeps no other.
    """
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
        say(f"No resources found in {namespace} namespace.", error=True)
    shown = 0
    refusals: list[ServerError] = []
    for kind, name in listed:
        try:
            body = api.get(kind.path(namespace, name))
        except ServerError as error:
            refusals.append(with_near(api, kind, namespace, name, error))
            continue
        if shown:
            say("\n")
        shown += 1
        lines = list(_lines(api, kind, body, program))
        say("\n".join([*lines, *_events(api, body)]))
    for refusal in refusals:
        say(refusal, error=True)
    return worst([refusal.code for refusal in refusals])


def _lines(api: Api, kind: Kind, body: Json, program: str) -> Iterator[str]:
    if kind is FLOWRUN:
        return flow_run(api, Run(body), program)
    return flow(body, program) if kind is FLOW else _any(body)


def _any(body: Json) -> Iterator[str]:
    metadata = body["metadata"]
    yield field("Name", metadata["name"])
    if metadata.get("namespace"):
        yield field("Namespace", metadata["namespace"])
    yield from mapping("Labels", metadata.get("labels"))
    yield from mapping("Annotations", metadata.get("annotations"))
    yield field("API Version", body["apiVersion"])
    yield field("Kind", body["kind"])
    rest = {key: value for key, value in body.items() if key not in ("apiVersion", "kind", "metadata")}
    if body["kind"] == "Secret":
        rest["data"] = {key: f"{len(value) * 3 // 4} bytes" for key, value in (body.get("data") or {}).items()}
    for key, value in rest.items():
        yield f"{key[:1].upper()}{key[1:]}:"
        if isinstance(value, (dict, list)):
            yield from indented(as_yaml({"metadata": {}, "value": value}).partition("value:")[2].strip("\n"), by=0)
        else:
            yield from indented(str(value))


def _events(api: Api, body: Json) -> Iterator[str]:
    metadata = body["metadata"]
    namespace = metadata.get("namespace") or "default"
    try:
        query = {"fieldSelector": f"involvedObject.uid={metadata['uid']}"}
        items = api.get(EVENT.path(namespace), query).get("items") or []
    except ServerError as error:
        yield field("Events", f"<{error.message}>")
        return
    if not items:
        yield field("Events", "<none>")
        return

    yield "Events:"
    yield from indented(render.table(facts.EVENTS, facts.events(items)))
