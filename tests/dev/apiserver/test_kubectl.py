"""kubectl itself: the commands of a user's day, on the embedded server and, where there is one, on a real one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.dev.apiserver.rows import definition, pod, widget
from tests.support.apiserver import Embedded
from tests.support.realserver import RealServer

KUBECTL = shutil.which(
    "kubectl", path=os.environ.get("KUBEBUILDER_ASSETS", "") + os.pathsep + os.environ.get("PATH", "")
)
pytestmark = pytest.mark.skipif(KUBECTL is None, reason="kubectl is neither in KUBEBUILDER_ASSETS nor on PATH")

Kubectl = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("kubectl") / "kubeconfig"
    with Embedded(crds=[definition()]) as server:
        path.write_text(json.dumps(server.server.kubeconfig()))
        yield path


@pytest.fixture(scope="module")
def real(real_server: RealServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    run = command(real_server.kubeconfig, tmp_path_factory.mktemp("kubectl"))
    run("create", "-f", "-", stdin=definition())
    run("wait", "--for=condition=Established", "crd/widgets.example.dev")
    deadline = time.monotonic() + 20
    while "Widget" not in run("api-resources").stdout or not _explained(run):
        assert time.monotonic() < deadline
    yield real_server.kubeconfig
    run("delete", "crd/widgets.example.dev")


def _explained(run: Kubectl) -> bool:
    """Whether the server's own description has the kind: it comes later than the resource, above all in a group that it knows already."""
    place = "apis/example.dev/v1"
    return (
        place in run("get", "--raw", "/openapi/v3").stdout
        and "v1.Widget" in run("get", "--raw", f"/openapi/v3/{place}").stdout
    )


def command(kubeconfig: Path, home: Path) -> Kubectl:
    def run(*arguments: str, stdin: Any = None, code: int = 0) -> subprocess.CompletedProcess[str]:
        assert KUBECTL is not None
        env = {**os.environ, "KUBECONFIG": str(kubeconfig), "HOME": str(home)}
        text = stdin if stdin is None or isinstance(stdin, str) else json.dumps(stdin)
        done = subprocess.run(
            [KUBECTL, *arguments], input=text, env=env, capture_output=True, text=True, timeout=30, check=False
        )
        assert done.returncode == code, f"kubectl {' '.join(arguments)}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    return run


@pytest.fixture(params=["embedded", pytest.param("real", marks=pytest.mark.real)])
def kubectl(request: pytest.FixtureRequest, tmp_path: Path) -> Kubectl:
    return command(request.getfixturevalue(request.param), tmp_path)


def test_apply_again_and_changed(kubectl: Kubectl) -> None:
    assert "created" in kubectl("apply", "-f", "-", stdin=widget("k-apply", parts=[{"name": "x", "count": 1}])).stdout
    assert "unchanged" in kubectl("apply", "-f", "-", stdin=widget("k-apply", parts=[{"name": "x", "count": 1}])).stdout
    assert "configured" in kubectl("apply", "-f", "-", stdin=widget("k-apply", left="l")).stdout
    spec = json.loads(kubectl("get", "wd", "k-apply", "-o", "json").stdout)["spec"]
    assert spec["left"] == "l"
    assert "parts" not in spec


def test_apply_of_a_built_in_kind_merges_by_key(kubectl: Kubectl) -> None:
    containers = [{"name": "main", "image": "x:1", "env": [{"name": "A", "value": "1"}]}]
    kubectl("apply", "-f", "-", stdin=pod("k-pod", containers=containers))
    containers[0]["image"] = "x:2"
    assert "configured" in kubectl("apply", "-f", "-", stdin=pod("k-pod", containers=containers)).stdout
    assert kubectl("get", "pod", "k-pod", "-o", "jsonpath={.spec.containers[0].image}").stdout == "x:2"


def test_unknown_field_is_refused(kubectl: Kubectl) -> None:
    refused = kubectl("apply", "-f", "-", stdin=widget("k-bad", colour="red"), code=1)
    assert 'unknown field "spec.colour"' in refused.stderr


def test_a_kind_that_was_mistyped(kubectl: Kubectl) -> None:
    for verb in ("apply", "create"):
        done = kubectl(verb, "-f", "-", stdin={**widget("k-kind"), "kind": "Wigdet"}, code=1)
        assert 'no matches for kind "Wigdet" in version "example.dev/v1"' in done.stderr
        assert "openapi" not in done.stderr


def test_invalid_object_says_what_is_wrong(kubectl: Kubectl) -> None:
    refused = kubectl("apply", "-f", "-", stdin=widget("k-bad", left="a", right="b"), code=1)
    assert 'The Widget "k-bad" is invalid: spec: Invalid value: left or right, not both' in refused.stderr


def test_server_side_apply_and_its_conflict(kubectl: Kubectl) -> None:
    kubectl("apply", "--server-side", "-f", "-", stdin=widget("k-ssa", left="a"))
    kubectl("patch", "wd", "k-ssa", "--type=merge", "-p", '{"spec":{"left":"b"}}')
    refused = kubectl("apply", "--server-side", "-f", "-", stdin=widget("k-ssa", left="a"), code=1)
    assert 'conflict with "kubectl-patch"' in refused.stderr
    kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=widget("k-ssa", left="a"))
    assert kubectl("get", "wd", "k-ssa", "-o", "jsonpath={.spec.left}").stdout == "a"


def test_server_side_apply_takes_a_client_side_one_over(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=widget("k-move", left="a"))
    kubectl("apply", "--server-side", "-f", "-", stdin=widget("k-move", code="bb"))
    spec = json.loads(kubectl("get", "wd", "k-move", "-o", "json").stdout)["spec"]
    assert (spec.get("left"), spec["code"]) == (None, "bb")


