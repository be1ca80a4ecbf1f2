"""The node's own life: room for pods, its end and its restart, a kill, an API server that goes away; and that nothing is ever left."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from penstock_dev.apiserver.logs import FolderLogs
from penstock_dev.apiserver.server import ApiServer
from penstock_dev.node.client import Client
from penstock_dev.node.node import Node
from penstock_operator.runtime.credentials import Credentials, Endpoint
from tests.support.node import LABELS, Bench, alive, bench, condition, namespace, server, state, until
from tests.support.realserver import RealServer, assets

pytestmark = pytest.mark.anyio
SLEEPER = "import os, time; print('pid', os.getpid(), flush=True); time.sleep(600)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEPER}"
# A child in a session of its own, whose output is not the container's: it holds nothing that would give it away.
WITH_CHILD = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True, stdout=subprocess.DEVNULL)
print("pid", child.pid, flush=True)
"""


async def pid(at: Bench, name: str) -> int:
    """The process that a pod has told of."""
    pod = await at.get(name)
    assert pod
    await at.says(pod, "pid ")
    return int(at.log(pod).split("pid ")[1].split()[0])


async def dead(process: int) -> None:
    async def met() -> bool:
        return not alive(process)

    await until(f"process {process} has ended", met)


async def test_only_so_many_at_once(plane: RealServer | None, tmp_path: Path) -> None:
    """The others wait with a scheduler's message, and come in by their age."""
    gate = tmp_path / "gate"
    code = f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.02)"
    async with bench(plane, tmp_path, max_pods=1) as at:
        names = ["first", "second", "third"]
        for name in names:
            await at.python(name, code)
        await at.until("first", lambda p: "running" in state(p), "runs")
        for name in names[1:]:
            pod = await at.until(name, lambda p: condition(p, "PodScheduled")[0] == "False", "is told to wait")
            status, reason, message = condition(pod, "PodScheduled")
            assert (status, reason, pod["status"]["phase"]) == ("False", "Unschedulable", "Pending")
            assert message.startswith("0/1 nodes are available: 1 Too many pods.")
            assert "FailedScheduling" in dict(await at.events(name))
        gate.touch()
        ended = [await at.ended(name) for name in names]
        starts = [state(pod)["terminated"]["startedAt"] for pod in ended]
        assert starts == sorted(starts)
        assert condition(ended[2], "PodScheduled")[0] == "True"


async def test_gated_and_foreign_pods_are_left_alone(plane: RealServer | None, tmp_path: Path) -> None:
    async with bench(plane, tmp_path) as at:
        await at.python("gated", "1", schedulingGates=[{"name": "test/gate"}])
        await at.python("foreign", "1", schedulerName="other")
        await at.python("unmanaged", "1", metadata={"labels": {"app": "x"}})
        await at.python("ours", "1")
        await at.ended("ours")
        for name in ("gated", "foreign", "unmanaged"):
            pod = await at.get(name)
            assert pod
            assert not pod["spec"].get("nodeName"), name
        await at.patch("gated", {"spec": {"schedulingGates": None}})
        await at.ended("gated")


async def test_a_pod_whose_labels_are_taken_off_goes_on(plane: RealServer | None, tmp_path: Path) -> None:
    """A kubelet knows its pods by their node's name: the process lives, and ends with its pod as ever."""
    async with bench(plane, tmp_path) as at:
        await at.python("bare", STUBBORN)
        process = await pid(at, "bare")
        await at.patch("bare", {"metadata": {"labels": dict.fromkeys(LABELS)}})
        await at.python("behind", "1")
        await at.ended("behind")  # what happened to the pod before this one has been seen
        assert alive(process)
        pod = await at.get("bare")
        assert pod
        assert "running" in state(pod)
        await at.delete("bare", 1)
        await at.gone("bare")
        assert not alive(process)


async def test_nothing_is_left_of_a_container(plane: RealServer | None, tmp_path: Path) -> None:
    """Its main process has ended: so does what it left behind, in whatever session."""
    async with bench(plane, tmp_path) as at:
        await at.python("parent", WITH_CHILD)
        await at.ended("parent")
        await dead(await pid(at, "parent"))


