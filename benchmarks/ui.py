"""The page under load for a long time: 5,000 runs, of which one changes each second, and one that writes 200 lines of log a second.

Two pages stay open in a real browser: the table, and the run that writes. Meanwhile others are opened anew. The control plane is the embedded
one; its operator leaves the 5,000 alone (`managedBy`), and its node runs the one that writes. Clocks of browser and benchmark are the same.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from tests.support.cluster import DevCluster, die_with_parent
from tests.support.flows import run

from .measure import Figure, cpu_seconds, peak_mb, resident_mb, wait_for

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

RUNS = int(os.environ.get("PENSTOCK_SOAK_RUNS", "5000"))
LINES_A_SECOND = 200
CHANGING = 40
LONG_SECONDS = 1_800
SHORT_SECONDS = 60
NAMESPACE = "soak"
WRITER = "writer"
PATH = f"/apis/penstock.dev/v1alpha1/namespaces/{NAMESPACE}/flowruns"
MERGE = {"Content-Type": "application/merge-patch+json"}
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
PATIENCE = 20.0
STATES = ("Completed",) * 7 + ("Failed", "Crashed", "Running", "Scheduled", "Cancelled")
WRITES = f"""
    import time
    from penstock import flow

    @flow(log_prints=True)
    def main():
        begun, written = time.monotonic(), 0
        while True:
            due = int((time.monotonic() - begun) * {LINES_A_SECOND})
            while written < due:
                print("line", written, "of a table with orders, returns and customers of the day", "x" * 40)
                written += 1
            time.sleep(0.02)
