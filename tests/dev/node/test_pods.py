"""What a pod gets from its node: environment, volumes, working directory, logs, termination message; and what holds it up."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.node import Bench, bench, condition, state, until
from tests.support.realserver import RealServer

pytestmark = pytest.mark.anyio
SHOW_ENV = "import json, os, sys; print(json.dumps(dict(os.environ)))"
ANNOTATION = "metadata.annotations['test/intent']"
INTENT: dict[str, Any] = {
    "volumes": [
        {"name": "info", "downwardAPI": {"items": [{"path": "intent", "fieldRef": {"fieldPath": ANNOTATION}}]}}
    ],
    "container": {"volumeMounts": [{"name": "info", "mountPath": "/run/penstock/podinfo"}]},
}
# Prints the intent whenever it changes, and ends with 143 at SIGTERM, as an engine does.
WATCH_INTENT = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (print("SIGTERM", flush=True), time.sleep(1), print("last", open(path).read()), sys.exit(143)))
path, old = os.environ["PENSTOCK_INTENT_FILE"], ""
while True:
    new = open(path).read()
    if new != old:
        print("intent", new, flush=True)
    old = new
    time.sleep(0.01)
"""


async def environment(at: Bench, name: str, **spec: object) -> dict[str, str]:
    """Run a pod that prints its environment."""
    await at.python(name, SHOW_ENV, **spec)
    pod = await at.ended(name)
    assert pod["status"]["phase"] == "Succeeded", at.log(pod)
    found: dict[str, str] = json.loads(at.log(pod))
    return found


async def test_environment(plane: RealServer | None, tmp_path: Path) -> None:
    async with bench(plane, tmp_path) as at:
        await at.make("configmaps", "settings", data={"COLOUR": "blue"})
        secret = base64.b64encode(b"s3cret").decode()
        await at.make("secrets", "login", data={"password": secret})
        env = [
            {"name": "A", "value": "a"},
            {"name": "B", "value": "$(A)-$(NONE)-$$(A)"},
            {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {
                "name": "LABEL",
                "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app.kubernetes.io/managed-by']"}},
            },
            {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
            {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "requests.cpu", "divisor": "1m"}}},
            {"name": "MEMORY", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
            {"name": "COLOUR_2", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "COLOUR"}}},
            {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "login", "key": "password"}}},
            {"name": "ABSENT", "valueFrom": {"configMapKeyRef": {"name": "nothing", "key": "x", "optional": True}}},
        ]
        found = await environment(
            at,
            "env",
            container={
                "env": env,
                "envFrom": [
                    {"prefix": "MY_", "configMapRef": {"name": "settings"}},
                    {"secretRef": {"name": "no", "optional": True}},
                ],
                "resources": {"requests": {"cpu": "250m"}, "limits": {"memory": "64Mi"}},
            },
        )
    wanted = {
        "A": "a", "B": "a-$(NONE)-$(A)", "NAME": "env", "LABEL": "penstock", "NODE": "penstock-dev", "CPU": "250", "MEMORY": "64",
        "COLOUR_2": "blue", "PASSWORD": "s3cret", "MY_COLOUR": "blue",
    }  # fmt: skip
    assert {key: found.get(key) for key in wanted} == wanted
    assert "ABSENT" not in found


async def test_only_the_nodes_own_environment_is_passed_on(
    plane: RealServer | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "mine")
    monkeypatch.setenv("KUBECONFIG", "/home/me/.kube/config")
    async with bench(plane, tmp_path) as at:
        found = await environment(at, "env")
    assert "AWS_SECRET_ACCESS_KEY" not in found
    assert "KUBECONFIG" not in found


