"""Pauses that the flow's own code asks for, and their answers from ``spec.inputs``.

The flow run is PAUSED in this process and waits; the answer comes through the FlowRun. The operator changes the token of
the intent when inputs change; the engine then reads (or, where there is no intent file, every 30 s), validates, and
resumes, or says what is wrong with the answer. A thread of its own does it: validation runs users' code, which the
guard must not wait for, and the reporter neither.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from penstock.drivers.holding import Ticket, pauses_of
from penstock.kube.jsontext import DEEPEST, too_deep
from penstock.pod import assignment
from penstock.pod.attempt import Attempt
from penstock.pod.report import PausePart
from penstock.pod.reporter import REQUEST_SECONDS, Reporter

READ_SECONDS = 30.0
DIGEST_DIGITS = 16


class Pauses:
    """The pauses of one root flow run; see the module.

    Args:
        attempt: Says that the run is paused.
        reporter: Reads the FlowRun.
        has_file: Whether there is an intent file, whose token tells of new inputs.
    """

    def __init__(self, attempt: Attempt, reporter: Reporter, has_file: Callable[[], bool]) -> None:
        self._attempt = attempt
        self._reporter = reporter
        self._has_file = has_file
        self._root: Any = None
        self._look = threading.Event()
        self._fresh = False
        self._since: datetime | None = None
        self._deadline: datetime | None = None
        self._told: PausePart | None = None
        self._seen: dict[str, str] = {}
        self._errors: dict[str, str] = {}

    def begun(self, root: Any, state: Any) -> None:
        """The run was PAUSED by its code; called by the observer, in the pausing thread."""
        self._since, self._deadline = state.timestamp, state.state_details.pause_timeout
        self._told = None
        if self._root is None:
            self._root = root
            threading.Thread(target=self._run, name="penstock-pauses", daemon=True).start()
        self._look.set()

    @property
    def part(self) -> PausePart | None:
        """What was told last of the pause that is open."""
        return self._told

    def look(self, *, fresh: bool) -> None:
        """Inputs may have changed; from the guard, never blocks.

        Args:
            fresh: Read the FlowRun first: what the last answer holds is older.
        """
        if self._root is not None:
            self._fresh = self._fresh or fresh
            self._look.set()

    def _run(self) -> None:
        while True:
            waiting = list(pauses_of(self._root).waiting.values())
            seconds = READ_SECONDS if waiting and not self._has_file() else None
            timed_out = not self._look.wait(seconds)
            self._look.clear()
            if timed_out or self._fresh:
                self._fresh = False
                self._reporter.read(time.monotonic() + READ_SECONDS).settled.wait()
            self._answer(list(pauses_of(self._root).waiting.values()))

    def _answer(self, waiting: list[Ticket]) -> None:
        given = assignment.inputs(self._reporter.flow_run or {})
        for ticket in waiting:
            if ticket.key in given and digest(given[ticket.key]) != self._seen.get(ticket.key):
                self._seen[ticket.key] = digest(given[ticket.key])
                self._errors.pop(ticket.key, None)
                try:
                    ticket.resume(validated(ticket.model, given[ticket.key]))
                except Exception as error:  # noqa: BLE001 - users' validators raise whatever they like
                    self._errors[ticket.key] = str(error)
        still = [ticket for ticket in waiting if not ticket.resumed]
        if still and self._since is not None:
            self._tell(still[0], self._since)

    def _tell(self, ticket: Ticket, since: datetime) -> None:
        description, schema = asked_for(ticket.model)
        part = PausePart(
            key=ticket.key,
            since=since,
            deadline=self._deadline,
            seen=self._seen.get(ticket.key),
            schema=schema,
            description=description,
            error=self._errors.get(ticket.key),
        )
        if part != self._told:
            self._told = part
            self._attempt.report_running(self._attempt.running("Paused", part), REQUEST_SECONDS)


def digest(value: object) -> str:
    """Give what tells one answer from another: 16 hex digits of the SHA-256 of its canonical JSON.

    One that is nested too deep counts as null, for the operator as well.
    """
    value = None if too_deep(value) else value
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:DIGEST_DIGITS]


def validated(model: Any, value: Any) -> Any:
    """Give the value that the caller of the pause gets.

    Raises:
        RuntimeError: The value is invalid; the text names the path of the field.
        ValueError: It is nested too deep for anybody.
    """
    if too_deep(value):
        raise ValueError(f"the answer is nested deeper than {DEEPEST} levels")
    if model is None:
        return value
    from penstock.inside import run_input

    return run_input.validated(model, value)


def asked_for(model: Any) -> tuple[str | None, Mapping[str, Any] | None]:
    """Give the description and the JSON schema of what a pause asks for; no schema where its types have none."""
    if model is None:
        return None, None
    from penstock.definitions.schema import schema_of_model

    try:
        schema = schema_of_model(model)
    except Exception:  # noqa: BLE001 - users' types raise whatever they like, and the model itself decides about the answer
        schema = None
    return getattr(model, "_description", None), schema
