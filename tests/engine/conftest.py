"""Each test has a home, and so a storage, of its own; nothing it subscribed or configured outlives it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from penstock.drivers.world import WORLD
from penstock.settings import temporary_settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path) -> Iterator[None]:
    """Results of a test go nowhere else."""
    with temporary_settings({"PENSTOCK_HOME": str(tmp_path / "home")}):
        yield


@pytest.fixture(autouse=True)
def own_world() -> Iterator[None]:
    """Observers and log levels of a test end with it."""
    if not WORLD.configured:
        WORLD.configure()
    before = WORLD.observers
    logger = logging.getLogger("penstock")
    level = logger.level
    yield
    WORLD.observers = before
    logger.setLevel(level)
