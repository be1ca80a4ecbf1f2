"""`penstock result`: the value from the status or its store, or how it is read where it is; nothing is claimed that was not kept."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from penstock import flow, task
from penstock.settings import PENSTOCK_RESULTS_STORAGE, temporary_settings
from penstock_cli import results
from tests.cli.conftest import Penstock
from tests.support.cli import Stage


@pytest.mark.parametrize(
    ("state", "result", "code", "said"),
    [
        ("Completed", {"json": '{"rows": 3}', "type": "dict", "kept": True}, 0, '{"rows": 3}\n'),
        ("Completed", None, 0, "null\n"),
        ("Completed", {"type": "list", "size": "12 MB", "kept": False}, 1, "(list, 12 MB) was not kept"),
        ("Running", None, 1, "has not ended: it is Running"),
        ("Failed", None, 1, "returned nothing: it is Failed/Failed: bad day"),
    ],
)
def test_the_status_tells(
    at: Stage, penstock: Penstock, state: str, result: dict[str, Any] | None, code: int, said: str
) -> None:
    at.run("one")
    more: dict[str, Any] = {"result": result} if result else {}
    at.status("one", state, message="bad day", **more)
    done = penstock("result", "one")
    assert done.code == code
    assert said in (done.err if code else done.out)


def test_describe_and_the_wide_table_show_what_was_kept(at: Stage, penstock: Penstock) -> None:
    at.run("one")
    at.status("one", "Completed", result={"type": "list", "preview": "[1, … 9 more]", "size": "12 MB", "kept": False})
    shown = penstock("describe", "fr", "one").out
    assert "  preview: [1, … 9 more]\n" in shown
    assert "  kept: false\n" in shown
    head, row = penstock("get", "fr", "one", "-o", "wide").lines
    assert "KEPT" in head
    assert "false" in row


def test_no_run(penstock: Penstock) -> None:
    assert penstock("result", "nobody").code == 4


def test_a_folder_is_read_where_the_pods_are_this_machines(
    at: Stage, penstock: Penstock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @task
    def load(n: int) -> list[int]:
        return [n] * 3

    @flow(persist_result=True)
    def main() -> dict[str, int]:
        load(2)
        load.map([5, 7]).result()
        return {"rows": 3}

    with temporary_settings({PENSTOCK_RESULTS_STORAGE: f"file://{tmp_path}/r"}):
        state = main(return_state=True)
    lineage = next(
        json.loads(file.read_bytes().partition(b"\n")[0])["run"]["lineage"] for file in (tmp_path / "r").iterdir()
    )
    location = f"file://{tmp_path}/r/{state.data.metadata.key}"
    at.run("one", flowSpec={"entrypoint": "a.py:main", "results": {"storage": "file:///results"}})
    kept = {"type": "dict", "size": "20 B", "kept": True, "location": location}
    at.status("one", "Completed", result=kept, lineage=lineage)
    assert penstock("result", "fr/one").out == '{"rows": 3}\n'
    assert penstock("result", "one", "load:0").out == "[2, 2, 2]\n"
    assert penstock("result", "one", "load:1").out == "[[5, 5, 5], [7, 7, 7]]\n"
    absent = penstock("result", "one", "save")
    assert (absent.code, absent.out) == (4, "")
    assert "no result of the task save" in absent.err
    monkeypatch.setattr(results, "_DEV", "another server")
    away = penstock("result", "one")
    assert (away.code, away.out) == (1, "")
    assert "the pod is gone" in away.err
    assert "get_task_result('one', 'load')" in penstock("result", "one", "load").err


def test_the_command_that_reads_a_volume(at: Stage, penstock: Penstock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "_DEV", "another server")
    run = at.run("one")
    mounts = [{"name": "r", "mountPath": "/results"}, {"name": "t", "mountPath": "/tmp"}]
    claim = {"name": "r", "persistentVolumeClaim": {"claimName": "results"}}
    at.post(
        "/api/v1/namespaces/default/pods",
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "one-1", "labels": {"penstock.dev/flow-run-uid": run["metadata"]["uid"]}},
            "spec": {
                "containers": [{"name": "engine", "image": "img:1", "volumeMounts": mounts}],
                "volumes": [claim, {"name": "t", "emptyDir": {}}],
            },
        },
    )
    kept = {"type": "list", "kept": True, "location": "file:///results/it's"}
    at.status("one", "Completed", result=kept, attempt={"number": 1, "podName": "one-1"})
    done = penstock("result", "one")
    assert done.code == 1
    words = shlex.split(done.err.splitlines()[1])
    assert words[:2] == ["kubectl", "run"]
    spec = json.loads(words[-1].removeprefix("--overrides="))["spec"]
    assert spec["volumes"] == [claim]
    assert spec["containers"][0]["volumeMounts"] == mounts[:1]
    assert repr("it's") in spec["containers"][0]["command"][2]
