"""A real S3 server on loopback: versitygw, which keeps buckets as folders. Built by `make buckets`, from the Go module of that name.

Everything lives in one temporary folder; the kernel ends the server with the test process.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.cluster import ROOT, die_with_parent
from tests.support.realserver import free_port
from tests.support.world import until

VARIABLE = "PENSTOCK_S3_SERVER"
BUILT = ROOT / ".penstock/bin/versitygw"
MISSING = "no S3 server: `make buckets` builds one with go (or set PENSTOCK_S3_SERVER to a versitygw)"
KEY, SECRET = "penstock", "only-for-tests"
HEALTH = "/-/healthy"


def found() -> str | None:
    """The server's program, if there is one; one that was named and is not there is an error."""
    named = os.environ.get(VARIABLE)
    if named:
        assert Path(named).is_file(), f"{VARIABLE} names {named}, which is not there"
        return named
    return str(BUILT) if BUILT.is_file() else shutil.which("versitygw")


def program() -> str:
    """Return the server's program; without one the test is skipped."""
    path = found()
    if not path:
        pytest.skip(MISSING)
    return path


@dataclass
class Bucket:
    """A bucket of the server's.

    Attributes:
        server: whose it is.
        name: of the bucket.
    """

    server: S3Server
    name: str

    @property
    def url(self) -> str:
        return f"s3://{self.name}/results"

    def secret(self, **changed: str) -> list[str]:
        """What kubectl is told to make the Secret of `examples/bucket.yaml`: the variables of a client."""
        values = {**self.server.environment, **changed}
        return [
            "create",
            "secret",
            "generic",
            "bucket",
            *(f"--from-literal={n}={value}" for n, value in values.items()),
        ]

    def objects(self) -> list[str]:
        """The keys of what is stored below the URL."""
        folder = self.server.root / self.name / "results"
        return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@dataclass
class S3Server:
    """A server that runs from `start()` to `stop()`.

    Attributes:
        host: the address that it listens at, where those who ask can reach it.
    """

    readonly: bool = False
    host: str = "127.0.0.1"
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="s3server.")))
    port: int = field(default_factory=free_port)
    root: Path = Path()
    _process: subprocess.Popen[bytes] | None = None
    _buckets: int = 0

    def __post_init__(self) -> None:
        if self.root == Path():
            self.root = self.folder / "buckets"

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which a client finds it and says who it is."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
        }

    def start(self) -> S3Server:
        """Start it, again after `stop_server` with what it held, and return when it answers."""
        self.root.mkdir(exist_ok=True)
        (self.folder / "accounts").mkdir(exist_ok=True)
        command = [program(), "--quiet", f"--health={HEALTH}", f"--port={self.host}:{self.port}"]
        command += [f"--access={KEY}", f"--secret={SECRET}", f"--iam-dir={self.folder / 'accounts'}"]
        command += ["--readonly"] if self.readonly else []
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "posix", str(self.root)], stdout=log, stderr=log, preexec_fn=die_with_parent
            )
        until("the S3 server answers", self._answers)
        return self

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "log").read_text()
        try:
            return httpx.get(f"{self.url}{HEALTH}", trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    def bucket(self) -> Bucket:
        """Make a bucket."""
        self._buckets += 1
        made = Bucket(self, f"results-{self._buckets}")
        (self.root / made.name).mkdir()
        return made

    def stop_server(self) -> None:
        """Take it away; it keeps what it stored."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    @contextmanager
    def away(self) -> Iterator[None]:
        """Nobody answers inside the block."""
        self.stop_server()
        try:
            yield
        finally:
            self.start()

    @contextmanager
    def silent(self) -> Iterator[None]:
        """It takes connections inside the block, and answers none."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.stop_server()
        shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def serving(**how: Any) -> Iterator[S3Server]:
    """A server for as long as the block: what every fixture of one is made of.

    Args:
        how: As `S3Server` has it.
    """
    server = S3Server(**how)
    try:
        yield server.start()
    finally:
        server.stop()
