"""What the commands do, each a function of the API server and its arguments; `main` reads the command line and prints errors."""

from __future__ import annotations

import itertools
import re
import time
from typing import TYPE_CHECKING

from . import render
from .api import TABLE, ServerError
from .applying import apply as apply_manifests
from .errors import CliError
from .follow import LogLine, follow
from .kinds import FLOWRUN, POD, run_names, targets
from .loglines import LogReader
from .manifests import read
from .runs import Run, attempts_pods
from .terminal import line, pass_on, say

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .api import Api, Json
    from .kinds import Kind, Target

__all__ = ["apply", "cancel", "delete", "get", "logs", "seconds", "wait"]

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


def apply(api: Api, files: Sequence[str], namespace: str | None) -> None:
    """Apply manifests and say what became of each."""
    for applied in apply_manifests(api, read(files), namespace):
        say(applied)


# --- get


def get(
    api: Api,
    words: Sequence[str],
    *,
    namespace: str,
    everywhere: bool,
    output: str,
    selectors: Mapping[str, str],
    watch: bool,
) -> int:
    """Show objects: tables as the server makes them, YAML, JSON or names; returns the exit code."""
    wanted = targets(api, words)
    where = None if everywhere else namespace
    query = {name: value for name, value in selectors.items() if value}
    if output in ("yaml", "json"):
        _documents(api, wanted, where, query, output)
        return 0
    failed = False
    for at, (kind, group) in enumerate(itertools.groupby(wanted, key=lambda target: target.kind)):
        if at:
            say()
        # Where several kinds are shown each name says of which it is.
        several = any(target.kind is not kind for target in wanted)
        names = [target.name for target in group]
        failed |= not _table(api, kind, names, where, query, output, watch=watch, several=several)
    return int(failed)