def test_diff(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=widget("k-diff"))
    assert "+  left: new" in kubectl("diff", "-f", "-", stdin=widget("k-diff", left="new"), code=1).stdout
    kubectl("diff", "-f", "-", stdin=widget("k-diff"))


def test_get_in_many_forms(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=widget("k-get", tags=["a", "b"]))
    kubectl("patch", "wd", "k-get", "--subresource=status", "--type=merge", "-p", '{"status":{"phase":"Up"}}')
    head, row = kubectl("get", "widgets", "k-get").stdout.splitlines()
    assert head.split() == ["NAME", "SIZE", "PHASE", "READY", "SINCE", "AGE"]
    assert row.split()[:3] == ["k-get", "1", "Up"]
    wide = kubectl("get", "widgets.example.dev", "k-get", "-o", "wide").stdout
    assert '["a","b"]' in wide
    assert (
        kubectl("get", "things", "-o", "name", "--field-selector", "status.phase=Up").stdout
        == "widget.example.dev/k-get\n"
    )
    assert "k-get" in kubectl("get", "wd", "-A", "--sort-by=.metadata.name").stdout


def test_label_annotate_patch_edit(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=widget("k-meta"))
    kubectl("label", "wd", "k-meta", "a=b")
    kubectl("annotate", "wd", "k-meta", "c=d")
    kubectl("patch", "wd", "k-meta", "--type=json", "-p", '[{"op":"replace","path":"/spec/size","value":7}]')
    found = json.loads(kubectl("get", "wd", "-l", "a=b", "-o", "json").stdout)["items"][0]
    assert found["metadata"]["annotations"]["c"] == "d"
    assert found["spec"]["size"] == 7
    assert found["metadata"]["generation"] == 2


def test_describe_shows_events(kubectl: Kubectl) -> None:
    made = json.loads(kubectl("create", "-o", "json", "-f", "-", stdin=widget("k-desc")).stdout)
    about = {key: made["metadata"][key] for key in ("name", "namespace", "uid")} | {
        "kind": "Widget",
        "apiVersion": "example.dev/v1",
    }
    event = {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": "k-desc.1", "namespace": "default"},
        "regarding": about,
        "reason": "Built",
        "note": "it is built",
        "type": "Normal",
        "action": "Build",
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "reportingController": "example.dev/builder",
        "reportingInstance": "b-1",
    }
    kubectl("create", "-f", "-", stdin=event)
    text = kubectl("describe", "wd", "k-desc").stdout
    assert "Built" in text
    assert "it is built" in text
    assert "it is built" in kubectl("events", "--for", "widgets.example.dev/k-desc").stdout


def test_explain(kubectl: Kubectl) -> None:
    assert "required" in kubectl("explain", "wd.spec").stdout
    assert "image" in kubectl("explain", "pod.spec.containers").stdout


def test_wait_and_delete(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=widget("k-wait"))
    ready = '{"status":{"conditions":[{"type":"Ready","status":"True"}]}}'
    kubectl("patch", "wd", "k-wait", "--subresource=status", "--type=merge", "-p", ready)
    kubectl("wait", "--for=condition=Ready", "wd/k-wait", "--timeout=10s")
    kubectl("delete", "wd", "k-wait", "--timeout=10s")
    kubectl("wait", "--for=delete", "wd/k-wait", "--timeout=10s")


@pytest.mark.parametrize(
    "arguments",
    [
        ("create", "configmap", "k-c", "--from-literal=a=1"),
        ("create", "secret", "generic", "k-s", "--from-literal=a=1"),
        ("create", "namespace", "k-n"),
        ("create", "serviceaccount", "k-sa"),
        ("create", "role", "k-r", "--verb=get", "--resource=pods"),
        ("create", "rolebinding", "k-rb", "--role=k-r", "--serviceaccount=default:default"),
        ("create", "clusterrole", "k-cr", "--verb=get", "--resource=pods"),
        ("create", "token", "default"),
        ("auth", "can-i", "get", "pods"),
        ("auth", "whoami"),
        ("version",),
        ("api-resources",),
        ("get", "all,cm,secret,sa,leases,roles,rolebindings,crd,ns,events,validatingadmissionpolicies"),
        ("run", "k-run", "--image=x"),
        ("describe", "ns", "default"),
    ],
    ids=" ".join,
)
def test_command(kubectl: Kubectl, arguments: tuple[str, ...]) -> None:
    kubectl(*arguments)


def test_what_kubectl_created_by_protobuf_is_right(kubectl: Kubectl) -> None:
    kubectl("create", "secret", "generic", "k-proto", "--from-literal=a=1", "--type=x/y")
    found = json.loads(kubectl("get", "secret", "k-proto", "-o", "json").stdout)
    assert (found["data"], found["type"]) == ({"a": "MQ=="}, "x/y")
    kubectl("create", "role", "k-proto", "--verb=get,list", "--resource=pods,widgets.example.dev", "--resource-name=n")
    rules = json.loads(kubectl("get", "role", "k-proto", "-o", "json").stdout)["rules"]
    assert rules == [
        {"apiGroups": [""], "resourceNames": ["n"], "resources": ["pods"], "verbs": ["get", "list"]},
        {"apiGroups": ["example.dev"], "resourceNames": ["n"], "resources": ["widgets"], "verbs": ["get", "list"]},
    ]


def test_what_is_out_of_bounds_says_so(embedded: Path, tmp_path: Path) -> None:
    refused = command(embedded, tmp_path)("create", "deployment", "d", "--image=x", code=1)
    assert "development control plane" in refused.stderr
