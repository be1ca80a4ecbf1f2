"""Task runs on Dask: `DaskTaskRunner`, clients inside flows and tasks, a Dask cluster for each run.

Comes in: task runs, from `penstock.runners` as calls. Calls: `penstock`'s public names, and the protocol of work elsewhere;
`dask` and `distributed`, which `penstock[dask]` installs. Penstock itself never imports this package unless asked for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstock_dask.client import PrefectDaskClient
    from penstock_dask.kubernetes import DaskCluster
    from penstock_dask.task_runners import DaskTaskRunner, PrefectDaskFuture
    from penstock_dask.utils import get_async_dask_client, get_dask_client

__all__ = [
    "DaskCluster", "DaskTaskRunner", "PenstockDaskClient", "PenstockDaskFuture", "PrefectDaskClient", "PrefectDaskFuture",
    "get_async_dask_client", "get_dask_client",
]  # fmt: skip

_WHERE = {
    "DaskCluster": "kubernetes",
    "DaskTaskRunner": "task_runners",
    "PenstockDaskClient": "client",
    "PenstockDaskFuture": "task_runners",
    "PrefectDaskClient": "client",
    "PrefectDaskFuture": "task_runners",
    "get_async_dask_client": "utils",
    "get_dask_client": "utils",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'penstock_dask' has no attribute {name!r}; it has {', '.join(_WHERE)}.")
    import importlib

    try:
        module = importlib.import_module(f"penstock_dask.{_WHERE[name]}")
    except ModuleNotFoundError as exc:
        if (exc.name or "").partition(".")[0] in ("dask", "distributed"):
            raise ModuleNotFoundError(
                f"penstock_dask.{name} needs Dask, which is not installed: pip install 'penstock[dask]'.", name=exc.name
            ) from None
        raise
    return getattr(module, name)
