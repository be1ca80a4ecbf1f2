"""A fake API server for the pod: one FlowRun, JSON patches with ``test`` semantics, refusals on demand.

Refusals are as a real API server words them: a failed ``test`` is a 422 with empty details, an admission policy's has
causes without a field, the schema's has causes with one. Faults are given as a script: one entry for each request to
come, or one for all.
"""

from __future__ import annotations

import copy
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

Operations = list[dict[str, Any]]

UID = "5f8c9d7b-0000-4000-8000-000000000001"
POD_NAME = "etl-7f3c2-1"
NAMESPACE = "team-a"
RUN = "etl"


class TestFailedError(Exception):
    """A ``test`` of a patch did not hold."""

    __test__ = False


@dataclass(frozen=True)
class Fault:
    """What happens to a request instead of, or besides, being carried out.

    Attributes:
        status: Answer with this; 0: close the connection without an answer.
        body: With this.
        headers: And these.
        apply: Carry the patch out all the same: a lost answer.
        delay: Wait before, seconds.
        carry_on: After the delay, go on as usual.
    """

    status: int = 0
    body: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    apply: bool = False
    delay: float = 0.0
    carry_on: bool = False


LOST_REQUEST = Fault()
LOST_ANSWER = Fault(apply=True)


def status(code: int, reason: str, message: str, **details: Any) -> dict[str, Any]:
    """A ``Status`` as the API machinery writes it."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "details": details,
        "code": code,
    }


TEST_FAILED = Fault(422, status(422, "", "the server rejected our request due to an error in our request"))
DENIED = Fault(
    422,
    status(
        422,
        "Invalid",
        'flowruns.penstock.dev "etl" is forbidden: this pod is not the current attempt of this FlowRun',
        name="etl",
        causes=[{"message": "this pod is not the current attempt of this FlowRun"}],
    ),
)
SCHEMA_REFUSAL = Fault(
    422,
    status(
        422,
        "Invalid",
        'FlowRun.penstock.dev "etl" is invalid: status.report.message: Too long',
        causes=[{"reason": "FieldValueTooLong", "message": "Too long", "field": "status.report.message"}],
    ),
)
UNAUTHORIZED = Fault(401, status(401, "Unauthorized", "Unauthorized"))
NO_RIGHT = Fault(
    403,
    status(
        403,
        "Forbidden",
        'flowruns.penstock.dev "etl" is forbidden: User "system:serviceaccount:team-a:default" cannot patch resource '
        '"flowruns/status" in API group "penstock.dev" in the namespace "team-a"',
    ),
)
FORBIDDEN = Fault(403, status(403, "Forbidden", "forbidden by the webhook of somebody"))
NOT_FOUND = Fault(404, status(404, "NotFound", 'flowruns.penstock.dev "etl" not found'))
CONFLICT = Fault(409, status(409, "Conflict", "the object has been modified"))
TOO_MANY = Fault(429, status(429, "TooManyRequests", "too many requests"), {"Retry-After": "0"})
UNAVAILABLE = Fault(503, status(503, "ServiceUnavailable", "etcdserver: request timed out"))


@dataclass(frozen=True)
class Request:
    """One request as it came."""

    at: float
    path: str
    operations: Operations
    token: str | None
    answer: int

    @property
    def report(self) -> dict[str, Any] | None:
        """The report in it, if it writes one."""
        for operation in self.operations:
            if operation["op"] in ("add", "replace"):
                value: dict[str, Any] = operation["value"]
                return value
        return None

    @property
    def is_read(self) -> bool:
        """Whether it is made of tests alone."""
        return self.report is None


def flow_run(attempt: int = 1, **spec: Any) -> dict[str, Any]:
    """A FlowRun as the operator leaves it before it makes the pod."""
    return {
        "apiVersion": "penstock.dev/v1alpha1",
        "kind": "FlowRun",
        "metadata": {"name": RUN, "namespace": NAMESPACE, "uid": UID},
        "spec": {"desiredState": "Running", **spec},
        "status": {"attempt": {"number": attempt, "podName": POD_NAME}, "lineage": UID},
    }


def apply_patch(document: dict[str, Any], operations: Operations) -> dict[str, Any]:
    """Apply the operations that the pod uses; ``test`` of an absent path holds for null, as on a real server."""
    changed = copy.deepcopy(document)
    for operation in operations:
        *above, last = operation["path"].strip("/").split("/")
        parent: Any = changed
        for part in above:
            parent = parent.get(part) if isinstance(parent, dict) else None
        if operation["op"] == "test":
            found = parent.get(last) if isinstance(parent, dict) else None
            if found != operation["value"]:
                raise TestFailedError(operation["path"])
        elif operation["op"] == "add" or (operation["op"] == "replace" and last in parent):
            parent[last] = operation["value"]
        else:
            raise TestFailedError(operation["path"])
    return changed


class PodServer:
    """The server; a context manager.

    Args:
        document: The FlowRun; None: there is none.
    """

    def __init__(self, document: dict[str, Any] | None = None) -> None:
        self.document = document
        self.requests: list[Request] = []
        self.arrived = 0
        self.delay = 0.0
        self.token: str | None = None
        self.values: dict[str, str] = {}  # JSON in place of a text of the document, as no Python value could hold it
        self._faults: list[Fault | None] = []
        self._always: Fault | Callable[[Operations], Fault | None] | None = None
        self._changed = threading.Condition()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_PATCH(self) -> None:
                server._handle(self)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            # A pod that was killed leaves connections behind; that is what is tested, not an error of the server.
            block_on_close = False

            def handle_error(self, request: Any, client_address: Any) -> None:
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.socket.listen(128)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *args: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    # -- what the test says ----------------------------------------------------------------------------------------

    def next(self, *faults: Fault | None) -> None:
        """What happens to the requests to come, one each; None: as usual."""
        with self._changed:
            self._faults.extend(faults)

    def always(self, fault: Fault | Callable[[Operations], Fault | None] | None) -> None:
        """What happens to every request without a fault of its own, until further notice."""
        with self._changed:
            self._always = fault

    def change(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Change the FlowRun, as the operator or a user would."""
        with self._changed:
            assert self.document is not None
            change(self.document)

    def delete(self) -> None:
        """Delete the FlowRun."""
        with self._changed:
            self.document = None

    # -- what the test sees ----------------------------------------------------------------------------------------

    @property
    def report(self) -> dict[str, Any] | None:
        """The report that stands."""
        with self._changed:
            return None if self.document is None else self.document["status"].get("report")

    @property
    def accepted(self) -> list[dict[str, Any]]:
        """All reports that were accepted, the claim first."""
        with self._changed:
            return [request.report for request in self.requests if request.answer == 200 and request.report is not None]

    def wait(self, ready: Callable[[], Any], seconds: float = 10.0) -> Any:
        """Wait until something is true of the server; fail loudly when it does not become so."""
        end = time.monotonic() + seconds
        with self._changed:
            while not (found := ready()):
                left = end - time.monotonic()
                assert left > 0, f"not within {seconds} s; requests: {self.requests}"
                self._changed.wait(min(left, 0.05))
            return found

    def wait_report(self, type_: str, seconds: float = 10.0) -> dict[str, Any]:
        """Wait for a report of that type to stand."""
        found: dict[str, Any] = self.wait(
            lambda: self.report if self.report is not None and self.report["type"] == type_ else None, seconds
        )
        return found

    # -- requests --------------------------------------------------------------------------------------------------

    def _handle(self, handler: BaseHTTPRequestHandler) -> None:
        at = time.monotonic()
        operations = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        assert handler.headers["Content-Type"] == "application/json-patch+json"
        with self._changed:
            self.arrived += 1
            self._changed.notify_all()
            always = self._always(operations) if callable(self._always) else self._always
            fault = self._faults.pop(0) if self._faults else always
            delay = self.delay + (fault.delay if fault is not None else 0.0)
        if delay:
            time.sleep(delay)
        token = handler.headers.get("Authorization", "").removeprefix("Bearer ") or None
        with self._changed:
            code, body, headers = self._answer(operations, fault, token)
            self.requests.append(Request(at, handler.path, operations, token, code))
            self._changed.notify_all()
        if code == 0:
            handler.close_connection = True
            handler.connection.close()
            return
        text = json.dumps(body)
        for word, value in self.values.items():
            text = text.replace(json.dumps(word), value)
        content = text.encode()
        handler.send_response(code)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(content)))
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(content)

    def _answer(
        self, operations: Operations, fault: Fault | None, token: str | None
    ) -> tuple[int, Mapping[str, Any], Mapping[str, str]]:
        if fault is not None and not fault.carry_on:
            if fault.apply:
                self._carry_out(operations)
            return fault.status, fault.body, fault.headers
        if self.token is not None and token != self.token:
            return 401, UNAUTHORIZED.body, {}
        return self._carry_out(operations)

    def _carry_out(self, operations: Operations) -> tuple[int, Mapping[str, Any], Mapping[str, str]]:
        if self.document is None:
            return 404, NOT_FOUND.body, {}
        try:
            self.document = apply_patch(self.document, operations)
        except TestFailedError:
            return 422, TEST_FAILED.body, {}
        return 200, copy.deepcopy(self.document), {}
