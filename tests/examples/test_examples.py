"""The examples do what their page says: each is imported and its flow called, and run as a plain process."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from penstock_cli.main import main

FOLDER = Path(__file__).parents[2] / "examples"

# What each script prints, line by line.
OUTPUT = {
    "etl": [
        "calls: {'north': 2, 'south': 2, 'west': 2}",
        "totals: {'apples': 18, 'pears': 31, 'plums': 12}",
        "article,count", "apples,18", "pears,31", "plums,12",
    ],
    "fan_out": [
        "a sensor failed: Task run encountered an exception OSError: sensor 3 is broken",
        "6 of 6 came back",
        "5 sensors, 21.2 degrees; broken: sensor 3 is broken",
    ],
    "async_http": [
        "/: welcome (1 calls)", "/news: nothing new (1 calls)", "/flaky: at last (2 calls)",
        "/missing: Failed (1 calls)", "/slow: TimedOut (1 calls)",
    ],
    "caching": [
        "first:  (76.25, ['Completed', 'Completed'])",
        "again:  (76.25, ['Cached', 'Cached'])",
        "later:  (76.25, ['Completed', 'Cached'])",
        "afresh: Completed",
        "calls:  ['rate USD', 'sales 2026-11-21', 'rate USD', 'rate USD']",
    ],
    "transactions": [
        "committed apples.txt", "committed pears.txt", "published: 2", "   apples: 2.10", "   pears: 3.40",
        "rolled back pears.txt", "rolled back plums.txt", "rolled back apples.txt",
        "then: FAILED - Flow run encountered an exception: ValueError: pears.txt promises too much",
        "   apples: 2.10", "   pears: 3.40",
    ],
    "approval": [
        "refused: {'verdict': 'maybe', 'editor': 'Ann'}",
        "published 'All about penstocks', approved by Ann",
    ],
    "streams": [
        "1. ERROR line 3", "2. ERROR line 7", "3. ERROR line 11",
        "the log is closed again", "given, returned: (5, 5)", "squares: 30",
    ],
    "parameters": [
        "{'names': ['Ada Lovelace', 'Charles'], 'departure': '2026-12-27', 'room': 'DOUBLE', 'wishes': ['quiet'], 'price': 402}",
        "Flow run received invalid parameters:",
        " - guests.0.age: Input should be greater than or equal to 0",
        " - arrival: Input should be a valid date or datetime, input is too short",
        " - nights: Input should be less than or equal to 30",
        " - room: Input should be 'single' or 'double'",
        "required: ['guests', 'arrival']",
        'room: ["single", "double"]',
    ],
    "class_based": [
        "3 texts, the longest has 6 words",
        "4 texts, the longest has 6 words",
        "2 texts, the longest has 5 letters, 9 letters in all",
        "['text-report', 'text-report'] ['text-report completed', 'text-report completed', 'text-report completed']",
    ],
    "nightly": ["{'north': 24, 'south': 23, 'west': 14}", "{'north': 12}"],
    "process_pool": ["2262 primes, 342 twins; computed elsewhere: True"],
}  # fmt: skip


@pytest.mark.parametrize("name", OUTPUT)
def test_as_a_plain_process(name: str, tmp_path: Path) -> None:
    environment = {**os.environ, "PENSTOCK_LOGGING_LEVEL": "WARNING", "PENSTOCK_HOME": str(tmp_path), "PYTHONUTF8": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "error", str(FOLDER / f"{name}.py")],
        capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.rstrip("\n").split("\n") == OUTPUT[name]
    assert "Traceback" not in done.stderr or name in ("fan_out", "etl", "transactions", "async_http", "parameters")


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"examples_{name}", FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # annotations are looked up there
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def _forget() -> Any:
    yield
    for name in [name for name in sys.modules if name.startswith("examples_")]:
        del sys.modules[name]


def test_etl_gives_up_on_a_shop_that_does_not_exist(tmp_path: Path) -> None:
    etl = load("etl")
    state = etl.etl("2026-11-21", ["north", "nowhere"], tmp_path, return_state=True)
    assert state.is_failed()
    assert "UnfinishedRun" in state.message
    assert etl.answers["nowhere"] == 4
    assert not list(tmp_path.iterdir())


def test_fan_out_without_a_broken_sensor() -> None:
    assert load("fan_out").fan_out(3) == "3 sensors, 20.5 degrees; broken: none"


def test_caching_tells_days_apart(tmp_path: Path) -> None:
    caching = load("caching")
    turnover = caching.turnover.with_options(persist_result=True, result_storage=tmp_path)
    assert turnover("2026-11-21T09:00")[1] == ["Completed", "Completed"]
    assert turnover("2026-11-22T09:00", "CHF")[1] == ["Completed", "Completed"]
    assert turnover("2026-11-22T10:00", "CHF")[1] == ["Cached", "Cached"]


def test_transactions_leave_no_new_file(tmp_path: Path) -> None:
    publish = load("transactions").publish
    with pytest.raises(ValueError, match="promises too much"):
        publish(tmp_path, {"plums": "4.00", "pears": "free"})
    assert not list(tmp_path.iterdir())


def test_approval_can_be_refused() -> None:
    approval = load("approval")

    @approval.article.on_running  # type: ignore[untyped-decorator]  # (a module that is loaded by its path)
    def editor(flow: Any, flow_run: Any, state: Any) -> None:
        def answer() -> None:
            while True:
                try:
                    approval.resume_flow_run(flow_run.id, run_input={"verdict": "reject", "editor": "Bob"})
                except approval.NotPausedError:
                    continue
                return

        approval.threading.Thread(target=answer, daemon=True).start()

    assert approval.article("dams") == "rejected by Bob"


def test_a_stream_is_read_no_further_than_asked() -> None:
    streams = load("streams")
    rows = streams.watch(1_000_000_000)
    assert next(rows) == "1. ERROR line 3"
    assert streams.alive == ["open"]
    rows.close()
    assert streams.alive == ["open", "closed"]


def test_parameters_from_json() -> None:
    book = load("parameters").book
    booked = book(
        guests=[{"name": "ada", "age": 36}], arrival="2026-12-31", room="single", options={"breakfast": False}
    )
    assert booked == {"names": ["Ada"], "departure": "2027-01-01", "room": "SINGLE", "wishes": [], "price": 80}


@pytest.mark.parametrize("name", ["fan_out", "parameters", "approval"])
def test_the_objects_hold_the_scripts(name: str) -> None:
    flow, run = yaml.safe_load_all((FOLDER / f"{name}.yaml").read_text())
    assert flow["spec"]["source"]["inline"] == (FOLDER / f"{name}.py").read_text()
    file, _, function = flow["spec"]["entrypoint"].partition(":")
    assert file == f"{name}.py"
    module = load(name)
    parameters = {**flow["spec"].get("parameters", {}), **run["spec"]["parameters"]}
    assert getattr(module, function).validate_parameters(parameters)


def test_what_is_built_of_the_script_is_what_is_committed(capfd: pytest.CaptureFixture[str]) -> None:
    """As CI does: `penstock build FILE.py:flow -o FILE.yaml --check`."""
    arguments = ["build", str(FOLDER / "nightly.py:nightly"), "-o", str(FOLDER / "nightly.yaml"), "--check"]
    assert main(arguments) == 0, capfd.readouterr().out


def test_the_page_lists_every_example() -> None:
    page = (FOLDER / "README.md").read_text()
    files = {path.name for path in FOLDER.iterdir() if path.suffix in (".py", ".yaml")}
    assert {name for name in files if f"]({name})" in page} == files
    assert set(OUTPUT) == {name.removesuffix(".py") for name in files if name.endswith(".py")}
