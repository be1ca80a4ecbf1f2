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
    """Name of the ConfigMap, in the namespace of the Flow or FlowRun."""


class Source(Model):
    """Where the Python source comes from, if not from the image."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            ("has(self.inline) != has(self.configMap)", "exactly one of source.inline and source.configMap")
        )
    )

    inline: Annotated[str | None, Field(min_length=1, max_length=262_144)] = None
    """Python source, as text. The entrypoint then is NAME.py:function, and NAME.py is the file that it becomes."""
    config_map: ConfigMapSource | None = None
    """A ConfigMap whose keys are files: several modules, as kustomize's configMapGenerator makes them. The key
    shop.flows.py is the module shop.flows, in a package. A Flow's is copied into its revision (at most 900 kB).
    """


class TemplateMetadata(Model):
    """Labels and annotations for the pod."""

    labels: Annotated[dict[str, Annotated[str, Field(max_length=63)]] | None, Field(max_length=64)] = None
    """Labels of the pod. Those under penstock.dev/ are the operator's own and are left out."""
    annotations: Annotated[dict[str, Annotated[str, Field(max_length=65_536)]] | None, Field(max_length=64)] = None
    """Annotations of the pod. Those under penstock.dev/ are the operator's own and are left out."""


class Template(Model):
    """A free-form pod, merged over the one that the operator builds."""

    metadata: TemplateMetadata | None = None
    """Labels and annotations for the pod."""
    spec: Annotated[dict[str, Any] | None, free_form(64)] = None
    """A PodSpec, merged over the operator's: containers, volumes and env by name. The engine's container is
    named `engine`. It cannot take away what Penstock needs (restartPolicy, the termination message, the
    engine's own env and volumes).
    """


def _env_schema(schema: dict[str, Any]) -> None:
    schema["properties"]["valueFrom"] = names.reference_schema()
    schema["x-kubernetes-preserve-unknown-fields"] = True


class EnvVar(Model):
    """An environment variable; `valueFrom` and whatever a PodSpec allows besides is kept as it is."""

    model_config = ConfigDict(extra="allow", json_schema_extra=_env_schema)

    name: Annotated[str, Field(min_length=1, max_length=1024)]
    """Name of the variable. Those that the engine needs for itself (PENSTOCK_FLOWRUN and the like) cannot be set."""
    value: Annotated[str | None, Field(max_length=32_768)] = None
    """Its value. $(NAME) refers to a variable that stands before it."""


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
    """URL below which results are stored, e.g. file:///mnt/results or s3://bucket/prefix. Absent: the engine's
    own default, inside the pod.
    """
    persist: bool | None = None
    """Whether every result is stored, unless the flow or task says otherwise. Absent: the engine's default, false."""
    preview: Preview = Preview.ALWAYS
    """Whether a small result (at most 1 KiB of JSON) is shown in status.result."""


class Retries(Model):
    """How many attempts may be lost, by who is to blame."""

    infrastructure: Annotated[Int32, Within(0, 100)] | None = None
    """Attempts that may be lost to nodes, evictions and kills. Consecutive: an attempt that ran for 600 s or
    more begins the count anew. Default 3.
    """
    never_started: Annotated[Int32, Within(0, 100)] | None = None
    """Attempts that may be lost before any code of the user's ran: images, volumes, scheduling. Default 10."""
    application: Annotated[Int32, Within(0, 100)] | None = None
    """Attempts after the flow ended Failed, or its process died by its own doing. Default 0; a flow's own
    `retries=` are made inside one attempt and are not counted here.
    """


class Backoff(Model):
    """The wait before the next attempt: exponential, per budget."""

    initial_seconds: Annotated[Int64, Within(0, 3600)] | None = None
    """Seconds before the first further attempt of a budget; doubled each time, with 20 % of chance. Default 10."""
    maximum_seconds: Annotated[Int64, Within(1, 86_400)] | None = None
    """The longest wait, in seconds. Default 300."""


