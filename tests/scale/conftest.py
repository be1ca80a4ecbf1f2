"""Clusters of two real workers each, that stand for all tests of this folder; what is not installed is skipped, and says so.

`make test` ignores this folder: Dask and Ray are extras.
"""

from __future__ import annotations

import importlib.util
import logging
import os
from typing import TYPE_CHECKING, Any

import pytest

from penstock.drivers.world import WORLD
from penstock.settings import temporary_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# Of these libraries, not of ours: sockets that they close when they are collected, their own deprecations.
OUTSIDE = (
    "ignore::ResourceWarning",
    "ignore::DeprecationWarning:(distributed|dask|ray|tornado|google).*",
    "ignore::FutureWarning:(distributed|dask|ray).*",
    "ignore::pytest.PytestUnraisableExceptionWarning",
    "ignore:Port [0-9]+ is already in use:UserWarning",
    "ignore:Ray currently does not support:UserWarning",
)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All in one process, since the clusters are shared; the libraries' own warnings are theirs."""
    for item in items:
        if "tests/scale/" in item.nodeid:
            item.add_marker(pytest.mark.xdist_group("scale"))
            for line in OUTSIDE:
                item.add_marker(pytest.mark.filterwarnings(line))


def needs(name: str) -> None:
    """Skip where an extra is not installed."""
    package = {"dask": "distributed", "ray": "ray"}[name]
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{name} is not installed: pip install 'penstock[{name}]'")


@pytest.fixture(scope="session")
def dask_cluster() -> Iterator[Any]:
    """Two Dask workers, processes of one thread each, under nannies that replace them."""
    needs("dask")
    from distributed import LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        yield cluster


def started(**arguments: Any) -> Any:
    """A Ray node here. Ray gives itself half a minute to start, which a busy machine may take."""
    import ray

    for tries in range(3):
        try:
            return ray.init(**arguments)
        except Exception:
            ray.shutdown()
            if tries == 2:
                raise
    return None


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[Any]:
    """A Ray node of two places, in this process's name; runners find that it is there."""
    needs("ray")
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    import ray

    yield started(
        num_cpus=2,
        include_dashboard=False,
        object_store_memory=150_000_000,
        log_to_driver=False,
        configure_logging=False,
    )
    ray.shutdown()


@pytest.fixture(params=["dask", "ray"])
def engine(request: pytest.FixtureRequest) -> str:
    """Each engine."""
    name: str = request.param
    request.getfixturevalue(f"{name}_cluster")
    return name


@pytest.fixture
def address(engine: str, request: pytest.FixtureRequest) -> str:
    """Where the standing cluster of the engine takes flows of other processes."""
    cluster = request.getfixturevalue(f"{engine}_cluster")
    return str(cluster.scheduler_address if engine == "dask" else cluster.address_info["gcs_address"])


@pytest.fixture
def runner(engine: str, address: str) -> Callable[[], Any]:
    """Makes a task runner on the standing cluster of the engine."""
    if engine == "dask":
        from penstock_dask import DaskTaskRunner

        return lambda: DaskTaskRunner(address=address)
    from penstock_ray import RayTaskRunner

    return RayTaskRunner


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path) -> Iterator[None]:
    """Results of a test go nowhere else; observers and levels of a test end with it."""
    if not WORLD.configured:
        WORLD.configure()
    before = WORLD.observers
    logger = logging.getLogger("penstock")
    level = logger.level
    with temporary_settings({"PENSTOCK_HOME": str(tmp_path / "home")}):
        yield
    WORLD.observers = before
    logger.setLevel(level)