async def test_delete_kills_after_the_grace(plane: RealServer | None, tmp_path: Path) -> None:
    async with bench(plane, tmp_path) as at:
        pod = await at.python("stubborn", STUBBORN)
        process = await pid(at, "stubborn")
        begun = time.monotonic()
        await at.delete("stubborn", 1)
        await at.gone("stubborn")
        assert time.monotonic() - begun >= 1
        assert not alive(process)

        async def cleared() -> bool:
            return not at.logs.path(pod["metadata"]["uid"], "main", 0).exists()

        await until("its log is removed", cleared)


async def test_a_second_delete_does_not_shorten_the_grace(plane: RealServer | None, tmp_path: Path) -> None:
    code = (
        "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: (time.sleep(2), sys.exit(5))); " + SLEEPER
    )
    async with bench(plane, tmp_path) as at:
        await at.python("slow", code, metadata={"finalizers": ["penstock.dev/hold"]})
        await pid(at, "slow")
        await at.delete("slow", 30)
        await at.delete("slow", 1)
        assert state(await at.ended("slow"))["terminated"]["exitCode"] == 5
        await at.patch("slow", {"metadata": {"finalizers": None}})
        await at.gone("slow")


async def test_force_deletion_ends_the_process_too(plane: RealServer | None, tmp_path: Path) -> None:
    async with bench(plane, tmp_path) as at:
        await at.python("stubborn", STUBBORN)
        process = await pid(at, "stubborn")
        await at.delete("stubborn", 0)
        assert await at.get("stubborn") is None
        await dead(process)


async def test_the_end_of_the_node_ends_its_pods(plane: RealServer | None, tmp_path: Path) -> None:
    """As a node's shutdown does: a disruption, and the pod is not to blame. Nothing of it is left."""
    async with server(plane) as credentials, Client(credentials) as client:
        at = await namespace(client, credentials, tmp_path)
        node = Node(credentials, logs=tmp_path / "logs")
        await node.start()
        await at.python("plain", SLEEPER)
        await at.python("stubborn", STUBBORN)
        processes = [await pid(at, "plain"), await pid(at, "stubborn")]
        await node.stop(grace=0.5)
        assert not any(alive(process) for process in processes)
        for name, code in (("plain", 143), ("stubborn", 137)):
            pod = await at.get(name)
            assert pod
            assert (pod["status"]["phase"], pod["status"]["reason"]) == ("Failed", "Terminated")
            assert condition(pod, "DisruptionTarget")[:2] == ("True", "TerminationByKubelet")
            assert state(pod)["terminated"]["exitCode"] == code
        if plane is not None:
            await client.request("DELETE", f"/api/v1/namespaces/{at.namespace}")


def start_node(credentials: Credentials, folder: Path) -> subprocess.Popen[bytes]:
    """The node as a program of its own."""
    import base64
    import json

    endpoint = credentials.endpoint
    cluster = {
        "server": endpoint.server,
        "certificate-authority-data": base64.b64encode((endpoint.ca or "").encode()).decode(),
    }
    config = {
        "apiVersion": "v1", "kind": "Config", "current-context": "x", "clusters": [{"name": "x", "cluster": cluster}],
        "users": [{"name": "x", "user": {"token": credentials.token()}}],
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
    }  # fmt: skip
    (folder / "config").write_text(json.dumps(config))
    command = [sys.executable, "-m", "penstock_cli", "dev", "node", "--data", str(folder)]
    with (folder / "node.log").open("ab") as log:
        return subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=log, env={**os.environ, "KUBECONFIG": str(folder / "config")}
        )


async def test_killed_and_started_again(plane: RealServer | None, tmp_path: Path) -> None:
    """kill -9 of the node: no process outlives it, and the next one tells what became of its pods."""
    async with server(plane) as credentials, Client(credentials) as client:
        at = await namespace(client, credentials, tmp_path)
        node = start_node(credentials, tmp_path)
        try:
            await at.python("runs", STUBBORN)
            await at.python("waits", "1", volumes=[{"name": "s", "secret": {"secretName": "late"}}])
            process = await pid(at, "runs")
            pod = await at.until("runs", lambda p: "running" in state(p), "runs")
            scratch = Path(os.readlink(f"/proc/{process}/cwd"))
            assert scratch == tmp_path
            await at.until("waits", lambda p: "waiting" in state(p), "waits")
            node.kill()
            node.wait()
            await dead(process)
            node = start_node(credentials, tmp_path)
            lost = await at.ended("runs")
            terminated = state(lost)["terminated"]
            assert (terminated["exitCode"], terminated["reason"]) == (255, "Unknown")
            assert terminated["startedAt"] == state(pod)["running"]["startedAt"]
            assert "reason" not in lost["status"]
            await at.make("secrets", "late", data={})
            assert (await at.ended("waits"))["status"]["phase"] == "Succeeded"
            node.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(node.wait, 10) == 0
        finally:
            node.kill()
            node.wait()
        if plane is not None:
            await client.request("DELETE", f"/api/v1/namespaces/{at.namespace}")


