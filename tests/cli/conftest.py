"""One API server for all tests of the command, emptied after each; and the command itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from penstock_cli.main import main
from tests.support.cli import Stage, stage


@dataclass(frozen=True, slots=True)
class Done:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[list[str]]:
        """The words of each line."""
        return [line.split() for line in self.out.splitlines()]


Penstock = Callable[..., Done]


@pytest.fixture(scope="session")
def whole_stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage(tmp_path_factory.mktemp("cli")) as made:
        yield made


@pytest.fixture
def at(whole_stage: Stage) -> Iterator[Stage]:
    """The server, empty afterwards."""
    yield whole_stage
    for path in (
        whole_stage.runs,
        whole_stage.runs.replace("flowruns", "flows"),
        "/api/v1/namespaces/default/pods",
        "/api/v1/namespaces/default/configmaps",
    ):
        for item in whole_stage.get(path)["items"]:
            whole_stage.client.request("DELETE", f"{path}/{item['metadata']['name']}", json={"gracePeriodSeconds": 0})


@pytest.fixture
def penstock(whole_stage: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Penstock:
    """Run the command in this process."""
    monkeypatch.setenv("KUBECONFIG", str(whole_stage.kubeconfig))

    def run(*arguments: str) -> Done:
        capsys.readouterr()
        code = main(arguments)
        told = capsys.readouterr()
        return Done(code, told.out, told.err)

    return run
