"""Where the CPU goes in a burst: the API server's by kind of write and by concern, the operator's by room; milliseconds a run.

Shares are the profiles', totals the kernel's; so the parts of a process add up to what it used. The profiles themselves stay beside the
results, for whoever wants to look closer (`go tool pprof -http=: FOLDER/*.pb.gz`). Sampling costs the operator some per cent.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter

from ..measure import RESULTS, Figure
from .kinds import PENSTOCK
from .load import loaded
from .plane import TUNED, TUNED_OPERATOR, Plane, plane
from .profiling import OperatorProfile, ServerProfile
from .stacks import CONCERNS, KINDS, ROOMS, shares
from .throughput import AFTERWARDS, WARM

FOLDER = RESULTS / "operator" / "profile"
SELDOM = 0.02  # requests a run: what is less is not the runs'
_LABEL = re.compile(r'(\w+)="([^"]*)"')


def requests(metrics: str) -> Counter[str]:
    """Count what an API server was asked, by its metrics: `PATCH flowruns/status`, and the code where it was refused."""
    found: Counter[str] = Counter()
    for line in metrics.splitlines():
        if not line.startswith("apiserver_request_total{"):
            continue
        labels = dict(_LABEL.findall(line))
        what = "/".join(filter(None, (labels["resource"], labels["subresource"])))
        code = labels["code"] if labels["code"] >= "400" else ""
        found[" ".join(filter(None, (labels["verb"], what, code)))] += int(float(line.rsplit(" ", 1)[1]))
    return found


def _asked(on: Plane) -> Counter[str]:
    with on.server.client(on.server.admin_token) as client:
        return requests(client.get("/metrics").text)


async def _burst(on: Plane, namespace: str, count: int) -> None:
    async with loaded(on.server, PENSTOCK, namespace) as load:
        await load.burst(count)
        await load.finished(1200)


def profile(count: int = 500) -> list[Figure]:
    """Profile both while so many runs are applied at once."""
    with plane(*TUNED_OPERATOR) as on:
        on.tune(*TUNED)
        asyncio.run(_burst(on, on.namespace("warm", *PENSTOCK.needs), WARM))
        namespace = on.namespace("profile", *PENSTOCK.needs)
        on.settle()
        server = ServerProfile(on.server, FOLDER)
        operator = OperatorProfile(on.operator.process.pid, FOLDER / "operator.collapsed")
        server.begin()
        operator.begin()
        before, asked = on.cpu(), _asked(on)
        asyncio.run(_burst(on, namespace, count))
        time.sleep(AFTERWARDS)
        each = on.since(before).each(count)
        asked = _asked(on) - asked
        sampled = operator.end()
        traces = server.end()
    found = [Figure(f"{name}: CPU a run", "ms", None, (used,)) for name, used in each.items()]
    for process, what, stacks, rules in (
        ("apiserver", "by kind", traces, KINDS),
        ("apiserver", "by concern", traces, CONCERNS),
        ("operator", "by room", sampled, ROOMS),
    ):
        found += [
            Figure(f"{process}, {what}: {name}", "ms", None, (share * each[process],))
            for name, share in shares(stacks, rules).items()
        ]
    found += [
        Figure(f"requests a run: {what}", "", None, (number / count,))
        for what, number in asked.most_common()
        if number / count >= SELDOM
    ]
    return found
