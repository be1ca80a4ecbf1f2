"""Task runs on Ray: `RayTaskRunner`, options of remote calls, a Ray cluster for each run.

Comes in: task runs, from `penstock.runners` as calls. Calls: `penstock`'s public names, and the protocol of work elsewhere;
`ray`, which `penstock[ray]` installs. Penstock itself never imports this package unless asked for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstock_ray.context import remote_options
    from penstock_ray.futures import PrefectRayFuture
    from penstock_ray.kubernetes import RayCluster
    from penstock_ray.task_runners import RayTaskRunner

__all__ = ["PenstockRayFuture", "PrefectRayFuture", "RayCluster", "RayTaskRunner", "remote_options"]

_WHERE = {
    "PenstockRayFuture": "futures",
    "PrefectRayFuture": "futures",
    "RayCluster": "kubernetes",
    "RayTaskRunner": "task_runners",
    "remote_options": "context",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'penstock_ray' has no attribute {name!r}; it has {', '.join(_WHERE)}.")
    import importlib

    try:
        module = importlib.import_module(f"penstock_ray.{_WHERE[name]}")
    except ModuleNotFoundError as exc:
        if (exc.name or "").partition(".")[0] == "ray":
            raise ModuleNotFoundError(
                f"penstock_ray.{name} needs Ray, which is not installed: pip install 'penstock[ray]'.", name=exc.name
            ) from None
        raise
    return getattr(module, name)
