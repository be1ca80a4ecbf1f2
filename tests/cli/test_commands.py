"""apply, get, describe, logs, cancel, wait, delete: kubectl's words, and what is said when something is wrong."""

from __future__ import annotations

import io
import json
import re
import subprocess
import threading
import time
from pathlib import Path

import pytest
import yaml

from penstock_cli.exits import Exit
from tests.cli.conftest import Penstock
from tests.cli.test_running import flow
from tests.support.cli import API, SPEC, Stage, kubectl
from tests.support.world import until

RUN = f"""
apiVersion: {API}
kind: FlowRun
metadata: {{name: one}}
spec:
  flowSpec: {{entrypoint: "a.py:main"}}
"""
FINISHED = ("Completed", "Failed", "Crashed", "Cancelled")


def file(folder: Path, text: str, name: str = "run.yaml") -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


# --- apply


def test_apply_says_what_became_of_each(at: Stage, penstock: Penstock, tmp_path: Path) -> None:
    path = file(tmp_path, RUN + "---\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {a: b}\n")
    done = penstock("apply", "-f", path)
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == ["flowrun.penstock.dev/one created", "configmap/c created"]
    assert penstock("apply", "-f", path).out.splitlines() == [
        "flowrun.penstock.dev/one unchanged",
        "configmap/c unchanged",
    ]
    file(tmp_path, RUN + "  desiredState: Cancelled\n")
    assert penstock("apply", "-f", path).out.splitlines() == ["flowrun.penstock.dev/one configured"]
    assert at.get(f"{at.runs}/one")["spec"]["desiredState"] == "Cancelled"


def test_apply_tries_without_changing(at: Stage, penstock: Penstock, tmp_path: Path) -> None:
    path = file(tmp_path, RUN)
    assert penstock("apply", "-f", path, "--dry-run").out == "flowrun.penstock.dev/one created (server dry run)\n"
    assert at.client.get(f"{at.runs}/one").status_code == 404
    penstock("apply", "-f", path)
    before = at.get(f"{at.runs}/one")
    assert penstock("apply", "-f", path, "--dry-run").out == "flowrun.penstock.dev/one unchanged (server dry run)\n"
    file(tmp_path, RUN + "  desiredState: Cancelled\n")
    assert penstock("apply", "-f", path, "--dry-run").out == "flowrun.penstock.dev/one configured (server dry run)\n"
    shown = penstock("apply", "-f", path, "--dry-run", "-o", "jsonpath={.spec.desiredState}")
    assert shown.out == "Cancelled"
    file(tmp_path, RUN + "  desiredState: Gone\n")
    assert "Unsupported value" in penstock("apply", "-f", path, "--dry-run").err
    assert at.get(f"{at.runs}/one") == before


def test_what_one_is_refused_for_keeps_no_other_back(at: Stage, penstock: Penstock, tmp_path: Path) -> None:
    wrong = [
        RUN.replace("FlowRun", "FlowRuns"),
        RUN.replace("{name: one}", "{name: X_Y}"),
        RUN + "  desiredState: Gone\n",
    ]
    wrong.append(RUN.replace("{name: one}", "{name: three, namespace: other}"))
    path = file(tmp_path, "---\n".join([*wrong, RUN.replace("{name: one}", "{name: two}")]))
    done = penstock("apply", "-n", "default", "-f", path)
    assert (done.code, done.out) == (1, "flowrun.penstock.dev/two created\n")
    words = ("no matches for kind", "lower case", "Unsupported value", "does not match the namespace")
    assert [word in line for word, line in zip(words, done.err.splitlines(), strict=True)] == [True] * 4


def test_apply_prints_what_it_made(at: Stage, penstock: Penstock, tmp_path: Path) -> None:
    path = file(tmp_path, RUN)
    assert penstock("apply", "-f", path, "-o", "name").out == "flowrun.penstock.dev/one\n"
    assert penstock("apply", "-f", path, "-o", "jsonpath={.spec.desiredState}").out == "Running"


