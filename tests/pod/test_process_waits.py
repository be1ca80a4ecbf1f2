"""Waits that are longer than the pod: given up, and gone on with by the next attempt, in each kind of flow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.pod.conftest import StartPod
from tests.pod.test_process_pause import next_attempt
from tests.support.pod_process import PodProcess
from tests.support.pod_server import PodServer

STEP = (
    "@task(persist_result=True)\n{kind}def load():\n    mark(f'load-{{os.environ[\"PENSTOCK_ATTEMPT\"]}}')\n    return 3\n"
    "@task(retries=2, retry_delay_seconds=30, persist_result=True)\n{kind}def fetch(rows):\n"
    "    from penstock.runtime import task_run\n    mark(f'try-{{task_run.run_count}}')\n"
    "    if task_run.run_count < 3:\n        raise ConnectionError('reset by peer')\n    return rows\n"
)
BODIES = {
    "sync": "@flow(**HOOKS)\ndef main():\n    return fetch(load())\n",
    "async": "@flow(**HOOKS)\nasync def main():\n    return await fetch(await load())\n",
    "gathered": (
        "@flow(**HOOKS)\nasync def main():\n    rows = await load()\n"
        "    return (await asyncio.gather(fetch(rows), load()))[0]\n"
    ),
    "submitted": "@flow(**HOOKS)\ndef main():\n    return fetch.submit(load.submit()).result()\n",
    "flow": (
        "@flow(retries=2, retry_delay_seconds=30, **HOOKS)\ndef main():\n    from penstock.runtime import flow_run\n"
        "    load()\n    mark(f'try-{flow_run.run_count}')\n"
        "    if flow_run.run_count < 3:\n        raise ConnectionError('reset by peer')\n    return 3\n"
    ),
}


def env_of(tmp_path: Path, number: int, **more: str) -> dict[str, str]:
    return {
        "PENSTOCK_RESULTS_STORAGE": f"file://{tmp_path}/results",
        "PENSTOCK_POD_LONG_WAIT_SECONDS": "0.5",
        "PENSTOCK_ATTEMPT": str(number),
        "POD_NAME": f"etl-7f3c2-{number}",
        **more,
    }


@pytest.mark.parametrize("kind", BODIES)
def test_three(start: StartPod, server: PodServer, tmp_path: Path, kind: str) -> None:
    a = "async " if kind in ("async", "gathered") else ""
    source = STEP.format(kind=a) + BODIES[kind]
    for number in (1, 2, 3):
        if number > 1:
            next_attempt(server, number)
        pod = start(source, env=env_of(tmp_path, number))
        assert pod.wait() == 0, pod.output
        print(pod.output[-3000:])
        print(server.report)
        if number < 3:
            assert server.report["type"] == "AwaitingRetry"
