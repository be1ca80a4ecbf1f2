"""From a file to a run: what `penstock build` writes is applied by kubectl, runs, refuses what the code would refuse, and is found stale in time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.cluster import Space
from tests.support.flows import run

MAIN = '''
from datetime import date, timedelta

from penstock import flow
from penstock.schedules import Cron
from figures import total


@flow(name="Sales Report")
def report(day: date, shops: list[str] = ["north"], within: timedelta = timedelta(hours=1)) -> str:
    """Sum up a day.\\t

    Args:
        day: which one
    """
    return f"{day:%d.%m.} {total(shops)} {within.total_seconds():g}"


nightly = report.to_flow(parameters={"day": date(2026, 11, 21)}, schedules=[Cron("0 6 * * *", timezone="Europe/Berlin")])
'''


def test_code_becomes_a_flow_that_runs(space: Space, tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(MAIN, newline="")
    figures = tmp_path / "figures"
    figures.mkdir()
    (figures / "__init__.py").write_text("from .sums import total\n")
    (figures / "sums.py").write_bytes(b"def total(shops):\r\n\treturn len(shops) * 7  \r\n")
    built = tmp_path / "flow.yaml"

    def build(*more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "penstock_cli", "build", f"{tmp_path}/main.py:report", "-o", str(built), *more]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)

    done = build()
    assert done.returncode == 0, done.stderr
    space.kubectl("apply", "-f", str(built))
    space.apply(run("plain", ref="sales-report"))
    space.apply(run("given", ref="sales-report", parameters={"shops": ["north", "south"], "within": "PT2H"}))
    space.apply(run("wrong-type", ref="sales-report", parameters={"shops": "north"}))
    space.apply(run("wrong-name", ref="sales-report", parameters={"shop": ["north"]}))
    assert space.finish("plain")["result"]["json"] == '"21.11. 7 3600"'
    assert space.finish("given")["result"]["json"] == '"21.11. 14 7200"'
    for name, words in (("wrong-type", "parameters.shops"), ("wrong-name", "'shop' was unexpected")):
        state = space.finish(name)["state"]
        assert (state["type"], state["name"]) == ("Failed", "InvalidParameters")
        assert words in state["message"]
        assert space.pods(name) == []
    assert build("--check").returncode == 0
    (figures / "sums.py").write_text("def total(shops):\n    return 8\n")
    stale = build("--check")
    assert stale.returncode == 1
    assert "+    def total(shops):\n" in stale.stdout
    assert build().returncode == 0
    space.kubectl("apply", "-f", str(built))
    space.apply(run("changed", ref="sales-report"))
    assert space.finish("changed")["result"]["json"] == '"21.11. 8 3600"'
