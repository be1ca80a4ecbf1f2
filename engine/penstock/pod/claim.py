"""The claim: one patch before any user code, that at most one process of a run's attempt gets through.

Pure: the patches, and the table of what follows each answer. ``penstock.pod.reporter`` sends them.

The operator writes ``status.attempt`` and removes the old report in one patch before it makes the pod, so the tests
of the patch hold for one process only: not for a pod of an old attempt, a finished run, a restarted container, or a
copied pod.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from penstock.kube import backoff
from penstock.pod.answers import Kind

FORBIDDEN_SECONDS = 30.0
REPORT = "/status/report"
MINIMAL_CLAIM = ("attempt", "instance", "type")

Operations = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Identity:
    """Which process of which attempt of which run this is; ``instance`` is random per process."""

    uid: str
    attempt: int
    pod_name: str
    instance: str


@dataclass(frozen=True, slots=True)
class ClaimProgress:
    """Where a claim stands.

    Attributes:
        started: When the first try began, monotonic seconds.
        own: The null test failed: try with our own instance, in case only the first answer was lost.
        minimal: The schema refused the report: claim with the least that it can be.
        failures: Tries in a row that were answered "not now".
        forbidden_since: When the missing right was met first.
    """

    started: float
    own: bool = False
    minimal: bool = False
    failures: int = 0
    forbidden_since: float | None = None


@dataclass(frozen=True, slots=True)
class Again:
    """Try once more after so many seconds."""

    progress: ClaimProgress
    seconds: float


@dataclass(frozen=True, slots=True)
class Accepted:
    """This process is the one."""


@dataclass(frozen=True, slots=True)
class Refused:
    """This process is not the one: no user code may run."""

    message: str


@dataclass(frozen=True, slots=True)
class Unclaimed:
    """The claim could not be made; ``name`` is the name of the crash."""

    name: str
    message: str


ClaimStep = Again | Accepted | Refused | Unclaimed


def claim_patch(identity: Identity, document: Mapping[str, Any], progress: ClaimProgress) -> Operations:
    """Give the operations of the next try."""
    value = {key: document[key] for key in MINIMAL_CLAIM} if progress.minimal else dict(document)
    return [
        _test("/metadata/uid", identity.uid),
        _test("/status/attempt/number", identity.attempt),
        _test("/status/attempt/podName", identity.pod_name),
        _test("/status/completionTime", None),
        _test(f"{REPORT}/instance", identity.instance) if progress.own else _test(REPORT, None),
        {"op": "add", "path": REPORT, "value": value},
    ]


def report_patch(identity: Identity, document: Mapping[str, Any], acknowledged: str | None) -> Operations:
    """Give the operations of a later report: only over our own one, and only over the last that was acknowledged."""
    return [
        _test(f"{REPORT}/instance", identity.instance),
        _test(f"{REPORT}/time", acknowledged),
        {"op": "replace", "path": REPORT, "value": dict(document)},
    ]


def read_patch(identity: Identity) -> Operations:
    """Give a patch that changes nothing: its answer is how the engine reads, without a right to GET."""
    return [_test("/metadata/uid", identity.uid)]


def next_step(
    progress: ClaimProgress,
    kind: Kind,
    said: str,
    now: float,
    random: float,
    *,
    timeout: float,
    retry_after: float | None = None,
) -> ClaimStep:
    """Decide what follows an answer to a claim.

    Args:
        progress: Where the claim stood when it was sent.
        kind: What the answer means.
        said: The server's own words, for people.
        now: Monotonic seconds.
        random: A number in [0, 1), for the wait.
        timeout: How long to go on while the answer is "not now", in seconds.
        retry_after: What the server asked to wait.
    """
    match kind:
        case Kind.ACCEPTED:
            return Accepted()
        case Kind.TEST_FAILED if not progress.own:
            return Again(replace(progress, own=True, failures=0), 0.0)
        case Kind.TEST_FAILED:
            return Refused(f"the claim was refused: this pod is not, or no longer, the run's current attempt ({said})")
        case Kind.DENIED | Kind.GONE:
            return Refused(f"the claim was refused: {said}")
        case Kind.SCHEMA if not progress.minimal:
            return Again(replace(progress, minimal=True, failures=0), 0.0)
        case Kind.SCHEMA:
            return Unclaimed("EngineError", f"the API server refuses even the smallest claim: {said}")
    failures = progress.failures + 1
    forbidden_since = progress.forbidden_since
    if kind is Kind.FORBIDDEN:
        forbidden_since = now if forbidden_since is None else forbidden_since
        if now - forbidden_since >= FORBIDDEN_SECONDS or now - progress.started >= timeout:
            return Unclaimed(
                "NotAuthorized",
                "the pod's ServiceAccount lacks the right to patch flowruns/status in API group penstock.dev: bind the "
                f"engine's Role to it ({said})",
            )
    if now - progress.started >= timeout:
        return Unclaimed("ApiUnreachable", f"no claim within {timeout:g} s, {failures} tries in a row failed: {said}")
    return Again(
        replace(progress, failures=failures, forbidden_since=forbidden_since),
        backoff.delay(failures, random, retry_after),
    )


def _test(path: str, value: object) -> dict[str, Any]:
    return {"op": "test", "path": path, "value": value}