class Retention(Model):
    """How long what is finished is kept; -1 keeps pods for ever."""

    pod_seconds: Annotated[Int64, Within(-1)] | None = None
    """Seconds that the pod of a finished attempt is kept, for its log. 0: deleted at once; -1: never deleted by
    Penstock. Default 86400.
    """
    run_seconds: Annotated[Int64, Within(0)] | None = None
    """Seconds that the finished FlowRun itself is kept. Absent: for ever. Ignored, and said so in the condition
    Degraded, for a run that Git or Helm tracks: it would be made, and run, again.
    """


class RunPolicy(Model):
    """Deadlines, budgets, retention. Absent fields: the Flow's, then the defaults of `penstock_operator.core.policy`."""

    active_deadline_seconds: Annotated[Int64, Within(1)] | None = None
    """Seconds from the run's startTime to its end, all attempts and waits included; then it ends
    Failed/TimedOut. Absent: no limit.
    """
    pending_deadline_seconds: Annotated[Int64, Within(1)] | None = None
    """Seconds for which one attempt may not run yet, or its Flow not be there; then the run ends Crashed with the
    last reason. Absent: no limit.
    """
    image_pull_grace_seconds: Annotated[Int64, Within(0, 86_400)] | None = None
    """Seconds for which an error of the image pull may last before the attempt is lost. Default 300."""
    grace_period_seconds: Annotated[Int64, Within(0, 3600)] | None = None
    """Seconds from SIGTERM to SIGKILL, for a cancellation and everything else that ends the pod (its
    terminationGracePeriodSeconds). Default 30.
    """
    liveness_seconds: Annotated[Int64, Within(30, 86_400)] | None = None
    """Seconds without a beat of the interpreter and without CPU used, after which a hung attempt is ended as
    Crashed/Unresponsive. Absent: never.
    """
    retries: Retries | None = None
    """How many attempts may be lost, by who is to blame."""
    backoff: Backoff | None = None
    """The wait before the next attempt."""
    retention: Retention | None = None
    """How long what is finished is kept. The one part of the policy that may change later."""


Parameters = Annotated[dict[str, Any] | None, free_form(256)]
Image = Annotated[str | None, Field(min_length=1, max_length=512)]
Resources = Annotated[dict[str, Any] | None, free_form(16)]


class Execution(Model):
    """A flow and how to run it."""

    model_config = ConfigDict(json_schema_extra=rules(INLINE_ENTRYPOINT))

    entrypoint: Annotated[
        str, Field(min_length=1, max_length=512, pattern=r"^[^:\x00-\x20\x7f]+:[A-Za-z_][A-Za-z0-9_.]*$")
    ]
    """The flow's function: path/file.py:function (relative to the working directory, or to the source) or
    package.module:function.
    """
    source: Source | None = None
    """Where the Python source comes from. Absent: it is in the image."""
    image: Image = None
    """Container image of the pods. Absent: the operator's --engine-image (chart: engine.image)."""
    parameters: Parameters = None
    """Default parameters by name, any JSON. A run's own are laid over them, top level only; a null is a value."""
    parameters_schema: Parameters = None
    """JSON Schema (2020-12) that the effective parameters are checked against before a pod is made."""
    template: Template | None = None
    """Labels, annotations and a PodSpec, merged over the pod that the operator builds. Only for those who may
    create pods in the namespace.
    """
    env: EnvList = None
    """Environment variables of the engine's container. Short for the same in template.spec.containers."""
    resources: Resources = None
    """Requests and limits of the engine's container, as in a pod. Short for the same in template.spec.containers."""
    results: Results | None = None
    """Where results go."""
    run_policy: RunPolicy | None = None
    """Deadlines, retry budgets, retention. A run's own win, field by field."""

    @property
    def source_config_map(self) -> str | None:
        """Name of the ConfigMap that holds the source; None: there is none, or it is elsewhere."""
        return self.source.config_map.name if self.source is not None and self.source.config_map is not None else None
