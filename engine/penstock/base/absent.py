"""Names that do not exist here on purpose, and what to use instead.

Asking for one raises an error with the right column of this table as its text. Neighbours: faces call in here from
their `__getattr__`, the package's finder for modules; `public_names` uses the table for the docs.
"""

from __future__ import annotations

import sys
from typing import NoReturn

from penstock.base.absent_methods import FLOW, SUBMIT, WHAT_HAPPENED

_CLUSTER = "`penstock.flow_runs`, or the cluster's own API by kubectl or any Kubernetes client"
_NO_ASSETS = "results: assets do not exist here"
_POD = "the pod template of the resource"
_PROFILE = "environment variables `PENSTOCK_...`"
_WATCHED = "observers, hooks, Kubernetes Events"
_IMAGE = "an image of your own, built by whatever builds images, named in the resource"
_SCHEDULED = "`Cron` and `Interval` of `penstock.schedules`"
_SETTINGS = "`penstock.settings.get_current_settings` and `temporary_settings`"
_POD_LOG = "the log of the pod (`kubectl logs`): there is no server that lines are sent to"
_LOGGING = "`logging.config.dictConfig` with handlers of your own on the logger `penstock`"
_BLOCKS = "Secrets as env or files; hooks"
_VARIABLES = "a ConfigMap, the environment, or parameters"
_ARTIFACTS = "the log, or files in result storage"
_CONCURRENCY = "`max_workers`, and concurrency groups of the `Flow` resource"
_INPUTS = "`resume_flow_run(run_input=...)`, or `spec.inputs` of the FlowRun"
_ASYNC = "anyio, or `gather`, `run_coro_as_sync` and `run_sync_in_worker_thread`"
_NOTHING = "nothing: there is no such thing here"

# By the module that it is imported from.
ABSENT_NAMES: dict[str, dict[str, str]] = {
    "penstock": {
        "serve": FLOW, "aserve": FLOW, "deploy": FLOW, "get_client": _CLUSTER, "get_cloud_client": _CLUSTER,
    },
    "penstock.flows": {
        "serve": FLOW, "aserve": FLOW, "bind_flow_to_infrastructure": _POD, "InfrastructureBoundFlow": _POD,
        "load_flow_arguments_from_entrypoint": "`load_flow_from_entrypoint`",
        "load_flow_from_flow_run": "`load_flow_from_entrypoint`", "load_placeholder_flow": "`load_flow_from_entrypoint`",
    },
    "penstock.filesystems": {
        "SMB": "a volume that is mounted in the pod, and `LocalFileSystem`", "ReadableDeploymentStorage": _IMAGE,
        "WritableDeploymentStorage": _IMAGE,
    },
    "penstock.exceptions": {
        "PrefectHTTPStatusError": "`ClusterError`", "ObjectLimitReached": "`ClusterError`", "ObjectUnsupported": "`ClusterError`",
        "InfrastructureNotFound": "`ObjectNotFound`", "InfrastructureNotAvailable": "`InfrastructureError`",
        "FlowRunWatchError": "`FlowRunWaitTimeout`, `ClusterError`", "EventTooLarge": _NOTHING, "MissingProfileError": _PROFILE,
        "ProfileSettingsValidationError": _PROFILE, "InvalidRepositoryURLError": _IMAGE, "ProtectedBlockError": _BLOCKS,
        "BlockMissingCapabilities": _BLOCKS,
    },
    "penstock.tasks": {"MaterializingTask": _NO_ASSETS},
    "penstock.futures": {"PrefectDistributedFuture": SUBMIT, "PrefectFlowRunFuture": SUBMIT},
    "penstock.task_runners": {"PrefectTaskRunner": SUBMIT},
    "penstock.schedules": {"RRule": "`Cron`, or several of them in `schedules`: together they say most of what an RRule says"},
    "penstock.deployments": {
        "deploy": FLOW, "initialize_project": FLOW, "base": FLOW, "steps": _IMAGE, "runner": FLOW, "schedules": _SCHEDULED,
        "DeploymentImage": _IMAGE, "RunnerDeployment": FLOW, "EntrypointType": FLOW,
    },
    "penstock.deployments.flow_runs": {"get_client": _CLUSTER},
    "penstock.context": {"use_profile": _PROFILE},
    "penstock.utilities.asyncutils": {
        "add_event_loop_shutdown_callback": _ASYNC, "create_gather_task_group": _ASYNC, "GatherTaskGroup": _ASYNC,
        "in_async_main_thread": _ASYNC, "in_async_worker_thread": _ASYNC, "LazySemaphore": _ASYNC,
        "run_async_from_worker_thread": _ASYNC, "run_async_in_new_loop": _ASYNC, "sync": _ASYNC,
    },
    "penstock.logging.loggers": {"get_worker_logger": "`get_logger`: there are no workers"},
    "penstock.logging.handlers": {
        "APILogHandler": _POD_LOG, "APILogWorker": _POD_LOG, "WorkerAPILogHandler": _POD_LOG,
    },
    "penstock.logging.configuration": {
        "load_logging_config": _LOGGING, "DEFAULT_LOGGING_SETTINGS_PATH": _LOGGING, "PROCESS_LOGGING_CONFIG": _LOGGING,
    },
    "penstock.client.schemas.objects": {
        "Flow": _CLUSTER, "Deployment": _CLUSTER, "DeploymentSchedule": _SCHEDULED, "Log": _POD_LOG, "FlowRunInput": _INPUTS,
        "WorkPool": _CLUSTER, "WorkQueue": _CLUSTER, "Worker": _CLUSTER, "Artifact": _ARTIFACTS, "Variable": _VARIABLES,
        "BlockDocument": _BLOCKS, "BlockType": _BLOCKS, "BlockSchema": _BLOCKS, "ConcurrencyLimit": _CONCURRENCY,
        "ConcurrencyLimitConfig": _CONCURRENCY, "ConcurrencyLimitStrategy": _CONCURRENCY, "ConcurrencyOptions": _CONCURRENCY,
        "GlobalConcurrencyLimit": _CONCURRENCY, "Integration": _NOTHING,
    },
    "penstock.client": {"get_client": _CLUSTER, "get_cloud_client": _CLUSTER},
}  # fmt: skip

