"""What a flow is and how it runs: the fields that `Flow.spec` and `FlowRun.spec.flowSpec` share."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from . import names
from .base import Int32, Int64, Model, Within, free_form, rules

INLINE_ENTRYPOINT = (
    r"!has(self.source) || !has(self.source.inline) || self.entrypoint.matches('^[A-Za-z0-9_-]+\\.py:')",
    "with source.inline the entrypoint is NAME.py:function",
)


class ConfigMapSource(Model):
    """A ConfigMap whose keys become the files of the source folder."""

    name: Annotated[str, names.SUBDOMAIN.field()]


class Source(Model):
    """Where the Python source comes from, if not from the image."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            ("has(self.inline) != has(self.configMap)", "exactly one of source.inline and source.configMap")
        )
    )

    inline: Annotated[str | None, Field(min_length=1, max_length=262_144)] = None
    config_map: ConfigMapSource | None = None


class TemplateMetadata(Model):
    """Labels and annotations for the pod."""

    labels: Annotated[dict[str, Annotated[str, Field(max_length=63)]] | None, Field(max_length=64)] = None
    annotations: Annotated[dict[str, Annotated[str, Field(max_length=65_536)]] | None, Field(max_length=64)] = None


class Template(Model):
    """A free-form pod, merged over the one that the operator builds."""

    metadata: TemplateMetadata | None = None
    spec: Annotated[dict[str, Any] | None, free_form(64)] = None


def _env_schema(schema: dict[str, Any]) -> None:
    schema["properties"]["valueFrom"] = names.reference_schema()
    schema["x-kubernetes-preserve-unknown-fields"] = True


class EnvVar(Model):
    """An environment variable; `valueFrom` and whatever a PodSpec allows besides is kept as it is."""

    model_config = ConfigDict(extra="allow", json_schema_extra=_env_schema)

    name: Annotated[str, Field(min_length=1, max_length=1024)]
    value: Annotated[str | None, Field(max_length=32_768)] = None


EnvList = Annotated[
    list[EnvVar] | None,
    Field(max_length=128, json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}),
]


class Preview(StrEnum):
    """Whether a small result is shown in the status."""

    ALWAYS = "Always"
    NEVER = "Never"


class Results(Model):
    """Where results go."""

    storage: Annotated[str | None, Field(min_length=1, max_length=2048)] = None
    persist: bool | None = None
    preview: Preview = Preview.ALWAYS


class Retries(Model):
    """How many attempts may be lost, by who is to blame."""

    infrastructure: Annotated[Int32, Within(0, 100)] | None = None
    never_started: Annotated[Int32, Within(0, 100)] | None = None
    application: Annotated[Int32, Within(0, 100)] | None = None


class Backoff(Model):
    """The wait before the next attempt: exponential, per budget."""

    initial_seconds: Annotated[Int64, Within(0, 3600)] | None = None
    maximum_seconds: Annotated[Int64, Within(1, 86_400)] | None = None


class Retention(Model):
    """How long what is finished is kept; -1 keeps pods for ever."""

    pod_seconds: Annotated[Int64, Within(-1)] | None = None
    run_seconds: Annotated[Int64, Within(0)] | None = None


class RunPolicy(Model):
    """Deadlines, budgets, retention. Absent fields: the Flow's, then the defaults of `penstock_operator.core.policy`."""

    active_deadline_seconds: Annotated[Int64, Within(1)] | None = None
    pending_deadline_seconds: Annotated[Int64, Within(1)] | None = None
    image_pull_grace_seconds: Annotated[Int64, Within(0, 86_400)] | None = None
    grace_period_seconds: Annotated[Int64, Within(0, 3600)] | None = None
    liveness_seconds: Annotated[Int64, Within(30, 86_400)] | None = None
    retries: Retries | None = None
    backoff: Backoff | None = None
    retention: Retention | None = None


Parameters = Annotated[dict[str, Any] | None, free_form(256)]
Image = Annotated[str | None, Field(min_length=1, max_length=512)]
Resources = Annotated[dict[str, Any] | None, free_form(16)]


class Execution(Model):
    """A flow and how to run it."""

    model_config = ConfigDict(json_schema_extra=rules(INLINE_ENTRYPOINT))

    entrypoint: Annotated[
        str, Field(min_length=1, max_length=512, pattern=r"^[^:\x00-\x20\x7f]+:[A-Za-z_][A-Za-z0-9_.]*$")
    ]
    source: Source | None = None
    image: Image = None
    parameters: Parameters = None
    parameters_schema: Parameters = None
    template: Template | None = None
    env: EnvList = None
    resources: Resources = None
    results: Results | None = None
    run_policy: RunPolicy | None = None