"""
# Notes when a text came to the table for the first time.
OBSERVE = """() => {
  window.seen = {};
  const note = () => {
    for (const found of document.getElementById("runs").textContent.matchAll(/mark-\\d+-/g)) window.seen[found[0]] ??= Date.now();
  };
  new MutationObserver(note).observe(document.getElementById("runs"), { childList: true, subtree: true, characterData: true });
}"""
# What a page is in, for the words of one that does not show what it should.
STATE = """() => ({
  hidden: document.hidden, ready: document.readyState, health: document.getElementById("health")?.textContent.trim(),
  rows: document.querySelectorAll("#runs tr").length, first: document.querySelector("main")?.textContent.trim().slice(0, 200),
})"""
PAINTED = "() => performance.getEntriesByName('first-contentful-paint').map((entry) => entry.startTime)[0] ?? null"


@dataclass
class Samples:
    """What was measured so far."""

    memory: list[float] = field(default_factory=list)
    table: list[float] = field(default_factory=list)
    run: list[float] = field(default_factory=list)
    event: list[float] = field(default_factory=list)
    line: list[float] = field(default_factory=list)


def figures() -> list[Figure]:
    """Half an hour."""
    return _measured(LONG_SECONDS)


def short() -> list[Figure]:
    """A minute."""
    return _measured(SHORT_SECONDS)


def _measured(seconds: float) -> list[Figure]:
    seconds = float(os.environ.get("PENSTOCK_SOAK_SECONDS", seconds))
    cluster = DevCluster()
    try:
        cluster.start()
        with cluster.client() as client, _browser() as browser:
            _seed(cluster, client)
            address, server = _page(cluster)
            samples = Samples()
            cpu, begun = cpu_seconds(server), time.monotonic()
            _soak(browser, client, address, server, samples, seconds)
            lasted = time.monotonic() - begun
            used = 100 * (cpu_seconds(server) - cpu) / lasted
            highest = peak_mb(server)
    finally:
        cluster.stop()
    what = f"page of {RUNS} runs, {LINES_A_SECOND} lines/s, {lasted / 60:.1f} min"
    return [
        Figure(f"{what}: memory of the server", "MB", 150, (*samples.memory, highest), "max"),
        Figure(f"{what}: first paint of the table", "ms", 500, tuple(samples.table)),
        Figure(f"{what}: first paint of a run", "ms", 500, tuple(samples.run)),
        Figure(f"{what}: event on the page", "ms", 1000, tuple(samples.event), "p99"),
        Figure(f"{what}: line of the log on the page", "ms", None, tuple(samples.line)),
        Figure(f"{what}: CPU of the server", "%", None, (used,)),
    ]


@contextmanager
def _browser() -> Iterator[Browser]:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise SystemExit("no driver of the browser: pip install -e '.[browser]'") from None
    found = os.environ.get("PENSTOCK_CHROMIUM") or next((p for name in CHROMIUM if (p := shutil.which(name))), None)
    if found is None:
        raise SystemExit("no browser: apt-get install chromium, or set PENSTOCK_CHROMIUM")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"] if os.geteuid() == 0 else [])
        yield started
        started.close()


def _seed(cluster: DevCluster, client: httpx.Client) -> None:
    """Make the runs, and the one that writes."""
    cluster.kubectl("create", "namespace", NAMESPACE)
    account = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/default"
    wait_for("the ServiceAccount", lambda: client.get(account).status_code == 200, 30)
    with ThreadPoolExecutor(4) as pool:
        for _ in pool.map(lambda number: _made(client, number), range(RUNS)):
            pass
    client.post(PATH, json=run(WRITER, WRITES)).raise_for_status()
    where = f"{PATH}/{WRITER}"

    def running() -> bool:
        return bool((client.get(where).json().get("status") or {}).get("state", {}).get("type") == "Running")

    wait_for("the run that writes", running, 60)


def _made(client: httpx.Client, number: int) -> None:
    began = datetime.now(UTC) - timedelta(seconds=(RUNS - number) * 17)
    body = run(_name(number), ref=f"flow-{number % 40}", managedBy="benchmark", parameters={"number": number})
    body["metadata"]["labels"] = {"team": f"team-{number % 7}"}
    client.post(PATH, json=body).raise_for_status()
    # What has ended never changes: those that do are the newest.
    kind = "Running" if number >= RUNS - CHANGING else STATES[number % len(STATES)]
    status: dict[str, Any] = {
        "state": {"type": kind, "name": kind, "message": f"run {number}", "timestamp": _stamp(began)},
        "startTime": _stamp(began),
        "attempt": {"number": 1, "podName": f"{_name(number)}-abcde-1"},
    }
    if kind not in ("Running", "Scheduled"):
        status["completionTime"] = _stamp(began + timedelta(seconds=number % 600))
    _patched(client, number, status)


def _patched(client: httpx.Client, number: int, status: dict[str, Any]) -> None:
    where = f"{PATH}/{_name(number)}/status"
    client.patch(where, json={"status": status}, headers=MERGE).raise_for_status()


def _name(number: int) -> str:
    return f"run-{number:05}"


def _stamp(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def _page(cluster: DevCluster) -> tuple[str, int]:
    """Start `penstock ui`; return its address and process."""
    log = cluster.folder / "ui.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "penstock_cli", "ui", "-n", NAMESPACE],
            stdout=out,
            stderr=out,
            env={**os.environ, "KUBECONFIG": str(cluster.kubeconfig)},
            preexec_fn=die_with_parent,
        )
    wait_for("penstock ui", lambda: "token=" in _said(log), 30)
    found = re.search(r"http://\S+", _said(log))
    assert found
    return found[0], process.pid


def _said(log: Path) -> str:
    return log.read_text(errors="replace")


def _soak(browser: Browser, client: httpx.Client, address: str, server: int, samples: Samples, seconds: float) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    table, writer = context.new_page(), context.new_page()
    table.goto(address)
    base = table.url.split("/runs")[0]
    where = f"{base}/runs/{NAMESPACE}/{WRITER}"
    writer.goto(where)
    _shown(table, "fifty runs in the table", "() => document.querySelectorAll('#runs tr').length >= 50")
    _shown(writer, "a line of the log", "() => document.querySelectorAll('#log p').length > 1")
    table.evaluate(OBSERVE)
    begun, turn = time.monotonic(), 0
    while (elapsed := time.monotonic() - begun) < seconds:
        number = RUNS - 1 - turn % CHANGING
        if turn % 4:
            _patched(client, number, {"state": {"message": f"changed {turn}"}})
        else:
            samples.event.append(_event(table, client, number, turn))
            samples.line.append(_lag(writer, client))
            samples.memory.append(resident_mb(server))
        if turn % 16 == 0:
            samples.table.append(_paint(context.new_page(), f"{base}/runs"))
            samples.run.append(_paint(context.new_page(), where))
        turn += 1
        time.sleep(max(0.0, begun + turn - time.monotonic()) if elapsed < seconds else 0)
    context.close()


def _event(table: Page, client: httpx.Client, number: int, turn: int) -> float:
    """Milliseconds from the change of a status until the table shows it."""
    mark, before = f"mark-{turn}-", time.time()
    _patched(client, number, {"state": {"message": mark}})
    _shown(table, f"the message of {_name(number)}", f"() => window.seen['{mark}'] !== undefined")
    return float(table.evaluate(f"window.seen['{mark}']")) - before * 1000


def _shown(page: Page, what: str, condition: str) -> None:
    """Wait until a page fulfils a condition; asked by time, for a page that nobody sees draws no frames at which it could be asked."""
    from playwright.sync_api import TimeoutError as TooLateError

    try:
        page.wait_for_function(condition, timeout=PATIENCE * 1000, polling=20)
    except TooLateError:
        raise SystemExit(f"{what} did not come within {PATIENCE:g} s: {page.evaluate(STATE)}") from None


def _lag(writer: Page, client: httpx.Client) -> float:
    """Milliseconds that the newest line on the page is behind the newest of the log."""
    shown = str(writer.evaluate("document.querySelector('#log p:last-child')?.textContent ?? ''"))
    found = re.search(r"line (\d+)", shown)
    assert found, f"no line of the log on the page: {shown!r}"
    pods = client.get(f"/api/v1/namespaces/{NAMESPACE}/pods").json()["items"]
    log = client.get(
        f"/api/v1/namespaces/{NAMESPACE}/pods/{pods[0]['metadata']['name']}/log", params={"tailLines": "3"}
    )
    newest = max(int(number) for number in re.findall(r"line (\d+)", log.text))
    return max(0.0, (newest - int(found[1])) * 1000 / LINES_A_SECOND)


def _paint(page: Page, where: str) -> float:
    """Milliseconds until a page that is opened anew shows something."""
    page.goto(where)
    _shown(page, f"the first paint of {where}", PAINTED)
    painted = float(page.evaluate(PAINTED))
    page.close()
    return painted