def test_apply_wins_over_who_wrote_last(at: Stage, penstock: Penstock, tmp_path: Path) -> None:
    path = file(tmp_path, RUN + "  priority: 1\n")
    penstock("apply", "-f", path)
    headers = {"Content-Type": "application/merge-patch+json"}
    at.client.patch(f"{at.runs}/one?fieldManager=other", json={"spec": {"priority": 5}}, headers=headers)
    assert penstock("apply", "-f", path).out == "flowrun.penstock.dev/one configured\n"
    assert at.get(f"{at.runs}/one")["spec"]["priority"] == 1


def test_apply_takes_folders_lists_standard_input_and_generated_names(
    at: Stage, penstock: Penstock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file(tmp_path, RUN, "a.yml")
    listed = {
        "apiVersion": "v1",
        "kind": "List",
        "items": [yaml.safe_load(RUN.replace("name: one", "generateName: some-"))],
    }
    file(tmp_path, json.dumps(listed), "b.json")
    file(tmp_path, "not for us", "c.txt")
    out = penstock("apply", "-f", str(tmp_path)).out.splitlines()
    assert out[0] == "flowrun.penstock.dev/one created"
    assert out[1].startswith("flowrun.penstock.dev/some-")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(RUN.encode())))
    assert penstock("apply", "-f", "-").out == "flowrun.penstock.dev/one unchanged\n"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a: [1,\nb: }", "run.yaml:2:4: not valid YAML"),
        ("kind: FlowRun\n  spec: [", "run.yaml:2:7: not valid YAML"),
        ("- 1", "run.yaml:1: a manifest is a mapping with apiVersion, kind and metadata, not a list"),
        (f"{RUN}---\nkind: FlowRun\nmetadata: {{name: x}}", "run.yaml:8: apiVersion is not set"),
        (f"apiVersion: {API}\nkind: FlowRun\nspec: {{}}", "run.yaml:1: FlowRun: metadata.name is not set"),
        (
            f"apiVersion: {API}\nkind: Flows\nmetadata: {{name: x}}",
            'run.yaml:1: no matches for kind "Flows" in version "penstock.dev/v1alpha1"',
        ),
        (
            "apiVersion: none/v1\nkind: X\nmetadata: {name: x}",
            'run.yaml:1: no matches for kind "X" in version "none/v1"',
        ),
        (RUN.replace("spec:", "spec:\n  flowwRef: {name: x}"), ".spec.flowwRef: field not declared in schema"),
        (RUN.replace("name: one", "name: One"), "run.yaml:2: Error from server (Invalid)"),
        (RUN.replace("{name: one}", "{name: one, namespace: none}"), 'namespaces "none" not found'),
        ("", "no objects passed to apply"),
    ],
)
def test_a_bad_manifest_is_told_with_its_line(
    at: Stage, penstock: Penstock, tmp_path: Path, text: str, wanted: str
) -> None:
    done = penstock("apply", "-f", file(tmp_path, text))
    assert done.code == 1
    assert wanted in done.err
    assert "Traceback" not in done.err


def test_apply_needs_files_that_exist(penstock: Penstock, tmp_path: Path) -> None:
    assert penstock("apply").err == "error: must specify -f FILE\n"
    done = penstock("apply", "-f", str(tmp_path / "none.yaml"))
    assert (done.code, done.err) == (1, f'error: the path "{tmp_path}/none.yaml" does not exist\n')


def test_apply_does_not_cross_namespaces(penstock: Penstock, tmp_path: Path) -> None:
    path = file(tmp_path, RUN.replace("{name: one}", "{name: one, namespace: other}"))
    done = penstock("apply", "-n", "default", "-f", path)
    assert done.code == 1
    assert 'the namespace from the provided object "other" does not match the namespace "default"' in done.err


# --- get


