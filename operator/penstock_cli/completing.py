"""Completion: what may stand where the cursor is. Shells ask by `penstock __complete WORD...`, the last word being the unfinished one.

The answer is in the form that Cobra's programs have, and that kubectl reads from its plugins: a candidate a line, a tab and what it is, and
`:4` at the end (`:0` where names of files are as good). Nothing is ever printed besides: no cluster, no right, no time means no candidates.
"""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any

import typer

from .terminal import say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from .kinds import Kind

__all__ = ["complete", "flows", "objects", "parameters", "runs", "runs_and_flows"]

_NO_FILES, _FILES = ":4", ":0"
# Whoever presses a key waits no longer.
_SECONDS = 1.0
_MOST = 500


def complete(app: Any, words: Sequence[str]) -> None:
    """Print the candidates for the last word.

    Args:
        app: the typer application.
        words: of the command line, without the program's name.
    """
    *before, unfinished = words or [""]
    found: list[tuple[str, str]] = []
    # Whatever goes wrong here must not be seen on a half-typed command line.
    with suppress(Exception):
        found = _candidates(app, before, unfinished)
    for value, about in found:
        say(f"{value}\t{about}" if about else value)
    say(_NO_FILES if found or _names_things(before, unfinished) else _FILES)


def _candidates(app: Any, before: list[str], unfinished: str) -> list[tuple[str, str]]:
    # The completion of the click that typer uses: its own copy, or the package, by version.
    click: str = typer.BadParameter.__module__.rpartition(".")[0]
    engine: Any = import_module(f"{click}.shell_completion").ShellComplete
    # It reads no shell's variables and writes no shell's form here; some versions ask for these to be there.
    unused = dict.fromkeys(("format_completion", "get_completion_args", "source_vars"))
    made = type("Completion", (engine,), unused)(typer.main.get_command(app), {}, "penstock", "_PENSTOCK_COMPLETE")
    found = made.get_completions(before, unfinished)
    return [(str(item.value), str(item.help or "").split("\n")[0]) for item in found if item.type == "plain"]


def _names_things(before: list[str], unfinished: str) -> bool:
    """Whether no file is meant: a command, an option, or what a cluster has."""
    takes_files = unfinished.startswith("@") or (
        before and before[-1] in ("-f", "--filename", "--apply", "--kubeconfig", "--data")
    )
    return not takes_files and not {"build", "run-file"} & set(before)


# --- what a cluster has: for `autocompletion=` of arguments; typer leaves out what does not begin as what was typed


def runs(context: typer.Context, args: list[str], incomplete: str) -> list[tuple[str, str]]:
    """Return names of FlowRuns, with their states."""
    from .kinds import FLOWRUN

    return _of_kind(context, FLOWRUN, incomplete)


def runs_and_flows(context: typer.Context, args: list[str], incomplete: str) -> list[tuple[str, str]]:
    """Return names of FlowRuns, and of Flows as `fl/NAME`."""
    from .kinds import FLOW, FLOWRUN

    found = _of_kind(context, FLOWRUN, incomplete)
    if f"{FLOW.short}/".startswith(incomplete):
        return found + _known(context, FLOW, f"{FLOW.short}/")
    return found + (_of_kind(context, FLOW, incomplete) if "/" in incomplete else [])


def flows(context: typer.Context, args: list[str], incomplete: str) -> list[tuple[str, str]]:
    """Return names of Flows."""
    from .kinds import FLOW

    return _of_kind(context, FLOW, incomplete)


def objects(context: typer.Context, args: list[str], incomplete: str) -> list[tuple[str, str]]:
    """Return what may stand for `TYPE`, `TYPE NAME` or `TYPE/NAME`."""
    from .kinds import KNOWN

    typed = [str(word) for word in context.params.get("words") or ()]
    kind_word, slash, _ = incomplete.partition("/")
    word = kind_word if slash else typed[0] if typed else ""
    kind = next((kind for kind in KNOWN if word in kind.words), None)
    if kind is not None:
        return _known(context, kind, incomplete)
    return [(kind.plural, kind.kind) for kind in KNOWN]


def parameters(context: typer.Context, args: list[str], incomplete: str) -> list[tuple[str, str]]:
    """Return `key=` for each parameter that a Flow's schema has."""
    from penstock_reading.typed import Fields

    from .kinds import FLOW

    # An option whose value is still missing leaves the words before it unread.
    unread = next((word for word in context.args if not word.startswith("-")), "")
    flow = str(context.params.get("flow") or unread).rpartition("/")[2]

    def ask(api: Any) -> Iterable[tuple[str, str]]:
        schema = api.get(FLOW.path(api.namespace, flow))["spec"].get("parametersSchema") or {}
        fields = Fields(schema)
        return [(f"{name}=", fields.types(name)) for name in fields.known]

    return _asked(context, ask) if flow else []


def _of_kind(context: typer.Context, kind: Kind, incomplete: str) -> list[tuple[str, str]]:
    """Return names as `NAME`, or as `KIND/NAME` where that kind is begun with; of another kind there are none."""
    word, slash, _ = incomplete.partition("/")
    return _known(context, kind, incomplete) if not slash or word in kind.words else []


def _known(context: typer.Context, kind: Kind, incomplete: str) -> list[tuple[str, str]]:
    from .api import TABLE

    prefix, slash, _ = incomplete.rpartition("/")

    def ask(api: Any) -> Iterable[tuple[str, str]]:
        table = api.get(kind.path(api.namespace), {"limit": str(_MOST)}, TABLE)
        titles = [str(column["name"]) for column in table["columnDefinitions"]]
        told = next((at for at, title in enumerate(titles) if title in ("State", "Entrypoint", "Status")), None)
        for row in table.get("rows") or []:
            about = "" if told is None else str(row["cells"][told] or "")
            yield f"{prefix}{slash}{row['object']['metadata']['name']}", about

    return _asked(context, ask)


def _asked(context: typer.Context, ask: Callable[[Any], Iterable[tuple[str, str]]]) -> list[tuple[str, str]]:
    from .api import Api
    from .connection import asked_namespace, credentials

    with Api(credentials(context, silent=True), patience=_SECONDS) as api:
        api.namespace = asked_namespace(context) or api.namespace
        return list(ask(api))
