"""A FlowRun as people see it: its state, its attempt's pod, and whether it has ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock_operator.api import constants, paths

if TYPE_CHECKING:
    pass

__all__ = ["Run"]

_FINAL = ("Completed", "Failed", "Crashed", "Cancelled")


@dataclass(frozen=True, slots=True)
class Run:
    """A FlowRun's object, with the parts that people ask for."""

    body: dict[str, Any]

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
        return paths.path(constants.GROUP, constants.VERSION, constants.FLOWRUN_PLURAL, self.namespace, self.name)

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
    def words(self) -> str:
        """Its state in words: `Failed/TimedOut`; empty until the operator has seen it."""
        kind, name, _ = self.state
        return kind if name in ("", kind) else f"{kind}/{name}"

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
