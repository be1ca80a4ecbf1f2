"""`get`: objects in the server's tables, as documents or names; and the rows of what changes."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from . import render
from .absent import with_near
from .api import TABLE, ServerError
from .errors import CliError
from .exits import Exit
from .kinds import targets
from .terminal import say
from .watching import changes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .api import Api, Json
    from .kinds import Kind, Target
    from .outputs import Output

__all__ = ["get"]


def get(
    api: Api,
    words: Sequence[str],
    *,
    namespace: str,
    everywhere: bool,
    output: Output,
    selectors: Mapping[str, str],
    watch: bool,
) -> Exit:
    """Show objects: tables as the server makes them, documents or names; returns the exit code."""
    wanted = targets(api, words)
    where = None if everywhere else namespace
    query = {name: value for name, value in selectors.items() if value}
    named = any(target.name for target in wanted)
    if named and query:
        raise CliError("error: name cannot be provided when a selector is specified")
    if named and everywhere:
        raise CliError("error: a resource cannot be retrieved by name across all namespaces")
    if watch:
        if len(wanted) > 1:
            why = "watch is only supported on individual resources and resource collections - more than 1 resource was found"
            raise CliError(f"error: {why}")
        _watch(api, wanted[0], where, query, output)
        return Exit.OK
    if output.document:
        return _documents(api, wanted, where, query, output)
    several = any(target.kind is not wanted[0].kind for target in wanted)
    shown, refusals = False, 0
    for kind, group in itertools.groupby(wanted, key=lambda target: target.kind):
        rows, refused = _table(
            api, kind, [target.name for target in group], where, query, output, several=several, first=not shown
        )
        shown, refusals = shown or rows, refusals + refused
    if not shown and not refusals:
        place = f" in {where} namespace" if where and all(target.kind.namespaced for target in wanted) else ""
        say(f"No resources found{place}.", error=True)
    return Exit.NOT_FOUND if refusals else Exit.OK


def _documents(api: Api, wanted: Sequence[Target], where: str | None, query: Mapping[str, str], output: Output) -> Exit:
    found: list[Json] = []
    refusals: list[ServerError] = []
    for target in wanted:
        try:
            answer = api.get(target.kind.path(where, target.name), {} if target.name else query)
        except ServerError as error:
            if not target.name or error.status != 404:
                raise
            error = with_near(api, target.kind, where, target.name, error)
            if len(wanted) == 1:
                raise error from None
            refusals.append(error)
            continue
        found += [answer] if target.name else _items(target.kind, answer)
    one = len(wanted) == 1 and wanted[0].name
    listed: Json = {"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}, "items": found}
    output.show(found[0] if one else listed)
    for refusal in refusals:
        say(refusal, error=True)
    return Exit.NOT_FOUND if refusals else Exit.OK


def _items(kind: Kind, listed: Json) -> list[Json]:
    """Return the items of a list, which do not say by themselves what they are."""
    version = f"{kind.group}/{kind.version}".lstrip("/")
    return [{"apiVersion": version, "kind": kind.kind, **item} for item in listed.get("items") or []]


def _table(
    api: Api,
    kind: Kind,
    names: Sequence[str],
    where: str | None,
    query: Mapping[str, str],
    output: Output,
    *,
    several: bool,
    first: bool,
) -> tuple[bool, int]:
    """Show objects of one kind in a table; returns whether there are any, and how many of those that were named do not exist.

    Args:
        api: the API server.
        kind: the kind.
        names: which; an empty one is all.
        where: the namespace; None: all.
        query: selectors.
        output: the format: a table, or names.
        several: other kinds are shown too, so each name says of which kind it is.
        first: nothing stands above.
    """
    tables, refusals = [], []
    for name in names:
        try:
            tables.append(api.get(kind.path(where, name), query, TABLE))
        except ServerError as error:
            if not name or error.status != 404:
                raise
            refusals.append(with_near(api, kind, where, name, error))
    printer = _Printer(kind, output, namespaces=where is None and kind.namespaced, labelled=several)
    rows = any(table.get("rows") for table in tables)
    if rows and not first and output.kind != "name":
        say()
    if rows:
        say(printer.text(tables), flush=True)
    for refusal in refusals:
        say(refusal, error=True)
    return rows, len(refusals)


class _Printer:
    """Writes the rows of one kind below each other, also those that come later and are wider.

    What was printed stands: a cell that is wider than its column widens it from here on, below headings of their own.
    """

    def __init__(self, kind: Kind, output: Output, *, namespaces: bool, labelled: bool) -> None:
        self._kind = kind
        self._output = output
        self._namespaces = namespaces
        self._labelled = labelled
        self._shown: list[tuple[int, str]] = []
        self._widths: list[int] = []

    def text(self, tables: Sequence[Json], *, room: int = 0) -> str:
        """Return the lines of tables' rows.

        Args:
            tables: of this printer's kind.
            room: the least width of a column, for rows that may come; 0: none will come.

        Raises:
            CliError: the server has no table of this kind.
        """
        if self._output.kind == "name":
            found = (row for table in tables for row in table.get("rows") or [])
            return "\n".join(self._kind.label(row["object"]["metadata"]["name"]) for row in found)
        if any(table.get("kind") != "Table" for table in tables):
            raise CliError(f"error: the server shows no table of {self._kind.plural}; use -o yaml")
        # Only the first table of a watch has the definitions of the columns.
        self._shown = self._shown or render.columns(tables[0], wide=self._output.kind == "wide")
        rows = [row for table in tables for row in render.rows(table, self._shown, namespaces=self._namespaces)]
        if self._labelled:
            at = int(self._namespaces)
            rows = [[*row[:at], self._kind.label(row[at]), *row[at + 1 :]] for row in rows]
        return self._fitted(rows, room)

    def _fitted(self, rows: list[list[str]], room: int) -> str:
        heading = ["NAMESPACE"] * self._namespaces + [title for _, title in self._shown]
        widths = [max(render.width(cell) for cell in column) for column in zip(heading, *rows, strict=True)]
        if self._widths and all(new <= old for new, old in zip(widths[:-1], self._widths[:-1], strict=True)):
            return render.table([], rows, self._widths)
        self._widths = [max(room, new, old) for new, old in itertools.zip_longest(widths, self._widths, fillvalue=0)]
        return render.table(heading, rows, self._widths)


# As wide as a state's usual name: a row that comes later seldom needs more.
_ROOM = len("AwaitingRetry")


def _watch(api: Api, target: Target, where: str | None, query: Mapping[str, str], output: Output) -> None:
    """Print what there is, and then what changes, until Ctrl-C."""
    kind = target.kind
    if target.name:
        try:
            api.get(kind.path(where, target.name))  # whoever waits for what does not exist should know
        except ServerError as error:
            raise with_near(api, kind, where, target.name, error) from error
        query = {"fieldSelector": f"metadata.name={target.name}"}
    printer = _Printer(kind, output, namespaces=where is None and kind.namespaced, labelled=False)
    for shown in changes(api, kind.path(where), query, accept=None if output.document else TABLE):
        if output.document:
            for item in [shown["object"]] if "object" in shown else _items(kind, shown):
                output.show(item)
        elif (table := shown.get("object") or shown).get("rows"):
            say(printer.text([table], room=_ROOM), flush=True)
