"""The pod's process up to the first line of user code: environment, claim, loading."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.pod.conftest import StartPod
from tests.support import pod_server
from tests.support.pod_process import ENGINE
from tests.support.pod_server import UID, Fault, PodServer


@pytest.fixture
def warm() -> None:
    """The start itself is what is looked at here."""


def test_what_is_imported_before_the_handlers_is_light() -> None:
    # What these bring along is the interpreter's matter: another version, another module.
    ground = "import __future__, contextlib, os, select, signal, sys, threading, time"
    code = f"{ground}; before = set(sys.modules); import penstock.pod.guard; print(*(set(sys.modules) - before))"
    found = subprocess.run(
        [sys.executable, "-S", "-c", code], env={"PYTHONPATH": str(ENGINE)}, capture_output=True, check=True, text=True
    )
    assert set(found.stdout.split()) == {
        "penstock",
        "penstock.pod",
        "penstock.pod.failures",
        "penstock.pod.guard",
        "penstock.pod.hearing",
    }


def test_a_flow_runs_and_its_outcome_is_reported(start: StartPod, server: PodServer) -> None:
    pod = start("@flow\ndef main():\n    mark('body')\n    return {'rows': 3}\n")
    assert pod.wait() == 0, pod.output
    assert pod.has_mark("body")
    claim, outcome = server.accepted
    assert (claim["type"], claim["name"], claim["attempt"]) == ("Running", "Running", 1)
    assert "startTime" not in claim
    assert outcome["type"] == "Completed"
    assert outcome["name"] == "Completed"
    assert outcome["result"] == {"json": '{"rows": 3}', "type": "dict", "kept": True}
    assert outcome["startTime"] < outcome["time"]
    assert outcome["instance"] == claim["instance"]
    assert "ending" not in outcome
    assert len(server.requests) == 2
    termination = pod.termination
    assert (termination["exit"], termination["delivered"], termination["uid"]) == (0, True, UID)
    assert {key: termination[key] for key in outcome} == outcome


def test_two_processes_of_one_attempt_run_the_body_once(start: StartPod, server: PodServer) -> None:
    source = "from marks import wait_for\n@flow\ndef main():\n    mark('body')\n    wait_for('go')\n"
    first = start(source)
    first.marked("body")
    second = start(source)
    assert second.wait() == 77, second.output
    assert not second.has_mark("body")
    first.mark("go")
    assert first.wait() == 0, first.output


@pytest.mark.parametrize("variable", ["PENSTOCK_FLOWRUN", "POD_NAME", "PENSTOCK_ATTEMPT", "PENSTOCK_API_SERVER"])
def test_a_missing_variable_is_named(start: StartPod, server: PodServer, variable: str) -> None:
    pod = start("", env={variable: None})
    assert pod.wait() == 70
    assert variable in pod.output
    assert variable in pod.termination["message"]
    assert (pod.termination["type"], pod.termination["exit"]) == ("Crashed", 70)
    assert not server.requests


REFUSALS: dict[str, Any] = {
    "old attempt": lambda run: run["status"]["attempt"].update(number=2, podName="etl-7f3c2-2"),
    "finished": lambda run: run["status"].update(completionTime="2026-01-01T00:00:00Z"),
    "claimed by another process": lambda run: run["status"].update(report={"type": "Running", "instance": "x"}),
    "another FlowRun": lambda run: run["metadata"].update(uid="another"),
}


@pytest.mark.parametrize("change", REFUSALS.values(), ids=REFUSALS.keys())
def test_a_refused_pod_leaves_before_any_user_code(start: StartPod, server: PodServer, change: Any) -> None:
    server.change(change)
    pod = start("mark('module')\n@flow\ndef main():\n    mark('body')\n")
    assert pod.wait() == 77, pod.output
    assert not pod.has_mark("module")
    assert (pod.termination["type"], pod.termination["exit"]) == ("Refused", 77)
    assert server.accepted == []


@pytest.mark.parametrize("fault", [pod_server.DENIED, pod_server.FORBIDDEN, pod_server.NOT_FOUND])
def test_a_denied_pod_leaves_with_the_servers_words(start: StartPod, server: PodServer, fault: Fault) -> None:
    server.always(fault)
    pod = start("mark('module')\n@flow\ndef main(): ...\n")
    assert pod.wait() == 77, pod.output
    assert fault.body["message"] in pod.termination["message"]
    assert not pod.has_mark("module")


@pytest.mark.parametrize(
    ("fault", "name"), [(pod_server.UNAVAILABLE, "ApiUnreachable"), (pod_server.NO_RIGHT, "NotAuthorized")]
)
def test_an_api_that_is_never_reached(start: StartPod, server: PodServer, fault: Fault, name: str) -> None:
    server.always(fault)
    pod = start("mark('module')\n", env={"PENSTOCK_POD_CLAIM_TIMEOUT_SECONDS": "0.3"})
    assert pod.wait() == 70, pod.output
    termination = pod.termination
    assert (termination["type"], termination["name"], termination["delivered"]) == ("Crashed", name, False)
    assert not pod.has_mark("module")


def test_the_answer_of_a_claim_may_be_lost(start: StartPod, server: PodServer) -> None:
    server.next(pod_server.LOST_ANSWER)
    pod = start("@flow\ndef main(): ...\n")
    assert pod.wait() == 0, pod.output
    assert [report["type"] for report in server.accepted] == ["Running", "Completed"]


def test_fields_that_an_older_crd_drops_are_told_once(start: StartPod, server: PodServer) -> None:
    class Pruning(dict[str, Any]):
        def __setitem__(self, key: str, value: Any) -> None:
            if key == "report":
                value = {name: kept for name, kept in value.items() if name != "name"}
            super().__setitem__(key, value)

        def __deepcopy__(self, memo: object) -> Pruning:
            return Pruning(self)

    def prune(run: dict[str, Any]) -> None:
        run["status"] = Pruning(run["status"])

    server.change(prune)
    pod = start("@flow\ndef main(): ...\n")
    assert pod.wait() == 0, pod.output
    warnings = [line for line in pod.lines if line["level"] == "WARNING"]
    assert len(warnings) == 1
    assert "name" in warnings[0]["msg"]


# -- what is to be run ---------------------------------------------------------------------------------------------

ECHO = "@flow\ndef main(**given):\n    import json\n    mark('given', json.dumps(given, sort_keys=True))\n"


def test_parameters_of_the_flow_and_of_the_run(start: StartPod, server: PodServer) -> None:
    server.change(lambda run: run["spec"].update(flowRef={"name": "etl"}, parameters={"b": None, "c": {"x": 1}}))
    definition = {"entrypoint": "flow.py:main", "parameters": {"a": 1, "b": 2, "c": {"y": 2}}}
    pod = start(ECHO, entrypoint=None, files={"source/flow.json": json.dumps(definition)})
    assert pod.wait() == 0, pod.output
    assert json.loads(pod.marked("given")) == {"a": 1, "b": None, "c": {"x": 1}}


def test_inline_source_of_a_flow_of_its_own(start: StartPod, server: PodServer) -> None:
    source = "import helper_of_image\nfrom penstock import flow\n@flow\ndef hello(name):\n    return helper_of_image.greet(name)\n"
    spec = {"entrypoint": "hello.py:hello", "source": {"inline": source}, "parameters": {"name": "you"}}
    server.change(lambda run: run["spec"].update(flowSpec=spec))
    pod = start(entrypoint=None, files={"work/helper_of_image.py": "def greet(name):\n    return f'hello {name}'\n"})
    assert pod.wait() == 0, pod.output
    assert server.report is not None
    assert server.report["result"]["json"] == '"hello you"'


def test_the_source_folder_comes_first_then_the_working_directory(start: StartPod, server: PodServer) -> None:
    pod = start(
        "import sys\n@flow\ndef main():\n    mark('path', '\\n'.join(sys.path[:2]))\n    mark('children', os.environ['PYTHONPATH'])\n"
    )
    assert pod.wait() == 0, pod.output
    assert pod.marked("path").splitlines() == [str(pod.source_dir), str(pod.work_dir)]
    assert pod.marked("children").split(":")[0] == str(pod.source_dir)


def test_an_entrypoint_of_a_module_and_of_the_working_directory(start: StartPod, server: PodServer) -> None:
    module = "from penstock import flow\n@flow\ndef main():\n    return __name__\n"
    for entrypoint in ("mine.flows:main", "mine/flows.py:main"):
        pod = start(entrypoint=entrypoint, files={"work/mine/__init__.py": "", "work/mine/flows.py": module})
        assert pod.wait() == 0, pod.output
        server.change(lambda run: run["status"].pop("report"))


def test_packages_in_a_folder_without_folders(start: StartPod, server: PodServer) -> None:
    flows = "import subprocess, sys\nfrom penstock import flow\nfrom .inner import deep\n@flow\ndef main():\n"
    child = "    subprocess.run([sys.executable, '-c', 'import shop.inner.deep'], check=True)\n"
    files = {
        "source/shop.flows.py": f"{flows}{child}    return [__name__, deep.x]\n",
        "source/shop.__init__.py": "import flat\n",
        "source/shop.inner.deep.py": "x = 4\n",
        "source/flat.py": "",
        "source/data.v1.json": "{}",
    }
    pod = start(entrypoint="shop.flows:main", files=files)
    assert pod.wait() == 0, pod.output
    assert server.report is not None
    assert json.loads(server.report["result"]["json"]) == ["shop.flows", 4]


BROKEN = {
    "no file": (None, "nowhere.py:main", "nowhere.py"),
    "no module": (None, "nowhere:main", "nowhere"),
    "no such name": ("@flow\ndef other(): ...\n", "flow.py:main", "main"),
    "syntax error": ("def main(:\n", "flow.py:main", "SyntaxError"),
    "import error": ("import does_not_exist\n", "flow.py:main", "does_not_exist"),
    "raises": ("def f():\n    raise ValueError('bad module')\nf()\n", "flow.py:main", "ValueError: bad module"),
    "patches threads by gevent": (
        "from gevent import monkey\nmonkey.patch_all()\n",
        "flow.py:main",
        "monkey.patch_all(thread=False)",
    ),
    "patches threads by eventlet": (
        "import eventlet\neventlet.monkey_patch()\n",
        "flow.py:main",
        "eventlet.monkey_patch(thread=False)",
    ),
    "patches threads by eventlet, by name": (
        "import eventlet\neventlet.monkey_patch(thread=True)\n",
        "flow.py:main",
        "eventlet.monkey_patch(thread=False)",
    ),
    "patches threads by eventlet, with all that it is not told": (
        "from eventlet import monkey_patch\nmonkey_patch(all=True, os=False)\n",
        "flow.py:main",
        "eventlet.monkey_patch(thread=False)",
    ),
    "exits": ("sys.exit(0)\n", "flow.py:main", "SystemExit"),
    "calls its flow": ("@flow\ndef main(): ...\nmain()\n", "flow.py:main", "__main__"),
}


@pytest.mark.parametrize(("source", "entrypoint", "says"), BROKEN.values(), ids=BROKEN.keys())
def test_a_flow_that_cannot_be_loaded(
    start: StartPod, server: PodServer, source: str | None, entrypoint: str, says: str
) -> None:
    pod = start(source, entrypoint=entrypoint)
    assert pod.wait() == 66, pod.output
    report = server.report
    assert report is not None
    assert (report["type"], report["name"]) == ("Crashed", "LoadError")
    assert says in report["message"]
    assert "startTime" not in report
    assert pod.termination["exit"] == 66


def test_no_entrypoint_anywhere(start: StartPod, server: PodServer) -> None:
    server.change(lambda run: run["spec"].update(flowRef={"name": "etl"}))
    pod = start("", entrypoint=None)
    assert pod.wait() == 66, pod.output
    assert server.report is not None
    assert "entrypoint" in server.report["message"]


def test_parameters_that_do_not_fit(start: StartPod, server: PodServer) -> None:
    server.change(lambda run: run["spec"].update(parameters={"day": 1, "limit": "many"}))
    pod = start("@flow(**HOOKS)\ndef main(day: int, limit: int):\n    mark('body')\n")
    assert pod.wait() == 1, pod.output
    assert server.report is not None
    assert (server.report["type"], server.report["name"]) == ("Failed", "InvalidParameters")
    assert "limit" in json.dumps(server.report["error"])
    assert "startTime" not in server.report
    assert not pod.has_mark("body")
    assert pod.has_mark("hook-failed")


def test_parameters_that_do_not_bind(start: StartPod, server: PodServer) -> None:
    server.change(lambda run: run["spec"].update(parameters={"nonsense": 1}))
    pod = start("@flow(**HOOKS)\ndef main(day: int):\n    mark('body')\n")
    assert pod.wait() == 1, pod.output
    assert server.report is not None
    assert (server.report["type"], server.report["name"]) == ("Failed", "InvalidParameters")
    assert "nonsense" in json.dumps(server.report)
    assert not pod.has_mark("body")


def test_a_name_that_yaml_took_for_a_truth_value(start: StartPod, server: PodServer) -> None:
    """`parameters: {n: 1}` arrives as `false: 1`: YAML 1.1, which kubectl reads."""
    server.change(lambda run: run["spec"].update(parameters={"false": 1}))
    pod = start("@flow\ndef main(n: int):\n    pass\n")
    assert pod.wait() == 1, pod.output
    assert server.report is not None
    assert "put the name in quotes" in server.report["message"]


@pytest.mark.parametrize(("desired", "type_"), [("Cancelled", "Cancelled"), ("Suspended", "Suspended")])
def test_a_run_that_is_not_wanted_is_not_loaded(start: StartPod, server: PodServer, desired: str, type_: str) -> None:
    server.change(lambda run: run["spec"].update(desiredState=desired))
    pod = start("mark('module')\n@flow\ndef main(): ...\n")
    assert pod.wait() == 0, pod.output
    assert server.report is not None
    assert server.report["type"] == type_
    assert server.report["intent"] == desired
    assert "signal" not in server.report
    assert not pod.has_mark("module")
