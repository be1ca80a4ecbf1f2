"""An embedded server of the test module's own, with a small custom kind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from penstock_dev.apiserver.logs import FolderLogs
from tests.dev.apiserver.rows import definition
from tests.support.apiserver import Client, Embedded


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> FolderLogs:
    return FolderLogs(tmp_path_factory.mktemp("logs"))


@pytest.fixture(scope="module")
def server(logs: FolderLogs) -> Iterator[Embedded]:
    with Embedded(crds=[definition()], logs=logs) as running:
        yield running


@pytest.fixture
def client(server: Embedded) -> Iterator[Client]:
    with server.client() as made:
        yield made
