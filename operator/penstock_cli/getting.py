"""`get`: objects in the server's tables, as YAML, JSON or names; and the rows of what changes."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from . import render
from .api import TABLE, ServerError
from .errors import CliError
from .kinds import targets
from .terminal import say

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .api import Api, Json
    from .kinds import Kind, Target

__all__ = ["get"]


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
