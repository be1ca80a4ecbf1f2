"""`RayTaskRunner`: task runs on a Ray instance of its own, or on a cluster that stands.

Neighbours: `carrier` carries the calls; `context` has options of remote calls; `kubernetes` a cluster for each run.
"""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
from typing import TYPE_CHECKING, Any

import ray

from penstock.task_runners import TaskRunner
from penstock_ray.context import current_options
from penstock_ray.futures import PrefectRayFuture

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Self

    from penstock_ray.carrier import Carrier


TRIES = 3
"""How often a connection is asked for that the head aborts."""


class _Used:
    """How many runners use the connection of this process, and whether they have made it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.count = 0
        self.ours = False


_used = _Used()


@contextlib.contextmanager
def _own_signals() -> Iterator[None]:
    """Ray takes SIGTERM for itself when it is started; in a flow run it is the run's."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in before.items():
                if handler is not None and signal.getsignal(number) is not handler:
                    signal.signal(number, handler)


class RayTaskRunner(TaskRunner):
    """Runs tasks on Ray. By default a local instance is started at the first submit of a flow run, and ended at its end.

    Results stay in Ray's object stores and go from node to node; the flow gets a result when it asks for it. A connection
    that this process has already is used, and left as it is.

    Args:
        address: of a cluster that runs, as `ray://HOST:10001`, or `auto`.
        init_kwargs: arguments for `ray.init`.
        cluster_class: makes a cluster for each flow run, as `penstock_ray.RayCluster`; it has `address` and `close()`.
        cluster_kwargs: arguments for it.

    Raises:
        ValueError: both an address and a cluster are given.
    """

    remote = True
    shares = True
    elsewhere = True
    future_class = PrefectRayFuture

    def __init__(
        self,
        address: str | None = None,
        init_kwargs: dict[str, Any] | None = None,
        cluster_class: str | Callable[..., Any] | None = None,
        cluster_kwargs: dict[str, Any] | None = None,
    ) -> None:
        if address and (cluster_class or cluster_kwargs):
            raise ValueError(
                "Cannot specify `address` and `cluster_class`/`cluster_kwargs`: the cluster is there already."
            )
        self.address = address
        self.init_kwargs = {"namespace": "penstock", **(init_kwargs or {})}
        self.cluster_class = cluster_class
        self.cluster_kwargs = dict(cluster_kwargs or {})
        self.logger = logging.getLogger("penstock.task_runners")
        self._carrier: Carrier | None = None
        self._cluster: Any = None

    def _options(self) -> dict[str, Any]:
        return {
            "address": self.address,
            "init_kwargs": self.init_kwargs,
            "cluster_class": self.cluster_class,
            "cluster_kwargs": self.cluster_kwargs,
        }

    def duplicate(self) -> Self:
        """An unstarted copy with the same options."""
        return type(self)(**self._options())

    def __reduce__(self) -> Any:
        return _again, (type(self), self._options())

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._options() == other._options()

    __hash__ = object.__hash__

    def start(self) -> None:
        """Connect to Ray, or start it here."""
        from penstock_ray.carrier import Carrier

        with _used.lock:
            if not ray.is_initialized():
                self._connect()
                _used.ours = True
            _used.count += 1
        # A task that submits keeps its own place: those that it waits for must find one besides.
        inside = ray.get_runtime_context().worker.mode == ray.WORKER_MODE
        places = max(1, int(ray.cluster_resources().get("CPU", 1))) if inside else None
        self._carrier = Carrier(self.logger, {"num_cpus": 0} if inside else {}, places)

    def _connect(self) -> None:
        address = self.address
        if self.cluster_class is not None:
            made = self.cluster_class
            if isinstance(made, str):
                from penstock.utilities.importtools import from_qualified_name

                made = from_qualified_name(made)
            self._cluster = made(**self.cluster_kwargs)
            address = self._cluster.address
        self.logger.info("Connecting to Ray at %s" if address else "Starting Ray%s", address or "")
        try:
            with _own_signals():
                self._init(*((address,) if address else ()))
        except BaseException:
            self._close_cluster()
            raise

    def _init(self, *address: str) -> None:
        """`ray.init`. A head starts a server for each client (`ray://`) and gives it half a minute, which a busy one may exceed."""
        for left in reversed(range(TRIES)):
            try:
                ray.init(*address, **self.init_kwargs)
            except ConnectionAbortedError as exc:
                if not left:
                    raise
                self.logger.warning(
                    "Ray refused the connection, it is tried again: %s", str(exc).strip().splitlines()[-1]
                )
            else:
                return

    def _close_cluster(self) -> None:
        cluster, self._cluster = self._cluster, None
        if cluster is not None:
            cluster.close()

    def stop(self, cancel: bool) -> None:
        """Leave Ray, and end it if runners of this process have started it and none is left."""
        carrier, self._carrier = self._carrier, None
        if carrier is None:
            return
        carrier.close()
        with _used.lock:
            _used.count -= 1
            if _used.count == 0 and _used.ours:
                _used.ours = False
                ray.shutdown()
        self._close_cluster()

    def options(self) -> Any:
        """The options of `remote_options` that hold here."""
        return current_options()

    def run(self, call: Any) -> None:
        """Make the remote call."""
        assert self._carrier is not None
        self._carrier.send(call)

    def share(self, payload: bytes) -> Any:
        """Put large bytes into the object store."""
        return ray.put(payload)

    def holds(self, handle: Any) -> bool:
        """Whether Ray has the result."""
        return self._carrier is not None and handle.hex() not in self._carrier.lost

    def interrupt(self, calls: list[Any]) -> None:
        """Have Ray cancel the calls."""
        if self._carrier is not None:
            self._carrier.cancel(calls)


def _again(cls: type[RayTaskRunner], options: dict[str, Any]) -> RayTaskRunner:
    return cls(**options)
