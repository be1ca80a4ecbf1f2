"""How many API writes a run takes, by the API server's own log: the controller's, and the workload's. Events are not counted."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from ..measure import Figure
from .kinds import JOB, PENSTOCK, Kind
from .load import loaded
from .plane import TUNED, plane

WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})
OPERATOR = "system:serviceaccount:penstock-system:penstock"
JOB_CONTROLLER = "system:serviceaccount:kube-system:job-controller"
SECONDS = 1.5  # of the imagined flow: each state is seen
COUNT, PER_SECOND = 50, 5.0


def counted(lines: Iterable[Mapping[str, Any]], namespace: str) -> Counter[str]:
    """Count who wrote what in a namespace; the engine's writes are those on a FlowRun's status that the operator did not make."""
    found: Counter[str] = Counter()
    for line in lines:
        reference = line.get("objectRef") or {}
        resource = "/".join(filter(None, (reference.get("resource"), reference.get("subresource"))))
        if (
            line["verb"] not in WRITES
            or reference.get("namespace") != namespace
            or line["responseStatus"]["code"] >= 400
            or resource == "events"
        ):
            continue
        user = line["user"]["username"]
        if user in (OPERATOR, JOB_CONTROLLER):
            found["controller"] += 1
        elif resource == "flowruns/status":
            found["workload"] += 1
    return found


def writes() -> list[Figure]:
    """Apply runs at a pace at which nothing is put together, and count."""
    found: dict[str, Counter[str]] = {}
    with plane(audit=True) as on:
        on.tune(*TUNED)
        for kind in (PENSTOCK, JOB):
            namespace = on.namespace(f"writes-{kind.name}", *kind.needs)

            async def work(kind: Kind = kind, namespace: str = namespace) -> None:
                async with loaded(on.server, kind, namespace, run_seconds=SECONDS) as load:
                    await load.steadily(COUNT, PER_SECOND)
                    await load.finished(120)
                    await asyncio.sleep(2)

            asyncio.run(work())
            found[kind.name] = counted(on.server.audit(), namespace)
    ours, job = found[PENSTOCK.name], found[JOB.name]
    revision = 1 / COUNT  # the ConfigMap of the Flow's revision is made once for all of them, and is no run's write
    return [
        Figure("writes a run: FlowRun, operator", "", 4.0 + revision, (ours["controller"] / COUNT,)),
        Figure("writes a run: FlowRun, engine", "", 2.0, (ours["workload"] / COUNT,)),
        Figure("writes a run: Job, controller", "", None, (job["controller"] / COUNT,)),
    ]
