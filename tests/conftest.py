"""Which tests share a process, so that a control plane is started once; and one clear line for whatever was not run, with its reason."""

from __future__ import annotations

import collections
import gc
import os
import re
import sys
from collections.abc import Generator

import hypothesis
import pytest

# That variable is for images. The tests start some hundreds of processes, and without it each would compile anew all that it imports.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# kubectl, helm and the control planes of the tests live for seconds or minutes: collecting their garbage is a third of what kubectl costs.
os.environ.setdefault("GOGC", "400")
os.environ.setdefault("GOMEMLIMIT", "512MiB")

# How long an example takes is a matter of the machine's load; what failed can be told again by its blob.
hypothesis.settings.register_profile("penstock", deadline=None, print_blob=True)
hypothesis.settings.load_profile("penstock")

# (pattern of the test's id, group): tests of a group run in one process, one after the other. The first that matches decides.
GROUPS = (
    (r"^tests/e2e/test_many", "e2e-many"),
    (r"^tests/e2e/test_(played|refusals|answers|rights)", "e2e-played"),
    (r"^tests/e2e/.*\[real", "e2e-real"),
    (r"^tests/e2e/test_newcomer", "e2e-newcomer"),
    (r"^tests/e2e/", "e2e-dev"),
    (r"^tests/crds/.*\[oldest", "crds-oldest"),
    (r"^tests/crds/.*\[newest", "crds-newest"),
    (r"^tests/crds/.*\[given", "crds-given"),
    (r"^tests/security/test_(rows|page)", "security"),
    (
        r"^tests/dev/(test_kubeconfig|node/.*(\[real|real_server)|apiserver/(test_schemas|test_kubectl.*\[real|test_table))",
        "dev-real",
    ),
    (r"^tests/dev/apiserver/test_kubectl", "apiserver-kubectl"),
    (r"^tests/operator_runtime/test_(fuzz_real|process)", "operator-process"),
    (r"^tests/ui/.*\[real", "ui-real"),
    (r"^tests/ui/", "ui-dev"),
    (r"^tests/node/", "node"),
)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the stories, and give each test its group."""
    for item in items:
        if item.nodeid.startswith("tests/e2e/"):
            item.add_marker(pytest.mark.e2e)
        group = next((name for pattern, name in GROUPS if re.search(pattern, item.nodeid)), None)
        if group:
            item.add_marker(pytest.mark.xdist_group(group))


def _group(item: pytest.Item | None) -> str:
    marker = item.get_closest_marker("xdist_group") if item is not None else None
    return str(marker.args[0]) if marker else ""


def pytest_collection_finish() -> None:
    """What was collected lives as long as the process: the garbage collector need not look through it again and again."""
    gc.collect()
    gc.freeze()


class Groups:
    """Ends with a group of tests what a process has started for it: a control plane that nobody asks any more takes its share of the machine."""

    def __init__(self) -> None:
        self._started: list[tuple[pytest.FixtureDef[object], pytest.FixtureRequest]] = []

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[object], request: pytest.FixtureRequest
    ) -> Generator[None, object, object]:
        """Note what would live as long as the process."""
        if fixturedef.scope == "session":
            self._started.append((fixturedef, request))
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> Generator[None, object, object]:
        """End it behind the group's last test."""
        done = yield
        if not _group(item):
            self._started.clear()
        elif _group(item) != _group(nextitem):
            while self._started:
                fixturedef, request = self._started.pop()
                fixturedef.finish(request)  # type: ignore[arg-type] # it is a SubRequest, which has no public name
        return done


def pytest_configure(config: pytest.Config) -> None:
    """Only in processes of xdist is a group run as a whole. Registered here, for a conftest hears nothing of session fixtures."""
    if hasattr(config, "workerinput"):
        config.pluginmanager.register(Groups())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was skipped and why: a line for each reason, not for each test."""
    reasons: collections.Counter[str] = collections.Counter()
    for report in terminalreporter.stats.get("skipped", []):
        where = report.longrepr
        reasons[where[2].removeprefix("Skipped: ") if isinstance(where, tuple) else str(where)] += 1
    for reason, number in sorted(reasons.items()):
        terminalreporter.write_line(f"{number} tests not run: {reason}")
