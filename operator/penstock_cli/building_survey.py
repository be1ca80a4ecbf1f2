"""What a file defines: asked of a process that imports it and runs no flow; and which of it is meant.

The process is the engine's `penstock.definitions.survey`. It may be ended at any time: a file that hangs while it is imported, ends the
interpreter, or prints, does so there. Neighbour: `building` makes resources of what is found.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import CliError
from .exits import Exit
from .nearness import near

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .api import Json

__all__ = ["Found", "Target", "choose", "survey"]

_PROGRAM = ("-P", "-m", "penstock.definitions.survey")
_SHOWN = 60  # characters of a description in a list


@dataclass(frozen=True, slots=True)
class Target:
    """What is to be built, as it was asked for.

    Attributes:
        file: the flow's file; None: a module that is imported by name.
        module: dotted name of that module.
        name: of the flow, or of what `to_flow` gave, in it; None: the only one.
    """

    file: Path | None
    module: str | None
    name: str | None

    @classmethod
    def parse(cls, text: str) -> Target:
        """Read `FILE.py:flow`, `FILE.py`, `package.module:flow`, `package.module` or, not told from that yet, `package.module.flow`.

        Raises:
            CliError: there is no such file.
        """
        place, colon, name = text.rpartition(":")
        if not colon:
            place, name = text, ""
        if place.endswith(".py") or "/" in place:
            file = Path(place)
            if file.is_dir():
                raise CliError(f"error: {place} is a folder: name the file in it, FILE.py:flow", Exit.USAGE)
            if not file.is_file():
                beside = [str(each) for each in sorted(file.parent.glob("*.py"))] if file.parent.is_dir() else []
                raise CliError(f"error: the file {place} does not exist.{near(place, beside)}", Exit.NOT_FOUND)
            return cls(file, None, name or None)
        if not all(part.isidentifier() for part in place.split(".")):
            raise CliError(f"error: {text!r} is neither FILE.py:flow nor package.module:flow", Exit.USAGE)
        return cls(None, place, name or None)

    def settled(self, found: Json) -> Target:
        """Return what is meant by `package.module.flow`, now that it is known what of it is the module."""
        if found["asked"] is None or self.module is None:
            return self
        return Target(None, self.module.rpartition(".")[0], found["asked"])

    def __str__(self) -> str:
        """Return file or module, as users wrote it."""
        return str(self.file if self.file is not None else self.module)


@dataclass(frozen=True, slots=True)
class Found:
    """What is to be built.

    Attributes:
        variable: what the flow is called in its module.
        flow: what is known of the flow.
        definition: what `to_flow` said; None: nothing.
        notes: what could not be known.
    """

    variable: str
    flow: Json
    definition: Json | None
    notes: tuple[str, ...]


def survey(target: Target, folders: Sequence[Path], timeout: float) -> Json:
    """Import a target in a process of its own, and return what it defines.

    Args:
        target: file or module.
        folders: where modules are looked for first.
        timeout: seconds.

    Raises:
        CliError: it cannot be imported, or takes longer.
    """
    with tempfile.TemporaryDirectory(prefix="penstock-build-") as scratch:
        result = Path(scratch) / "survey.json"
        arguments = [str(result), str(target), target.name or "", *(str(folder.resolve()) for folder in folders)]
        code = _run([sys.executable, *_PROGRAM, *arguments], target, timeout)
        try:
            found: Json = json.loads(result.read_text("utf-8"))
        except (OSError, ValueError):
            raise CliError(f"error: {target} ended its process while it was imported ({_ending(code)})") from None
    if "error" in found:
        raise CliError(_words(target, found["error"]))
    return found


def _run(command: list[str], target: Target, timeout: float) -> int:
    # The same order of what has none in every process; nothing written beside the user's files.
    env = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    # In a session of its own, so that what it starts ends with it.
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=2, env=env, start_new_session=True) as process:
        try:
            return process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise CliError(
                f"error: {target} was not imported within {timeout:g} s: what it does at module level takes too long. "
                'Move it into the flow, or below `if __name__ == "__main__":`; or give it more time with --timeout',
                Exit.TIMED_OUT,
            ) from None
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)


def _ending(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _words(target: Target, error: Json) -> str:
    line = f":{error['line']}" if error.get("line") else ""
    message = " ".join(str(error["message"]).split())
    hint = ""
    if "relative import" in message:
        hint = ": it is part of a package; put the code into an image, and build with --image IMAGE"
    elif error["type"] == "ModuleNotFoundError" and target.file is None:
        hint = ": the module, or what it imports, is not installed here; run this where the image's packages are"
    return f"error: {target}{line} cannot be imported: {error['type']}: {message}{hint}"


def choose(target: Target, found: Json) -> Found:
    """Say which of what a file defines is meant.

    Raises:
        CliError: nothing of that name, or several are there.
    """
    flows: dict[str, Any] = found["flows"]
    definitions: list[Json] = found["definitions"]
    notes = tuple(found["notes"])
    if target.name is not None and flows.get(target.name, {}).get("method"):
        raise CliError(
            f"error: {target}:{target.name} is a method, and a pod has no object to call it on: "
            "make one at module level, and build what it holds (`report = Report().run`, and FILE.py:report)"
        )
    named = {each["variable"]: each for each in definitions if each["variable"]}
    if target.name is None:
        return _only(target, flows, definitions, notes)
    if target.name in named:
        return _defined(target, named[target.name], flows, notes)
    if target.name in flows:
        of_it = [each for each in definitions if each["flow"] == target.name]
        if len(of_it) > 1:
            raise CliError(
                _listing(target, f"to_flow is called {len(of_it)} times for {target.name}", {}, of_it), Exit.USAGE
            )
        return (
            _defined(target, of_it[0], flows, notes) if of_it else Found(target.name, flows[target.name], None, notes)
        )
    known = [*named, *flows]
    by_name = [variable for variable, flow in flows.items() if flow["name"] == target.name]
    hint = f" The flow of that name is {target}:{by_name[0]}." if by_name else near(target.name, known)
    there = f" It has {', '.join(known)}." if known and not hint else hint
    raise CliError(f"error: {target} has no flow {target.name!r}.{there}", Exit.NOT_FOUND)


def _only(target: Target, flows: dict[str, Any], definitions: list[Json], notes: tuple[str, ...]) -> Found:
    if len(definitions) == 1:
        return _defined(target, definitions[0], flows, notes)
    own = {variable: flow for variable, flow in flows.items() if flow["own"]} or flows
    if not own:
        lost = f" ({'; '.join(notes)})" if notes else ""
        raise CliError(
            f"error: {target} has no flow: decorate a function with @flow, or name a function{lost}", Exit.NOT_FOUND
        )
    if len(own) > 1 or definitions:
        raise CliError(_listing(target, f"{target} has several", own, definitions), Exit.USAGE)
    variable, flow = next(iter(own.items()))
    return Found(variable, flow, None, notes)


def _defined(target: Target, definition: Json, flows: dict[str, Any], notes: tuple[str, ...]) -> Found:
    if definition["flow"] is None:
        raise CliError(
            f"error: {target}: to_flow was called for the flow {definition['flowName']!r}, which is no variable of the module: "
            "assign the flow to one, so that a pod finds it"
        )
    if definition.get("error"):
        raise CliError(f"error: {target}: {definition['error']}")
    return Found(definition["flow"], flows[definition["flow"]], definition, notes)


def _listing(target: Target, what: str, flows: dict[str, Any], definitions: list[Json]) -> str:
    """Write what can be built, one a line."""
    rows = [
        (each["variable"], f"to_flow of {each['flow'] or each['flowName']}") for each in definitions if each["variable"]
    ]
    rows += [(variable, _summary(flow)) for variable, flow in flows.items()]
    width = max(len(f"{target}:{name}") for name, _ in rows) if rows else 0
    lines = [f"  {f'{target}:{name}':<{width}}  {text}".rstrip() for name, text in rows]
    unnamed = sum(not each["variable"] for each in definitions)
    if unnamed:
        lines.append("  and to_flow without a variable: assign what it gives to one, to name it here")
    return "\n".join([f"error: {what}: say which", *lines])


def _summary(flow: Json) -> str:
    first = (flow["description"] or flow["name"]).strip().partition("\n")[0]
    return first if len(first) <= _SHOWN else f"{first[: _SHOWN - 1]}…"
