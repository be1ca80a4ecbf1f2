"""What every model of the API shares: camel case on the wire, frozen values, unknown fields ignored, times in UTC, numbers bounded.

A server prunes what a CRD does not know; a reader must not fail on what a newer one does. So unknown fields are ignored here, and the
strictness of `kubectl apply` comes from the CRD.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, cast

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
)
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema
from pydantic_core.core_schema import no_info_before_validator_function

from .descriptions import descriptions
from .times import TIME_PATTERN, read_time, rfc3339, utc


def _moment(value: object) -> datetime:
    """Read a time of the wire; what no calendar holds is the nearest moment that one does."""
    if isinstance(value, datetime):
        return utc(value)
    if isinstance(value, str):
        return read_time(value)
    raise ValueError("must be an RFC 3339 time")


Time = Annotated[
    datetime,
    BeforeValidator(_moment),
    PlainSerializer(rfc3339, return_type=str, when_used="json-unless-none"),
    Field(json_schema_extra={"pattern": TIME_PATTERN}),
]
Int32 = Annotated[int, Field(json_schema_extra={"format": "int32"})]
Int64 = Annotated[int, Field(json_schema_extra={"format": "int64"})]
# The longest time that a number may mean: a pod's own activeDeadlineSeconds goes no further (68 years).
SECONDS_MAXIMUM: Final = 2_147_483_647


@dataclass(frozen=True, slots=True)
class Within:
    """Bounds of a number that a user writes. The CRD refuses what lies beyond; what an older one let in counts as the bound.

    Not for numbers that name something, like an attempt's: the nearest of them is another one.
    """

    minimum: int
    maximum: int = SECONDS_MAXIMUM

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Return the number's schema with its bounds, and the saturation before it."""
        inner = {**handler(source), "ge": self.minimum, "le": self.maximum}
        return no_info_before_validator_function(self._saturated, cast("CoreSchema", inner))

    def _saturated(self, value: Any) -> Any:
        return min(max(value, self.minimum), self.maximum) if isinstance(value, int | float) else value


# Which fields of an object could not be read, and why; no field of the wire (`reading` sets it).
Unreadable = Annotated[tuple[str, ...], Field(exclude=True)]


def free_form(maximum: int) -> Any:
    """Return the constraint of a map whose values are the user's: bounded in keys, never pruned."""
    return Field(max_length=maximum)


class Model(BaseModel):
    """Base of all models: frozen, camel case by alias, unknown fields ignored."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        extra="ignore",
        defer_build=True,
        use_enum_values=False,
        validate_default=False,
    )

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Add the texts behind the fields to the schema."""
        schema = handler(core_schema)
        properties = handler.resolve_ref_schema(schema).get("properties", {})
        for name, text in descriptions(cls).items():
            field = cls.model_fields.get(name)
            if field is not None and field.alias in properties:
                properties[field.alias]["description"] = text
        return schema

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form as the API server stores it: by alias, absent instead of null."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


# Whoever edits a run in Git under its old name learns what to do instead, whatever tool carries the refusal.
ONE_EXECUTION: Final = "a FlowRun is one execution: give the new one another name"


def immutable(field: str) -> str:
    """Return the message of a rule that lets nobody change a field of a FlowRun."""
    return f"{field} is immutable; {ONE_EXECUTION}"


def rules(*pairs: tuple[str, str]) -> dict[str, Any]:
    """Return the schema extra that puts CEL rules on a model.

    Args:
        pairs: (rule, message) each, in the order in which a server reports them.
    """
    return {"x-kubernetes-validations": [{"rule": rule, "message": message} for rule, message in pairs]}


# Of a status: it is written as a whole by those whose it is, and nobody applies parts of it. So a server need not keep, for each of its
# fields, who has written it: that was half of the object, and a quarter of what each write cost the server.
OWNED_AS_A_WHOLE: Final[dict[str, Any]] = {"x-kubernetes-map-type": "atomic"}