async def test_the_api_server_is_away(tmp_path: Path) -> None:
    """Pods run on, and what happened meanwhile arrives when it is back."""
    logs = FolderLogs(tmp_path / "logs")
    first = ApiServer(data=tmp_path / "store", logs=logs)
    await first.start()
    port = int(first.url.rsplit(":", 1)[1])
    credentials = Credentials(Endpoint(first.url, "default", first.ca), lambda: first.token, clock=time.monotonic)
    async with Client(credentials) as client, Node(credentials, logs=tmp_path / "logs"):
        at = await namespace(client, credentials, tmp_path)
        gate = tmp_path / "gate"
        pod = await at.python(
            "ends", f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.02)\nprint('over')"
        )
        await at.until("ends", lambda p: "running" in state(p), "runs")
        await first.stop()
        gate.touch()
        await at.says(pod, "over")
        second = ApiServer(data=tmp_path / "store", port=port, logs=logs)
        await second.start()
        try:
            assert (await at.ended("ends"))["status"]["phase"] == "Succeeded"
            await at.python("next", "print('still here')")
            await at.ended("next")
        finally:
            await second.stop()


async def test_the_node_object_is_whole_and_goes_with_the_node(plane: RealServer | None, tmp_path: Path) -> None:
    """Also where an earlier one left its own."""
    async with server(plane) as credentials, Client(credentials) as client:
        path = "/api/v1/nodes/other-name"
        await client.request("POST", "/api/v1/nodes", body={"metadata": {"name": "other-name"}})
        stale = {"status": {"addresses": [{"type": "Hostname", "address": "gone.example"}]}}
        await client.request("PATCH", f"{path}/status", body=stale, content_type="application/merge-patch+json")
        node = Node(credentials, logs=tmp_path / "logs", name="other-name", cluster=True)
        await node.start()
        try:

            async def ready() -> bool:
                found = await client.request("GET", path)
                return [a["type"] for a in found["status"].get("addresses", [])] == ["InternalIP"]

            await until("it is registered", ready)
            found = await client.request("GET", path)
            assert found["status"]["conditions"][0]["type"] == "Ready"
            assert found["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"] > 0
        finally:
            await node.stop()
        listed = await client.request("GET", "/api/v1/nodes")
        assert "other-name" not in [item["metadata"]["name"] for item in listed["items"]]


@pytest.mark.real
async def test_kubectl_logs_on_a_real_server(real_server: RealServer, tmp_path: Path) -> None:
    """The API server gets the log from the node, as from a kubelet."""
    folder = assets()
    assert folder
    kubectl = str(folder / "kubectl") if (folder / "kubectl").exists() else shutil.which("kubectl")
    assert kubectl
    async with bench(real_server, tmp_path, cluster=True) as at:
        gate = tmp_path / "gate"
        code = f"import os, time\nfor n in range(5): print(n, flush=True)\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.02)\nprint('over')"
        await at.python("talks", code)
        pod = await at.until("talks", lambda p: "running" in state(p), "runs")
        await at.says(pod, "4\n")

        async def logs(*words: str) -> asyncio.subprocess.Process:
            arguments = ["--kubeconfig", str(real_server.kubeconfig), "-n", at.namespace, "logs", "talks", *words]
            return await asyncio.create_subprocess_exec(
                kubectl, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
            )

        async def text(*words: str) -> str:
            return (await (await logs(*words)).communicate())[0].decode()

        assert await text("--tail=2") == "3\n4\n"
        assert (await text("--timestamps", "--tail=1")).split("Z ")[1] == "4\n"
        following = await logs("-f")
        assert following.stdout
        assert await following.stdout.readline() == b"0\n"
        gate.touch()
        rest = await asyncio.wait_for(following.communicate(), 10)
        assert rest[0].decode().endswith("4\nover\n")
        await at.ended("talks")
        assert (await text()).splitlines() == ["0", "1", "2", "3", "4", "over"]
