"""get --watch: columns stay aligned, documents and names too, and what may have been missed is told again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from penstock_cli.api import ServerError
from penstock_cli.errors import CliError
from penstock_cli.getting import _Printer
from penstock_cli.kinds import FLOWRUN
from penstock_cli.outputs import Output
from penstock_cli.watching import changes
from tests.cli.conftest import Penstock
from tests.support.cli import Stage


def table(*rows: list[str], head: bool = True) -> dict[str, Any]:
    columns = [{"name": "Name"}, {"name": "State"}, {"name": "Age"}]
    listed = [{"cells": cells, "object": {"metadata": {"name": cells[0]}}} for cells in rows]
    return {"kind": "Table", "columnDefinitions": columns if head else None, "rows": listed}


def test_rows_stay_below_their_headings() -> None:
    """A wider cell begins a table of its own."""
    printer = _Printer(FLOWRUN, Output(), namespaces=False, labelled=False)
    shown = [
        printer.text([table(["one", "Running", "1s"])], room=8),
        printer.text([table(["two", "Failed", "10m30s"], head=False)], room=8),
        printer.text([table(["much-longer", "Running", "1s"], head=False)], room=8),
        printer.text([table(["one", "Completed", "2s"], head=False)], room=8),
        printer.text([table(["two", "Completed", "3s"], head=False)], room=8),
    ]
    assert "\n".join(shown).splitlines() == [
        "NAME       STATE      AGE",
        "one        Running    1s",
        "two        Failed     10m30s",
        "NAME          STATE      AGE",
        "much-longer   Running    1s",
        "NAME          STATE       AGE",
        "one           Completed   2s",
        "two           Completed   3s",
    ]


def test_letters_that_are_wide_or_have_no_width_keep_the_columns() -> None:
    printer = _Printer(FLOWRUN, Output(), namespaces=False, labelled=False)
    shown = printer.text(
        [table(["one", "\u5317\u5e97", "1s"], ["two", "e\u0301t\u00e9", "1s"], ["three", "abcd", "1s"])]
    )
    assert [line.rindex("1s") for line in shown.splitlines()[1:]] == [14, 17, 16]
    assert shown.splitlines()[0] == "NAME    STATE   AGE"


class Script:
    """An API server that answers by a script: a list, events, or an error."""

    def __init__(self, *steps: Any) -> None:
        self.steps = list(steps)
        self.asked: list[str] = []

    def _next(self) -> Any:
        step = self.steps.pop(0)
        if isinstance(step, Exception):
            raise step
        return step

    def get(self, path: str, query: Any, form: str) -> Any:
        self.asked.append("list")
        return self._next()

    def watch(self, path: str, query: dict[str, str], **_: Any) -> Iterator[Any]:
        self.asked.append(query["resourceVersion"])
        yield from self._next()


def event(version: str, kind: str = "MODIFIED") -> dict[str, Any]:
    return {"type": kind, "object": {"metadata": {"resourceVersion": version}}}


def listed(version: str) -> dict[str, Any]:
    return {"items": [], "metadata": {"resourceVersion": version}}


def test_a_watch_goes_on_where_it_was(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """After its end, a lost connection, a server that is overloaded, and a version that is forgotten."""
    monkeypatch.setattr("penstock_cli.watching.time.sleep", lambda _: None)
    api: Any = Script(
        listed("1"), [event("2"), event("3", "BOOKMARK")], [event("4")], CliError("broke"), ServerError(503, "", "busy"), [event("5")],
        ServerError(410, "Expired", "too old"), ServerError(403, "Forbidden", "just started"), listed("9"), [event("10")],
        ServerError(401, "Unauthorized", "just started"), ServerError(422, "Invalid", "no"),
    )  # fmt: skip
    seen: list[str] = []
    told = ((shown.get("object") or shown)["metadata"]["resourceVersion"] for shown in changes(api, "/x", {}))
    with pytest.raises(ServerError, match="no"):
        seen.extend(told)
    assert seen == ["1", "2", "4", "5", "9", "10"]
    assert api.asked == ["list", "1", "3", "4", "4", "4", "5", "list", "list", "9", "10", "10"]
    assert capsys.readouterr().err == "broke; trying again for 60 s\n"


def test_what_is_refused_for_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 1000, 4))
    monkeypatch.setattr("penstock_cli.watching.time.sleep", lambda _: None)
    monkeypatch.setattr("penstock_cli.watching.time.monotonic", lambda: float(next(clock)))
    api: Any = Script(listed("1"), *(ServerError(403, "Forbidden", f"no {number}") for number in range(9)))
    with pytest.raises(ServerError, match="no 4"):
        list(changes(api, "/x", {}))
    first: Any = Script(ServerError(403, "Forbidden", "no"))
    with pytest.raises(ServerError, match="no"):
        list(changes(first, "/x", {}))


def test_a_server_that_stays_away_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 1000, 20))
    monkeypatch.setattr("penstock_cli.watching.time.sleep", lambda _: None)
    monkeypatch.setattr("penstock_cli.watching.time.monotonic", lambda: float(next(clock)))
    api: Any = Script(listed("1"), *(CliError(f"broke {number}") for number in range(9)))
    with pytest.raises(CliError, match="broke 4"):
        list(changes(api, "/x", {}))


def follow(penstock: Penstock, monkeypatch: pytest.MonkeyPatch, words: list[str], change: Any, ends: str) -> list[str]:
    """Run a command that never ends by itself, until it has printed a text."""
    lines: list[str] = []

    def printed(text: object = "", **_: object) -> None:
        lines.extend(str(text).splitlines())
        if len(lines) == 1:
            change()
        if ends in str(text):
            raise KeyboardInterrupt

    monkeypatch.setattr("builtins.print", printed)
    assert penstock(*words).code == 130
    monkeypatch.undo()
    return lines


def test_names_and_documents_are_watched(at: Stage, penstock: Penstock, monkeypatch: pytest.MonkeyPatch) -> None:
    at.run("one")
    words = ["get", "fr", "-w", "-o", "name"]
    assert follow(penstock, monkeypatch, words, lambda: at.run("two"), "/two") == [
        "flowrun.penstock.dev/one",
        "flowrun.penstock.dev/two",
    ]
    monkeypatch.setenv("KUBECONFIG", str(at.kubeconfig))
    words = ["get", "fr", "one", "-w", "-o", 'jsonpath={.kind} {.status.state.type}{"\\n"}']
    lines = follow(penstock, monkeypatch, words, lambda: at.status("one", "Running"), "Running")
    assert lines == ["FlowRun ", "FlowRun Running"]


def test_what_cannot_be_watched(at: Stage, penstock: Penstock) -> None:
    at.run("one")
    for words in (["fr/one", "fr/two"], ["fr,fl"]):
        assert "more than 1 resource was found" in penstock("get", *words, "-w").err
    done = penstock("get", "fr", "none", "-w")
    assert (done.code, done.out) == (4, "")
    assert "name cannot be provided when a selector is specified" in penstock("get", "fr", "one", "-l", "a=b").err
    assert json.loads(penstock("get", "fr", "-o", "json").out)["items"][0]["kind"] == "FlowRun"
