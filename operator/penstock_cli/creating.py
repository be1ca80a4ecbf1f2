"""What `run`, `retry` and `run-file` share: a FlowRun is posted, told, and followed to its end where that is wanted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock_operator.api import constants, names

from .api import ServerError
from .errors import CliError, outcome_unknown
from .exits import Exit, of_state
from .kinds import FLOWRUN
from .runs import Run
from .terminal import line, say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .api import Api, Json
    from .outputs import Output

__all__ = ["LONGEST", "Wish", "fixed", "followed", "generated", "numbered", "start", "start_first_free"]

LONGEST = names.RUN.maximum
_RANDOM = 5  # characters that the API server adds to generateName
_MANAGER = "penstock"
_TRIES = 100


@dataclass(frozen=True, slots=True)
class Wish:
    """How a run is to be made, and told.

    Attributes:
        output: the format.
        dry_run: the server only checks it.
        watch: follow it to its end; a dry run has none.
        program: what the user called this program, for commands that are shown.
    """

    output: Output
    dry_run: bool = False
    watch: bool = False
    program: str = "penstock"


def generated(prefix: str) -> Json:
    """Return metadata that lets the API server complete a name which begins so."""
    return {"generateName": f"{prefix[: LONGEST - _RANDOM - 1].rstrip('-.')}-"}


def fixed(name: str) -> Json:
    """Return metadata with a name.

    Raises:
        CliError: no run can be called that.
    """
    wrong = names.RUN.fault(name)
    if wrong:
        raise CliError(f"error: {wrong}", Exit.USAGE)
    return {"name": name}


def numbered(name: str, taken: int) -> str:
    """Return a name with a number behind it, cut so that it fits."""
    ending = f"-{taken}"
    return f"{name[: LONGEST - len(ending)].rstrip('-')}{ending}"


def start(api: Api, body: Json, wish: Wish, *, made: Callable[[Json], None] = lambda _: None) -> Exit:
    """Create a run, say so, and follow it if that is wished; returns the exit code.

    Args:
        api: the API server.
        body: the run, without apiVersion and kind.
        wish: how to make and tell it.
        made: called with the run as soon as it is there.

    Raises:
        CliError: the server refuses it.
    """
    created = post(api, body, dry_run=wish.dry_run)
    made(created)
    return _told(api, created, wish)


def start_first_free(api: Api, body: Json, candidates: Iterator[str], wish: Wish) -> Exit:
    """Create a run under the first name that is free.

    Raises:
        CliError: the server refuses it, or no name is free.
    """
    for _, name in zip(range(_TRIES), candidates, strict=False):
        named = {**body, "metadata": {**body["metadata"], "name": name}}
        try:
            return _told(api, post(api, named, dry_run=wish.dry_run), wish)
        except ServerError as error:
            if error.reason != "AlreadyExists":
                raise
    raise CliError(f"error: the first {_TRIES} names are taken, up to {name}: choose one with --name")


def post(api: Api, body: Json, *, dry_run: bool) -> Json:
    """POST a FlowRun into the namespace that the command is about."""
    params = {"fieldManager": _MANAGER, "fieldValidation": "Strict"} | ({"dryRun": "All"} if dry_run else {})
    whole = {"apiVersion": constants.API_VERSION, "kind": "FlowRun", **body}
    return api.request("POST", FLOWRUN.path(api.namespace), params=params, body=whole)


def _told(api: Api, created: Json, wish: Wish) -> Exit:
    name = str(created["metadata"].get("name") or created["metadata"]["generateName"])
    verb = "created (server dry run)" if wish.dry_run else "created"
    if not wish.watch or wish.dry_run:
        wish.output.told(f"{FLOWRUN.singular}.{FLOWRUN.group}", name, verb, created)
        return Exit.OK
    # What is printed as a document is for a program: the story goes to people, beside it.
    beside = bool(wish.output.kind)
    say(f"{FLOWRUN.label(name)} {verb}", error=beside, flush=True)
    ended = followed(api, Run(created), wish.program, beside=beside)
    if ended is None:
        return Exit.INTERRUPTED
    if wish.output.kind:
        wish.output.told(f"{FLOWRUN.singular}.{FLOWRUN.group}", name, "", ended.body)
    if not ended.finished:
        say(f"error: {FLOWRUN.label(name)} was deleted before its end", error=True)
        return Exit.NOT_FOUND
    return of_state(ended.state[0])


def followed(api: Api, run: Run, program: str, *, beside: bool = False) -> Run | None:
    """Tell a run to its end; returns it as it is then, None if Ctrl-C ended the telling.

    Args:
        api: the API server.
        run: which.
        program: what the user called this program.
        beside: tell it on standard error.
    """
    from .story import Teller, outcome, tell

    console = Teller(stderr=beside)
    where = "" if run.namespace == "default" else f" -n {run.namespace}"
    try:
        with outcome_unknown():
            ended = tell(api, [run], console)[0]
    except KeyboardInterrupt:
        say(
            f"\n{FLOWRUN.label(run.name)} goes on. To follow it again: {program} logs -f {run.name}{where}; "
            f"to end it: {program} cancel {run.name}{where}",
            error=True,
        )
        return None
    except CliError as error:
        error.args = (f"{error}; the run goes on, follow it again with: {program} logs -f {run.name}{where}",)
        raise
    if ended.finished:
        say(f"{run.name}: {line(outcome(ended))}", error=beside, flush=True)
    return ended
