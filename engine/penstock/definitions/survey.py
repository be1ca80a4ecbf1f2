"""What a file of flows defines, as JSON: `python -m penstock.definitions.survey`, which `penstock build` starts.

A process of its own, because importing a file runs what it says at module level: whatever that prints goes to standard
error, it may be ended when it hangs, and the result is a file. No flow is run. Where a package that the file imports is not
installed, the file is read by `tolerant`, and the result says what could not be known.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.base.exceptions import MissingFlowError, PenstockException, ScriptError
from penstock.definitions.entrypoints import function_in, module_for, source_of
from penstock.definitions.flow import Flow
from penstock.definitions.loading import compile_entrypoint
from penstock.definitions.to_flow import COLLECTED, FlowDefinition
from penstock.definitions.tolerant import Known, Missing, known_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

Json = dict[str, Any]


def survey(target: str, name: str | None) -> Json:
    """Say what is in a file or module.

    Args:
        target: `path.py`, `package.module`, or `package.module.flow` as entrypoints have it.
        name: what is asked for in it, which may be a plain function, or `Class.method`; None: whatever there is.

    Returns:
        `flows` and `definitions`, each by the name of its variable; `notes`: what could not be known; `file`: its path;
        `asked`: the last part of the target, where it is no module but what is asked for in one.

    Raises:
        ScriptError: it raised, or is not Python.
        MissingFlowError: there is no such file.
    """
    collected: list[FlowDefinition] = []
    token = COLLECTED.set(collected)
    try:
        module, asked = compile_entrypoint(target if name is None else f"{target}:{name}").execute()
    except ScriptError as exc:
        cause = exc.__cause__
        path = _file_of(target) if isinstance(cause, ModuleNotFoundError) else None
        if path is None:
            raise
        collected.clear()
        return _surveyed_tolerantly(path, None if target.endswith(".py") else target, name, collected)
    finally:
        COLLECTED.reset(token)
    return _described(vars(module), module, asked, collected) | {"asked": asked if name is None else None}


def _file_of(target: str) -> Path | None:
    """The file of a target; None: a module that is not found, or is no file of Python."""
    if target.endswith(".py"):
        return compile_entrypoint(target).path
    from importlib.machinery import PathFinder

    search: list[str] | None = None
    for depth, _ in enumerate(target.split("."), 1):
        # Importing the packages above would meet what is missing once more.
        found = PathFinder.find_spec(".".join(target.split(".")[:depth]), search)
        if found is None:
            return None
        search = found.submodule_search_locations or []
    return Path(found.origin) if found is not None and found.origin and found.origin.endswith(".py") else None


def _surveyed_tolerantly(path: Path, dotted: str | None, name: str | None, collected: list[FlowDefinition]) -> Json:
    package = dotted if path.name == "__init__.py" else (dotted or "").rpartition(".")[0] or None
    source = source_of(path)
    token = COLLECTED.set(collected)
    try:
        with module_for(path, package) as module:
            known = known_of(source, str(path), module)
            if name is not None and "." not in name and known.names.get(name) is None:
                # No function either: whoever asked is told what there is.
                with suppress(MissingFlowError):
                    known.names[name] = function_in(known, name, source, str(path))
            return _described(known.names, module, name, collected) | {"notes": list(_notes(known))}
    finally:
        COLLECTED.reset(token)


def _notes(known: Known) -> Iterator[str]:
    missing = ", ".join(sorted(known.missing))
    if missing:
        yield f"not installed here: {missing}; parameters of types of it are described without a type"
    for line, why in known.skipped:
        yield f"line {line} was left out: {why}"


def _described(names: dict[str, Any], module: ModuleType, name: str | None, collected: list[FlowDefinition]) -> Json:
    flows = {variable: value for variable, value in names.items() if isinstance(value, Flow)}
    definitions = {variable: value for variable, value in names.items() if isinstance(value, FlowDefinition)}
    if name is not None and name not in flows and name not in definitions:
        asked = _asked(names, name)
        if asked is not None:
            flows[name] = asked
    unnamed = [each for each in collected if not any(each is other for other in definitions.values())]
    return {
        "file": getattr(module, "__file__", None),
        "flows": {variable: _flow(flow, module) for variable, flow in flows.items()},
        "definitions": [
            *(_definition(each, variable, flows) for variable, each in definitions.items()),
            *(_definition(each, None, flows) for each in unnamed),
        ],
        "notes": [],
        "asked": None,
    }


def _asked(names: dict[str, Any], name: str) -> Flow[..., Any] | None:
    """The flow of that name that is no variable of the module, or a plain function as a flow."""
    first, *rest = name.split(".")
    found = names.get(first)
    for part in rest:
        found = getattr(found, part, None)
    if isinstance(found, Flow):
        return found
    return Flow(found) if callable(found) and not isinstance(found, type | Missing) else None


def _flow(flow: Flow[..., Any], module: ModuleType) -> Json:
    code = getattr(flow.fn, "__code__", None)
    return {
        "name": flow.name,
        "description": flow.description,
        "schema": _schema(flow),
        "own": getattr(flow.fn, "__module__", None) == module.__name__,
        "line": getattr(code, "co_firstlineno", None),
        # Nobody makes the instance that a pod would call it on.
        "method": next(iter(flow.binder.signature.parameters), None) == "self",
    }


def _schema(flow: Flow[..., Any]) -> Json:
    """The schema of the parameters; names that the signature has not are refused, or taken by `**kwargs`, as by the engine."""
    from inspect import Parameter

    from penstock.definitions.schema import carried

    schema: Json = carried(flow.parameters.model_dump())
    if not flow.should_validate_parameters:
        schema["properties"] = {name: _unchecked(each) for name, each in schema["properties"].items()}
    takes_any_name = any(each.kind is Parameter.VAR_KEYWORD for each in flow.binder.signature.parameters.values())
    return {**schema, "additionalProperties": takes_any_name}


def _unchecked(described: Json) -> Json:
    """The schema of a parameter that takes any value; its type stays, for readers."""
    about: Json = {
        name: described[name] for name in ("title", "description", "position", "default") if name in described
    }
    rest = {name: value for name, value in described.items() if name not in about}
    return {**about, "anyOf": [rest, {}]} if rest else about


def _definition(definition: FlowDefinition, variable: str | None, flows: dict[str, Flow[..., Any]]) -> Json:
    found = next((name for name, flow in flows.items() if flow is definition.flow), None)
    described: Json = {
        "variable": variable,
        "flow": found,
        "flowName": definition.flow.name,
        "name": definition.name,
        "labels": dict(definition.labels),
        "annotations": dict(definition.annotations),
    }
    try:
        described["spec"] = _spec(definition)
        json.dumps(described, allow_nan=False)
    except (PenstockException, ValueError, TypeError) as exc:
        described |= {"spec": None, "error": f"to_flow: {exc}"}
    return described


def _spec(definition: FlowDefinition) -> Json:
    from penstock.definitions.schema import json_values

    flow = definition.flow
    spec: Json = {name: _plain(value) for name, value in definition.fields.items()}
    if definition.parameters:
        spec["parameters"] = json_values(flow.fn, definition.parameters, "parameters")
    if definition.schedules:
        spec["schedules"] = list(_schedules(definition))
    return spec


def _schedules(definition: FlowDefinition) -> Iterator[Json]:
    """The entries of the schedules; what has no name is called by its kind, and several of a kind by what they say."""
    from penstock.definitions.schema import json_values

    kinds = [("cron" if each.cron is not None else "interval") for each in definition.schedules if not each.slug]
    for each in definition.schedules:
        kind = "cron" if each.cron is not None else "interval"
        where = f"parameters of the schedule {each.slug or each.cron or each.interval!s}"
        entry = each.to_spec(kind, json_values(definition.flow.fn, each.parameters, where))
        if not each.slug and kinds.count(kind) > 1:
            # Not by its place in the list, and not by whether it is suspended: what is due stays the same schedule.
            said = {
                name: entry.get(name) for name in ("cron", "intervalSeconds", "timeZone", "anchorTime", "parameters")
            }
            entry["name"] = f"{kind}-{sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:6]}"
        yield entry


def _plain(value: Any) -> Any:
    """Mappings and sequences of any kind as JSON has them."""
    if hasattr(value, "items"):
        return {str(name): _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _failure(exc: BaseException, target: str) -> Json:
    """What went wrong, in a line, and where in the user's file."""
    import traceback

    from penstock.base.texts import text_of

    cause = exc.__cause__ if isinstance(exc, ScriptError) and exc.__cause__ is not None else exc
    path = os.path.abspath(target)
    where = next(
        (frame for frame in reversed(traceback.extract_tb(cause.__traceback__)) if frame.filename == path), None
    )
    line = cause.lineno if isinstance(cause, SyntaxError) else where and where.lineno
    return {"error": {"type": type(cause).__name__, "message": text_of(cause), "line": line}}


def main(arguments: list[str]) -> None:
    """Survey `TARGET` for `NAME` (empty: whatever there is), from the folders after them, into the file `RESULT`; ends the process."""
    result, target, name, *folders = arguments
    sys.path[:0] = folders
    try:
        found = survey(target, name or None)
        text = json.dumps(found, allow_nan=False)
    except SystemExit as exc:
        why = f"it ended the interpreter: sys.exit({exc.code!r})"
        text = json.dumps({"error": {"type": "SystemExit", "message": why, "line": None}})
    except Exception as exc:  # noqa: BLE001  (whatever user code raises)
        text = json.dumps(_failure(exc, target))
    with open(result, "w", encoding="utf-8") as file:
        file.write(text)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # threads that the file has started do not hold it up


if __name__ == "__main__":
    main(sys.argv[1:])
