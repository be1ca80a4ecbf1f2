"""Start and stop of the server in its owner's loop, and what its import may cost."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from typing import Any

import pytest

from penstock_dev.apiserver.server import ApiServer
from penstock_dev.apiserver.status import ApiError


def test_stop_while_housekeeping_is_due() -> None:
    """The cancellation and the wake-up come in the same turn of the loop: none of them may be lost."""

    async def main() -> None:
        server = ApiServer()
        await server.start()
        for _ in range(3):
            await asyncio.sleep(0)
        server._store.put(
            "configmaps.", {"metadata": {"name": "x", "uid": "1", "namespace": "n", "ownerReferences": [{"uid": "0"}]}}
        )
        async with asyncio.timeout(5):
            await server.stop()

    asyncio.run(main())


def test_stop_twice_and_without_start() -> None:
    async def main() -> None:
        server = ApiServer()
        await server.stop()
        await server.start()
        await server.stop()
        await server.stop()

    asyncio.run(main())


def test_a_taken_port_is_an_error() -> None:
    async def main() -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            server = ApiServer(port=taken.getsockname()[1])
            with pytest.raises(OSError, match="address already in use"):
                await server.start()
            await server.stop()

    asyncio.run(main())


def test_a_wrong_definition_is_an_error_at_start() -> None:
    crd: dict[str, Any] = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "x.y"},
        "spec": {"group": "y", "scope": "Namespaced", "names": {"plural": "x", "kind": "X"}, "versions": []},
    }

    async def main() -> None:
        with pytest.raises(ApiError, match="must have exactly one version marked as storage version"):
            await ApiServer(crds=[crd]).start()

    asyncio.run(main())


def test_it_listens_on_loopback_only() -> None:
    async def main() -> None:
        server = ApiServer()
        await server.start()
        try:
            assert server.url.startswith("https://127.0.0.1:")
            assert server._runner is not None
            assert [address[0] for address in server._runner.addresses] == ["127.0.0.1"]
        finally:
            await server.stop()

    asyncio.run(main())


def test_import_brings_nothing_heavy() -> None:
    code = "import sys, penstock_dev.apiserver.server; print([m for m in ('kopf', 'kubernetes', 'httpx', 'pydantic', 'cel') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
