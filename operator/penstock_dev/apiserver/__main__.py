"""Runs the API server alone: `python -m penstock_dev.apiserver [--port N] [--kubeconfig FILE] [--data DIR] [--logs DIR] [--crds FILE]`."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from penstock_operator.manifests.documents import documents

from .logs import FolderLogs
from .server import ApiServer


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m penstock_dev.apiserver", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1 (default: a free one)")
    parser.add_argument("--kubeconfig", type=Path, help="write a kubeconfig there (readable by its owner only)")
    parser.add_argument("--data", type=Path, help="keep objects in this folder (default: in memory)")
    parser.add_argument("--logs", type=Path, help="folder of the pods' logs, as the node writes them")
    parser.add_argument(
        "--crds", type=Path, action="append", default=[], help="YAML file of CustomResourceDefinitions to serve"
    )
    parser.add_argument(
        "--policies", type=Path, action="append", default=[], help="YAML file of ValidatingAdmissionPolicies to enforce"
    )
    parser.add_argument(
        "--objects",
        type=Path,
        action="append",
        default=[],
        help="YAML file of further objects that are there from the start",
    )
    return parser.parse_args()


def _documents(paths: list[Path]) -> list[dict[str, Any]]:
    return [document.value for path in paths for document in documents(path.read_text("utf-8"))]


async def _run(arguments: argparse.Namespace) -> None:
    logs = FolderLogs(arguments.logs) if arguments.logs else None
    server = ApiServer(
        port=arguments.port,
        data=arguments.data,
        crds=_documents(arguments.crds),
        policies=_documents(arguments.policies),
        objects=_documents(arguments.objects),
        logs=logs,
    )
    await server.start()
    try:
        if arguments.kubeconfig:
            descriptor = os.open(arguments.kubeconfig, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w") as file:
                json.dump(server.kubeconfig(), file, indent=2)
        sys.stdout.write(f"listening on {server.url}\n")
        sys.stdout.flush()
        ended = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, ended.set)
        await ended.wait()
    finally:
        await server.stop()


if __name__ == "__main__":
    asyncio.run(_run(_arguments()))
