"""This process's connection to the cluster: made when first used, shared by all of its code.

One client, a few threads that ask, one watch for each selection that somebody waits in: the children of a run are one selection,
however many they are; other runs are followed one by one, and as a namespace when they become many. Neighbours: `steps` waits for
what is handed out here.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import TypeVar

from penstock.base.managers import contextmanager
from penstock.clusterruns.names import LABEL_PARENT
from penstock.kube import paths
from penstock.kube.access import Access, find
from penstock.kube.cluster import Cluster, Object
from penstock.kube.watching import Follower, Watch
from penstock.kube.workers import Workers

T = TypeVar("T")

SINGLE_WATCHES = 4  # of runs that are followed one by one; beyond that one of the namespace costs less
KNOWN_IDS = 10_000
FLOW_SECONDS = 60.0
CLOSE_SECONDS = 3.0


class Connection:
    """See the module.

    Args:
        access: The way to the API server.
    """

    def __init__(self, access: Access) -> None:
        self.access = access
        self.cluster = Cluster(access)
        self._workers = Workers()
        self._lock = threading.Lock()
        self._watches: dict[tuple[str, str], Watch] = {}
        self._names: dict[str, tuple[str, str]] = {}
        self._flows: dict[str, tuple[float, Future[Object]]] = {}

    def ask(self, job: Callable[[Cluster], T]) -> Future[T]:
        """Have something asked in a thread."""
        return self._workers.submit(lambda: job(self.cluster))

    def flow(self, path: str) -> Future[Object]:
        """Read a Flow, for all who ask at the same time and a minute later: a map of a thousand children asks once."""
        with self._lock:
            at, future = self._flows.get(path, (0.0, None))
            failed = future is not None and future.done() and future.exception() is not None
            if future is None or failed or time.monotonic() - at > FLOW_SECONDS:
                future = self.ask(lambda cluster: cluster.get(path))
                self._flows[path] = (time.monotonic(), future)
            return future

    def follow(self, namespace: str, name: str, parent_uid: str | None) -> Follower:
        """Follow a run from now on, as a child of that parent, or by itself."""
        if parent_uid is not None:
            return self._watch(namespace, f"labelSelector={LABEL_PARENT}={parent_uid}").follow(name)
        selection = f"fieldSelector=metadata.name={name}"
        with self._lock:
            # One that nobody needs any more stays open for a while: whoever waits for one run after the other has many.
            open_ = {place for place, watch in self._watches.items() if place[0] == namespace and not watch.idle}
            singles = {place for place in open_ if place[1].startswith("fieldSelector")}
        few = len(singles) < SINGLE_WATCHES or (namespace, selection) in singles
        return self._watch(namespace, selection if few else "").follow(name)

    def leave(self, follower: Follower) -> None:
        """Follow it no more."""
        follower.close()
        with self._lock:
            for place in [place for place, watch in self._watches.items() if watch.idle]:
                del self._watches[place]

    @property
    def watches(self) -> tuple[Watch, ...]:
        """What is followed now, or was a moment ago."""
        with self._lock:
            return tuple(self._watches.values())

    def close(self) -> None:
        """End what is followed, and close the connections; a request after that opens new ones."""
        watches, until = self.watches, time.monotonic() + CLOSE_SECONDS
        for watch in watches:
            watch.stop()
        while any(not watch.idle for watch in watches) and time.monotonic() < until:
            self.cluster.client.end_streams()
            time.sleep(0.01)
        self.cluster.client.close()

    def _watch(self, namespace: str, selection: str) -> Watch:
        place = (namespace, selection)
        with self._lock:
            watch = self._watches.get(place)
            if watch is None:
                kind, _, value = selection.partition("=")
                query = {kind: value} if kind else {}
                watch = self._watches[place] = Watch(self.cluster, paths.flow_runs(namespace), query)
            return watch

    def note(self, body: Object) -> Object:
        """Remember whose UID is whose."""
        meta = body.get("metadata") or {}
        with self._lock:
            self._names[str(meta.get("uid"))] = (str(meta.get("namespace")), str(meta.get("name")))
            while len(self._names) > KNOWN_IDS:
                del self._names[next(iter(self._names))]
        return body

    def named(self, uid: str) -> tuple[str, str] | None:
        """Give namespace and name of a run whose UID was seen here."""
        with self._lock:
            return self._names.get(uid)


_lock = threading.Lock()
_made: dict[int, Connection] = {}


def connection() -> Connection:
    """Give this process's connection.

    Raises:
        NoAccessError: There is no way to an API server; says what to do.
    """
    with _lock:
        found = _made.get(os.getpid())
        if found is None:
            found = Connection(find(os.environ))
            _made.clear()  # that of the process that this one was forked from is that one's
            _made[os.getpid()] = found
        return found


def forget() -> None:
    """Look for the API server anew the next time: tests, and who changes KUBECONFIG in between."""
    with _lock:
        _made.clear()


@contextmanager
def used(made: Connection) -> Iterator[None]:
    """Use this connection inside the block, whatever the environment says."""
    with _lock:
        before = dict(_made)
        _made.clear()
        _made[os.getpid()] = made
    try:
        yield
    finally:
        with _lock:
            _made.clear()
            _made.update(before)