# By the module; what lies below one of these is refused with it.
ABSENT_MODULES: dict[str, str] = {
    "deployments.base": FLOW,
    "deployments.runner": FLOW,
    "deployments.schedules": _SCHEDULED,
    "deployments.steps": _IMAGE,
    "runner": FLOW,
    "workers": FLOW,
    "agent": FLOW,
    "bundles": FLOW,
    "infrastructure": _POD,
    "docker": _IMAGE,
    "client.orchestration": _CLUSTER,
    "client.base": _CLUSTER,
    "client.cloud": _CLUSTER,
    "client.collections": _CLUSTER,
    "client.subscriptions": _WATCHED,
    "client.types": _CLUSTER,
    "client.utilities": _CLUSTER,
    "client.schemas.actions": _CLUSTER,
    "client.schemas.filters": "labels, field selectors, and `kubectl get -l`",
    "client.schemas.responses": _CLUSTER,
    "client.schemas.schedules": _SCHEDULED,
    "client.schemas.sorting": "`kubectl get --sort-by`",
    "task_worker": SUBMIT,
    "task_runs": "`future.wait()`, or an observer (`penstock.observers`)",
    "engine": "`penstock.flow_engine`; in a pod `python -m penstock.pod`",
    "variables": _VARIABLES,
    "artifacts": _ARTIFACTS,
    "blocks": _BLOCKS,
    "concurrency": _CONCURRENCY,
    "events": _WATCHED,
    "automations": _WATCHED,
    "assets": _NO_ASSETS,
    "input.actions": _INPUTS,
    "logging.clients": "the log of the pod (`kubectl logs`)",
    "logging.filters": "a `logging.Filter` of your own on the logger `penstock`; `penstock.utilities.names.obfuscate`",
    "logging.formatters": "a `logging.Formatter` of your own on a handler of the logger `penstock`; in a pod lines are JSON",
    "logging.highlighters": "a `logging.Formatter` of your own on a handler of the logger `penstock`",
    "settings.base": _SETTINGS,
    "settings.constants": _SETTINGS,
    "settings.context": _SETTINGS,
    "settings.legacy": _SETTINGS,
    "settings.models": _SETTINGS,
    "settings.profiles": _PROFILE,
    "settings.sources": _PROFILE,
    "types": "the types of pydantic, such as `pydantic.NonNegativeInt`",
    "testing.cli": _NOTHING,
    "testing.docker": _NOTHING,
    "testing.fixtures": "`penstock.testing.utilities.prefect_test_harness`",
    "utilities.compat": _NOTHING,
    "utilities.context": "`penstock.runtime.flow_run.id`, `penstock.runtime.task_run.id`",
    "utilities.dispatch": _NOTHING,
    "utilities.dockerutils": _IMAGE,
    "utilities.engine": "`penstock.flow_engine` and `penstock.task_engine`",
    "utilities.generics": "pydantic's own `TypeAdapter`",
    "utilities.math": "the standard library's `random`; `retry_jitter_factor` of a task",
    "utilities.processutils": "the standard library's `subprocess`, or `anyio.run_process`",
    "utilities.pydantic": "pydantic's own `TypeAdapter` and `BaseModel`",
    "utilities.render_swagger": _NOTHING,
    "utilities.schema_tools": "`Flow.parameters` (a JSON schema) and `Flow.validate_parameters`",
    "utilities.services": _NOTHING,
    "utilities.slugify": "the package `python-slugify`",
    "utilities.templating": "`str.format`, or `string.Template`",
    "utilities.urls": "`kubectl get flowrun`: runs are resources of the cluster, without a URL of their own",
    "utilities.visualization": WHAT_HAPPENED,
    "profiles": _PROFILE,
    "telemetry": _NOTHING,
    "analytics": _NOTHING,
    "plugins": _NOTHING,
    "server": "nothing: the cluster is the only server",
    "cli": "the command `penstock`",
}


def absent_name(module: str, name: str) -> NoReturn:
    """Refuse a name: an ImportError that teaches for those of the table, an AttributeError for others.

    Raises:
        ImportError: the name is absent on purpose.
        AttributeError: there is no such name.
    """
    instead = ABSENT_NAMES.get(module, {}).get(name)
    if instead is not None:
        raise ImportError(f"{module}.{name} does not exist here; use {instead}.", name=name)
    raise AttributeError(f"module {module!r} has no attribute {name!r}")


def refuse_module(name: str) -> None:
    """Refuse a module of the table where an import statement asks for it; called by the finder of the package.

    Who only looks whether there is such a module (`importlib.util.find_spec`, `pkgutil`) is told that there is none. The
    error is a plain ImportError: Python swallows a ModuleNotFoundError in `from package import module`.

    Raises:
        ImportError: the module is absent on purpose; says what to use.
    """
    instead = ABSENT_MODULES.get(name.removeprefix("penstock."))
    if instead is not None and sys._getframe(3).f_code.co_name == "_find_and_load_unlocked":
        raise ImportError(f"{name} does not exist here; use {instead}.", name=name)
