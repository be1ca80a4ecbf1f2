"""The fake API server and the pod's process, for every test that needs them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support.pod_process import PodProcess
from tests.support.pod_server import PodServer, flow_run

StartPod = Callable[..., PodProcess]


@pytest.fixture
def server() -> Iterator[PodServer]:
    with PodServer(flow_run()) as running:
        yield running


@pytest.fixture
def start(tmp_path: Path, server: PodServer) -> Iterator[StartPod]:
    """Start a pod; all of its processes are gone at the end of the test."""
    with ExitStack() as stack:

        def start(source: str | None = None, **options: Any) -> PodProcess:
            folder = tmp_path / f"pod-{len(list(tmp_path.iterdir()))}"
            folder.mkdir()
            return stack.enter_context(PodProcess(folder, server, source, **options))

        yield start
