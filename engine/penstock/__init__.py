"""Penstock: flows as Kubernetes resources, ordinary Python in a plain process.

Names are loaded when first asked for, so that importing the package costs nothing; in the pod the signal handlers are
installed before anything else is imported.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from penstock import runtime
    from penstock.base.annotations import allow_failure, unmapped
    from penstock.base.version import __version__
    from penstock.clusterruns.pausing import (
        apause_flow_run,
        aresume_flow_run,
        asuspend_flow_run,
        pause_flow_run,
        resume_flow_run,
        suspend_flow_run,
    )
    from penstock.core.state import State
    from penstock.definitions.flow import Flow, flow
    from penstock.definitions.task import Task, task
    from penstock.inside.views import tags
    from penstock.logging.loggers import get_run_logger
    from penstock.storage.transactions import Transaction

_HOMES = {
    "flow": "flows",
    "Flow": "flows",
    "task": "tasks",
    "Task": "tasks",
    "State": "states",
    "Transaction": "transactions",
    "tags": "context",
    "unmapped": "utilities.annotations",
    "allow_failure": "utilities.annotations",
    "get_run_logger": "logging.loggers",
    "pause_flow_run": "flow_runs",
    "apause_flow_run": "flow_runs",
    "resume_flow_run": "flow_runs",
    "aresume_flow_run": "flow_runs",
    "suspend_flow_run": "flow_runs",
    "asuspend_flow_run": "flow_runs",
    "runtime": "",
    "__version__": "base.version",
}

__all__ = [
    "Flow",
    "State",
    "Task",
    "Transaction",
    "__version__",
    "allow_failure",
    "apause_flow_run",
    "aresume_flow_run",
    "asuspend_flow_run",
    "flow",
    "get_run_logger",
    "pause_flow_run",
    "resume_flow_run",
    "runtime",
    "suspend_flow_run",
    "tags",
    "task",
    "unmapped",
]


def __getattr__(name: str) -> "Any":
    home = _HOMES.get(name)
    if home is None:
        if name.startswith("__"):
            raise AttributeError(name)
        from penstock.base.absent import absent_name

        absent_name("penstock", name)
    if not home:
        __import__(f"penstock.{name}")
        return sys.modules[f"penstock.{name}"]
    full = f"penstock.{home}"
    __import__(full)
    value = getattr(sys.modules[full], name)
    globals()[name] = value
    return value


class AbsentFinder:
    """Asked last, for modules that nobody has found: one that is absent on purpose says what to use instead."""

    @staticmethod
    def find_spec(name: str, path: "Any" = None, target: "Any" = None) -> None:
        """Never finds anything; see `base.absent` for what it raises."""
        if name.startswith("penstock."):
            from penstock.base.absent import refuse_module

            refuse_module(name)


sys.meta_path.append(AbsentFinder)


def __dir__() -> list[str]:
    return sorted(__all__)