async def test_what_the_engine_is_told(plane: RealServer | None, tmp_path: Path) -> None:
    """Its fixed paths do not exist on this machine, so each has a variable; HOME and TMPDIR are the pod's own."""
    flow = {"name": "flow", "configMap": {"name": "revision"}}
    mounts = [
        *INTENT["container"]["volumeMounts"],
        {"name": "flow", "mountPath": "/run/penstock/flow"},
        {"name": "tmp", "mountPath": "/tmp"},
        {"name": "penstock-scratch", "mountPath": "/run/penstock/scratch"},
    ]
    code = """
import json, os
read = lambda name: open(os.environ[name]).read()
print(json.dumps({
    "intent": read("PENSTOCK_INTENT_FILE"),
    "source": sorted(f for f in os.listdir(os.environ["PENSTOCK_SOURCE_DIR"]) if not f.startswith("..")),
    "token": len(read("PENSTOCK_TOKEN_FILE")) > 20, "ca": "CERTIFICATE" in read("PENSTOCK_CA_FILE"),
    "home": os.environ["HOME"] == os.environ["TMPDIR"] and os.access(os.environ["HOME"], os.W_OK),
    "run": os.path.basename(os.environ["PENSTOCK_RUN_DIR"]) + str(os.listdir(os.environ["PENSTOCK_RUN_DIR"])),
    "server": os.environ["PENSTOCK_API_SERVER"],
}))
open(os.environ["PENSTOCK_TERMINATION_LOG"], "w").write("said")
"""
    async with bench(plane, tmp_path) as at:
        await at.make("configmaps", "revision", data={"flow.json": "{}", "etl.py": "x = 1"})
        volumes = [
            *INTENT["volumes"],
            flow,
            {"name": "tmp", "emptyDir": {}},
            {"name": "penstock-scratch", "emptyDir": {}},
        ]
        env = [{"name": "HOME", "value": "/tmp"}, {"name": "PENSTOCK_RUN_DIR", "value": "/run/penstock/scratch"}]
        container = {"volumeMounts": mounts, "env": env}
        await at.python("engine", code, annotations={"test/intent": "Running"}, volumes=volumes, container=container)
        pod = await at.ended("engine")
        assert state(pod)["terminated"].get("message") == "said", at.log(pod)
        assert json.loads(at.log(pod)) == {
            "intent": "Running", "source": ["etl.py", "flow.json"], "token": True, "ca": True, "home": True,
            "run": "penstock-scratch[]",
            "server": at.credentials.endpoint.server,
        }  # fmt: skip


