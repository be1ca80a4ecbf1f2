"""What can be done with a run, as commands to copy: with this program, and with kubectl alone. Pure."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import asking

if TYPE_CHECKING:
    from .runs import Run

__all__ = ["Action", "actions"]


@dataclass(frozen=True, slots=True)
class Action:
    """Something that can be done.

    Attributes:
        what: in a few words.
        command: with this program.
        kubectl: the same without it; empty: kubectl alone cannot.
    """

    what: str
    command: str
    kubectl: str = ""


def actions(run: Run, program: str) -> list[Action]:
    """Return what can be done with a run as it is now.

    Args:
        run: as it is.
        program: what the user calls this program.
    """
    kind, name = run.state[0], shlex.quote(run.name)
    where = "" if run.namespace == "default" else f" -n {shlex.quote(run.namespace)}"
    desired = run.body["spec"].get("desiredState", "Running")

    def wanted(state: str) -> str:
        return f'kubectl patch fr {name}{where} --type=merge -p \'{{"spec":{{"desiredState":"{state}"}}}}\''

    log = f"kubectl logs -f {shlex.quote(run.pod)} -c engine{where}" if run.pod else ""
    found = [Action("Follow its log", f"{program} logs {name}{where} --follow", log)]
    if run.finished:
        anew = kind == "Completed"
        again = "Run it again" if anew else "Run it again from where it failed"
        found.append(Action(again, f"{program} retry {name}{where}{' --all' if anew else ''}"))
        if run.status.get("result"):
            result = f"kubectl get fr {name}{where} -o jsonpath='{{.status.result.json}}'"
            found.append(Action("Read its result", f"{program} result {name}{where}", result))
    elif kind == "Paused" and (run.status.get("pause") or {}).get("key") and desired == "Running":
        found.append(Action("Answer", asking.command(run, program)))
    elif desired in ("Paused", "Suspended"):
        found.append(Action("Let it go on", f"{program} resume {name}{where}", wanted("Running")))
    elif desired == "Running":
        found.append(Action("Pause it between two steps", f"{program} pause {name}{where}", wanted("Paused")))
        found.append(Action("Suspend it: its pod goes", f"{program} suspend {name}{where}", wanted("Suspended")))
    if not run.finished and desired != "Cancelled":
        found.append(Action("Cancel it", f"{program} cancel {name}{where}", wanted("Cancelled")))
    found.append(
        Action("See it whole", f"{program} describe fr {name}{where}", f"kubectl get fr {name}{where} -o yaml")
    )
    found.append(Action("Delete it", f"{program} delete fr {name}{where}", f"kubectl delete fr {name}{where}"))
    return found
