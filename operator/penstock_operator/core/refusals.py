"""The API server's answers to a POST of a pod or a revision: which end the run, which heal, and when to try again.

A namespace's quota, a missing ServiceAccount or a missing class is put right by somebody sooner or later; what validation, PodSecurity, a
LimitRange or a webhook refuses is refused again for ever, since the pod is the same each time. In between lies a quota that this pod can't
meet however long it waits: it is told what to change, and given up after a while. Rules: the words of Kubernetes' admission plugins, as real
servers say them. Neighbours: `quota` reads the quota's words, `deadlines` gives up what is hopeless.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from penstock_operator.api.flowrun import StateType
from penstock_operator.api.times import later

from .model import Refusal
from .quota import advice
from .verdict import Degraded, Showing, Verdict

_SLOW = (10.0, 60.0)  # what a person has to change: every 10 s at first, then once a minute
_RIGHTS = (2.0, 60.0)  # a person's matter too; but an API server that has just started refuses everybody for a moment
_QUICK = (1.0, 30.0)  # an API server that is busy or away
_NO_CLASS = re.compile(r'no PriorityClass with name|RuntimeClass "[^"]*" not found')


@dataclass(frozen=True, slots=True)
class _Row:
    """One kind of refusal. `name` None: the run ends as `type`/`ends`."""

    applies: Callable[[Refusal], bool]
    name: str | None
    wait: tuple[float, float] = _QUICK
    degraded: bool = False
    ends: str = "PodRejected"
    type: StateType = StateType.CRASHED


def _says(code: int, *words: str) -> Callable[[Refusal], bool]:
    return lambda r: r.code == code and any(w in r.message for w in words)


_ROWS: tuple[_Row, ...] = (
    _Row(lambda r: r.code == 409 and r.reason == "AlreadyExists", None, ends="PodNameConflict"),
    # etcd, or the connection to it, says so; it never heals.
    _Row(lambda r: r.code == 413, None),
    _Row(_says(500, "request is too large", "trying to send message larger than max"), None),
    # What the server can't read as a pod, or a field that it doesn't know: the template is at fault.
    _Row(_says(400, "cannot be handled as a Pod:"), None, ends="InvalidFlow", type=StateType.FAILED),
    # A proxy's answer, which is no `Status`, is nobody's word about the pod.
    _Row(lambda r: r.reason.startswith("HTTP"), "Submitting"),
    # A plugin that has just started; a quota that was made a moment ago.
    _Row(_says(403, "being terminated", "not yet ready to handle request", "status unknown for quota"), "Submitting"),
    _Row(_says(403, "exceeded quota", "failed quota", "insufficient quota"), "QuotaExceeded", _SLOW),
    _Row(_says(403, "error looking up service account"), "ConfigError", _SLOW, degraded=True),
    _Row(lambda r: r.code == 403 and _NO_CLASS.search(r.message) is not None, "ConfigError", _SLOW, degraded=True),
    _Row(_says(403, "cannot create resource"), "Forbidden", _RIGHTS, degraded=True),
    _Row(lambda r: r.code == 401, "Forbidden", _RIGHTS, degraded=True),
    # PodSecurity, LimitRange, policies, webhooks: admission that looks at the pod, which will not change.
    _Row(lambda r: r.code in (400, 403, 422), None),
    _Row(lambda _: True, "Submitting"),
)


def judge_refusal(refusal: Refusal) -> Showing | Verdict:
    """Return how a run shows whose pod was refused, and when to try again; or that this is its end."""
    row = next(row for row in _ROWS if row.applies(refusal))
    said = _said(refusal)
    if row.name is None:
        return Verdict(row.type, row.ends, said)
    wait = min(row.wait[1], row.wait[0] * 2 ** min(refusal.count - 1, 16))
    if refusal.retry_after is not None:
        wait = max(wait, refusal.retry_after)
    todo = advice(refusal.message) if row.name == "QuotaExceeded" else None
    if todo is not None:
        said = f"{said}; waiting alone can't help: {todo}"
    return Showing(
        StateType.PENDING,
        row.name,
        said,
        degraded=Degraded(row.name, said) if row.degraded or todo is not None else None,
        again_at=later(refusal.time, wait),
        hopeless=todo is not None,
    )


def _said(refusal: Refusal) -> str:
    """The server's words on one line, without the repetition of the pod's name."""
    text = re.sub(r'^(pods|configmaps) "[^"]*" is forbidden: ', "", " ".join(refusal.message.split()))
    text = text.removeprefix('Pod in version "v1" cannot be handled as a Pod: ')
    if refusal.code == 0:
        return f"the API server did not answer the {refusal.what}'s creation: {text or 'no answer'}"
    return f"the {refusal.what} was refused ({refusal.code} {refusal.reason or 'error'}): {text}"
