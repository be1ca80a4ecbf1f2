"""FlowRuns as the commands see them: their state, their attempts' pods, and whether they have ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .api import ServerError
from .kinds import FLOWRUN, POD

if TYPE_CHECKING:
    from .api import Api, Json
    from .kinds import Kind

__all__ = ["Run", "attempts_pods", "find", "not_found"]

_FINAL = ("Completed", "Failed", "Crashed", "Cancelled")


@dataclass(frozen=True, slots=True)
class Run:
    """A FlowRun's object, with the parts that people ask for."""

    body: Json

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.body["metadata"]["name"])

    @property
    def namespace(self) -> str:
        """Its namespace."""
        return str(self.body["metadata"]["namespace"])

    @property
    def uid(self) -> str:
        """Its UID."""
        return str(self.body["metadata"]["uid"])

    @property
    def path(self) -> str:
        """Where it is in the API."""
        return FLOWRUN.path(self.namespace, self.name)

    @property
    def status(self) -> dict[str, Any]:
        """Its status, empty until the operator has seen it."""
        return self.body.get("status") or {}

    @property
    def state(self) -> tuple[str, str, str]:
        """Type, name and message of its state; empty until the operator has seen it."""
        state = self.status.get("state") or {}
        return str(state.get("type", "")), str(state.get("name", "")), str(state.get("message", ""))

    @property
    def finished(self) -> bool:
        """Whether it has ended."""
        return self.state[0] in _FINAL

    @property
    def completed(self) -> bool:
        """Whether it has ended well."""
        return self.state[0] == "Completed"

    @property
    def pod(self) -> str:
        """Name of the present attempt's pod; empty before the first attempt."""
        return str((self.status.get("attempt") or {}).get("podName", ""))

    @property
    def attempt(self) -> int:
        """Number of the present attempt; 0 before the first."""
        return int((self.status.get("attempt") or {}).get("number", 0))

    @property
    def flow(self) -> str:
        """Name of its flow."""
        known = (self.status.get("flow") or {}).get("name") or (self.body["spec"].get("flowRef") or {}).get("name")
        return str(known or "")

    def condition(self, name: str) -> str:
        """Return a condition's status; Unknown while it has none."""
        for condition in self.status.get("conditions") or []:
            if condition["type"].lower() == name.lower():
                return str(condition["status"])
        return "Unknown"


def attempts_pods(api: Api, run: Run) -> list[tuple[int, str]]:
    """Return number and pod of a run's attempts that still have one, in order."""
    from penstock_operator.api import constants

    selector = f"{constants.LABEL_FLOW_RUN_UID}={run.uid}"
    found = api.get(POD.path(run.namespace), {"labelSelector": selector}).get("items") or []
    pods = [
        (int(pod["metadata"]["labels"].get(constants.LABEL_ATTEMPT, 0)), str(pod["metadata"]["name"])) for pod in found
    ]
    return sorted(pods)


def find(api: Api, namespace: str, name: str) -> Run:
    """Return a run.

    Raises:
        ServerError: there is none of this name.
    """
    found = api.find(FLOWRUN.path(namespace, name))
    if found is None:
        raise not_found(name)
    return Run(found)


def not_found(name: str, kind: Kind = FLOWRUN) -> ServerError:
    """Return what the API server says of an object that is not there."""
    return ServerError(404, "NotFound", f'{kind.plural}.{kind.group} "{name}" not found')
