"""Help for tests of flows: a home of their own, and comparisons."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.base.managers import contextmanager
from penstock.base.settings import temporary_settings

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def prefect_test_harness(server_startup_timeout: int | None = None) -> Iterator[None]:
    """A temporary home, and so a storage of results of one's own, for a block; there is no server to start.

    Args:
        server_startup_timeout: accepted.
    """
    with (
        tempfile.TemporaryDirectory() as home,
        temporary_settings({"PENSTOCK_HOME": home, "PENSTOCK_RESULTS_LOCAL_STORAGE_PATH": str(Path(home) / "storage")}),
    ):
        yield


penstock_test_harness = prefect_test_harness


@contextmanager
def assert_does_not_warn(ignore_warnings: list[type[Warning]] | None = None) -> Iterator[None]:
    """Turn warnings in the block into assertion errors.

    Args:
        ignore_warnings: categories that are let pass.

    Raises:
        AssertionError: something warned.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for category in ignore_warnings or ():
            warnings.filterwarnings("ignore", category=category)
        try:
            yield
        except Warning as warning:
            raise AssertionError(f"Warning was raised. {warning!r}") from warning


def exceptions_equal(a: Any, b: Any) -> bool:
    """Whether two exceptions are of one type and have equal arguments."""
    if a is b:
        return True
    return isinstance(a, BaseException) and type(a) is type(b) and a.args == getattr(b, "args", None)
