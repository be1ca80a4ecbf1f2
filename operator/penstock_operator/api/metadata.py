"""The parts of Kubernetes' own types that the models use: ObjectMeta as far as it is read, and Condition."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer

from .base import Int64, Model, Time
from .times import rfc3339


class OwnerReference(Model):
    """Who owns an object."""

    api_version: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool | None = None


def _managers(value: Any) -> Any:
    """Keep of `managedFields` who has written what is not a subresource, as `NAME/Apply` or `NAME/Update`: of 20,000 runs all of it is much."""
    if not isinstance(value, list | tuple):
        return ()
    written = (e for e in value if isinstance(e, Mapping) and not e.get("subresource"))
    names = [f"{e.get('manager', '')}/{e.get('operation', '')}" for e in written]
    return tuple(dict.fromkeys([*(e for e in value if isinstance(e, str)), *names]))


class ObjectMeta(Model):
    """Metadata as far as the operator reads it. A server sets uid and resourceVersion on every stored object."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: Time | None = None
    deletion_timestamp: Time | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    owner_references: tuple[OwnerReference, ...] = ()
    managers: Annotated[tuple[str, ...], BeforeValidator(_managers), Field(alias="managedFields")] = ()

    @property
    def controller(self) -> OwnerReference | None:
        """The owner that has made it."""
        return next((owner for owner in self.owner_references if owner.controller), None)


class ConditionStatus(StrEnum):
    """The three values of a condition."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


# metav1.Condition's time has whole seconds, in every client's eyes.
_Seconds = Annotated[
    Time,
    PlainSerializer(lambda t: rfc3339(t.replace(microsecond=0)), return_type=str, when_used="json-unless-none"),
]


class Condition(Model):
    """metav1.Condition."""

    type: Annotated[str, Field(max_length=316)]
    """Type of the condition."""
    status: ConditionStatus
    """True, False or Unknown."""
    reason: Annotated[str, Field(min_length=1, max_length=1024, pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$")]
    """Why, in one CamelCase word: the name of the state, unless the condition says otherwise."""
    message: Annotated[str, Field(max_length=32_768)]
    """Why, in words for people. May be empty."""
    last_transition_time: _Seconds
    """When the status last changed, on the operator's clock."""
    observed_generation: Annotated[Int64 | None, Field(ge=0)] = None
    """metadata.generation that the condition is about."""


Conditions = Annotated[
    tuple[Condition, ...] | None,
    Field(max_length=16, json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}),
]