@pytest.mark.parametrize(
    "words",
    [
        ["get", "fr"], ["get", "flowruns", "-o", "wide"], ["get", "fr", "one"], ["get", "fr/one", "fr/two"], ["get", "fr", "-A"],
        ["get", "pods"], ["get", "fr", "-o", "name"], ["get", "fr", "-l", "none=x"], ["get", "fr", "nope"], ["get", "nonsense"],
        ["get", "deployments"], ["get", "fl"], ["get", "ns"], ["get", "fr", "one", "-o", "json"],
        ["get", "fr", "one", "nope", "two"], ["get", "fr,pods"],
        ["get", "fr,pods", "-o", "name"], ["get", "fl,cm,fr", "-l", "none=x"], ["get", "fl,fr"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_get_prints_what_kubectl_prints(at: Stage, penstock: Penstock, words: list[str]) -> None:
    program = kubectl()
    run = at.run("one", parameters={"text": "a\nb\n"})
    at.run("two")
    at.status("one", "Running", "Retrying", "attempt 2 of 4")
    at.pod("one-1", run)
    done = penstock(*words)
    theirs = subprocess.run(
        [program, "--kubeconfig", str(at.kubeconfig), *words], capture_output=True, text=True, check=False
    )
    assert re.sub(r"\d+s\b", "0s", done.out) == re.sub(r"\d+s\b", "0s", theirs.stdout)
    assert done.err == theirs.stderr
    # Ours tells "there is none" from other failures.
    assert done.code == (Exit.NOT_FOUND if "NotFound" in theirs.stderr else theirs.returncode)


def test_yaml_is_what_kubectl_prints_but_for_its_quotes(at: Stage, penstock: Penstock) -> None:
    program = kubectl()
    at.run("one", parameters={"text": "a\nb\n", "number": 1})
    words = ["get", "fr", "one", "-o", "yaml"]
    theirs = subprocess.run(
        [program, "--kubeconfig", str(at.kubeconfig), *words], capture_output=True, text=True, check=True
    ).stdout
    assert penstock(*words).out == theirs.replace('"', "'")


def test_get_of_several_kinds(at: Stage, penstock: Penstock) -> None:
    run = at.run("one")
    at.pod("one-1", run)
    done = penstock("get", "fr,pods")
    assert done.lines[0][0] == "NAME"
    assert [line[0] for line in done.lines if line] == ["NAME", "flowrun.penstock.dev/one", "NAME", "pod/one-1"]
    items = json.loads(penstock("get", "fr,pods", "-o", "json").out)["items"]
    assert [(item["kind"], item["metadata"]["name"]) for item in items] == [("FlowRun", "one"), ("Pod", "one-1")]


def test_get_watches(at: Stage, penstock: Penstock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until Ctrl-C, which is no error to be seen."""
    at.run("one")
    lines: list[str] = []

    def interrupted(*words: object, **_: object) -> None:
        lines.extend(str(word) for word in words)
        if any("Running" in line for line in lines):
            raise KeyboardInterrupt

    monkeypatch.setattr("builtins.print", interrupted)

    def change() -> None:
        until("the table is shown", lambda: bool(lines))
        at.status("one", "Running")

    changer = threading.Thread(target=change)
    changer.start()
    done = penstock("get", "fr", "-w")
    changer.join()
    assert done.code == 130
    assert lines[0].startswith("NAME")
    assert lines[-1].split()[:2] == ["one", "Running"]


def test_get_with_an_unknown_output(penstock: Penstock) -> None:
    done = penstock("get", "fr", "-o", "table")
    assert done.code == Exit.USAGE
    assert 'output format "table"' in done.err


# --- describe


def test_describe_tells_a_runs_story(at: Stage, penstock: Penstock) -> None:
    at.run("one", parameters={"day": "2026-11-21", "shops": ["north"]})
    error = {
        "type": "ValueError",
        "message": "no shop",
        "location": "etl.py:12 in load",
        "traceback": "Traceback\n  line 12\nValueError: no shop",
    }
    attempts = [
        {
            "number": 1,
            "podName": "one-1",
            "state": "Crashed",
            "reason": "Evicted",
            "message": "node pressure: memory",
            "exitCode": 137,
        }
    ]
    at.status(
        "one",
        "Failed",
        message="ValueError: no shop",
        error=error,
        attempts=attempts,
        attempt={"number": 2, "podName": "one-2"},
    )
    at.pod("one-2", at.get(f"{at.runs}/one"), 2)
    at.pod_status("one-2", "Failed", {"terminated": {"exitCode": 1, "reason": "Error"}})
    event = {
        "metadata": {"name": "one.described", "namespace": "default"}, "type": "Warning", "reason": "Failed", "message": "it failed",
        "involvedObject": {"kind": "FlowRun", "namespace": "default", "name": "one", "uid": at.get(f"{at.runs}/one")["metadata"]["uid"]},
        "lastTimestamp": "2026-11-21T12:00:00Z", "source": {"component": "penstock"},
    }  # fmt: skip
    at.post("/api/v1/namespaces/default/events", event)
    done = penstock("describe", "flowrun", "one")
    assert done.code == 0
    lines = done.lines
    for wanted in (
        ["Name:", "one"],
        ["State:", "Failed"],
        ["Message:", "ValueError:", "no", "shop"],
        ["day:", '"2026-11-21"'],
        ["location:", "etl.py:12", "in", "load"],
        ["1", "one-1", "Crashed", "Evicted", "137", "node", "pressure:", "memory"],
        ["2", "one-2", "Failed", "1", "ValueError:", "no", "shop"],
        ["Finished", "True", "Failed"],
    ):
        assert wanted in lines, wanted
    assert "it failed" in done.out


def test_describe_of_anything_else(at: Stage, penstock: Penstock) -> None:
    at.post("/api/v1/namespaces/default/secrets", {"metadata": {"name": "s"}, "data": {"password": "czNjcmV0"}})
    done = penstock("describe", "secret", "s")
    assert ["password:", "6", "bytes"] in done.lines
    assert "czNjcmV0" not in done.out
    at.client.delete("/api/v1/namespaces/default/secrets/s")
    assert penstock("describe", "secret", "s").err == 'Error from server (NotFound): secrets "s" not found\n'
    done = penstock("describe", "fr")
    assert (done.code, done.err) == (0, "No resources found in default namespace.\n")
    at.run("one")
    done = penstock("describe", "fr", "nobody", "one")
    assert (done.code, done.lines[0]) == (4, ["Name:", "one"])
    assert done.err == 'Error from server (NotFound): flowruns.penstock.dev "nobody" not found\n'


@pytest.mark.parametrize(
    "words",
    [
        "describe fr helo",
        "get fr helo",
        "get fr helo -o yaml",
        "get fr helo -w",
        "delete fr/helo",
        "logs helo",
        "wait helo",
        "tasks helo",
        "cancel helo",
        "resume fr/helo",
    ],
)
def test_a_name_that_was_mistyped(at: Stage, penstock: Penstock, words: str) -> None:
    at.run("hello")
    done = penstock(*words.split())
    assert done.code == 4
    assert done.err == "Error from server (NotFound): flowruns.penstock.dev \"helo\" not found. Did you mean 'hello'?\n"


@pytest.mark.parametrize("name", ["", "fr/", "fl/"])
def test_a_name_that_is_empty(penstock: Penstock, name: str) -> None:
    """As a script has it whose variable is not set; nothing is done to all of a kind."""
    commands = (
        {"run", "next", "suspend", "resume"} if name == "fl/" else
        {"logs", "tasks", "wait", "result", "retry", "cancel", "pause", "suspend", "resume"}
    )  # fmt: skip
    for command in sorted(commands | ({"run", "next"} if not name else {"get", "describe", "delete"})):
        done = penstock(command, name)
        assert done.code in (1, 2), (command, done)
        assert done.err.startswith("error: "), (command, done)


def test_a_kind_that_was_mistyped(at: Stage, penstock: Penstock) -> None:
    for word, meant in (("frs", "'fr'"), ("flowrn", "'flowrun'"), ("secret.v1", "'secret'")):
        done = penstock("get", word)
        assert done.code == 1
        assert done.err.startswith(f'error: the server doesn\'t have a resource type "{word}". Did you mean {meant}'), (
            done.err
        )


def test_a_name_where_a_kind_is_meant(at: Stage, penstock: Penstock) -> None:
    at.run("mine")
    flow(at)
    for command, word, hint in (
        ("describe", "mine", " (there is a FlowRun of this name: write fr/mine)"),
        ("get", "etl", " (there is a Flow of this name: write fl/etl)"),
        ("get", "nobody", ""),
        ("describe", "no name", ""),
    ):
        done = penstock(command, word)
        assert (done.code, done.err) == (1, f'error: the server doesn\'t have a resource type "{word}"{hint}\n')


def test_the_cluster_may_be_named_before_the_command(at: Stage, penstock: Penstock) -> None:
    """As kubectl's options may; what stands behind it wins."""
    at.run("one")
    for words in (["-n", "default", "get", "fr"], ["--namespace", "elsewhere", "get", "fr", "-n", "default"]):
        assert penstock(*words, "-o", "name").out == "flowrun.penstock.dev/one\n"
    assert penstock("-n", "elsewhere", "get", "fr", "one").code == 4
    assert "there is no such file" in penstock("--kubeconfig", "/nowhere/config", "get", "fr").err
    assert "has no context 'none'" in penstock("--context", "none", "get", "fr").err


@pytest.mark.parametrize("command", ["build", "completion", "dev", "operator"])
def test_what_asks_no_cluster_takes_none(penstock: Penstock, command: str) -> None:
    done = penstock("-n", "elsewhere", command)
    assert done.code == 2
    assert done.err.endswith(f"Error: {command!r} takes no --namespace.\n")


# --- cancel, wait, delete


def test_cancel(at: Stage, penstock: Penstock) -> None:
    at.run("one")
    at.run("two")
    at.status("two", "Completed")
    done = penstock("cancel", "one", "fr/two")
    assert done.out.splitlines() == [
        "flowrun.penstock.dev/one cancellation requested",
        "flowrun.penstock.dev/two has already ended: Completed",
    ]
    assert at.get(f"{at.runs}/one")["spec"]["desiredState"] == "Cancelled"
    assert (
        "desiredState" not in at.get(f"{at.runs}/two")["spec"]
        or at.get(f"{at.runs}/two")["spec"]["desiredState"] == "Running"
    )


@pytest.mark.parametrize("kind", FINISHED)
def test_wait_for_the_end_tells_how_it_was(at: Stage, penstock: Penstock, kind: str) -> None:
    at.run("one")
    changer = threading.Timer(0.2, lambda: at.status("one", kind, message="why"))
    changer.start()
    done = penstock("wait", "one", "--timeout", "10s")
    changer.join()
    assert done.out == f"flowrun.penstock.dev/one {kind}: why\n"
    assert done.code == {"Completed": 0, "Cancelled": 3}.get(kind, 1)


def test_wait_for_several(at: Stage, penstock: Penstock) -> None:
    """Each is told when it ends; the exit code is the worst; one that does not exist holds up no other."""
    for name, kind in (("one", "Completed"), ("two", "Cancelled"), ("three", "Completed")):
        at.run(name)
        if name != "three":
            at.status(name, kind)
    changer = threading.Timer(0.2, lambda: at.status("three", "Crashed"))
    changer.start()
    done = penstock("wait", "one", "two", "three")
    changer.join()
    assert (done.code, done.err) == (1, "")
    assert [line[1] for line in done.lines] == ["Completed", "Cancelled", "Crashed"]
    assert penstock("wait", "one", "two").code == 3
    assert penstock("wait", "one").code == 0
    done = penstock("wait", "none", "one")
    assert (done.code, done.out) == (4, "flowrun.penstock.dev/one Completed\n")
    at.run("four")
    done = penstock("wait", "one", "four", "--timeout", "200ms")
    assert (done.code, done.err) == (124, "error: timed out waiting for the condition on flowruns/four\n")


def test_wait_for_a_value(at: Stage, penstock: Penstock) -> None:
    at.run("one")
    at.status("one", "Running", "Retrying")
    assert penstock("wait", "one", "--for", "jsonpath={.status.state.name}=Retrying").code == 0
    assert penstock("wait", "one", "--for", "jsonpath={.status.state.name}").code == 0
    assert penstock("wait", "one", "--for", "jsonpath={.status.state.name}=Other", "--timeout", "100ms").code == 124
    assert "a bracket is not closed" in penstock("wait", "one", "--for", "jsonpath={.status[}=x").err


def test_a_run_that_goes_while_it_is_waited_for(at: Stage, penstock: Penstock) -> None:
    at.run("one")
    goes = threading.Timer(0.2, lambda: at.client.delete(f"{at.runs}/one"))
    goes.start()
    done = penstock("wait", "one")
    goes.join()
    assert (done.code, done.err) == (4, 'Error from server (NotFound): flowruns.penstock.dev "one" not found\n')


def test_wait_as_kubectl_waits(at: Stage, penstock: Penstock) -> None:
    at.run("one")
    at.status("one", "Failed")
    done = penstock("wait", "fr/one", "--for", "condition=Finished")
    assert (done.code, done.out) == (0, "flowrun.penstock.dev/one condition met\n")
    done = penstock("wait", "fr", "one", "--for=condition=Finished=Unknown", "--timeout=0s")
    assert (done.code, done.err) == (124, "error: timed out waiting for the condition on flowruns/one\n")
    assert penstock("wait", "one", "--for=delete", "--timeout=100ms").code == 124
    at.client.delete(f"{at.runs}/one")
    assert penstock("wait", "one", "--for=delete").out == "flowrun.penstock.dev/one deleted\n"
    assert penstock("wait", "one").err == 'Error from server (NotFound): flowruns.penstock.dev "one" not found\n'
    assert "is not understood" in penstock("wait", "one", "--for=jsonpath").err
    at.run("two")
    at.status("two", "Failed")
    done = penstock("wait", "two", "-o", "jsonpath={.status.state.type}")
    assert (done.code, done.out) == (1, "Failed"), "the document, and the outcome"
    done = penstock("wait", "two", "--for=condition=Finished", "-o", "name")
    assert (done.code, done.out) == (0, "flowrun.penstock.dev/two\n")
    assert "invalid duration" in penstock("wait", "one", "--timeout=soon").err


def test_delete(at: Stage, penstock: Penstock, tmp_path: Path) -> None:
    at.run("one")
    at.run("two")
    assert (
        penstock("delete", "fr", "one", "two").out
        == 'flowrun.penstock.dev "one" deleted\nflowrun.penstock.dev "two" deleted\n'
    )
    done = penstock("delete", "fr/one")
    assert (done.code, done.err) == (4, 'Error from server (NotFound): flowruns.penstock.dev "one" not found\n')
    assert penstock("delete", "fr/one", "--ignore-not-found").code == 0
    path = file(tmp_path, RUN)
    penstock("apply", "-f", path)
    assert penstock("delete", "-f", path).code == 0
    assert "no name was specified" in penstock("delete", "fr").err
    at.run("three", parameters={"day": 1})
    at.run("four")
    assert penstock("delete", "fr/three", "-o", "jsonpath={.spec.parameters.day}").out == "1", "as it was"
    assert penstock("delete", "fr/four", "-o", "name").out == "flowrun.penstock.dev/four\n"
    at.run("five")
    done = penstock("delete", "fr", "none", "five", "neither", "-o", "name")
    assert (done.code, done.out, len(done.err.splitlines())) == (4, "flowrun.penstock.dev/five\n", 2)
    file(tmp_path, RUN.replace("{name: one}", "{generateName: one-}"))
    assert "run.yaml:2: what has a generateName has no name to delete it by" in penstock("delete", "-f", path).err


def test_delete_waits_until_it_is_gone(at: Stage, penstock: Penstock) -> None:
    """A finalizer holds it; --no-wait does not wait."""

    def held(name: str) -> str:
        meta = {"name": name, "finalizers": ["test.dev/hold"]}
        at.post(at.runs, {"apiVersion": API, "kind": "FlowRun", "metadata": meta, "spec": SPEC})
        return f"{at.runs}/{name}"

    def release(path: str) -> None:
        until("it is being deleted", lambda: "deletionTimestamp" in at.get(path)["metadata"])
        time.sleep(0.3)  # for a command that does not wait
        headers = {"Content-Type": "application/merge-patch+json"}
        at.client.patch(path, json={"metadata": {"finalizers": None}}, headers=headers)

    one, two = held("one"), held("two")
    assert penstock("delete", "fr", "one", "--no-wait").code == 0
    assert at.get(one)["metadata"]["deletionTimestamp"]
    release(one)
    releaser = threading.Thread(target=release, args=(two,))
    releaser.start()
    assert penstock("delete", "fr", "two").code == 0
    assert at.client.get(two).status_code == 404
    releaser.join()