async def test_volumes(plane: RealServer | None, tmp_path: Path) -> None:
    """Every kind, under the paths that the pod gives them, in arguments as well as in variables."""
    (tmp_path / "here").mkdir()
    (tmp_path / "here/file").write_text("from the host")
    volumes = [
        {"name": "config", "configMap": {"name": "settings", "items": [{"key": "a", "path": "deep/a.txt"}]}},
        {"name": "secret", "secret": {"secretName": "login", "defaultMode": 0o400}},
        {"name": "host", "hostPath": {"path": str(tmp_path / "here")}},
        {"name": "claim", "persistentVolumeClaim": {"claimName": "kept"}},
        {"name": "all", "projected": {"sources": [
            {"configMap": {"name": "settings"}}, {"secret": {"name": "login"}}, {"serviceAccountToken": {"path": "token"}},
            {"downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
        ]}},
        {"name": "shared", "emptyDir": {}},
    ]  # fmt: skip
    mounts = [
        {"name": "config", "mountPath": "/etc/settings"},
        {"name": "secret", "mountPath": "/etc/login/"},
        {"name": "host", "mountPath": "/mnt/host"},
        {"name": "claim", "mountPath": "/mnt/claim", "subPath": "mine"},
        {"name": "all", "mountPath": "/mnt/all"},
        {"name": "shared", "mountPath": "/mnt/shared", "subPathExpr": "of-$(NAME)"},
    ]
    env = [
        {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "WHERE", "value": "file:///mnt/shared/out"},
    ]
    code = """
import os, stat
print(open('/etc/settings/deep/a.txt').read(), open('/etc/login/password').read(), open('/mnt/host/file').read())
print(oct(stat.S_IMODE(os.stat('/etc/login/password').st_mode)))
print(sorted(name for name in os.listdir('/mnt/all') if not name.startswith('..')), open('/mnt/all/labels').read())
open('/mnt/claim/counter', 'a').write('x'); print(open('/mnt/claim/counter').read())
open(os.environ['WHERE'].removeprefix('file://'), 'w').write('out'); print(os.listdir('/mnt/shared'))
"""
    async with bench(plane, tmp_path, data=tmp_path / "data") as at:
        await at.make("configmaps", "settings", data={"a": "1", "b": "2"})
        await at.make("secrets", "login", data={"password": base64.b64encode(b"s3cret").decode()})
        if plane is not None:  # a scheduler would look for the claim; the node makes a folder of that name
            await at.make(
                "persistentvolumeclaims",
                "kept",
                spec={"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}},
            )
        for name, counter in (("first", "x"), ("second", "xx")):
            await at.python(name, code, volumes=volumes, container={"volumeMounts": mounts, "env": env})
            pod = await at.ended(name)
            assert at.log(pod).splitlines() == [
                "1 s3cret from the host",
                "0o400",
                """['a', 'b', 'labels', 'password', 'token'] app.kubernetes.io/managed-by="penstock\"""",
                counter,
                "['out']",
            ]


async def test_the_intent_file_follows_the_annotation(plane: RealServer | None, tmp_path: Path) -> None:
    async with bench(plane, tmp_path) as at:
        pod = await at.python("follows", WATCH_INTENT, annotations={"test/intent": "Running"}, **INTENT)
        await at.says(pod, "intent Running")
        for intent in ("Paused", "Running abc", "Cancelled"):
            await at.patch("follows", {"metadata": {"annotations": {"test/intent": intent}}})
            await at.says(pod, f"intent {intent}\n")
        await at.delete("follows", 0)
        await at.gone("follows")


async def test_no_volume_changes_once_the_pod_is_ending(plane: RealServer | None, tmp_path: Path) -> None:
    """Neither with the PATCH that brings a deadline already past, nor during the grace: so it is on a real node."""
    async with bench(plane, tmp_path) as at:
        pod = await at.python("ends", WATCH_INTENT, annotations={"test/intent": "Running"}, **INTENT)
        await at.says(pod, "intent Running")
        started = (await at.until("ends", lambda p: "running" in state(p), "is running"))["status"]["startTime"]
        await at.until("ends", lambda p: seconds_since(started) > 1.2, "is older than a second")
        await at.patch(
            "ends", {"metadata": {"annotations": {"test/intent": "Cancelled"}}, "spec": {"activeDeadlineSeconds": 1}}
        )
        await at.says(pod, "SIGTERM")
        await at.patch("ends", {"metadata": {"annotations": {"test/intent": "Cancelled again"}}})
        ended = await at.ended("ends")
        assert (ended["status"]["reason"], state(ended)["terminated"]["exitCode"]) == ("DeadlineExceeded", 143)
        assert "last Running" in at.log(ended)
        assert "Cancelled" not in at.log(ended)


async def test_annotation_and_a_deadline_ahead(plane: RealServer | None, tmp_path: Path) -> None:
    """The one PATCH of a cancellation: the file first, SIGTERM when the deadline is due."""
    async with bench(plane, tmp_path) as at:
        pod = await at.python("ends", WATCH_INTENT, annotations={"test/intent": "Running"}, **INTENT)
        await at.says(pod, "intent Running")
        started = await at.until("ends", lambda p: "startTime" in p["status"], "has started")
        # The deadline counts from the pod's start, which on a busy machine is some seconds ago.
        ahead = int(seconds_since(started["status"]["startTime"])) + 3
        await at.patch(
            "ends",
            {"metadata": {"annotations": {"test/intent": "Cancelled"}}, "spec": {"activeDeadlineSeconds": ahead}},
        )
        ended = await at.ended("ends")
        lines = at.log(ended).splitlines()
        assert lines.index("intent Cancelled") < lines.index("SIGTERM")
        assert ended["status"]["reason"] == "DeadlineExceeded"


def seconds_since(timestamp: str) -> float:
    import time
    from datetime import datetime

    return time.time() - datetime.fromisoformat(timestamp).timestamp()


async def test_a_missing_configmap_heals(plane: RealServer | None, tmp_path: Path) -> None:
    async with bench(plane, tmp_path) as at:
        env = [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "late", "key": "a"}}}]
        await at.python("waits", SHOW_ENV, container={"env": env})

        def waits(message: str) -> Callable[[Any], bool]:
            wanted = {"reason": "CreateContainerConfigError", "message": message}
            return lambda p: p["status"]["phase"] == "Pending" and state(p).get("waiting") == wanted

        await at.until("waits", waits('configmap "late" not found'), "waits for it")
        await at.make("configmaps", "late", data={})
        await at.until("waits", waits(f"couldn't find key a in ConfigMap {at.namespace}/late"), "waits for the key")
        path = f"/api/v1/namespaces/{at.namespace}/configmaps/late"
        await at.client.request("PATCH", path, body={"data": {"a": "b"}}, content_type="application/merge-patch+json")
        assert (await at.ended("waits"))["status"]["phase"] == "Succeeded"
        assert ("Failed", 'Error: configmap "late" not found') in await at.events("waits")


