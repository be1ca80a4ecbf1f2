"""What `helm test` runs in the operator's image: one FlowRun, made, followed to its end, checked and deleted."""

import json
import os
import ssl
import sys
import time
import urllib.error
import urllib.request

ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount/"
SECONDS = 240
SOURCE = "from penstock import flow\n\n@flow\ndef main() -> int:\n    return 42\n"
host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
server = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
runs = f"/apis/penstock.dev/v1alpha1/namespaces/{os.environ['TEST_NAMESPACE']}/flowruns"
opener = urllib.request.build_opener(
    urllib.request.ProxyHandler({}),
    urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=ACCOUNT + "ca.crt")),
)


def ask(method, path, body=None):
    """Ask the API server."""
    with open(ACCOUNT + "token") as token:
        headers = {"Authorization": "Bearer " + token.read(), "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(server + path, data, headers, method=method)
    with opener.open(request, timeout=10) as answer:
        return json.load(answer)


def say(line):
    """Write a line to the log of the test's pod."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


run = {
    "apiVersion": "penstock.dev/v1alpha1",
    "kind": "FlowRun",
    "metadata": {"generateName": "helm-test-"},
    "spec": {
        "flowSpec": {"entrypoint": "test.py:main", "source": {"inline": SOURCE}},
        "runPolicy": {"activeDeadlineSeconds": 200, "imagePullGraceSeconds": 60, "retention": {"podSeconds": 0}},
    },
}
try:
    name = ask("POST", runs, run)["metadata"]["name"]
except urllib.error.HTTPError as error:
    sys.exit(f"the FlowRun was not made: {error.code} {error.read().decode(errors='replace')}")
said, state, status = "", {}, {}
end = time.monotonic() + SECONDS
while time.monotonic() < end:
    try:
        status = ask("GET", f"{runs}/{name}").get("status", {})
    except OSError as error:
        say(f"no answer: {error}")
    state = status.get("state", {})
    now = f"{state.get('type', 'not seen by the operator yet')}/{state.get('name', '')}: {state.get('message', '')}"
    if now != said:
        say(now)
        said = now
    if "completionTime" in status:
        break
    time.sleep(0.5)
if state.get("type") != "Completed" or status.get("result", {}).get("json") != "42":
    sys.exit(f"FlowRun {name} did not complete with 42; it stays there: {json.dumps(status)}")
ask("DELETE", f"{runs}/{name}")
say(f"FlowRun {name} completed in {status.get('duration', '')}")
