"""One S3 server for the tests of a process, and a bucket for each of them, found by the variables that every client of S3 reads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.s3server import Bucket, S3Server, serving


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    with serving() as server:
        yield server


@pytest.fixture
def bucket(s3: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Bucket:
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PENSTOCK_HOME", str(tmp_path / "home"))
    return s3.bucket()