async def test_a_missing_volume_heals(plane: RealServer | None, tmp_path: Path) -> None:
    async with bench(plane, tmp_path) as at:
        await at.python("waits", "print('runs')", volumes=[{"name": "s", "secret": {"secretName": "late"}}])

        async def told() -> bool:
            wanted = 'MountVolume.SetUp failed for volume "s" : secret "late" not found'
            return ("FailedMount", wanted) in await at.events("waits")

        await until("an Event tells of the mount", told)
        pod = await at.get("waits")
        assert pod
        assert state(pod) == {"waiting": {"reason": "ContainerCreating"}}
        assert condition(pod, "PodReadyToStartContainers")[0] == "False"
        await at.make("secrets", "late", data={})
        assert (await at.ended("waits"))["status"]["phase"] == "Succeeded"


async def test_deleted_while_it_waits(plane: RealServer | None, tmp_path: Path) -> None:
    """A pod that never started ends with a `terminated` that never began."""
    async with bench(plane, tmp_path) as at:
        hold = {"finalizers": ["penstock.dev/hold"]}
        await at.python("waits", "1", volumes=[{"name": "s", "secret": {"secretName": "late"}}], metadata=hold)
        await at.until("waits", lambda p: "waiting" in state(p), "waits")
        await at.delete("waits")
        pod = await at.ended("waits")
        terminated = state(pod)["terminated"]
        assert (terminated["exitCode"], terminated["reason"], terminated.get("startedAt")) == (
            137,
            "ContainerStatusUnknown",
            None,
        )
        await at.patch("waits", {"metadata": {"finalizers": None}})
        await at.gone("waits")


async def test_message_of_a_failure_from_the_log(plane: RealServer | None, tmp_path: Path) -> None:
    async with bench(plane, tmp_path) as at:
        policy = {"terminationMessagePolicy": "FallbackToLogsOnError"}
        await at.python("long", "for n in range(3000): print(n)\nraise SystemExit(1)", container=policy)
        await at.python("well", "print('ignored')", container=policy)
        message = state(await at.ended("long"))["terminated"]["message"]
        assert len(message.encode()) == 2048
        assert message.endswith("2998\n2999\n") or message.endswith("2998\n2999")
        assert "message" not in state(await at.ended("well"))["terminated"]


async def test_message_is_cut_from_the_front_and_read_after_a_kill(plane: RealServer | None, tmp_path: Path) -> None:
    async with bench(plane, tmp_path) as at:
        code = "import os; open('/dev/termination-log','wb').write(b'x' * 5000 + b'\\xff' + b'end'); os.kill(os.getpid(), 9)"
        await at.python("killed", code)
        terminated = state(await at.ended("killed"))["terminated"]
        assert (terminated["exitCode"], terminated["reason"]) == (137, "Error")
        assert terminated["message"] == "x" * 4092 + "\ufffdend"


async def test_a_log_is_whole(plane: RealServer | None, tmp_path: Path) -> None:
    """Both streams in order, an unfinished last line, a line longer than any buffer; the end is told only when all is written."""
    code = "import sys; print('out'); print('err', file=sys.stderr); print('y' * 40000); sys.stdout.write('no end')"
    async with bench(plane, tmp_path) as at:
        await at.python("talks", code)
        pod = await at.ended("talks")
        lines = at.log(pod).splitlines()
    assert lines[:2] == ["out", "err"]
    assert lines[2:] == ["y" * 40000, "no end"], "a kubelet puts together what a runtime has cut"


