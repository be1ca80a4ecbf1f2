"""Names that do not exist here on purpose, and what to use instead.

Asking for one raises an error with the right column of this table as its text. Neighbours: modules call in here from
their `__getattr__`; `names` uses the table for the docs.
"""

from __future__ import annotations

from typing import Any, NoReturn

_SERVE = "a Flow resource (`penstock build`), `flow.to_flow`"
_SUBMIT = "`.submit`, or a FlowRun of its own"
_CLUSTER = "the cluster API; `penstock.flow_runs`"

ABSENT_NAMES: dict[str, str] = {
    "serve": _SERVE,
    "aserve": _SERVE,
    "deploy": _SERVE,
    "run_deployment": "`penstock.flow_runs.create_flow_run`, `run_flow_run`",
    "arun_deployment": "`penstock.flow_runs.create_flow_run`, `run_flow_run`",
    "get_client": _CLUSTER,
    "get_cloud_client": _CLUSTER,
    "PrefectTaskRunner": _SUBMIT,
    "PrefectDistributedFuture": _SUBMIT,
    "PrefectFlowRunFuture": _SUBMIT,
    "Secret": "Secrets as env or files",
    "emit_event": "observers, hooks, Kubernetes Events",
    "materialize": "nothing: assets do not exist here",
    "MaterializingTask": "nothing: assets do not exist here",
    "bind_flow_to_infrastructure": "the pod template of the resource",
    "InfrastructureBoundFlow": "the pod template of the resource",
    "use_profile": "environment variables `PENSTOCK_...`",
    "load_flow_arguments_from_entrypoint": "`load_flow_from_entrypoint`",
}

ABSENT_METHODS: dict[str, dict[str, str]] = {
    "Flow": {
        "serve": _SERVE,
        "deploy": _SERVE,
        "to_deployment": _SERVE,
        "ato_deployment": _SERVE,
        "from_source": _SERVE,
        "afrom_source": _SERVE,
        "visualize": "`penstock tasks RUN` (from what happened)",
        "generate_mermaid_graph": "`penstock tasks RUN` (from what happened)",
    },
    "Task": {
        "delay": _SUBMIT,
        "apply_async": _SUBMIT,
        "serve": _SUBMIT,
    },
}

ABSENT_MODULES: dict[str, str] = {
    "deployments": _SERVE,
    "runner": _SERVE,
    "workers": _SERVE,
    "client.orchestration": _CLUSTER,
    "task_worker": _SUBMIT,
    "variables": "a ConfigMap, the environment, or parameters",
    "artifacts": "the log, or files in result storage",
    "blocks": "Secrets as env or files; hooks",
    "concurrency": "`max_workers`; concurrency groups of the Flow resource",
    "events": "observers, hooks, Kubernetes Events",
    "automations": "observers, hooks, Kubernetes Events",
    "assets": "nothing: assets do not exist here",
    "schedules": "schedules of the Flow resource",
    "server": "nothing: the cluster is the only server",
    "cli": "the command `penstock`",
}


def absent_name(module: str, name: str) -> NoReturn:
    """Refuse a name: an ImportError that teaches for those of the table, an AttributeError for others.

    Raises:
        ImportError: the name is absent on purpose.
        AttributeError: there is no such name.
    """
    if name in ABSENT_NAMES:
        raise ImportError(f"{module}.{name} does not exist here; use {ABSENT_NAMES[name]}.", name=name)
    raise AttributeError(f"module {module!r} has no attribute {name!r}")


def absent_method(kind: str, name: str) -> Any:
    """A method that refuses to be called, for those of the table.

    Raises:
        AttributeError: there is no such method.
    """
    instead = ABSENT_METHODS[kind].get(name)
    if instead is None:
        raise AttributeError(f"{kind!r} object has no attribute {name!r}")

    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise NotImplementedError(f"{kind}.{name} does not exist here; use {instead}.")

    refuse.__name__ = name
    return refuse


def absent_module(name: str) -> NoReturn:
    """Refuse a module; called by its stub.

    Raises:
        ImportError: always.
    """
    short = name.removeprefix("penstock.")
    raise ImportError(f"{name} does not exist here; use {ABSENT_MODULES[short]}.", name=name)
