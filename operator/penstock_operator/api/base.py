"""What every model of the API shares: camel case on the wire, frozen values, unknown fields ignored, times in UTC.

A server prunes what a CRD does not know; a reader must not fail on what a newer one does. So unknown fields are ignored here, and the
strictness of `kubectl apply` comes from the CRD.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer
from pydantic.alias_generators import to_camel


def utc(value: datetime) -> datetime:
    """Return the time in UTC; a naive one is taken as UTC already."""
    if value.tzinfo is UTC:
        return value
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def rfc3339(value: datetime) -> str:
    """Write a time as RFC 3339 in UTC, with microseconds only where there are any."""
    return f"{utc(value).isoformat()[: -len('+00:00')]}Z"


Time = Annotated[datetime, AfterValidator(utc), PlainSerializer(rfc3339, return_type=str, when_used="json-unless-none")]
Int32 = Annotated[int, Field(json_schema_extra={"format": "int32"})]
Int64 = Annotated[int, Field(json_schema_extra={"format": "int64"})]


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

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form as the API server stores it: by alias, absent instead of null."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def rules(*pairs: tuple[str, str]) -> dict[str, Any]:
    """Return the schema extra that puts CEL rules on a model.

    Args:
        pairs: (rule, message) each, in the order in which a server reports them.
    """
    return {"x-kubernetes-validations": [{"rule": rule, "message": message} for rule, message in pairs]}
