"""What names look like that users write into the resources, for the CRDs and for whoever reads what an older CRD let in.

The CRDs refuse a text that no object can be called. The models do not: an object that was stored before would be unreadable, and its run
would say nothing at all. So the core asks here before it uses a name, and says what is wrong with it.
Sources: apimachinery's `IsDNS1123Label`, `IsDNS1123Subdomain`, `IsConfigMapKey`, `IsDomainPrefixedPath`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from pydantic import Field

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"


@dataclass(frozen=True, slots=True)
class Naming:
    """A kind of name.

    Attributes:
        pattern: a regular expression that API servers (RE2) and Python read alike.
        maximum: characters.
        words: what it is, for people.
    """

    pattern: str
    maximum: int
    words: str

    def fault(self, name: str) -> str | None:
        """Return what is wrong with a name, None if nothing is."""
        if re.fullmatch(self.pattern.removesuffix("$"), name) and len(name) <= self.maximum:
            return None
        return f"{name!r} is no name: {self.words}, at most {self.maximum} characters"

    def schema(self) -> dict[str, Any]:
        """Return the schema of such a name."""
        return {"type": "string", "minLength": 1, "maxLength": self.maximum, "pattern": self.pattern}

    def field(self, maximum: int | None = None) -> Any:
        """Return the constraint of a field that holds one; only the schema asks for the pattern.

        Args:
            maximum: where less is allowed than such names may have.
        """
        return Field(max_length=maximum or self.maximum, json_schema_extra={"minLength": 1, "pattern": self.pattern})


LABEL: Final = Naming(f"^{_LABEL}$", 63, "lower-case letters, digits and dashes")
RUN: Final = Naming(LABEL.pattern, 52, LABEL.words)
"""A FlowRun. Its pods' names, which add the attempt, have room for no more."""
SUBDOMAIN: Final = Naming(f"^{_LABEL}(\\.{_LABEL})*$", 253, "lower-case letters, digits, dashes and dots")
# No key of a ConfigMap is `.`, `..` or begins with two dots.
KEY: Final = Naming(
    r"^([-_a-zA-Z0-9]|\.[-_a-zA-Z0-9])[-._a-zA-Z0-9]*$", 253, "letters, digits, dashes, underscores and dots"
)
# A Flow, or the function of a flowSpec.
FLOW: Final = Naming(r"^[A-Za-z0-9_][-._A-Za-z0-9]*$", 63, "letters, digits, dashes, underscores and dots")
CONTROLLER: Final = Naming(
    r"^[A-Za-z0-9]([-._A-Za-z0-9]*[A-Za-z0-9])?(/[A-Za-z0-9]([-._A-Za-z0-9]*[A-Za-z0-9])?)*$",
    63,
    "a controller as Jobs name theirs, like kueue.x-k8s.io/multikueue",
)


def reference_schema() -> dict[str, Any]:
    """Return the schema of `env[].valueFrom`: the objects that it names, the rest as a PodSpec has it."""
    free = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}

    def text(about: str) -> dict[str, Any]:
        return {"type": "string", "maxLength": 253, "description": about}

    def selector(kind: str) -> dict[str, Any]:
        name = {**SUBDOMAIN.schema(), "description": f"Name of the {kind}, in the same namespace."}
        key = {**KEY.schema(), "description": f"The key in the {kind}."}
        optional = {"type": "boolean", "description": "Whether the pod starts without it."}
        properties = {"name": name, "key": key, "optional": optional}
        return {**free, "description": f"A key of a {kind}.", "properties": properties}

    return {
        **free,
        "description": (
            "Where the value comes from instead, as in a pod: configMapKeyRef, secretKeyRef, fieldRef, resourceFieldRef."
            " Only for those who may create pods in the namespace."
        ),
        "properties": {
            "configMapKeyRef": selector("ConfigMap"),
            "secretKeyRef": selector("Secret"),
            "fieldRef": {
                **free,
                "description": "A field of the pod.",
                "properties": {"fieldPath": text("Its path, e.g. metadata.name or status.podIP.")},
            },
            "resourceFieldRef": {
                **free,
                "description": "A request or limit of a container.",
                "properties": {
                    "resource": text("Which one, e.g. limits.memory."),
                    "containerName": text("Of which container. Absent: the engine's."),
                },
            },
        },
    }
