"""The API server's answers to a POST of a pod: which end the run, which heal, and when to try again.

A namespace's quota or a missing ServiceAccount is put right by somebody sooner or later; what validation, PodSecurity or a webhook refuses
is refused again for ever, since the pod is the same each time. Rules: the words of Kubernetes' admission plugins, as real servers say them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from penstock_operator.api.flowrun import StateType
from penstock_operator.api.times import later

from .model import Refusal
from .verdict import Degraded, Showing, Verdict

_SLOW = (10.0, 60.0)  # what a person has to change: every 10 s at first, then once a minute
_RIGHTS = (2.0, 60.0)  # a person's matter too; but an API server that has just started refuses everybody for a moment
_QUICK = (1.0, 30.0)  # an API server that is busy or away


@dataclass(frozen=True, slots=True)
class _Row:
    """One kind of refusal. `name` None: the run ends as Crashed/`ends`."""

    applies: Callable[[Refusal], bool]
    name: str | None
    wait: tuple[float, float] = _QUICK
    degraded: bool = False
    ends: str = "PodRejected"


def _says(code: int, *words: str) -> Callable[[Refusal], bool]:
    return lambda r: r.code == code and any(w in r.message for w in words)


_ROWS: tuple[_Row, ...] = (
    _Row(lambda r: r.code == 409 and r.reason == "AlreadyExists", None, ends="PodNameConflict"),
    _Row(_says(403, "exceeded quota", "failed quota"), "QuotaExceeded", _SLOW),
    _Row(_says(403, "error looking up service account"), "ConfigError", _SLOW, degraded=True),
    _Row(_says(403, "being terminated"), "Submitting"),
    _Row(_says(403, "cannot create resource"), "Forbidden", _RIGHTS, degraded=True),
    _Row(lambda r: r.code == 401, "Forbidden", _RIGHTS, degraded=True),
    # PodSecurity, LimitRange, priority classes, webhooks: admission that looks at the pod, which will not change.
    _Row(lambda r: r.code in (400, 403, 413, 422), None),
    _Row(lambda _: True, "Submitting"),
)


def judge_refusal(refusal: Refusal) -> Showing | Verdict:
    """Return how a run shows whose pod was refused, and when to try again; or that this is its end."""
    row = next(row for row in _ROWS if row.applies(refusal))
    said = _said(refusal)
    if row.name is None:
        return Verdict(StateType.CRASHED, row.ends, said)
    wait = min(row.wait[1], row.wait[0] * 2 ** min(refusal.count - 1, 16))
    if refusal.retry_after is not None:
        wait = max(wait, refusal.retry_after)
    return Showing(
        StateType.PENDING,
        row.name,
        said,
        degraded=Degraded(row.name, said) if row.degraded else None,
        again_at=later(refusal.time, wait),
    )


def _said(refusal: Refusal) -> str:
    """The server's words on one line, without the repetition of the pod's name."""
    text = re.sub(r'^pods "[^"]*" is forbidden: ', "", " ".join(refusal.message.split()))
    if refusal.code == 0:
        return f"the API server did not answer the pod's creation: {text or 'no answer'}"
    return f"the pod was refused ({refusal.code} {refusal.reason or 'error'}): {text}"
