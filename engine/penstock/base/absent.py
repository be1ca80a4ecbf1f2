"""Names that do not exist here on purpose, and what to use instead.

Asking for one raises an error with the right column of this table as its text. Neighbours: faces call in here from
their `__getattr__`, the package's finder for modules; `public_names` uses the table for the docs.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterable

_FLOW = "a `Flow` resource (`kubectl apply`), and FlowRuns that refer to it"
_RUN = "a FlowRun that refers to a `Flow` (`kubectl create`)"
_SUBMIT = "`.submit`, or a FlowRun of its own"
_CLUSTER = "the cluster's own API, by kubectl or any Kubernetes client"
_WHAT_HAPPENED = "an observer (`penstock.observers`), or the lines of state changes in the log"
_NO_ASSETS = "results: assets do not exist here"
_POD = "the pod template of the resource"
_PROFILE = "environment variables `PENSTOCK_...`"
_WATCHED = "observers, hooks, Kubernetes Events"
_NOTHING = "nothing: there is no such thing here"

# By the module that it is imported from.
ABSENT_NAMES: dict[str, dict[str, str]] = {
    "penstock": {
        "serve": _FLOW, "aserve": _FLOW, "deploy": _FLOW, "get_client": _CLUSTER, "get_cloud_client": _CLUSTER,
    },
    "penstock.flows": {
        "serve": _FLOW, "aserve": _FLOW, "bind_flow_to_infrastructure": _POD, "InfrastructureBoundFlow": _POD,
        "load_flow_arguments_from_entrypoint": "`load_flow_from_entrypoint`",
    },
    "penstock.tasks": {"MaterializingTask": _NO_ASSETS},
    "penstock.futures": {"PrefectDistributedFuture": _SUBMIT, "PrefectFlowRunFuture": _SUBMIT},
    "penstock.task_runners": {"PrefectTaskRunner": _SUBMIT},
    "penstock.flow_runs": {"wait_for_flow_run": "`kubectl wait --for=condition=Finished`"},
    "penstock.context": {"use_profile": _PROFILE},
    "penstock.client": {"get_client": _CLUSTER, "get_cloud_client": _CLUSTER},
}  # fmt: skip

ABSENT_METHODS: dict[str, dict[str, str]] = {
    "Flow": {
        "serve": _FLOW, "deploy": _FLOW, "adeploy": _FLOW, "to_deployment": _FLOW, "ato_deployment": _FLOW,
        "from_source": _FLOW, "afrom_source": _FLOW, "visualize": _WHAT_HAPPENED, "avisualize": _WHAT_HAPPENED,
        "generate_mermaid_graph": _WHAT_HAPPENED,
    },
    "Task": {"delay": _SUBMIT, "apply_async": _SUBMIT, "serve": _SUBMIT, "aserve": _SUBMIT},
}  # fmt: skip

ABSENT_MODULES: dict[str, str] = {
    "deployments": _RUN,
    "runner": _FLOW,
    "workers": _FLOW,
    "client.orchestration": _CLUSTER,
    "task_worker": _SUBMIT,
    "variables": "a ConfigMap, the environment, or parameters",
    "artifacts": "the log, or files in result storage",
    "blocks": "Secrets as env or files; hooks",
    "concurrency": "`max_workers`, and concurrency groups of the `Flow` resource",
    "events": _WATCHED,
    "automations": _WATCHED,
    "assets": _NO_ASSETS,
    "schedules": "what creates FlowRuns in time: a CronJob, a pipeline",
    "utilities.visualization": _WHAT_HAPPENED,
    "profiles": _PROFILE,
    "telemetry": _NOTHING,
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


class AbsentMethod:
    """A method that refuses to be called, on the class and on its instances."""

    __slots__ = ("_instead", "_name")

    def __init__(self, name: str, instead: str) -> None:
        self._name = name
        self._instead = instead

    def __call__(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse.

        Raises:
            NotImplementedError: always; says what to use.
        """
        raise NotImplementedError(f"{self._name} does not exist here; use {self._instead}.")


def refuse_absent_methods(cls: type, kind: str, names: Iterable[str] | None = None) -> None:
    """Put the methods of the table on a class.

    Args:
        cls: what users may call them on.
        kind: whose they are.
        names: which; default: all of that kind.
    """
    table = ABSENT_METHODS[kind]
    for name in table if names is None else names:
        setattr(cls, name, AbsentMethod(f"{kind}.{name}", table[name]))


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
