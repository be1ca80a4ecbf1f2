"""What the pages show in these stories: a namespace with runs of every kind, and `penstock ui` before the control plane.

The names and times of the pipeline are those of the README's picture: what it does is little, what it shows is everything that a Gantt has.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any

from tests.support.cluster import Cluster, Program, Space, die_with_parent
from tests.support.flows import flow, run
from tests.support.issuer import Issuer
from tests.support.world import until

NAMESPACE = "shop"
# Harmless: each would leave a mark that a story looks for, were it taken for anything but text.
MARKUP = '<i class="hostile">x</i><script>window.hostile=1</script>'
ATTRIBUTE = '"><img class=hostile src=x onerror="window.hostile=2">\'><svg class=hostile onload="window.hostile=3">'
TEMPLATE = "{{7*7}}${7*7}<%=7*7%>"
CLOSING = "</pre></script></template></textarea></style><i class=hostile>y</i>"
DIRECTION = "safe\u202egnp.exe\u2066\x1b[31m"
HOSTILE = (MARKUP, ATTRIBUTE, TEMPLATE, CLOSING, DIRECTION)
LONG = "w" * 2000

PIPELINE = """
    import time
    from penstock import flow, task, tags
    from penstock.cache_policies import INPUTS

    @task(persist_result=True, cache_policy=INPUTS)
    def settings(shop: str):
        time.sleep(0.2)
        return {"currency": "EUR"}

    @task(retries=2, retry_delay_seconds=0.5)
    def fetch(region: str, tries: dict):
        time.sleep(0.3)
        tries[region] = tries.get(region, 0) + 1
        if region == "south" and tries[region] == 1:
            raise ConnectionError("orders.example: connection reset by peer")
        print(f"{region}: 1,204 orders")
        return 1204

    @task
    def clean(orders: int):
        time.sleep(0.4)
        return orders - 4

    @task
    def write(total: int):
        time.sleep(0.3)
        return f"{total} rows"

    @flow
    def report(total: int):
        write.submit(total).wait()
        settings("main")
        return total

    @flow(log_prints=True)
    def main(day: str = "2026-11-30"):
        settings("main")
        tries = {}
        orders = [fetch.submit(region, tries) for region in ("north", "east", "south", "west")]
        cleaned = [clean.submit(each) for each in orders]
        return report(sum(each.result() for each in cleaned))
"""
FAILING = """
    from penstock import flow, task

    @task
    def parse(line: str):
        fields = line.split(";")
        return int(fields[2])

    @flow
    def main():
        parse("a;b;not a number")
"""
TWICE = """
    import os
    from penstock import flow

    @flow(log_prints=True)
    def main():
        attempt = os.environ["PENSTOCK_ATTEMPT"]
        print("this is attempt", attempt)
        if attempt == "1":
            raise ValueError("the first one fails")
        return "second"
"""
TALKING = """
    import time
    from penstock import flow

    @flow(log_prints=True)
    def main():
        for number in range(6000):
            print("line", number, flush=True)
            time.sleep(0.1)
"""
QUICK = """
    from penstock import flow

    @flow
    def main(text: str = ""):
        return text
"""
SLOW = """
    import time
    from penstock import flow, task

    @task
    def step(number: int):
        time.sleep(1.5)
        return number

    @flow
    def main():
        for number in range(3):
            step(number)
"""
SHORT = SLOW.replace("1.5", "0.01")
SPEAKING = """
    from penstock import flow, task

    @task
    def say(text: str):
        print(text)
        raise RuntimeError(text)

    @flow(log_prints=True)
    def main(texts: list, long: str):
        for text in texts:
            print(text, flush=True)
        print(long)
        states = [say.with_options(task_run_name=text.replace("{", "{{").replace("}", "}}"))(text, return_state=True) for text in texts]
        raise RuntimeError(" ".join(texts))
"""
RETRY = {"retries": {"application": 1}, "backoff": {"initialSeconds": 0, "maximumSeconds": 1}}


@dataclass
class Stage:
    """A control plane as the stories of a browser see it.

    Attributes:
        plane: dev or real.
        cluster: the control plane.
        url: of the page, without its token.
        token: of the page.
        issuer: of tokens that the API server trusts, on the real one.
    """

    plane: str
    cluster: Cluster
    url: str = ""
    token: str = ""
    server: Program | None = None
    issuer: Issuer | None = None
    _numbers: int = field(default=0)
    _ended: set[str] = field(default_factory=set)

    @property
    def space(self) -> Space:
        """Where the runs are."""
        return Space(self.cluster, NAMESPACE)

    def address(self, path: str) -> str:
        """Return a path of the page, with the token that signs in."""
        return f"{self.url}{path}{'&' if '?' in path else '?'}token={self.token}"

    def finished(self, *names: str) -> None:
        """Wait until runs have ended; those that have, are asked about no more."""
        for name in names:
            if name not in self._ended:
                self.space.finish(name, 90)
                self._ended.add(name)

    def name(self, base: str) -> str:
        """Return a name that nothing has yet."""
        self._numbers += 1
        return f"{base}-{self._numbers}"

    def begin(self) -> None:
        """Apply the runs, and start the page."""
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        self.cluster.kubectl("apply", "-f", "-", stdin=json.dumps(namespace))
        space = self.space
        until(
            "the namespace has its account",
            lambda: bool(space.kubectl("get", "sa", "default", "--ignore-not-found")),
        )
        space.apply(*_documents())
        self.start_page()

    def end(self) -> None:
        """Stop the page."""
        if self.server:
            self.server.end()

    def start_page(self) -> None:
        """`penstock ui`, as a user starts it."""
        log = self.cluster.folder / "ui.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-u", "-m", "penstock_cli", "ui", "--all-namespaces", "--port", "0"],
                cwd=self.cluster.folder,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, "KUBECONFIG": str(self.cluster.kubeconfig)},
                preexec_fn=die_with_parent,
            )
        self.server = Program("ui", process, log)
        self.cluster.programs.append(self.server)
        until("penstock ui prints its address", self._printed)

    def _printed(self) -> bool:
        assert self.server
        said = self.server.log.read_text()
        if self.server.process.poll() is not None:
            raise AssertionError(f"penstock ui ended:\n{said}")
        found = re.search(r"(http://[\w.:\[\]]+)/\S*[?&]token=([\w.~-]+)", said)
        if found:
            self.url, self.token = found.groups()
        return found is not None


def _documents() -> list[dict[str, Any]]:
    labels = {"team": "sales"}
    hostile = run("hostile", SPEAKING, parameters={"texts": list(HOSTILE), "long": LONG}, displayName=MARKUP)
    hostile["metadata"]["annotations"] = {"example.com/note": ATTRIBUTE}
    pipeline = run("orders-2026-11-30", ref="orders", parameters={"day": "2026-11-30"})
    pipeline["metadata"]["labels"] = labels
    return [
        flow("orders", PIPELINE, schedules=[{"name": "yearly", "cron": "0 6 1 1 *"}], concurrency={"limit": 5}),
        pipeline,
        run("failing", FAILING),
        run("twice", TWICE, runPolicy=RETRY),
        run("talking", TALKING),
        hostile,
        run("tomorrow", ref="orders", scheduledTime="2099-01-01T00:00:00Z"),
    ]
