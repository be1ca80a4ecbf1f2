"""`DaskTaskRunner`: task runs on a Dask cluster of its own, or on one that stands.

Neighbours: `carrier` carries the calls; `kubernetes` has a cluster for each run.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import distributed

from penstock.futures import PrefectConcurrentFuture
from penstock.task_runners import TaskRunner
from penstock.utilities.importtools import from_qualified_name
from penstock_dask.placing import placing

if TYPE_CHECKING:
    from typing import Self

    from penstock_dask.carrier import Carrier

CLOSE_SECONDS = 10.0


class PrefectDaskFuture(PrefectConcurrentFuture[Any]):
    """The future of a task run on Dask."""

    handle: Any = None

    @property
    def wrapped_future(self) -> Any:
        """The `distributed.Future` of the run, once it was sent; its result belongs to the engine."""
        return self.handle


PenstockDaskFuture = PrefectDaskFuture


class DaskTaskRunner(TaskRunner):
    """Runs tasks on Dask. By default a `LocalCluster` is made at the first submit of a flow run, and closed at its end.

    Results stay on the workers and go from worker to worker; the flow gets a result when it asks for it.

    Args:
        cluster: a Dask cluster that runs; it is not closed.
        address: of the scheduler of a cluster that runs.
        cluster_class: the class, or its name as `module.Class`, of the cluster that is made for each flow run.
        cluster_kwargs: arguments for it.
        adapt_kwargs: arguments for its `adapt`; without them it does not scale by itself.
        client_kwargs: arguments for `distributed.Client`.
        performance_report_path: where Dask's report on the run is written.

    Raises:
        ValueError: the arguments contradict each other.
    """

    remote = True
    shares = True
    elsewhere = True
    future_class = PrefectDaskFuture

    def __init__(
        self,
        cluster: Any = None,
        address: str | None = None,
        cluster_class: str | Callable[..., Any] | None = None,
        cluster_kwargs: dict[str, Any] | None = None,
        adapt_kwargs: dict[str, Any] | None = None,
        client_kwargs: dict[str, Any] | None = None,
        performance_report_path: str | None = None,
    ) -> None:
        if address and (cluster or cluster_class or cluster_kwargs or adapt_kwargs):
            raise ValueError(
                "Cannot specify `address` and `cluster`/`cluster_class`/`cluster_kwargs`/`adapt_kwargs`: the cluster at "
                "the address is there already."
            )
        if cluster and (cluster_class or cluster_kwargs):
            raise ValueError("Cannot specify `cluster` and `cluster_class`/`cluster_kwargs`.")
        for name, given in (("client_kwargs", client_kwargs), ("cluster_kwargs", cluster_kwargs)):
            if given and "asynchronous" in given:
                raise ValueError(f"`{name}` cannot set `asynchronous`: the runner's client is a synchronous one.")
        self.cluster = cluster
        self.address = address
        self.cluster_class = cluster_class
        self.cluster_kwargs = dict(cluster_kwargs or {})
        self.adapt_kwargs = dict(adapt_kwargs or {})
        self.client_kwargs = {"set_as_default": False, **(client_kwargs or {})}
        self.performance_report_path = performance_report_path
        self.logger = logging.getLogger("penstock.task_runners")
        self._client: Any = None
        self._carrier: Carrier | None = None
        self._stack = contextlib.ExitStack()
        self._own: Any = None

    def _options(self) -> dict[str, Any]:
        return {
            "cluster": self.cluster,
            "address": self.address,
            "cluster_class": self.cluster_class,
            "cluster_kwargs": self.cluster_kwargs,
            "adapt_kwargs": self.adapt_kwargs,
            "client_kwargs": self.client_kwargs,
            "performance_report_path": self.performance_report_path,
        }

    def duplicate(self) -> Self:
        """An unstarted copy with the same options."""
        return type(self)(**self._options())

    def __reduce__(self) -> Any:
        # A cluster object stays where it is; tasks that submit from a worker find the scheduler by themselves.
        return _again, (type(self), {**self._options(), "cluster": None})

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._options() == other._options()

    __hash__ = object.__hash__

    # -- begin and end

    @property
    def client(self) -> Any:
        """The client to the cluster, from `start` to `stop`.

        Raises:
            RuntimeError: the runner is not started.
        """
        if self._client is None:
            raise RuntimeError(
                f"Task runner is not started: use `with {type(self).__name__}():`, or submit inside a flow."
            )
        return self._client

    def start(self) -> None:
        """Make or find the cluster, and connect to it."""
        from penstock_dask.carrier import Carrier
        from penstock_dask.client import PrefectDaskClient

        with contextlib.ExitStack() as stack:
            where = self._where(stack)
            self._client = stack.enter_context(PrefectDaskClient(**{**self.client_kwargs, **where}))
            if self.performance_report_path:
                stack.enter_context(distributed.Client.as_current(self._client))
                stack.enter_context(distributed.performance_report(self.performance_report_path))
            self._carrier = Carrier(self._client, self.logger, awake=getattr(self._own, "idle_seconds", 0) > 0)
            self._stack = stack.pop_all()

    def _where(self, stack: contextlib.ExitStack) -> dict[str, Any]:
        """What the client connects to, as arguments of its own."""
        if in_task():
            return from_worker()
        if self.cluster is not None:
            if self.adapt_kwargs:
                self.cluster.adapt(**self.adapt_kwargs)
            return {"address": self.cluster}
        if self.address:
            self.logger.info("Connecting to the Dask cluster at %s", self.address)
            return {"address": self.address}
        if getattr(multiprocessing.current_process(), "_inheriting", False):
            raise RuntimeError(
                "A Dask worker that starts imports the script again, and so called the flow once more: call it below "
                '`if __name__ == "__main__":`.'
            )
        made = self.cluster_class
        if isinstance(made, str):
            made = from_qualified_name(made)
        if made is None:
            made = distributed.LocalCluster
        name = getattr(made, "__qualname__", None) or type(made).__qualname__
        self.logger.info("Creating a Dask cluster with `%s`", name)
        self._own = cluster = made(**self.cluster_kwargs)
        stack.callback(self._close_cluster)
        if self.adapt_kwargs:
            cluster.adapt(**self.adapt_kwargs)
        # A cluster of Dask brings its own certificates.
        return {"address": cluster if isinstance(cluster, distributed.deploy.Cluster) else cluster.scheduler_address}

    def _close_cluster(self) -> None:
        cluster, self._own = self._own, None
        if cluster is not None:
            cluster.close(timeout=CLOSE_SECONDS)

    def stop(self, cancel: bool) -> None:
        """Leave the cluster, and close it if it was made for this runner."""
        carrier, self._carrier = self._carrier, None
        if carrier is not None:
            carrier.close()
        self._client = None
        stack, self._stack = self._stack, contextlib.ExitStack()
        try:
            stack.close()
        except Exception as exc:  # noqa: BLE001  (the runs are over; what is left belongs to a cluster that is gone)
            self.logger.warning("The Dask cluster was not left in order: %s: %s", type(exc).__name__, exc)

    # -- calls

    def options(self) -> Any:
        """The annotations that hold here, as far as they concern where tasks run."""
        return placing()

    def run(self, call: Any) -> None:
        """Send a call to the cluster."""
        assert self._carrier is not None
        self._carrier.put(call)

    def share(self, payload: bytes) -> Any:
        """Put large bytes on a worker, from which the others get them."""
        return self.client.scatter(payload, hash=False)

    def holds(self, handle: Any) -> bool:
        """Whether a worker still has the result."""
        return handle is not None and handle.status not in ("lost", "cancelled", "error")

    def interrupt(self, calls: list[Any]) -> None:
        """Have Dask cancel the tasks; the workers interrupt the bodies."""
        if self._carrier is not None:
            self._carrier.cancel(calls)


def in_task() -> bool:
    """Whether this is the thread of a task on a Dask worker."""
    if "distributed.worker" not in sys.modules:
        return False
    try:
        return bool(distributed.get_worker().get_current_task())
    except (ValueError, AttributeError, KeyError):
        return False


def from_worker() -> dict[str, Any]:
    """How a client in a task is connected to the cluster of its worker; the task's own place is free from now on."""
    distributed.secede()
    worker = distributed.get_worker()
    return {"address": worker.scheduler.address, "security": worker.security}


def _again(cls: type[DaskTaskRunner], options: dict[str, Any]) -> DaskTaskRunner:
    return cls(**options)