def _documents(api: Api, wanted: Sequence[Target], where: str | None, query: Mapping[str, str], output: str) -> None:
    found: list[Json] = []
    for target in wanted:
        answer = api.get(target.kind.path(where, target.name), {} if target.name else query)
        if target.name:
            found.append(answer)
        else:
            # The items of a list do not say what they are.
            version = f"{target.kind.group}/{target.kind.version}".lstrip("/")
            found += [{"apiVersion": version, "kind": target.kind.kind, **item} for item in answer.get("items") or []]
    one = len(wanted) == 1 and wanted[0].name
    document = (
        found[0] if one else {"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}, "items": found}
    )
    say(render.as_yaml(document).rstrip("\n") if output == "yaml" else render.as_json(document))


def _table(
    api: Api,
    kind: Kind,
    names: Sequence[str],
    where: str | None,
    selectors: Mapping[str, str],
    output: str,
    *,
    watch: bool,
    several: bool,
) -> bool:
    """Show objects of one kind in a table; returns whether all that were named exist."""
    if any(names) and where is None:
        raise CliError("error: a resource cannot be retrieved by name across all namespaces")
    query = dict(selectors)
    if watch and any(names):
        query["fieldSelector"] = f"metadata.name={names[0]}"
    documents, refusals = [], []
    for name in names:
        try:
            documents.append(api.get(kind.path(where, "" if watch else name), query, TABLE))
        except ServerError as error:
            if not name or error.status != 404:
                raise
            refusals.append(error)
    if any(document.get("kind") != "Table" for document in documents):
        raise CliError(f"error: the server shows no table of {kind.plural}; use -o yaml")
    everywhere = where is None and kind.namespaced

    def lines(tables: Sequence[Json], *, head: bool) -> str:
        if output == "name":
            return "\n".join(
                kind.label(row["object"]["metadata"]["name"]) for table in tables for row in table.get("rows") or []
            )
        shown = render.columns(documents[0], wide=output == "wide")
        heading = ["NAMESPACE"] * everywhere + [title for _, title in shown] if head else []
        rows = [row for table in tables for row in render.rows(table, shown, namespaces=everywhere)]
        if several:
            rows = [[*row[:everywhere], kind.label(row[everywhere]), *row[everywhere + 1 :]] for row in rows]
        return render.table(heading, rows)

    if any(document.get("rows") for document in documents):
        say(lines(documents, head=True), flush=True)
    elif documents and not watch:
        place = f" in {where} namespace" if where and kind.namespaced else ""
        say(f"No resources found{place}.", error=True)
    for refusal in refusals:
        say(refusal, error=True)
    if watch and documents:
        _watch(api, kind.path(where), query, documents[0], lambda table: lines([table], head=False))
    return not refusals


def _watch(api: Api, path: str, query: dict[str, str], listed: Json, lines: Callable[[Json], str]) -> None:
    """Print the rows of what changes, until Ctrl-C."""
    while True:
        query["resourceVersion"] = listed["metadata"]["resourceVersion"]
        for event in api.watch(path, query, accept=TABLE):
            if event["type"] != "BOOKMARK":
                say(lines(event["object"]), flush=True)
        listed = api.get(path, {**query, "resourceVersion": ""}, TABLE)


# --- logs


def logs(api: Api, words: Sequence[str], namespace: str, *, follow_on: bool, attempt: int | None, raw: bool) -> None:
    """Show a run's log: all attempts that still have their pod, in order; with `follow_on` until the run has ended.

    What the pod wrote is given on as it is, escape sequences included, as kubectl logs does.
    """
    names = run_names(words)
    if len(names) != 1:
        raise CliError("error: expected one FlowRun: penstock logs NAME")
    run = _run(api, namespace, names[0])
    if follow_on and not run.finished and attempt is None and not raw:
        for event in follow(api, [run]):
            if isinstance(event, LogLine):
                pass_on(event.text)
        return
    pods = [(number, pod) for number, pod in attempts_pods(api, run) if attempt in (None, number)]
    if not pods:
        state = " - ".join(part for part in run.state[1:] if part) or "the operator has not seen it yet"
        raise CliError(
            f"error: {FLOWRUN.label(run.name)} has no pod{f' of attempt {attempt}' if attempt else ''}, so no log ({state})"
        )
    for number, pod in pods:
        if len(pods) > 1:
            say(f"--- attempt {number} ({pod})")
        last = number == pods[-1][0]
        reader = LogReader()
        query = {"container": "engine"} | ({"follow": "true"} if follow_on and last else {})
        for written in api.lines(POD.path(namespace, pod, "log"), query):
            text = written if raw else reader.readable(written)
            if text is not None:
                pass_on(text)


# --- cancel, wait, delete


def cancel(api: Api, words: Sequence[str], namespace: str) -> None:
    """Ask for the end of runs."""
    for name in run_names(words):
        run = _run(api, namespace, name)
        if run.finished:
            say(f"{FLOWRUN.label(name)} has already ended: {run.state[0]}")
            continue
        patch = {"spec": {"desiredState": "Cancelled"}}
        api.request("PATCH", run.path, body=patch, content_type="application/merge-patch+json")
        say(f"{FLOWRUN.label(name)} cancellation requested")


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
            raise _not_found(name)
        run = Run(found)
        if not deleting and run.condition(wanted).lower() == (status or "True").lower():
            return run
        if time.monotonic() >= deadline:
            raise CliError(f"error: timed out waiting for the condition on flowruns/{name}")
        time.sleep(_POLL_SECONDS)


def delete(
    api: Api, words: Sequence[str], files: Sequence[str], namespace: str, *, missing_ok: bool, wait_for: bool
) -> None:
    """Delete objects by name or by their manifests, and wait until they are gone."""
    from .kinds import Target, kind_of

    wanted: list[tuple[Target, str]] = []
    if files:
        for manifest in read(files):
            metadata = manifest.body["metadata"]
            wanted.append(
                (Target(kind_of(api, manifest.body), metadata["name"]), metadata.get("namespace") or namespace)
            )
    elif words:
        wanted = [(target, namespace) for target in targets(api, words)]
    if not wanted or not all(target.name for target, _ in wanted):
        raise CliError(
            "error: resource(s) were provided, but no name was specified; use TYPE NAME, TYPE/NAME or -f FILE"
        )
    gone = []
    for target, where in wanted:
        path = target.kind.path(where, target.name)
        try:
            answer = api.request(
                "DELETE", path, body={"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}
            )
        except ServerError as error:
            if error.status == 404 and missing_ok:
                continue
            raise
        label = target.kind.label(target.name).replace("/", ' "', 1)
        say(f'{label}" deleted')
        uid = (answer.get("metadata") or {}).get("uid") or (answer.get("details") or {}).get("uid")
        gone.append((path, uid))
    for path, uid in gone if wait_for else []:
        while (found := api.find(path)) is not None and found["metadata"]["uid"] == uid:
            time.sleep(_POLL_SECONDS)


def _run(api: Api, namespace: str, name: str) -> Run:
    found = api.find(FLOWRUN.path(namespace, name))
    if found is None:
        raise _not_found(name)
    return Run(found)


def _not_found(name: str) -> ServerError:
    return ServerError(404, "NotFound", f'{FLOWRUN.plural}.{FLOWRUN.group} "{name}" not found')
