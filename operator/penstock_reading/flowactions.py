"""What can be done with a Flow, as commands to copy: with this program, and with kubectl alone. Pure."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from .actions import Action
from .typed import Fields

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["actions"]


def actions(body: Mapping[str, Any], program: str) -> list[Action]:
    """Return what can be done with a Flow as it is now.

    Args:
        body: the Flow.
        program: what the user calls this program.
    """
    metadata, spec = body["metadata"], body.get("spec") or {}
    name, namespace = shlex.quote(str(metadata["name"])), str(metadata.get("namespace") or "default")
    where = "" if namespace == "default" else f" -n {shlex.quote(namespace)}"
    schema = spec.get("parametersSchema")
    own = spec.get("parameters") or {}
    fields = Fields(schema) if isinstance(schema, dict) else None
    wanted = "".join(
        f" -p {shlex.quote(f'{each}=...')}" for each in (fields.required if fields else ()) if each not in own
    )
    held = bool(spec.get("suspend"))
    patch = f'kubectl patch fl {name}{where} --type=merge -p \'{{"spec":{{"suspend":{"false" if held else "true"}}}}}\''
    found = [Action("Run it", f"{program} run {name}{wanted}{where} --watch")]
    if spec.get("schedules"):
        found.append(Action("See its next times", f"{program} next {name}{where}"))
    if held:
        found.append(Action("Let it go on", f"{program} resume fl/{name}{where}", patch))
    else:
        found.append(Action("Suspend it: no run begins by itself", f"{program} suspend fl/{name}{where}", patch))
    found.append(
        Action("See it whole", f"{program} describe fl {name}{where}", f"kubectl get fl {name}{where} -o yaml")
    )
    runs = f"--field-selector spec.flowRef.name={name}"
    found.append(Action("List its runs", f"{program} get fr{where} {runs}", f"kubectl get fr{where} {runs}"))
    return found
