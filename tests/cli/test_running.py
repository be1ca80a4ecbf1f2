"""run and retry: what is made of what was typed, and what is refused before anything is made."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from penstock_cli.api import ServerError
from penstock_cli.errors import CliError
from penstock_cli.exits import Exit
from penstock_cli.formats import CHECKED
from penstock_cli.parameters import check
from penstock_cli.starting import find_flow
from tests.cli.conftest import Done, Penstock
from tests.support.cli import API, Stage
from tests.support.world import until

SCHEMA = {
    "type": "object",
    "properties": {
        "day": {"type": "string", "format": "date"},
        "rows": {"type": "integer", "default": 1, "maximum": 10},
        "shops": {"type": "array", "items": {"type": "string"}},
        "limit": {"anyOf": [{"type": "number"}, {"type": "null"}]},
    },
    "required": ["day"],
}


def flow(at: Stage, name: str = "etl", **spec: Any) -> None:
    whole = {"entrypoint": "a.py:main", "source": {"inline": "x = 1\n"}, **spec}
    at.post(
        at.runs.replace("flowruns", "flows"),
        {"apiVersion": API, "kind": "Flow", "metadata": {"name": name}, "spec": whole},
    )


def made(done: Done) -> dict[str, Any]:
    assert (done.code, done.err) == (0, ""), done
    return dict(json.loads(done.out))


def names(at: Stage) -> list[str]:
    return sorted(item["metadata"]["name"] for item in at.get(at.runs)["items"])


# --- run


def test_parameters_are_what_the_schema_says(at: Stage, penstock: Penstock) -> None:
    flow(at, parametersSchema=SCHEMA)
    words = ["-p", "day=2026-11-21", "-p", "rows=5", "-p", 'shops=["a"]', "-p", "limit=null", "-o", "json"]
    body = made(penstock("run", "etl", *words))
    assert body["spec"]["flowRef"] == {"name": "etl"}
    assert body["spec"]["parameters"] == {"day": "2026-11-21", "rows": 5, "shops": ["a"], "limit": None}
    assert body["metadata"]["name"].startswith("etl-")
    assert names(at) == [body["metadata"]["name"]]


def test_without_a_schema_texts_stay_texts(at: Stage, penstock: Penstock) -> None:
    flow(at)
    words = ["-p", "n=5", "-p", "m:=5", "-p", "url=a:=b", "-p", "text=", "-p", "at=@home", "-o", "json"]
    assert made(penstock("run", "fl/etl", *words))["spec"]["parameters"] == {
        "n": "5", "m": 5, "url": "a:=b", "text": "", "at": "@home",
    }  # fmt: skip


def test_parameters_from_files(at: Stage, penstock: Penstock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flow(at)
    (tmp_path / "one.yaml").write_text("a: 1\nb: [x]\n")
    (tmp_path / "two.json").write_text('{"b": null, "c": 3}')
    monkeypatch.chdir(tmp_path)
    words = ["-p", "c=own", "-p", "@one.yaml", "-p", "@two.json", "-o", "json"]
    assert made(penstock("run", "etl", *words))["spec"]["parameters"] == {"a": 1, "b": None, "c": "own"}


def test_the_rest_of_a_run(at: Stage, penstock: Penstock) -> None:
    flow(at)
    words = ["--name", "mine", "-l", "team=data", "-e", "MODE=a=b", "--at", "2999-01-01T06:00:00+02:00", "-o", "json"]
    body = made(penstock("run", "etl", *words))
    assert (body["metadata"]["name"], body["metadata"]["labels"]) == ("mine", {"team": "data"})
    assert body["spec"]["env"] == [{"name": "MODE", "value": "a=b"}]
    assert body["spec"]["scheduledTime"] == "2999-01-01T04:00:00Z"
    assert penstock("run", "etl", "--generate-name", "nightly-", "-o", "name").out.startswith(
        "flowrun.penstock.dev/nightly-"
    )
    long = penstock("run", "etl", "--generate-name", "x" * 60, "-o", "jsonpath={.metadata.name}").out
    assert len(long) == 52


def test_who_may_not_list_flows_is_told_that_there_is_none() -> None:
    class Narrow:
        namespace = "default"

        def get(self, path: str) -> Any:
            raise ServerError(404, "NotFound", "no") if path.endswith("/etl") else ServerError(403, "Forbidden", "list")

    narrow: Any = Narrow()
    with pytest.raises(ServerError) as refused:
        find_flow(narrow, "etl")
    assert (refused.value.code, refused.value.status) == (Exit.NOT_FOUND, 404)


def test_a_dry_run_makes_nothing(at: Stage, penstock: Penstock) -> None:
    flow(at)
    done = penstock("run", "etl", "--name", "mine", "--dry-run")
    assert (done.code, done.out) == (0, "flowrun.penstock.dev/mine created (server dry run)\n")
    assert penstock("run", "etl", "--dry-run", "--watch", "-o", "jsonpath={.kind}").out == "FlowRun"
    at_time = penstock(
        "run", "etl", "--dry-run", "--at", "2999-01-01t06:00:00z", "-o", "jsonpath={.spec.scheduledTime}"
    )
    assert at_time.out == "2999-01-01T06:00:00Z"
    assert names(at) == []


def test_a_time_that_has_passed_is_told(at: Stage, penstock: Penstock) -> None:
    flow(at)
    done = penstock("run", "etl", "--name", "a", "--at", "2020-01-01T00:00:00Z")
    assert (done.code, done.err) == (0, "note: --at 2020-01-01T00:00:00Z has passed, the run begins at once\n")


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (["etl"], 2, "flow etl needs day (string): -p day=..."),
        (["etl", "-p", "dya=x"], 2, "flow etl has no parameter 'dya'. Did you mean 'day'? It takes: day, rows, shops, limit"),
        (["etl", "-p", "zzz=x"], 2, "flow etl has no parameter 'zzz'. It takes: day"),
        (["etl", "-p", "day=2026-01-02", "-p", "rows=many"], 2, "parameters.rows: 'many' is no integer"),
        (["etl", "-p", "day=2026-01-02", "-p", "rows=11"], 2, "parameters.rows: 11 is greater than the maximum of 10"),
        (["etl", "-p", "day=2026-01-02", "-p", 'rows:="x"'], 2, "parameters.rows: 'x' is not of type 'integer'"),
        (["etl", "-p", "day=2026-01-02", "-p", "shops:=[1]"], 2, "parameters.shops[0]: 1 is not of type 'string'"),
        (["etl", "-p", "day=2026-01-02", "-p", "day=y"], 2, "'day' is given twice"),
        (["etl", "-p", "day"], 2, "write key=value, key:=JSON, or @FILE"),
        (["etl", "-p", "=5"], 2, "write key=value"),
        (["etl", "-p", "day:=x"], 2, "'x' is no JSON"),
        (["etl", "-p", "rows:=NaN"], 2, "NaN is no JSON"),
        (["etl", "-p", "@none.yaml"], 1, "none.yaml cannot be read"),
        (["etl", "-p", "day=2026-01-02", "--at", "tomorrow"], 2, "'tomorrow' is no time: write RFC 3339"),
        (["etl", "-p", "day=2026-01-02", "--at", "2026-01-01T00:00:00"], 2, "says no time zone"),
        (["etl", "-p", "day=2026-01-02", "--at", "+soon"], 2, "invalid duration"),
        (["etl", "-p", "day=2026-01-02", "--at", "+99999999d"], 2, "beyond the calendar"),
        (["etl", "-p", "day=2026-01-02", "--at", "9999-12-31T23:59:59-12:00"], 2, "beyond the calendar"),
        (["etl", "-p", "day=2026-01-02", "--generate-name", "-"], 2, "'' is no name: lower-case letters"),
        (["etl", "-p", "day=2026-01-02", "--name", "A_b"], 2, "'A_b' is no name"),
        (["etl", "-p", "day=2026-01-02", "--name", "x" * 53], 2, "at most 52 characters"),
        (["etl", "-p", "day=2026-01-02", "--name", "x" * 64], 2, "at most 52 characters"),
        (["etl", "-p", "day=2026-01-02", "--name", "a", "--generate-name", "b-"], 2, "exclude each other"),
        (["etl", "-p", "day=2026-01-02", "-l", "team"], 2, "--label 'team': write key=value"),
        (["etl", "-p", "day=2026-01-02", "-o", "table"], 2, "allowed formats are: json,jsonpath=TEMPLATE,name,yaml"),
        (["elt", "-p", "day=2026-01-02"], 4, 'flows.penstock.dev "elt" not found in namespace default. Did you mean \'etl\'?'),
        (["fr/etl"], 2, "is no Flow"),
        (["a/b/c"], 2, "is no Flow"),
        (["fl/a/b"], 1, "may not contain '/'"),
        ([], 2, "Missing argument 'FLOW'"),
        (["etl", "-p", "day=2026-01-02", "-n", "none"], 4, "There is no Flow at all in namespace none"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else None,
)  # fmt: skip
def test_what_is_refused(at: Stage, penstock: Penstock, words: list[str], code: int, why: str) -> None:
    flow(at, parametersSchema=SCHEMA)
    done = penstock("run", *words)
    assert (done.code, done.out) == (code, "")
    assert why in done.err
    assert "Traceback" not in done.err
    assert names(at) == []


FORMATS = {
    "date": ("2026-11-21", "21.11.2026"), "date-time": ("2026-11-21 06:00", "soon"), "time": ("06:00", "25:00"),
    "duration": ("PT1H", "1 hour"), "uuid": ("12345678-1234-5678-1234-567812345678", "123"), "uri": ("s3://a/b", "a b"),
    "ipv4": ("10.0.0.1", "10.0.0.256"), "ipv6": ("::1", "::g"), "ipv4network": ("10.0.0.0/8", "10.0.0.0/33"),
    "ipv6network": ("::/8", "::/129"), "ipv4interface": ("10.0.0.1/8", "x"), "ipv6interface": ("::1/8", "x"),
}  # fmt: skip


def test_texts_have_the_form_that_the_schema_names() -> None:
    """As the pod would take them, and no narrower; a format that is not known takes any text."""
    assert FORMATS.keys() == CHECKED.keys()
    for name, (good, bad) in {**FORMATS, "binary": ("x", "")}.items():
        schema = {"properties": {"at": {"type": "string", "format": name}, "all": {"type": "array", "items": {"anyOf": [
            {"type": "string", "format": name}, {"type": "null"}]}}}}  # fmt: skip
        check("flow f", schema, {}, {"at": good, "all": [good, None]})
        for given in ({"at": bad}, {"all": [bad]}):
            if bad:
                with pytest.raises(CliError, match=r"error: flow f: parameters\.a.*is not"):
                    check("flow f", schema, {}, given)


def test_a_name_that_is_taken(at: Stage, penstock: Penstock) -> None:
    flow(at)
    at.run("mine")
    done = penstock("run", "etl", "--name", "mine")
    assert (done.code, done.out) == (1, "")
    assert done.err == 'Error from server (AlreadyExists): flowruns.penstock.dev "mine" already exists\n'


@pytest.mark.parametrize(("kind", "code"), [("Completed", 0), ("Failed", 1), ("Crashed", 1), ("Cancelled", 3)])
def test_a_watched_run_ends_as_the_run_does(at: Stage, penstock: Penstock, kind: str, code: int) -> None:
    flow(at)

    def happens() -> None:
        until("it is made", lambda: names(at) == ["mine"])
        at.status("mine", kind, message="why", result={"json": "7"})

    world = threading.Thread(target=happens)
    world.start()
    done = penstock("run", "etl", "--name", "mine", "--watch")
    world.join()
    assert done.code == code
    lines = done.out.splitlines()
    assert lines[0] == "flowrun.penstock.dev/mine created"
    assert lines[-1] == ("mine: returned 7" if kind == "Completed" else f"mine: {kind}, why")


def test_ctrl_c_leaves_the_run_alone(at: Stage, penstock: Penstock, monkeypatch: pytest.MonkeyPatch) -> None:
    flow(at)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("penstock_cli.story.tell", interrupted)
    done = penstock("run", "etl", "--name", "mine", "-w")
    assert (done.code, done.out) == (130, "flowrun.penstock.dev/mine created\n")
    assert done.err == (
        "\nflowrun.penstock.dev/mine goes on. To follow it again: penstock logs -f mine; to end it: penstock cancel mine\n"
    )
    assert at.get(f"{at.runs}/mine")["spec"]["desiredState"] == "Running"


def test_a_lost_server_is_no_failed_run(at: Stage, penstock: Penstock, monkeypatch: pytest.MonkeyPatch) -> None:
    flow(at)

    def lost(*_: object) -> None:
        raise CliError("The connection to the server x broke")

    monkeypatch.setattr("penstock_cli.story.tell", lost)
    done = penstock("run", "etl", "--name", "mine", "-w")
    assert (done.code, done.out) == (5, "flowrun.penstock.dev/mine created\n")
    assert done.err == (
        "The connection to the server x broke; the run goes on, follow it again with: penstock logs -f mine\n"
    )


def test_a_run_that_is_deleted_while_it_is_watched(at: Stage, penstock: Penstock) -> None:
    flow(at)

    def happens() -> None:
        until("it is made", lambda: names(at) == ["mine"])
        at.client.delete(f"{at.runs}/mine")

    world = threading.Thread(target=happens)
    world.start()
    done = penstock("run", "etl", "--name", "mine", "-w")
    world.join()
    assert (done.code, done.err) == (4, "error: flowrun.penstock.dev/mine was deleted before its end\n")


def test_a_document_of_a_watched_run_stands_alone(at: Stage, penstock: Penstock) -> None:
    """For `| jq`: the story goes to standard error."""
    flow(at)

    def happens() -> None:
        until("it is made", lambda: names(at) == ["mine"])
        at.status("mine", "Failed", message="why")

    world = threading.Thread(target=happens)
    world.start()
    done = penstock("run", "etl", "--name", "mine", "-w", "-o", "json")
    world.join()
    assert done.code == 1
    assert "mine created" in done.err
    assert json.loads(done.out)["status"]["state"]["type"] == "Failed"


# --- retry


def failed(at: Stage, name: str = "a", kind: str = "Failed", **spec: Any) -> None:
    at.run(name, **spec)
    at.status(name, kind)


def test_a_retry_goes_on_from_the_failure(at: Stage, penstock: Penstock) -> None:
    whole: dict[str, Any] = {
        "parameters": {"n": 1}, "context": {"k": 2}, "template": {"spec": {"nodeSelector": {"a": "b"}}}, "image": "x:1",
        "env": [{"name": "A", "value": "b"}], "resources": {"limits": {"memory": "1Gi"}}, "priority": 3, "displayName": "d",
        "runPolicy": {"retries": {"application": 1}},
    }  # fmt: skip
    failed(at, **whole)
    headers = {"Content-Type": "application/merge-patch+json"}
    labels = {"team": "data", "app.kubernetes.io/instance": "argo", "penstock.dev/schedule": "s"}
    at.client.patch(f"{at.runs}/a", json={"metadata": {"labels": labels}}, headers=headers)
    body = made(penstock("retry", "a", "-o", "json"))
    assert (body["metadata"]["name"], body["metadata"]["labels"]) == ("a-2", {"team": "data"})
    assert body["spec"].pop("rerunOf") == {"name": "a"}
    assert {key: body["spec"][key] for key in whole} == whole
    assert set(body["spec"]) == {*whole, "flowSpec", "desiredState"}


def test_a_retrys_name_is_the_next_that_is_free(at: Stage, penstock: Penstock) -> None:
    failed(at)
    at.run("a-2")
    assert penstock("retry", "a", "-o", "name").out == "flowrun.penstock.dev/a-3\n"
    at.status("a-3", "Crashed")
    assert penstock("retry", "fr/a-3", "-o", "name").out == "flowrun.penstock.dev/a-4\n"
    failed(at, "day-2026")  # its number is no retry's
    assert penstock("retry", "day-2026", "-o", "name").out == "flowrun.penstock.dev/day-2026-2\n"
    failed(at, "x" * 52)
    assert penstock("retry", "x" * 52, "-o", "name").out == f"flowrun.penstock.dev/{'x' * 50}-2\n"
    assert penstock("retry", "a", "--name", "b", "-o", "name").out == "flowrun.penstock.dev/b\n"


def test_a_retry_of_everything(at: Stage, penstock: Penstock) -> None:
    failed(at, kind="Completed")
    assert "rerunOf" not in made(penstock("retry", "a", "--all", "-o", "json"))["spec"]


def test_a_retry_has_the_parameters_that_the_other_took_over(at: Stage, penstock: Penstock) -> None:
    """Those of a run that repeats another itself stand in its status."""
    at.run("a", parameters={"n": 1})
    at.status("a", "Failed", parameters='{"day": "2026-11-21", "n": 2, "none": null}')
    spec = made(penstock("retry", "a", "--all", "-o", "json"))["spec"]
    assert spec["parameters"] == {"day": "2026-11-21", "n": 1, "none": None}
    assert "none: null" in penstock("describe", "fr/a").out.partition("Parameters:")[2]


def test_a_retry_tells_that_the_flow_has_changed(at: Stage, penstock: Penstock) -> None:
    flow(at)
    at.post(
        at.runs, {"apiVersion": API, "kind": "FlowRun", "metadata": {"name": "a"}, "spec": {"flowRef": {"name": "etl"}}}
    )
    at.status("a", "Failed", flow={"name": "etl", "revision": "etl-1"})
    path = at.runs.replace("flowruns", "flows/etl/status")
    headers = {"Content-Type": "application/merge-patch+json"}
    assert at.client.patch(path, json={"status": {"revision": "etl-2"}}, headers=headers).is_success
    done = penstock("retry", "a")
    assert done.code == 0
    assert done.err == "note: flow etl has changed since (etl-1 is now etl-2); the new run takes it as it is now\n"
    at.client.delete(at.runs.replace("flowruns", "flows/etl"))
    assert penstock("retry", "a").code == 4


@pytest.mark.parametrize(
    ("state", "words", "code", "why"),
    [
        ("Running", ["a"], 1, "is Running, it has not ended: wait for it (penstock wait a) or end it (penstock cancel a) first"),
        ("Paused", ["a", "--all"], 1, "is Paused, it has not ended"),
        ("", ["a"], 1, "is not seen by the operator yet"),
        ("Completed", ["a"], 1, "there is no point of failure to go on from; penstock retry a --all runs it again"),
        ("Failed", ["b"], 4, 'flowruns.penstock.dev "b" not found'),
        ("Failed", ["fl/a"], 2, "is no FlowRun"),
        ("Failed", ["a", "--name", "a"], 1, "already exists"),
    ],
)  # fmt: skip
def test_a_retry_that_is_refused(
    at: Stage, penstock: Penstock, state: str, words: list[str], code: int, why: str
) -> None:
    at.run("a")
    if state:
        at.status("a", state)
    done = penstock("retry", *words)
    assert (done.code, done.out) == (code, "")
    assert why in done.err
    assert names(at) == ["a"]
