"""The engine's process for a no-op flow: wall time over a bare interpreter, and peak memory.

The API server is a stub that answers a claim and a report at once, so that the figure is the engine's own.
"""

from __future__ import annotations

import http.server
import json
import os
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from .measure import Figure, process

SOURCE = "from penstock import flow\n\n@flow\ndef noop():\n    return None\n"


class _Stub(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    report: dict[str, Any]

    def do_PATCH(self) -> None:
        operations = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        for operation in operations:
            if operation["path"] == "/status/report" and operation["op"] in ("add", "replace"):
                _Stub.report = operation["value"]
        spec = {"flowSpec": {"entrypoint": "noop.py:noop", "source": {"inline": SOURCE}}, "desiredState": "Running"}
        attempt = {"number": 1, "podName": "noop-1"}
        document = {
            "metadata": {"name": "noop", "namespace": "default", "uid": "u"},
            "spec": spec,
            "status": {"attempt": attempt, "lineage": "u", "report": _Stub.report},
        }
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


def figures(rounds: int = 15) -> list[Figure]:
    """Run bare interpreter and engine in turns."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Stub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    over, peak = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "token").write_text("t")
        env = {
            **{k: v for k, v in os.environ.items() if not k.startswith("PENSTOCK_")},
            "PENSTOCK_NAMESPACE": "default",
            "PENSTOCK_FLOWRUN": "noop",
            "PENSTOCK_FLOWRUN_UID": "u",
            "PENSTOCK_ATTEMPT": "1",
            "PENSTOCK_API_SERVER": f"http://127.0.0.1:{server.server_address[1]}",
            "PENSTOCK_TOKEN_FILE": str(folder / "token"),
            "PENSTOCK_TERMINATION_LOG": str(folder / "termination-log"),
            "PENSTOCK_INTENT_FILE": str(folder / "intent"),
            "PENSTOCK_RUN_DIR": str(folder / "run"),
            "POD_NAME": "noop-1",
        }
        for number in range(rounds + 1):
            bare = process([sys.executable, "-c", "pass"])
            engine = process([sys.executable, "-m", "penstock.pod"], env=env, cwd=folder)
            if engine.code or _Stub.report["type"] != "Completed":
                raise RuntimeError(f"the no-op flow ended with {engine.code}: {_Stub.report}")
            if number:  # the first round warms the file cache
                over.append(engine.seconds - bare.seconds)
                peak.append(engine.peak_mb)
    server.shutdown()
    server.server_close()
    return [
        Figure("engine: no-op flow over a bare interpreter", "s", 0.3, tuple(over)),
        Figure("engine: peak memory of a no-op flow", "MB", 60, tuple(peak)),
    ]
