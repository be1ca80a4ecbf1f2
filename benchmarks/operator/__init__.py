"""The operator's figures on the real control plane (KUBEBUILDER_ASSETS), nodes and engines by script; one row, one command, one file.

    python -m benchmarks operator [row ...]

Beside the operator runs the Job controller of kube-controller-manager, in turns, on the same simulated nodes, at its defaults and tuned.
CPU seconds are the steadier figure on a machine that does other things too; rates are to be compared within a row.
"""

from __future__ import annotations

from collections.abc import Callable

from ..measure import Figure
from .against import against
from .audit import writes
from .children import children
from .crowds import fair, finished, large
from .floor import floor
from .latencies import cancel, latency, pod_event
from .profile import profile
from .schedules import schedules
from .shards import shards
from .standing import memory, restart
from .throughput import burst, burst_5000, burst_defaults, sustained

ROWS: dict[str, Callable[[], list[Figure]]] = {
    "burst": burst,
    "burst_defaults": burst_defaults,
    "burst_5000": burst_5000,
    "sustained": sustained,
    "writes": writes,
    "latency": latency,
    "pod_event": pod_event,
    "cancel": cancel,
    "memory": memory,
    "restart": restart,
    "finished": finished,
    "fair": fair,
    "large": large,
    "schedules": schedules,
    "children": children,
    "profile": profile,
    "against": against,
    "floor": floor,
    "shards": shards,
}
