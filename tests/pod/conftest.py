"""The fake API server and the pod's process, for every test that needs them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support.pod_process import INTERPRETER, PodProcess
from tests.support.pod_server import PodServer, flow_run
from tests.support.warm import OF_PODS, Warm

StartPod = Callable[..., PodProcess]


@pytest.fixture
def server() -> Iterator[PodServer]:
    with PodServer(flow_run()) as running:
        yield running


@pytest.fixture(scope="session")
def warm_interpreter() -> Iterator[Warm]:
    with Warm(INTERPRETER, OF_PODS) as made:
        yield made


@pytest.fixture
def warm(warm_interpreter: Warm) -> Warm | None:
    """What forks the pods; a file about starts has a fixture of its own that gives None."""
    return warm_interpreter


@pytest.fixture
def start(tmp_path: Path, server: PodServer, warm: Warm | None) -> Iterator[StartPod]:
    """Start a pod; all of its processes are gone at the end of the test."""
    with ExitStack() as stack:

        def start(source: str | None = None, **options: Any) -> PodProcess:
            folder = tmp_path / f"pod-{len(list(tmp_path.iterdir()))}"
            folder.mkdir()
            return stack.enter_context(PodProcess(folder, server, source, warm=warm, **options))

        yield start
