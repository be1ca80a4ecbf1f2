"""Every example of every command's help, pasted into a shell, on a `penstock dev` that holds what the examples name."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from penstock_cli.commands import COMMANDS
from tests.support.cluster import Cluster, Space
from tests.support.world import until

# Readers first, then what changes; `build` writes flow.yaml anew, `delete` takes everything away.
ORDER = (
    "version", "completion", "next", "apply", "get", "describe", "logs", "tasks", "wait", "run", "result", "pause",
    "resume", "suspend", "cancel", "retry", "run-file", "build", "delete",
)  # fmt: skip
# These never end, or are a control plane themselves: test_newcomer.py, tests/cli/test_ui.py and the operator's tests start them.
ELSEWHERE = {"dev", "operator", "ui"}
CODE = """
import datetime

from penstock import flow, pause_flow_run, task
from penstock.input import RunInput


class Approval(RunInput):
    approve: bool
    note: str = ""


@task
def load(shop: str, rows: int) -> int:
    return rows


@flow
def etl(day: datetime.date | None = None, rows: int = 3, shops: list[str] | None = None) -> int:
    return sum(load(shop, rows) for shop in shops or ["north"])


@flow
def approval() -> str:
    return pause_flow_run(wait_for_input=Approval).note
"""
SCHEMA = {
    "type": "object",
    "properties": {"day": {"type": "string"}, "rows": {"type": "integer"}, "shops": {"type": "array"}},
}
FLOW = {
    "apiVersion": "penstock.dev/v1alpha1", "kind": "Flow", "metadata": {"name": "etl"},
    "spec": {
        "entrypoint": "etl.py:etl", "source": {"inline": CODE}, "parametersSchema": SCHEMA,
        "schedules": [{"name": "nightly", "cron": "0 6 * * *", "timeZone": "Europe/Berlin"}],
    },
}  # fmt: skip


def run(name: str, function: str = "etl") -> dict[str, object]:
    spec = {"flowSpec": {"entrypoint": f"etl.py:{function}", "source": {"inline": CODE}}}
    return {"apiVersion": "penstock.dev/v1alpha1", "kind": "FlowRun", "metadata": {"name": name}, "spec": spec}


def examples(name: str, penstock: str) -> list[str]:
    """The lines below Examples, as a person sees them."""
    told = subprocess.run([penstock, name, "--help"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"^Examples:\n((?:  .*\n)+)", told, re.MULTILINE)
    assert found, told
    return [line.strip() for line in found[1].splitlines()]


@pytest.mark.parametrize("cluster", ["dev"], indirect=True)
@pytest.mark.timeout(300)
def test_examples_can_be_pasted(cluster: Cluster, space: Space, tmp_path: Path) -> None:
    assert {name for names in COMMANDS.values() for name in names} <= {*ORDER, *ELSEWHERE}
    bin_folder = Path(sys.executable).parent
    penstock = str(bin_folder / "penstock")
    kubeconfig = json.loads(cluster.kubeconfig.read_text())
    kubeconfig["contexts"][0]["context"]["namespace"] = space.name
    (tmp_path / "config").write_text(json.dumps(kubeconfig))
    env = {**os.environ, "KUBECONFIG": str(tmp_path / "config"), "PATH": f"{bin_folder}:{os.environ['PATH']}"}
    (tmp_path / "etl.py").write_text(CODE)
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/flows.py").write_text(CODE)
    (tmp_path / "flow.yaml").write_text(json.dumps(FLOW))
    (tmp_path / "more.yaml").write_text(json.dumps(run("more")))
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests/two.yaml").write_text(json.dumps(run("another")))
    (tmp_path / "parameters.yaml").write_text("day: '2026-11-21'\nshops: [north]\n")
    space.apply(FLOW, *(run(name) for name in ("hello", "one", "two")), run("approval", "approval"))
    space.wait_type("approval", "Paused")
    for name in ("hello", "one", "two"):
        space.wait_type(name, "Completed")

    told = []
    for name in [name for name in ORDER if any(name in names for names in COMMANDS.values())]:
        for example in examples(name, penstock):
            follows = re.search(r"^penstock get .*(-w|--watch)\b", example) is not None
            # Whoever follows a table ends it with Ctrl-C.
            command = f"timeout -s INT 2 {example}" if follows else example
            done = subprocess.run(
                ["bash", "-c", command], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60
            )
            said = f"$ {example}\n{done.stdout}{done.stderr}[exit code {done.returncode}]"
            told.append(said)
            # What its tasks returned is kept nowhere, and that is said.
            unkept = example.startswith("penstock result etl-friday")
            assert done.returncode in ((124, 130) if follows else (1,) if unkept else (0,)), "\n".join(told)
            assert done.stderr or not unkept
            assert "Traceback" not in said, said
        if name == "cancel":  # what `retry` repeats
            subprocess.run([penstock, "cancel", "etl-friday"], cwd=tmp_path, env=env, check=True)
            until("etl-friday has ended", lambda: space.state("etl-friday")[0] == "Cancelled")
    assert space.state("approval")[0] != "Paused"
    assert space.state("etl-friday-2")[0] in ("Pending", "Running", "Completed")
