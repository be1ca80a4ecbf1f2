"""The API servers that the node's tests run against."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.realserver import MISSING, RealServer, assets


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


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


@pytest.fixture(params=["embedded", pytest.param("real", marks=pytest.mark.real)])
def plane(request: pytest.FixtureRequest) -> RealServer | None:
    """The real API server, or None for an embedded one."""
    if request.param == "embedded":
        return None
    found: RealServer = request.getfixturevalue("real_server")
    return found
