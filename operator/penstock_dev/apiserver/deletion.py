"""What a DELETE does to one object: it goes, or it stays with a deletion timestamp until finalizers, grace or its kind let it go. Pure."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .status import precondition_failed

if TYPE_CHECKING:
    from .kinds import Resource
    from .store import Object

_FINALIZERS = (("Foreground", "foregroundDeletion"), ("Orphan", "orphan"))


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """The body and query of a DELETE."""

    grace: int | None = None
    propagation: str = ""
    uid: str = ""
    version: str = ""
    dry_run: bool = False


def check_preconditions(obj: Object, resource: Resource, options: DeleteOptions) -> None:
    """Refuse a DELETE that means another object or version. Raises 409."""
    meta = obj["metadata"]
    for asked, have, what in (
        (options.uid, meta["uid"], "UID"),
        (options.version, meta["resourceVersion"], "ResourceVersion"),
    ):
        if asked and asked != have:
            raise precondition_failed(resource.group, resource.kind, meta["name"], what, asked, have)


def after_delete(obj: Object, resource: Resource, options: DeleteOptions, now: float) -> tuple[Object, bool]:
    """Return the object after a DELETE, and whether it goes now."""
    meta = dict(obj["metadata"])
    strategy = resource.strategy
    grace = strategy.grace(obj, options.grace)
    finalizers = _finalizers(list(meta.get("finalizers") or ()), options.propagation)
    first = "deletionTimestamp" not in meta
    leaves = not finalizers and grace == 0 and not strategy.held(obj)
    if leaves and not strategy.graceful:
        return obj, True
    before = meta.get("deletionGracePeriodSeconds", 0)
    if first or grace < before:
        start = now if first else _seconds(meta["deletionTimestamp"]) - before
        meta["deletionGracePeriodSeconds"] = grace
        meta["deletionTimestamp"] = timestamp(start + grace)
    if first and "generation" in meta:
        meta["generation"] += 1
    meta.pop("finalizers", None)
    if finalizers:
        meta["finalizers"] = finalizers
    new = {**obj, "metadata": meta}
    return (strategy.deleting(new) if first else new), leaves


def may_go(obj: Object, resource: Resource) -> bool:
    """Tell whether an object that is being deleted has nothing left that keeps it."""
    meta = obj["metadata"]
    if not meta.get("deletionTimestamp") or meta.get("finalizers") or meta.get("deletionGracePeriodSeconds", 0):
        return False
    return not resource.strategy.held(obj)


def _finalizers(finalizers: list[str], propagation: str) -> list[str]:
    for policy, finalizer in _FINALIZERS:
        if propagation == policy and finalizer not in finalizers:
            finalizers.append(finalizer)
        elif propagation and propagation != policy and finalizer in finalizers:
            finalizers.remove(finalizer)
    return finalizers


def timestamp(seconds: float) -> str:
    """Return RFC 3339 in UTC with whole seconds."""
    return dt.datetime.fromtimestamp(int(seconds), dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _seconds(text: str) -> float:
    return dt.datetime.fromisoformat(text).timestamp()