async def test_python_is_this_interpreter_and_the_image_is_ignored(plane: RealServer | None, tmp_path: Path) -> None:
    async with bench(plane, tmp_path) as at:
        await at.create("which", "python", "-c", "import sys; print(sys.executable)")
        await at.create("shell", "sh", "-c", "python3 -c 'import sys; print(sys.executable)'")
        for name in ("which", "shell"):
            assert Path(at.log(await at.ended(name)).strip()).parent == Path(sys.executable).parent
        events = dict(await at.events("which"))
    assert "ignored" in events["Pulled"]


async def test_where_it_works(plane: RealServer | None, tmp_path: Path) -> None:
    """Its own directory where it is a mount or exists here, else the folder that the node was started in."""
    (tmp_path / "there").mkdir()
    show = "import os; print(os.getcwd())"
    async with bench(plane, tmp_path) as at:
        await at.python("default", show)
        await at.python("image", show, container={"workingDir": "/app"})
        await at.python("host", show, container={"workingDir": str(tmp_path / "there")})
        mounted = {"workingDir": "/data/in", "volumeMounts": [{"name": "v", "mountPath": "/data"}]}
        await at.python("mount", show, volumes=[{"name": "v", "emptyDir": {}}], container=mounted)
        found = {name: at.log(await at.ended(name)).strip() for name in ("default", "image", "host", "mount")}
    assert found["default"] == found["image"] == str(tmp_path)
    assert found["host"] == str(tmp_path / "there")
    assert found["mount"].endswith("/v/v/in")


async def test_what_cannot_run_here_says_so(plane: RealServer | None, tmp_path: Path) -> None:
    async with bench(plane, tmp_path) as at:
        await at.python("always", "1", restartPolicy="Always")
        await at.create("image")
        always = await at.ended("always")
        assert always["status"]["reason"] == "RestartPolicyNotSupported"
        assert "Never" in always["status"]["message"]
        terminated = state(await at.ended("image"))["terminated"]
        assert (terminated["exitCode"], terminated["reason"]) == (128, "StartError")
        assert "no command" in terminated["message"]


async def test_a_liveness_probe_that_runs_a_command(plane: RealServer | None, tmp_path: Path) -> None:
    """It sees what the container sees; so many failures in a row end the container, and Events tell of them."""
    gate = tmp_path / "gate"
    probe = {
        "exec": {"command": ["sh", "-c", 'echo "$WHO"; test ! -e /state/ill']},
        "periodSeconds": 1,
        "failureThreshold": 2,
    }
    code = f"""
import os, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
while not os.path.exists({str(gate)!r}): time.sleep(0.02)
open('/state/ill', 'w')
time.sleep(600)
"""
    spec = {
        "env": [{"name": "WHO", "value": "me"}],
        "volumeMounts": [{"name": "tmp", "mountPath": "/state"}],
        "livenessProbe": probe,
    }
    async with bench(plane, tmp_path) as at:
        await at.python("probed", code, volumes=[{"name": "tmp", "emptyDir": {}}], container=spec)
        pod = await at.until("probed", lambda p: "running" in state(p), "runs")
        begun = state(pod)["running"]["startedAt"]
        await at.until("probed", lambda p: seconds_since(begun) > 2.2, "was probed twice at least")
        assert "Unhealthy" not in dict(await at.events("probed"))
        gate.touch()
        terminated = state(await at.ended("probed"))["terminated"]
        assert (terminated["exitCode"], terminated["reason"]) == (143, "Error")

        async def told() -> bool:
            events = await at.events("probed")
            return ("Unhealthy", "Liveness probe failed: me\n") in events and (
                "Killing",
                "Stopping container main",
            ) in events

        await until("Events tell of it", told)


async def test_a_liveness_probe_that_hangs(plane: RealServer | None, tmp_path: Path) -> None:
    probe = {"exec": {"command": ["sleep", "600"]}, "periodSeconds": 1, "failureThreshold": 1, "timeoutSeconds": 1}
    async with bench(plane, tmp_path) as at:
        await at.python("hangs", "import time; time.sleep(600)", container={"livenessProbe": probe})
        assert state(await at.ended("hangs"))["terminated"]["exitCode"] == 143
        assert "Liveness probe failed: command timed out after 1s" in dict(await at.events("hangs"))["Unhealthy"]
