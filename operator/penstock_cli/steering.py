"""What is wanted of what lives: runs are cancelled, paused, suspended and resumed; Flows are suspended and resumed.

Each command is one change of `spec` (`desiredState`, `inputs`; of a Flow `suspend`); the operator does the rest. A run that has ended is
left alone. Neighbour: `answering` makes the answer to a pause.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.kube.specpatch import spec_patch

from .absent import with_near
from .answering import answer
from .errors import CliError
from .exits import Exit, worst
from .kinds import FLOW, FLOWRUN, named
from .runs import Run, not_found
from .terminal import say

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .api import Api, Json
    from .kinds import Kind
    from .outputs import Output

__all__ = ["cancel", "pause", "resume", "suspend"]

_JSON_PATCH = "application/json-patch+json"


def cancel(api: Api, words: Sequence[str], output: Output) -> Exit:
    """Ask for the end of runs; returns the exit code."""
    return _each(api, words, output, {FLOWRUN: lambda run: _cancelled(Run(run))})


def pause(api: Api, words: Sequence[str], output: Output) -> Exit:
    """Ask runs to hold where they are, with their pods; returns the exit code."""
    return _each(api, words, output, {FLOWRUN: lambda run: _held(Run(run), "Paused", "pause requested")})


def suspend(api: Api, words: Sequence[str], output: Output) -> Exit:
    """Ask runs to hold and give up their pods, or Flows to start no runs by themselves; returns the exit code."""

    def flow(body: Json) -> tuple[Json, str]:
        if body["spec"].get("suspend"):
            return {}, "is suspended already"
        return {"suspend": True}, "suspended: its schedules and changes start no runs; those made by hand still run"

    wanted: dict[Kind, Callable[[Json], tuple[Json, str]]] = {
        FLOWRUN: lambda run: _held(Run(run), "Suspended", "suspension requested"),
        FLOW: flow,
    }
    return _each(api, words, output, wanted)


def resume(api: Api, word: str, given: Sequence[str], output: Output, program: str) -> Exit:
    """Let a run go on, with the answer that it waits for, or let a Flow start runs by itself again; returns the exit code."""

    def flow(body: Json) -> tuple[Json, str]:
        if given:
            raise CliError(f"error: {given[0]!r}: a Flow takes no answer", Exit.USAGE)
        return ({"suspend": False}, "resumed") if body["spec"].get("suspend") else ({}, "is not suspended")

    def run(body: Json) -> tuple[Json, str]:
        known = Run(body)
        if known.finished:
            raise CliError(f"error: {FLOWRUN.label(known.name)} {_ended(known)}")
        held = body["spec"].get("desiredState") in ("Paused", "Suspended")
        asked = (known.status.get("pause") or {}).get("key") if known.state[0] == "Paused" else None
        if not held and not asked:
            raise CliError(
                f"error: {FLOWRUN.label(known.name)} is {known.state[0] or 'not seen yet'}, it is not paused"
            )
        spec: Json = {"desiredState": "Running"} if held else {}
        if asked and (given or not held):
            spec["inputs"] = {asked: answer(known, given, program)}
        elif given:
            raise CliError(
                f"error: {FLOWRUN.label(known.name)} asks nothing, so {given[0]!r} answers nothing", Exit.USAGE
            )
        return spec, "answered" if "inputs" in spec else "resumed"

    return _each(api, [word], output, {FLOWRUN: run, FLOW: flow})


def _cancelled(run: Run) -> tuple[Json, str]:
    """Whoever cancels wants it to end: that it has ended, or ends already, is as good."""
    if run.finished:
        return {}, _ended(run)
    if _is_cancelled(run):
        return {}, "is being cancelled already"
    return {"desiredState": "Cancelled"}, "cancellation requested"


def _held(run: Run, state: str, said: str) -> tuple[Json, str]:
    """Nobody can hold what has ended, or ends: who asked must not go on as if it were held."""
    if run.finished:
        raise CliError(f"error: {FLOWRUN.label(run.name)} {_ended(run)}")
    if _is_cancelled(run):
        raise CliError(f"error: {FLOWRUN.label(run.name)} is being cancelled, which cannot be withdrawn")
    return {"desiredState": state}, said


def _ended(run: Run) -> str:
    return f"has already ended: {run.state[0]}"


def _is_cancelled(run: Run) -> bool:
    return bool(run.body["spec"].get("desiredState") == "Cancelled")


def _each(
    api: Api, words: Sequence[str], output: Output, changes: dict[Kind, Callable[[Json], tuple[Json, str]]]
) -> Exit:
    """Change each object that was named; what one of them refuses does not keep the others from it.

    Args:
        api: the API server.
        words: `NAME` (a run) or `KIND/NAME`.
        output: the format.
        changes: by kind, from an object to the fields of its spec that change (none: leave it), and what is said of it.
    """
    codes: list[Exit] = []
    for kind, name in _named(words, list(changes)):
        try:
            path = kind.path(api.namespace, name)
            body = api.find(path)
            if body is None:
                raise _absent(api, kind, name, list(changes))
            spec, said = changes[kind](body)
            if spec:
                body = api.request("PATCH", path, body=spec_patch(body["spec"], spec), content_type=_JSON_PATCH)
            output.told(f"{kind.singular}.{kind.group}", name, said, body)
        except CliError as error:
            if len(words) == 1:
                raise
            say(error, error=True)
            codes.append(error.code)
    return worst(codes)


def _named(words: Sequence[str], kinds: Sequence[Kind]) -> list[tuple[Kind, str]]:
    """Read `NAME`, `KIND/NAME`, or the two words `KIND NAME...`."""
    first = next((kind for kind in kinds if len(words) > 1 and words[0].lower() in kind.words), None)
    if first is not None:
        return [(first, named(name)) for name in words[1:]]
    found = []
    for word in words:
        prefix, slash, name = word.partition("/")
        kind = next((kind for kind in kinds if not slash or prefix.lower() in kind.words), None)
        if kind is None:
            only = " and ".join(f"{each.kind}s" for each in kinds)
            raise CliError(
                f"error: {word} is no {' or '.join(each.kind for each in kinds)}; this command is for {only} only",
                Exit.USAGE,
            )
        found.append((kind, named(name if slash else word)))
    return found


def _absent(api: Api, kind: Kind, name: str, kinds: Sequence[Kind]) -> CliError:
    """Return what is said of an object that does not exist; a Flow of a run's name is told."""
    error = not_found(name, kind)
    if kind is FLOWRUN and FLOW in kinds and api.find(FLOW.path(api.namespace, name)) is not None:
        return CliError(f"{error} (there is a Flow of this name: write {FLOW.short}/{name})", error.code)
    return with_near(api, kind, api.namespace, name, error)
