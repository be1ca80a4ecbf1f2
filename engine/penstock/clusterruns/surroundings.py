"""Who asks: the run around the call, the FlowRun of this pod, and the key that follows from both.

Neighbours: `creating` makes children of what this says.
"""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.base.current import current_run

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Parent:
    """The FlowRun of this pod.

    Attributes:
        namespace: Where it is.
        name: Its name.
        uid: Its UID.
    """

    namespace: str
    name: str
    uid: str


def parent(environ: Mapping[str, str] | None = None) -> Parent | None:
    """Give the FlowRun whose pod this is, where code runs inside its run; None elsewhere."""
    given = os.environ if environ is None else environ
    name, uid, namespace = (given.get(f"PENSTOCK_{key}") for key in ("FLOWRUN", "FLOWRUN_UID", "NAMESPACE"))
    if not (name and uid and namespace) or current_run.get() is None:
        return None
    return Parent(namespace, name, uid)


def own_run_name() -> str | None:
    """Give the name of the run around the call: of its FlowRun in a pod, else of the flow run."""
    run = current_run.get()
    if run is None:
        return None
    above = parent()
    if above is not None:
        return above.name
    root = run.root
    return str(root.name) if root.is_flow else None


@dataclass(frozen=True, slots=True)
class DefaultKey:
    """A key that nobody gave.

    Attributes:
        key: Equal in every attempt and try of the run around the call; random outside runs.
        own: The same for this run alone, where the key is shared with the runs that it repeats; else None.
    """

    key: str
    own: str | None = None


def default_key(flow: str) -> DefaultKey:
    """Give the key of the next run of that Flow that the code around asks for.

    The scope is the lineage: a new attempt of the run finds what the one before started, and so does a run that repeats it.
    """
    run: Any = current_run.get()
    if run is None:
        return DefaultKey(uuid.uuid4().hex)
    # The counts begin anew with each try: the same call finds the same run.
    label, index = run.counter.take(("flow-run", flow), f"run {flow}")
    root: Any = run.root
    address = f"{run.address}/{label}:{index}" if run.address else f"{label}:{index}"
    if not root.is_flow:
        return DefaultKey(f"{root.id}:{address}")
    above, lineage = parent(), str(root.lineage_id)
    own = above.uid if above is not None else lineage
    return DefaultKey(f"{lineage}:{address}", None if own == lineage else f"{own}:{address}")
