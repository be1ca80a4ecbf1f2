"""The lower ends of the ranges: each dependency has one, and it is what `make lowest` installs."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tests.support.lowest import EXTRAS, lowest

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]


def test_all_that_users_install_is_pinned_to_its_lower_end() -> None:
    found = dict(line.split("==") for line in lowest(PROJECT))
    wanted = [*PROJECT["dependencies"], *(one for extra in EXTRAS for one in PROJECT["optional-dependencies"][extra])]
    for one in wanted:
        if not one.startswith("penstock["):
            name, _, rest = one.partition(">=")
            assert rest.split(",")[0] == found[name.partition("[")[0]], one
    assert len(found) > 15


def test_a_range_without_a_lower_end_is_refused() -> None:
    with pytest.raises(ValueError, match="aiohttp<4: no lower bound"):
        lowest({"dependencies": [], "optional-dependencies": {"dev": ["penstock[operator]", "aiohttp<4"]}}, ("dev",))
