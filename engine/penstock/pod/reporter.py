"""The reporter: the one thread that talks to the API server, one request at a time, in order.

It makes the claim, then delivers reports from a mailbox of one: a report is a whole document, so a newer one replaces
an older that was not sent yet; only progress never replaces anything but progress. Whoever waits, waits on a
:class:`Ticket`; whoever must know (the guard) is woken through ``on_change``.

What an answer leads to is decided by the pure tables of ``penstock.pod.claim`` and ``penstock.pod.delivery``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from penstock.pod import claim as claiming
from penstock.pod import delivery, failures
from penstock.pod.answers import Kind, classify
from penstock.pod.claim import Accepted, Again, ClaimProgress, Identity, Refused, Unclaimed
from penstock.pod.progress import Pace
from penstock.pod.report import minimal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from penstock.kube.client import Answer

REQUEST_SECONDS = 5.0
ENDING_REQUEST_SECONDS = 1.0


class Client(Protocol):
    """What the reporter needs of ``penstock.kube.client.KubeClient``."""

    def prepare(self) -> None:
        """Do what can be done before the first request."""
        ...

    def patch(self, path: str, operations: claiming.Operations, seconds: float) -> Answer:
        """Send a JSON patch."""
        ...

    def forget_token(self) -> None:
        """Read the token file again."""
        ...


@dataclass(slots=True, eq=False)
class Ticket:
    """One report on its way.

    Attributes:
        document: The report.
        until: When to give up, monotonic seconds; None: it is tried once. May be changed while it is under way.
        seconds: How long one request may take.
        progress: Whether anything newer replaces it.
        read: Whether it only asks for the FlowRun.
        delivered: Whether the API server has accepted it.
        settled: Set when nothing more will come of it: delivered, given up, replaced, fenced.
    """

    document: Mapping[str, Any]
    until: float | None
    seconds: float = REQUEST_SECONDS
    progress: bool = False
    read: bool = False
    delivered: bool = False
    settled: threading.Event = field(default_factory=threading.Event)


class Reporter:
    """See the module.

    Attributes:
        prepared: Set when the claim is about to be sent; ``prepared_at`` tells when that was.
        claimed: Set when the claim is decided, one way or the other.
        claim_outcome: How.
        claimed_document: The report that was accepted with it.
        flow_run: The FlowRun as the last answer had it.
        fenced: Why no report is taken any more.

    Args:
        client: Sends patches.
        path: The status of this run in the API.
        identity: Who we are.
        claim_timeout: Seconds to go on claiming while the server does not answer.
        clock: Monotonic seconds.
        random: Numbers in [0, 1).
        on_change: Called, in the reporter's thread, when an answer came or a ticket is settled.
    """

    def __init__(
        self,
        client: Client,
        path: str,
        identity: Identity,
        *,
        claim_timeout: float,
        clock: Callable[[], float],
        random: Callable[[], float],
        on_change: Callable[[], None],
    ) -> None:
        self._client = client
        self._path = path
        self._identity = identity
        self._claim_timeout = claim_timeout
        self._clock = clock
        self._random = random
        self._on_change = on_change
        self._changed = threading.Condition(threading.Lock())
        self._waiting: Ticket | None = None
        self._reading: Ticket | None = None
        self._claim_document: Mapping[str, Any] = {}
        self._last_claim: Mapping[str, Any] | None = None
        self._acknowledged: str | None = None
        self._unauthenticated_since: float | None = None
        self._progress_source: Callable[[], Mapping[str, Any] | None] | None = None
        self._pace: Pace | None = None
        self._told: set[str] = set()
        self.prepared = threading.Event()
        self.prepared_at: float | None = None
        self.claimed = threading.Event()
        self.claim_outcome: Accepted | Refused | Unclaimed | None = None
        self.claimed_document: Mapping[str, Any] = {}
        self.flow_run: Mapping[str, Any] | None = None
        self.fenced: delivery.Fenced | None = None

    def start(self, claim_document: Mapping[str, Any]) -> None:
        """Begin: claim with this report, then deliver what is submitted."""
        self._claim_document = claim_document
        threading.Thread(target=self._run, name="penstock-reporter", daemon=True).start()

    def end_claim(self, document: Mapping[str, Any]) -> None:
        """Claim with an outcome instead of Running: one more try of a second, then no more.

        Has no effect on a claim that is decided.
        """
        with self._changed:
            self._last_claim = document
            self._changed.notify_all()

    def submit(
        self,
        document: Mapping[str, Any],
        *,
        until: float | None,
        seconds: float = REQUEST_SECONDS,
        progress: bool = False,
    ) -> Ticket:
        """Put a report into the mailbox.

        Args:
            document: The report.
            until: When to give up, monotonic seconds; None: try once.
            seconds: How long one request may take.
            progress: It may be dropped in favour of anything else.
        """
        ticket = Ticket(document, until, seconds, progress)
        with self._changed:
            if self.fenced is not None or (progress and self._waiting is not None and not self._waiting.progress):
                ticket.settled.set()
                return ticket
            replaced, self._waiting = self._waiting, ticket
            self._changed.notify_all()
        if replaced is not None:
            replaced.settled.set()
        return ticket

    def read(self, until: float) -> Ticket:
        """Ask for the FlowRun as it is now; ``flow_run`` holds it when the ticket is settled and delivered."""
        ticket = Ticket({}, until, progress=True, read=True)
        with self._changed:
            if self.fenced is not None:
                ticket.settled.set()
                return ticket
            replaced, self._reading = self._reading, ticket
            self._changed.notify_all()
        if replaced is not None:
            replaced.settled.set()
        return ticket

    def send_progress(
        self, source: Callable[[], Mapping[str, Any] | None], seconds: float, *, first: float | None = None
    ) -> None:
        """Ask ``source`` for a report at the pace of ``first`` and ``seconds``; None means that nothing changed."""
        with self._changed:
            self._progress_source = source
            self._pace = Pace(self._clock(), seconds if first is None else first, seconds)
            self._changed.notify_all()

    # -- the thread ------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._claim()
        except Exception as error:  # noqa: BLE001 - whoever waits for the claim must hear of a bug, too
            self.claim_outcome = Unclaimed("EngineError", f"the claim failed: {type(error).__name__}: {error}")
            self.prepared.set()
            self.claimed.set()
            self._on_change()
        if not isinstance(self.claim_outcome, Accepted):
            return
        while True:
            ticket = self._next()
            try:
                self._deliver(ticket)
            except Exception:  # noqa: BLE001 - user code may have broken what requests are made of; the termination message speaks
                failures.tell()
            ticket.settled.set()
            self._on_change()

    def _tell_of(self, message: str) -> None:
        """Say why there is no claim yet, once each reason: nothing else of this pod is seen until there is one."""
        if message not in self._told:
            self._told.add(message)
            import logging

            logging.getLogger("penstock.pod").warning("The claim has not got through yet: %s", message)

    def _claim(self) -> None:
        self._client.prepare()
        self.prepared_at = self._clock()
        self.prepared.set()
        progress = ClaimProgress(started=self._clock())
        while True:
            last = self._last_claim
            document = last if last is not None else self._claim_document
            operations = claiming.claim_patch(self._identity, document, progress)
            answer = self._client.patch(
                self._path, operations, ENDING_REQUEST_SECONDS if last is not None else REQUEST_SECONDS
            )
            kind = classify(answer.status, answer.body)
            if kind is Kind.UNAUTHENTICATED:
                self._client.forget_token()
            step = claiming.next_step(
                progress,
                kind,
                answer.message,
                self._clock(),
                self._random(),
                timeout=self._claim_timeout,
                retry_after=answer.retry_after,
            )
            if isinstance(step, Again):
                if last is not None and step.seconds > 0:
                    step = Unclaimed("ApiUnreachable", f"the last try to claim failed: {answer.message}")
                else:
                    self._tell_of(answer.message)
                    progress = step.progress
                    with self._changed:
                        self._changed.wait_for(lambda: self._last_claim is not None, step.seconds)
                    continue
            if isinstance(step, Accepted):
                self.flow_run = answer.body
                self.claimed_document = document
                self._acknowledged = delivery.standing_of(answer.body, self._identity.instance).time
            self.claim_outcome = step
            self.claimed.set()
            self._on_change()
            return

    def _next(self) -> Ticket:
        while True:
            with self._changed:
                if self._waiting is None and self._reading is None:
                    self._changed.wait(None if self._pace is None else max(0.0, self._pace.due - self._clock()))
                if self._waiting is not None:
                    ticket, self._waiting = self._waiting, None
                    return ticket
                if self._reading is not None:
                    ticket, self._reading = self._reading, None
                    return ticket
            source, pace = self._progress_source, self._pace
            if source is not None and pace is not None and self._clock() >= pace.due:
                try:
                    document = source()
                except Exception:  # noqa: BLE001 - the outcome must get through without it
                    failures.tell()
                    document = None
                pace.asked(self._clock(), told=document is not None)
                if document is not None:
                    self.submit(document, until=None, progress=True)

    def _deliver(self, ticket: Ticket) -> None:
        progress = delivery.DeliveryProgress(reading=ticket.read, unauthenticated_since=self._unauthenticated_since)
        while True:
            sent = minimal(ticket.document) if progress.minimal else ticket.document
            operations = (
                claiming.read_patch(self._identity)
                if progress.reading
                else claiming.report_patch(self._identity, sent, self._acknowledged)
            )
            answer = self._client.patch(self._path, operations, ticket.seconds)
            kind = classify(answer.status, answer.body)
            if kind is Kind.UNAUTHENTICATED:
                self._client.forget_token()
            standing = None
            if kind is Kind.ACCEPTED:
                self.flow_run = answer.body
                standing = delivery.standing_of(answer.body, self._identity.instance)
                if ticket.read and standing.ours:
                    self._unauthenticated_since = None
                    ticket.delivered = True
                    return
            step = delivery.next_step(
                progress,
                kind,
                answer.message,
                self._clock(),
                self._random(),
                sent_time=sent.get("time"),
                until=ticket.until,
                standing=standing,
                retry_after=answer.retry_after,
            )
            match step:
                case delivery.SendAgain():
                    progress = step.progress
                    self._unauthenticated_since = progress.unauthenticated_since
                    if step.standing is not None:
                        self._acknowledged = step.standing.time
                    if self._replaced_while_waiting(ticket, step.seconds):
                        return
                case delivery.Delivered():
                    self._unauthenticated_since = None
                    self._acknowledged = sent.get("time")
                    ticket.delivered = True
                    return
                case delivery.Fenced():
                    with self._changed:
                        self.fenced = step
                        dropped = (self._waiting, self._reading)
                        self._waiting = self._reading = None
                    for other in dropped:
                        if other is not None:
                            other.settled.set()
                    return
                case delivery.GivenUp():
                    return

    def _replaced_while_waiting(self, ticket: Ticket, seconds: float) -> bool:
        """Wait before the next try; True when a newer report has taken this one's place meanwhile."""

        def replaced() -> bool:
            return self._waiting is not None and (ticket.progress or not self._waiting.progress)

        with self._changed:
            limit = seconds if ticket.until is None else max(0.0, min(seconds, ticket.until - self._clock()))
            return self._changed.wait_for(replaced, limit)
