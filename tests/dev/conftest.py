"""A real API server for whoever only looks at it, or has a namespace of its own there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.realserver import MISSING, RealServer, assets


@pytest.fixture(scope="session")
def real_server() -> Iterator[RealServer]:
    folder = assets()
    if folder is None:
        pytest.skip(MISSING)
    server = RealServer(folder)
    try:
        yield server.start()
    finally:
        server.stop()
