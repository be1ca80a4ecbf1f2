"""What an answer of the API server means to a claim or a report.

Three refusals share the code 422, and only ``details.causes`` tells them apart: a failed JSON-patch ``test`` has no
causes, an admission policy gives causes without a field, the schema gives causes with one. Pure; both the claim and
the delivery of reports decide by :func:`classify`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any


class Kind(Enum):
    """The answers that lead to different next steps."""

    ACCEPTED = "accepted"
    TEST_FAILED = "a test of the patch failed"
    DENIED = "denied"
    GONE = "there is no such FlowRun"
    SCHEMA = "the report was refused by the schema"
    UNAUTHENTICATED = "the token was refused"
    FORBIDDEN = "the right to patch flowruns/status is missing"
    RETRY = "not now"


def classify(status: int, body: Mapping[str, Any]) -> Kind:
    """Tell what an answer means.

    Args:
        status: The HTTP status; 0 when there was no answer.
        body: The answer's JSON object, a ``Status`` when it is a refusal.
    """
    if 200 <= status < 300:
        return Kind.ACCEPTED
    if status == 401:
        return Kind.UNAUTHENTICATED
    if status == 403:
        # RBAC may be a moment behind a Role that was just made; a policy's word is final.
        return Kind.FORBIDDEN if "cannot patch resource" in str(body.get("message", "")) else Kind.DENIED
    if status == 404:
        return Kind.GONE
    if status in (400, 413):
        return Kind.SCHEMA
    if status == 422:
        causes = _causes(body)
        if not causes:
            return Kind.TEST_FAILED
        if any(cause.get("field") for cause in causes):
            return Kind.SCHEMA
        return Kind.DENIED
    return Kind.RETRY


def _causes(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    details = body.get("details")
    causes = details.get("causes") if isinstance(details, Mapping) else None
    return [cause for cause in causes if isinstance(cause, Mapping)] if isinstance(causes, list) else []
