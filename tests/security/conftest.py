"""The stage, once for all that is asked on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.security.stage import Stage, staged
from tests.support.realserver import MISSING, RealServer, real_server


@pytest.fixture(scope="session")
def stage() -> Iterator[Stage]:
    server = real_server()
    if not isinstance(server, RealServer):
        pytest.skip(MISSING)
    with staged(server) as made:
        yield made
