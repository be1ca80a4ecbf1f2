"""The API servers that the node's tests run against."""

from __future__ import annotations

import pytest

from tests.support.realserver import RealServer


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=["embedded", pytest.param("real", marks=pytest.mark.real)])
def plane(request: pytest.FixtureRequest) -> RealServer | None:
    """The real API server, or None for an embedded one."""
    if request.param == "embedded":
        return None
    found: RealServer = request.getfixturevalue("real_server")
    return found
