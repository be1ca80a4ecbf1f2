"""Whatever a user can apply, the operator decides: 500 odd Flows and FlowRuns, by a seed, through the real core and the runtime.

Each run is settled, waited for, cancelled. It must have a state after the first pass, come to an end when it is cancelled, in bounded writes that
our CRDs take, and nothing may be raised: what a worker raises would be a traceback in the operator's log.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from penstock_dev.apiserver.builtin import Builtin
from penstock_dev.apiserver.pod_validation import validate_pod
from penstock_dev.apiserver.validation import validate
from penstock_operator.core.faults import Unusable
from penstock_operator.core.model import Checked
from penstock_operator.core.parameters import bad_parameter
from penstock_operator.core.reconcile import reconcile
from penstock_operator.runtime.checker import Checker
from penstock_operator.runtime.resources import PODS, Key
from tests.support import virtualtime
from tests.support.crdcheck import RUNS
from tests.support.fakeapi import FakeApi, Request, _merged, refusal
from tests.support.nasty import Nasty
from tests.support.runtimerig import Rig

JSON = dict[str, Any]
SEED = 20261129
EACH = 250
WRITES = 12  # statuses, pods, revisions and their ends of one run, from its creation to its cancelled end
POD = Builtin().schema("v1", "Pod")


class InlineChecker(Checker):
    """The check of parameters without its process, which virtual time can't wait for."""

    async def check(self, schema: JSON, parameters: JSON, **_: Any) -> Checked:
        try:
            return Checked(bad=bad_parameter(schema, parameters))
        except Unusable as error:
            return Checked(unusable=str(error))


@dataclass
class Server:
    """An API server that stores what the CRDs take, and pods that have a PodSpec's types."""

    api: FakeApi = field(default_factory=FakeApi)
    wrong: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.api.faults.append(self._checks)

    def _checks(self, request: Request) -> httpx.Response | None:
        if (request.verb, request.resource) == ("create", "pods"):
            return self._pod(request.body)
        if (request.verb, request.resource) == ("patch", "flowruns/status"):
            old = self.run(request.name).get("status", {})
            wrong = RUNS.wrong_status(_merged(old, request.body["status"]), old)
            if wrong:
                self.wrong.append(f"{request.name}: {wrong}")
                return refusal(422, "Invalid", "; ".join(wrong))
        return None

    def _pod(self, body: JSON) -> httpx.Response | None:
        errors: list[Any] = []
        validate(body, POD, "", errors)
        if errors:
            return refusal(400, "BadRequest", f"Pod in version v1 cannot be handled as a Pod: {errors[0].field}")
        errors = validate_pod(with_policy(body))
        return refusal(422, "Invalid", f"{errors[0].field}: {errors[0].message}") if errors else None

    def run(self, name: str) -> JSON:
        """A run as it is; not to be changed."""
        return self.api.objects["flowruns", "default", name]

    def nodes_end_pods(self) -> None:
        """No node runs them: what is deleted is gone."""
        for plural, _, name in list(self.api.objects):
            if plural == "pods" and "deletionTimestamp" in self.api.objects["pods", "default", name]["metadata"]:
                self.api.remove("pods", name)


def with_policy(pod: JSON) -> JSON:
    return {**pod, "spec": {"dnsPolicy": "ClusterFirst", **pod["spec"]}}


def stored(body: JSON) -> JSON:
    return {**body, "metadata": {**body["metadata"], "generation": 1, "creationTimestamp": "2026-01-01T00:00:00Z"}}


def writes(api: FakeApi, run: str) -> int:
    """Requests that change something of this run's."""
    return sum(
        1
        for r in api.requests
        if r.verb in ("patch", "create", "delete") and r.resource in ("flowruns/status", "pods", "configmaps")
        if r.name == run
        or r.name.startswith(f"{run}-")
        or (r.body or {}).get("metadata", {}).get("name", "").startswith(f"{run}-")
    )


async def live(rig: Rig, server: Server, name: str) -> str:
    """Take a run through its life; return what is wrong with it, empty if nothing is."""
    key, api = Key("default", name), server.api
    await rig.settle(key)
    if gone(api, name):
        return ""
    state = server.run(name).get("status", {}).get("state")
    if state is None or not state.get("message"):
        return f"no clear state: {state}"
    for _ in range(2):
        await asyncio.sleep(40)
        server.nodes_end_pods()
        await rig.settle(key)
        if gone(api, name):
            return ""
    if server.run(name)["spec"].get("desiredState") != "Cancelled":
        generation = server.run(name)["metadata"]["generation"] + 1
        api.change("flowruns", name, {"spec": {"desiredState": "Cancelled"}, "metadata": {"generation": generation}})
    for _ in range(3):
        if gone(api, name):
            return ""
        await rig.settle(key)
        server.nodes_end_pods()
        _forget_pods(rig, api)
        await asyncio.sleep(1)
    await rig.settle(key)
    if gone(api, name):
        return ""
    last = server.run(name)["status"]
    if last["state"]["type"] not in ("Cancelled", "Failed", "Crashed") or "completionTime" not in last:
        return f"cancelled, and did not end: {last['state']}"
    count = writes(api, name)
    return f"{count} writes" if count > WRITES else ""


def gone(api: FakeApi, name: str) -> bool:
    """Whether the run's own retention has taken it away."""
    return ("flowruns", "default", name) not in api.objects


def _forget_pods(rig: Rig, api: FakeApi) -> None:
    """What the watch would tell of deletions."""
    for key in list(rig.store.pods):
        if ("pods", key.namespace, key.name) not in api.objects:
            rig.store.absent(PODS, key, 10**9)


def fuzz(seed: int, each: int) -> list[str]:
    """Return what is wrong, one line for each run."""
    nasty = Nasty(seed)
    found: list[str] = []

    async def main() -> None:
        for number in range(each):
            server = Server()
            flow = f"nasty-{number}"
            server.api.put("flows", stored(nasty.flow(flow)))
            body = nasty.run(f"run-{number}", flow if number % 2 else None)
            server.api.put("flowruns", stored(body))
            names = [f"run-{number}"]
            if not number % 2:
                # The Flow alone decides.
                names.append(f"plain-{number}")
                plain = {"desiredState": "Running", "priority": 0, "flowRef": {"name": flow}}
                server.api.put("flowruns", stored({**body, "metadata": {"name": names[1]}, "spec": plain}))
            rig = Rig(server.api, reconcile, checker=InlineChecker())
            try:
                for name in names:
                    try:
                        wrong = await live(rig, server, name)
                    except Exception as error:  # noqa: BLE001 - each is a finding
                        wrong = f"{type(error).__name__}: {str(error)[:300]}"
                    if wrong:
                        found.append(f"{name}: {wrong}: {str(body['spec'])[:400]}")
                found.extend(server.wrong)
            finally:
                rig.queue.close()
                await rig.client.close()

    virtualtime.run(main)
    return found


def test_500_odd_flows_and_runs_are_decided(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        found = fuzz(SEED, EACH)
    assert found == [], f"{len(found)} of {2 * EACH}, seed {SEED}:\n" + "\n".join(found[:20])
    assert [r.getMessage() for r in caplog.records if r.exc_info] == []
