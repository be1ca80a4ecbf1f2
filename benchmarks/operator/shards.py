"""Ten thousand live runs in ten namespaces: one operator for all of them, and two that share them. What each has in memory, and how soon it is ready.

The runs are put where the API server keeps them (`seed`); they run, and nothing happens to them. Then a wave of new runs goes through all
namespaces: what it costs the operators together. Neighbour: docs/adr/0044 on what it would take to split namespaces by a hash.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import time
from collections.abc import Sequence

from tests.support.cluster import Program
from tests.support.operatorprocess import free_port

from ..measure import Figure, cpu_seconds, resident_mb, wait_for
from .kinds import PENSTOCK
from .load import loaded
from .plane import Plane, plane, ready
from .seed import copies, put
from .standing import model_runs

NAMESPACES, EACH = 10, 1_000
WAVE = 20  # new runs in each namespace
PATIENCE = 300.0
QUIET_PATIENCE = 20.0  # on a machine that is busy otherwise they never idle


def shards() -> list[Figure]:
    """One operator, then two."""
    found: dict[str, dict[str, float]] = {}
    with plane() as on:
        names = [on.namespace(f"shard-{number}", *PENSTOCK.needs) for number in range(NAMESPACES)]
        run, pod = asyncio.run(model_runs(on, names[0]))["running"]
        on.stop_operator()
        for name in names:
            its, of_it = copy.deepcopy((run, pod))
            its["metadata"]["namespace"] = of_it["metadata"]["namespace"] = name
            put(on.server.etcd_url, copies(its, of_it, "live", EACH))
        for what, halves in (("one", [names]), ("two", [names[::2], names[1::2]])):
            found[what] = _measured(on, what, names, halves)
    total = NAMESPACES * EACH
    return [
        Figure(f"{total} live runs, {what} operator(s): {name}", unit, None, (values[name],))
        for what, values in found.items()
        for name, unit in (
            ("ready", "s"),
            ("memory of each", "MB"),
            ("CPU until ready", "s"),
            ("CPU a new run, in all", "ms"),
        )
    ]


def _measured(on: Plane, what: str, names: Sequence[str], halves: Sequence[Sequence[str]]) -> dict[str, float]:
    begin, ports = time.monotonic(), [free_port() for _ in halves]
    operators = [
        on.cluster.launch(
            f"operator-{what}-{number}",
            "penstock_operator",
            "--engine-image=penstock/engine:test",
            f"--health-port={port}",
            *(f"--namespace={name}" for name in half),
            KUBECONFIG=str(on.cluster.operator_kubeconfig),
        )
        for number, (half, port) in enumerate(zip(halves, ports, strict=True))
    ]
    try:
        wait_for("all are ready", lambda: all(ready(port) for port in ports), PATIENCE)
        seconds = time.monotonic() - begin
        spent = _cpu(operators)
        _quiet(operators)
        memory = max(resident_mb(operator.process.pid) for operator in operators)
        before = _cpu(operators)
        asyncio.run(_wave(on, what, names))
        _quiet(operators)
        return {
            "ready": seconds,
            "memory of each": memory,
            "CPU until ready": spent,
            "CPU a new run, in all": 1000 * (_cpu(operators) - before) / (WAVE * len(names)),
        }
    finally:
        for operator in operators:
            operator.end()


async def _wave(on: Plane, what: str, names: Sequence[str]) -> None:
    async with contextlib.AsyncExitStack() as stack:
        loads = [await stack.enter_async_context(loaded(on.server, PENSTOCK, name)) for name in names]
        await asyncio.gather(*(load.apply(f"{what}-{n}") for n in range(WAVE) for load in loads))
        await asyncio.gather(*(load.finished(PATIENCE) for load in loads))


def _cpu(operators: Sequence[Program]) -> float:
    return sum(cpu_seconds(operator.process.pid) for operator in operators)


def _quiet(operators: Sequence[Program]) -> None:
    """Wait until they idle; what they do at a time that is set comes later anyway."""
    end = time.monotonic() + QUIET_PATIENCE
    while time.monotonic() < end:
        before = _cpu(operators)
        time.sleep(1)
        if _cpu(operators) - before < 0.1:
            return
