"""The control plane of the operator's figures: the real API server, its controllers in one of two tunings, and the operator.

Everything is a process on this machine; what each costs is read from the kernel. Nodes are objects only: `load` plays them.
Neighbours: `tests.support` starts the programs, `load` makes the work, the rows read the meters.
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.cluster import ROOT, Program, WithoutNode
from tests.support.operatorprocess import free_port
from tests.support.realserver import MISSING, RealServer, assets

from ..measure import cpu_seconds, wait_for

NODES = 10
NO_AUDIT = (
    "--audit-log-path=",
)  # later than the server's own: the log costs the API server CPU, and only one row reads it
# What the Job controller is given when it is tuned; the defaults are 5 syncs, 20 requests a second, 30 at once.
TUNED = ("--concurrent-job-syncs=50", "--kube-api-qps=1000", "--kube-api-burst=2000")
# The same for the operator, whose defaults are 200 requests a second and 400 at once.
TUNED_OPERATOR = ("--api-qps=1000", "--api-burst=2000")
QUIET_CPU = 0.06  # of a core and a process: what idling costs


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU seconds of each process since a moment."""

    seconds: Mapping[str, float]

    def each(self, count: int) -> dict[str, float]:
        """Milliseconds a run, by process."""
        return {name: 1000 * used / count for name, used in self.seconds.items()}


@dataclass
class Plane:
    """A running control plane with Penstock's CRDs, policies and rights.

    Attributes:
        cluster: its processes.
        health: the operator's port for probes and metrics.
    """

    cluster: WithoutNode
    health: int

    @property
    def server(self) -> RealServer:
        return self.cluster.own

    @property
    def operator(self) -> Program:
        assert self.cluster.operator
        return self.cluster.operator

    def pids(self) -> dict[str, int]:
        """The processes that a run costs something."""
        found = self.server.pids()
        if self.cluster.operator and self.cluster.operator.process.poll() is None:
            found["operator"] = self.cluster.operator.process.pid
        return found

    def cpu(self) -> dict[str, float]:
        return {name: cpu_seconds(pid) for name, pid in self.pids().items()}

    def since(self, before: Mapping[str, float]) -> Cost:
        """What the processes have used since `before`."""
        return Cost({name: used - before[name] for name, used in self.cpu().items() if name in before})

    def settle(self, seconds: float = 60) -> None:
        """Wait until nothing works any more: what follows a round must not be paid by the next."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            before = self.cpu()
            time.sleep(1)
            if max(self.since(before).seconds.values()) < QUIET_CPU:
                return

    def until_ready(self) -> None:
        """Wait for the operator, looking seldom enough to leave it the machine."""
        end = time.monotonic() + 60
        while not ready(self.health):
            if time.monotonic() > end:
                raise TimeoutError(f"the operator is not ready:\n{self.operator.tail()}")
            time.sleep(0.02)

    def start_operator(self) -> Program:
        started = self.cluster.start_operator()
        self.until_ready()
        return started

    def stop_operator(self) -> None:
        self.operator.end()

    def tune(self, *arguments: str) -> None:
        """Start the controllers anew with these arguments, and wait until they have read everything."""
        self.server.restart_controllers(*arguments)
        time.sleep(3)
        self.settle()

    def namespace(self, name: str, *objects: dict[str, Any]) -> str:
        """Make a namespace that is ready for pods, with some objects in it."""
        self.cluster.kubectl("create", "namespace", name)
        with self.cluster.client() as client:
            account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
            wait_for("the ServiceAccount", lambda: client.get(account).status_code == 200, 30)
            for document in objects:
                group, plural = document["apiVersion"], f"{document['kind'].lower()}s"
                client.post(f"/apis/{group}/namespaces/{name}/{plural}", json=document).raise_for_status()
        return name


@contextmanager
def plane(*operator: str, audit: bool = False, build: Path = ROOT) -> Iterator[Plane]:
    """Start a control plane with the operator, and end it.

    Args:
        operator: further arguments of its command line.
        audit: whether the API server logs its requests.
        build: the checkout whose operator, CRDs and policies it has.
    """
    folder = assets()
    if folder is None:
        raise SystemExit(MISSING)
    port = free_port()
    server = RealServer(folder, arguments=() if audit else NO_AUDIT)
    cluster = WithoutNode(server=server, operator_arguments=(f"--health-port={port}", *operator), build=build)
    made = Plane(cluster, port)
    try:
        cluster.start()
        made.until_ready()
        with cluster.client() as client:
            for number in range(NODES):
                node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": node_name(number)}}
                client.post("/api/v1/nodes", json=node).raise_for_status()
        yield made
    finally:
        cluster.stop()


def ready(port: int) -> bool:
    """Whether an operator whose probes are at this port says that it is ready."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def node_name(number: int) -> str:
    return f"node-{number % NODES:02}"
