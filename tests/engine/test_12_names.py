"""Every name exists where the table says, absent ones teach, importing loads nothing heavy."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import subprocess
import sys

import pytest

import penstock
from penstock import flow, task
from penstock.base.absent import ABSENT_MODULES, ABSENT_NAMES
from penstock.base.absent_methods import ABSENT_METHODS
from penstock.base.public_names import OURS, names_table

NAMES = [(module, name) for module, names in OURS.items() for name in names]


@pytest.mark.parametrize(("module", "name"), NAMES, ids=[f"{module}.{name}" for module, name in NAMES])
def test_every_name_is_there(module: str, name: str) -> None:
    assert getattr(importlib.import_module(module), name) is not None


@pytest.mark.parametrize("module", ABSENT_MODULES)
def test_absent_modules_say_what_to_use(module: str) -> None:
    sys.modules.pop(f"penstock.{module}", None)
    with pytest.raises(ImportError, match="does not exist here; use"):
        importlib.import_module(f"penstock.{module}")


@pytest.mark.parametrize(
    "statement",
    [
        "import penstock.blocks.system",
        "from penstock.blocks.system import Secret",
        "from penstock import runner",
        "from penstock.client import orchestration",
        "from penstock.utilities import urls",
        "from penstock.settings.models.root import Settings",
        "import importlib; importlib.import_module('penstock.types.entrypoint')",
    ],
)
def test_every_way_to_ask_for_an_absent_module_teaches(statement: str) -> None:
    with pytest.raises(ImportError, match="does not exist here; use") as caught:
        exec(statement)
    assert str(caught.value.name).removeprefix("penstock.") in ABSENT_MODULES


@pytest.mark.parametrize("module", ["penstock.nonsense", "penstock.utilities.nonsense", "penstock.nonsense.deeper"])
def test_other_modules_are_plainly_not_found(module: str) -> None:
    with pytest.raises(ModuleNotFoundError, match="No module named 'penstock"):
        importlib.import_module(module)


@pytest.mark.parametrize("module", ABSENT_MODULES)
def test_who_only_looks_for_an_absent_module_is_told_that_there_is_none(module: str) -> None:
    parents = module.split(".")[:-1]
    if not any(".".join(parents[:count]) in ABSENT_MODULES for count in range(1, len(parents) + 1)):
        assert importlib.util.find_spec(f"penstock.{module}") is None


def test_walking_the_package_meets_no_absent_module() -> None:
    found = {each.name for each in pkgutil.walk_packages(penstock.__path__, "penstock.", onerror=pytest.fail)}
    assert "penstock.flows" in found
    assert not found & {f"penstock.{module}" for module in ABSENT_MODULES}


def test_the_finder_is_asked_last_and_once() -> None:
    assert [each for each in sys.meta_path if each is penstock.AbsentFinder] == [penstock.AbsentFinder]
    assert penstock.AbsentFinder.find_spec("another.blocks") is None


@pytest.mark.parametrize(
    ("module", "name"), [(module, name) for module, names in ABSENT_NAMES.items() for name in names]
)
def test_absent_names_say_what_to_use(module: str, name: str) -> None:
    with pytest.raises(ImportError, match="does not exist here; use"):
        exec(f"from {module} import {name}")


def test_absent_methods_say_what_to_use() -> None:
    @flow
    def f() -> None:
        pass

    @task
    def t() -> None:
        pass

    for kind, target in (("Flow", f), ("Task", t)):
        for name in ABSENT_METHODS[kind]:
            with pytest.raises(NotImplementedError, match="does not exist here; use"):
                getattr(target, name)()
    with pytest.raises(AttributeError):
        f.nonsense  # noqa: B018
    with pytest.raises(AttributeError):
        importlib.import_module("penstock").nonsense  # noqa: B018


def loaded_after(statement: str) -> set[str]:
    code = f"import sys\nbefore = set(sys.modules)\n{statement}\nprint(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_the_package_loads_nothing() -> None:
    assert loaded_after("import penstock") == {"penstock"}


HEAVY = (
    "pydantic",
    "datetime",
    "httpx",
    "asyncio",
    "anyio",
    "cloudpickle",
    "logging",
    "concurrent.futures",
    "multiprocessing",
    "dataclasses",
)
# What some flows need is loaded by the first of them; what a failure needs is there before it.
OF_SOME_FLOWS = {
    f"penstock.{name}"
    for name in (
        "base.absent", "base.both_forms", "base.loops", "core.address_patterns", "core.away", "core.given", "core.reuse",
        "core.task_inputs", "definitions.changing", "definitions.other_binding", "definitions.task_options",
        "definitions.to_flow", "drivers.aio", "interruption.deadline", "storage.plan",
    )
}  # fmt: skip


@pytest.mark.parametrize(
    "statement",
    [
        "from penstock import flow, task",
        "from penstock import flow, task\n@flow\ndef f(n: int = 1): pass\n@task\ndef t(): pass",
        "from penstock import tags, unmapped, allow_failure, State, runtime",
    ],
)
def test_definitions_load_nothing_heavy(statement: str) -> None:
    assert not [name for name in HEAVY if name in loaded_after(statement)]


def test_a_sync_flow_with_exact_parameters_loads_neither_pydantic_nor_asyncio() -> None:
    loaded = loaded_after(
        "from penstock import flow, task\n@task\ndef t(): return 1\n@flow\ndef f(n: int): return t()\nf(1)"
    )
    assert not [name for name in ("pydantic", "httpx", "asyncio", "anyio", "dataclasses") if name in loaded]
    assert loaded.isdisjoint(OF_SOME_FLOWS)
    for module in OF_SOME_FLOWS:
        importlib.import_module(module)  # there are such modules


def test_a_failure_is_told_where_nothing_can_be_loaded() -> None:
    # No descriptor is left to open a module by, as after a leak of files or sockets.
    code = (
        "import os, resource, sys\nfrom penstock import flow, task\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))\nleaked = []\n"
        "@task(retries=1)\ndef leak():\n    while True: leaked.append(os.open(os.devnull, os.O_RDONLY))\n"
        "@flow\ndef f(): leak()\nstate = f(return_state=True)\nprint(state.type.value)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "FAILED\n", done.stderr
    assert "line 7, in leak\nOSError: [Errno 24]" in done.stderr
    assert "Retry 1/1 will start" in done.stderr


@pytest.mark.parametrize(
    "module", [m for m in OURS if m not in ("penstock.input", "penstock.input.run_input", "penstock.testing.utilities")]
)
def test_modules_load_neither_pydantic_nor_asyncio(module: str) -> None:
    loaded = loaded_after(f"import {module}")
    assert not [name for name in ("pydantic", "httpx", "asyncio", "anyio") if name in loaded]


def test_the_table_renders() -> None:
    page = names_table()
    assert "`PrefectFuture`" in page
    assert "| `Task.delay` |" in page
