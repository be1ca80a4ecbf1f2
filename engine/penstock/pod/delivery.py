"""What follows each answer to a report: the table of delivery and of fencing during the run.

Pure; ``penstock.pod.reporter`` sends and waits. A refusal is never believed at once: a read (a patch of ``test``
operations alone) tells whether the run is gone, taken over by another process, or still ours, with the report that
stands. The last happens after an answer was lost, and delivery goes on from there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from penstock.kube import backoff
from penstock.pod.answers import Kind

UNAUTHENTICATED_SECONDS = 60.0


class Fence(Enum):
    """Why no report of this process is taken any more."""

    GONE = "the FlowRun is gone"
    SUPERSEDED = "another process has taken over"


@dataclass(frozen=True, slots=True)
class Standing:
    """What a read found: whether the report that stands is ours, and its time."""

    ours: bool
    time: str | None


@dataclass(frozen=True, slots=True)
class DeliveryProgress:
    """Where a delivery stands.

    Attributes:
        reading: The next request is the read that follows a refusal.
        minimal: The schema refused the report: send the least of it.
        failures: Tries in a row that were answered "not now".
        unauthenticated_since: When the token was refused first; outlives one delivery.
    """

    reading: bool = False
    minimal: bool = False
    failures: int = 0
    unauthenticated_since: float | None = None


@dataclass(frozen=True, slots=True)
class SendAgain:
    """Send the next request after so many seconds; ``acknowledged`` is the report that stands, if a read told."""

    progress: DeliveryProgress
    seconds: float
    standing: Standing | None = None


@dataclass(frozen=True, slots=True)
class Delivered:
    """The report stands."""


@dataclass(frozen=True, slots=True)
class Fenced:
    """No report of this process stands any more."""

    fence: Fence
    message: str


@dataclass(frozen=True, slots=True)
class GivenUp:
    """The report is not delivered; the termination message speaks."""

    message: str


DeliveryStep = SendAgain | Delivered | Fenced | GivenUp


def next_step(
    progress: DeliveryProgress,
    kind: Kind,
    said: str,
    now: float,
    random: float,
    *,
    sent_time: str | None,
    until: float | None,
    standing: Standing | None = None,
    retry_after: float | None = None,
) -> DeliveryStep:
    """Decide what follows an answer to a report, or to the read after one.

    Args:
        progress: Where the delivery stood when the request was sent.
        kind: What the answer means.
        said: The server's own words.
        now: Monotonic seconds.
        random: A number in [0, 1), for the wait.
        sent_time: ``time`` of the report that is to be delivered.
        until: When to give up, monotonic; None: it is tried once.
        standing: What the read found, when it was answered.
        retry_after: What the server asked to wait.
    """
    if kind is Kind.UNAUTHENTICATED:
        since = now if progress.unauthenticated_since is None else progress.unauthenticated_since
        if now - since >= UNAUTHENTICATED_SECONDS:
            # A force-deleted pod's token dies, and nothing else will ever tell it.
            return Fenced(Fence.SUPERSEDED, f"the token was refused for {UNAUTHENTICATED_SECONDS:g} s: {said}")
        return _not_now(replace(progress, unauthenticated_since=since), said, now, random, until or since + 60, None)
    if kind is not Kind.RETRY:
        progress = replace(progress, unauthenticated_since=None)
    if kind in (Kind.RETRY, Kind.FORBIDDEN):
        return _not_now(progress, said, now, random, until, retry_after)
    if progress.reading:
        return _after_read(progress, kind, said, now, random, sent_time, until, standing)
    match kind:
        case Kind.ACCEPTED:
            return Delivered()
        case Kind.SCHEMA if not progress.minimal:
            return SendAgain(replace(progress, minimal=True, failures=0), 0.0)
        case Kind.SCHEMA:
            return GivenUp(f"the API server refuses even the smallest report: {said}")
    return SendAgain(replace(progress, reading=True), 0.0)


def standing_of(flow_run: Mapping[str, Any], instance: str) -> Standing:
    """Tell from a read which report stands."""
    status = flow_run.get("status")
    report = status.get("report") if isinstance(status, Mapping) else None
    if not isinstance(report, Mapping):
        return Standing(ours=False, time=None)
    time = report.get("time")
    return Standing(ours=report.get("instance") == instance, time=time if isinstance(time, str) else None)


def _after_read(
    progress: DeliveryProgress,
    kind: Kind,
    said: str,
    now: float,
    random: float,
    sent_time: str | None,
    until: float | None,
    standing: Standing | None,
) -> DeliveryStep:
    match kind:
        case Kind.GONE | Kind.TEST_FAILED:
            return Fenced(Fence.GONE, said)
        case Kind.ACCEPTED if standing is not None and standing.ours:
            if standing.time is not None and standing.time == sent_time:
                return Delivered()
            # Ours, but not what was tested: an answer was lost, or the refusal was transient. The wait keeps a server
            # that goes on refusing from being asked in a circle.
            failures = progress.failures + 1
            if until is not None and now >= until:
                return GivenUp(said)
            again = replace(progress, reading=False, failures=failures)
            wait = 0.0 if failures == 1 else backoff.delay(failures, random)
            return SendAgain(again, wait, standing)
        case Kind.SCHEMA:
            return _not_now(progress, said, now, random, until, None)
    return Fenced(Fence.SUPERSEDED, said)


def _not_now(
    progress: DeliveryProgress, said: str, now: float, random: float, until: float | None, retry_after: float | None
) -> DeliveryStep:
    if until is None or now >= until:
        return GivenUp(said)
    failures = progress.failures + 1
    return SendAgain(replace(progress, failures=failures), backoff.delay(failures, random, retry_after))
