"""What a paused run says: what it waits for, and the command that lets it go on.

Whoever looks by `kubectl get -o wide` or `kubectl describe` sees the message of the state, and needs no second tool to answer.
Neighbours: `reconcile` and `attempts` put it into the state, `penstock describe` shows the same command.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

from penstock_operator.api.flowrun import DesiredState, FlowRun
from penstock_operator.api.report import Pause

from .canonical import too_deep
from .limits import MESSAGE, cut

# A longer command would leave no room for the question, and the message must not end within it.
_COMMAND = 640


def waits_for(run: FlowRun, pause: Pause | None, said: str) -> str:
    """Return the message of a paused or suspended run.

    Args:
        run: The run, as it is wanted.
        pause: What its code waits for; None: it was paused from outside, or waits for time alone.
        said: What there is to say besides.
    """
    if run.spec.desired_state in (DesiredState.PAUSED, DesiredState.SUSPENDED):
        return f"{said}: set desiredState to Running to go on"
    if pause is None or not pause.key:
        return said
    asked = pause.input
    question = " ".join(((asked.description if asked else None) or said).split())
    # Before there was an answer it is the engine that says why the question is not shown.
    about = "the last answer was refused: " if pause.seen else ""
    refused = f"; {about}{asked.error}" if asked is not None and asked.error else ""
    earlier = (run.spec.inputs or {}).get(pause.key) if pause.seen and refused else None
    how = f"; to answer: {_how(run, pause.key, asked.schema_ if asked else None, earlier)}"
    return cut(f"{question}{refused}", MESSAGE - len(how)) + how


def _how(run: FlowRun, key: str, schema: Mapping[str, Any] | None, earlier: object) -> str:
    answer = True if schema is None or too_deep(schema) else example(schema)
    answer = answer if too_deep(earlier) else _in_place_of(earlier, answer)
    command = answering(run.metadata.namespace, run.metadata.name, key, answer)
    # A message is one line: a key or a value with other white space in it would not be what is asked for.
    return command if len(command) <= _COMMAND and cut(command, MESSAGE) == command else "see status.pause"


def _in_place_of(earlier: object, answer: Any) -> Any:
    """Return an answer as a merge patch that leaves nothing of an earlier one, which was refused for what was in it, maybe."""
    if not isinstance(earlier, Mapping) or not isinstance(answer, Mapping):
        return answer
    kept = {name: _in_place_of(earlier.get(name), value) for name, value in answer.items()}
    return {**kept, **{name: None for name in earlier if name not in answer}}


def answering(namespace: str, name: str, key: str, answer: object) -> str:
    """Return the command that answers a pause; to be copied, and changed where it says `<string>` and the like."""
    return patching(namespace, name, {"inputs": {key: answer}})


def patching(namespace: str, name: str, spec: Mapping[str, Any]) -> str:
    """Return the command that changes fields of a run's spec."""
    patch = json.dumps({"spec": spec})
    return f"kubectl patch {shlex.quote(f'fr/{name}')} -n {shlex.quote(namespace)} --type=merge -p {shlex.quote(patch)}"


def example(schema: Mapping[str, Any]) -> Any:
    """Return an answer's outline: what must be in it, each value's type in its place."""
    fields = schema.get("properties")
    if schema.get("type") == "object" or isinstance(fields, dict):
        known = fields if isinstance(fields, dict) else {}
        required = schema.get("required")
        names = [n for n in required if isinstance(n, str)] if isinstance(required, list) and required else list(known)
        return {name: example(known[name]) if isinstance(known.get(name), dict) else "<value>" for name in names}
    choices = schema.get("enum")
    if isinstance(choices, list) and choices:
        return choices[0]
    return f"<{schema.get('type') or 'value'}>"
