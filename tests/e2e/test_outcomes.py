"""What a run says when its flow ends: by itself, by an exception, by a wrong parameter, by not loading, by leaving the interpreter."""

from __future__ import annotations

import json

import pytest

from tests.support.cluster import ROOT, Space
from tests.support.flows import flow, run


def conditions(status: dict[str, object]) -> dict[str, str]:
    listed = status.get("conditions")
    assert isinstance(listed, list)
    return {c["type"]: c["status"] for c in listed}


def test_hello_completes(space: Space) -> None:
    """1. The example of the README: applied, waited for, read."""
    space.kubectl("apply", "-f", str(ROOT / "examples/hello.yaml"))
    name = json.loads(space.kubectl("get", "fr", "-o", "json"))["items"][0]["metadata"]["name"]
    space.kubectl("wait", "--for=condition=Finished", f"fr/{name}", "--timeout=30s", seconds=40)
    status = space.status(name)
    assert status["state"]["type"] == "Completed"
    assert status["result"]["json"]
    assert conditions(status) == {
        "Finished": "True",
        "Succeeded": "True",
        "Reconciling": "False",
        "Stalled": "False",
        "Ready": "True",
        "Degraded": "False",
    }
    lines = [json.loads(line) for line in space.log(name).splitlines() if line.startswith("{")]
    assert any(line.get("event") == "state" and line["to"] == "COMPLETED" for line in lines)
    assert any(line.get("level") == "INFO" and "ello" in line["msg"] for line in lines)
    header, row = space.kubectl("get", "fr").splitlines()
    assert header.split() == ["NAME", "FLOW", "STATE", "PROGRESS", "ATTEMPT", "DURATION", "AGE"]
    assert row.split()[:3] == [name, status["flow"]["name"], "Completed"]
    described = space.kubectl("describe", "fr", name)
    assert "Completed" in described
    assert len(space.pods(name)) == 1


def test_an_exception_fails_the_run(space: Space) -> None:
    """2. Type, message, place and traceback of the user's exception, and exit code 1."""
    text = """
        from penstock import flow

        @flow
        def main():
            rows = {}
            return rows["day"]
    """
    space.apply(run("raises", text))
    status = space.finish("raises")
    assert (status["state"]["type"], status["state"]["name"]) == ("Failed", "Failed")
    assert status["error"]["type"] == "KeyError"
    assert "day" in status["error"]["message"]
    assert "story.py:6" in status["error"]["location"]
    assert 'return rows["day"]' in status["error"]["traceback"]
    assert "site-packages" not in status["error"]["traceback"]
    assert "KeyError" in status["state"]["message"]
    pod = space.pods("raises")[0]

    def ended() -> bool:
        fresh = space.get("pod", pod["metadata"]["name"])
        return bool(fresh) and (fresh or {})["status"]["phase"] == "Failed"

    from tests.support.world import until

    until("the pod has ended", ended)
    fresh = space.get("pod", pod["metadata"]["name"])
    assert fresh
    assert fresh["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 1


MARKED = """
    print("USER CODE", flush=True)
    from penstock import flow

    @flow
    def main(day: int, limit: int = 3):
        print("BODY RUNS", flush=True)
        return day
"""


def test_a_wrong_parameter_is_found_by_the_schema_before_a_pod_exists(space: Space) -> None:
    """3a. The operator names the path of the bad value; no pod is made."""
    schema = {
        "type": "object",
        "properties": {"window": {"type": "object", "properties": {"days": {"type": "integer"}}}},
        "required": ["window"],
    }
    space.apply(flow("checked", MARKED, parametersSchema=schema))
    space.apply(run("bad", ref="checked", parameters={"window": {"days": "seven"}}))
    status = space.finish("bad")
    assert (status["state"]["type"], status["state"]["name"]) == ("Failed", "InvalidParameters")
    assert "window.days" in status["state"]["message"]
    assert "seven" in status["state"]["message"]
    assert space.pods("bad") == []
    space.apply(run("missing", ref="checked"))
    assert "window" in space.finish("missing")["state"]["message"]


def test_a_wrong_parameter_is_found_by_the_signature_in_the_pod(space: Space) -> None:
    """3b. The engine names the parameter; the body does not run."""
    space.apply(run("bad", MARKED, parameters={"day": "tuesday"}))
    status = space.finish("bad")
    assert (status["state"]["type"], status["state"]["name"]) == ("Failed", "InvalidParameters")
    assert "day" in status["state"]["message"]
    assert "BODY RUNS" not in space.log("bad")
    space.apply(run("unknown", MARKED, parameters={"day": 1, "dya": 2}))
    status = space.finish("unknown")
    assert status["state"]["name"] == "InvalidParameters"
    assert "dya" in status["state"]["message"]


@pytest.mark.parametrize(
    ("name", "text", "entrypoint", "words"),
    [
        ("missing", "from penstock import flow\n", "story.py:main", "main"),
        ("syntax", "def main(:\n    pass\n", "story.py:main", "SyntaxError"),
        ("import", "import no_such_module_anywhere\n", "story.py:main", "no_such_module_anywhere"),
        ("raising", "raise OSError('at import')\n", "story.py:main", "at import"),
    ],
)
def test_a_flow_that_does_not_load(space: Space, name: str, text: str, entrypoint: str, words: str) -> None:
    """4. Crashed/LoadError with the exception and its place; never tried again."""
    space.apply(run(name, text, runPolicy={"retries": {"application": 3}}))
    status = space.finish(name)
    assert (status["state"]["type"], status["state"]["name"]) == ("Crashed", "LoadError")
    assert words in status["state"]["message"] + json.dumps(status.get("error", {}))
    assert status["attempt"]["number"] == 1


@pytest.mark.parametrize("leave", ["sys.exit(0)", "os._exit(0)"])
def test_leaving_the_interpreter_is_never_completed(space: Space, leave: str) -> None:
    """8. Exit code 0 proves nothing."""
    text = f"""
        import os, sys
        from penstock import flow

        @flow
        def main():
            {leave}
    """
    space.apply(run("leaves", text, runPolicy={"retries": {"infrastructure": 0}}))
    status = space.finish("leaves")
    assert status["state"]["type"] == "Crashed"
    if leave == "sys.exit(0)":
        assert "SystemExit" in json.dumps(status)
    else:
        assert status["state"]["name"] == "NoReport"
