"""Who asks: the run around the call, the FlowRun of this pod, and the key that follows from both.

Neighbours: `creating` makes children of what this says.
"""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.base.current import current_run
from penstock.base.texts import marked

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
    """Give the FlowRun whose pod this is: also to threads and processes that the run's code has started. None elsewhere."""
    given = os.environ if environ is None else environ
    name, uid, namespace = (given.get(f"PENSTOCK_{key}") for key in ("FLOWRUN", "FLOWRUN_UID", "NAMESPACE"))
    if not (name and uid and namespace):
        return None
    return Parent(namespace, name, uid)


def own_run_name() -> str | None:
    """Give the name of the run around the call: of its FlowRun in a pod, else of the flow run."""
    above, run = parent(), current_run.get()
    if above is not None:
        return above.name
    return str(run.root.name) if run is not None and run.root.is_flow else None


def is_view(value: Any) -> bool:
    """Whether a value is a sight of a run of the cluster."""
    return marked(value, "__penstock_flow_run__")


def is_own(flow_run_id: Any, namespace: str | None = None) -> bool:
    """Whether the run around the call is meant: nobody is named, or it is, by its id, or as its FlowRun.

    Args:
        flow_run_id: As all functions here take it; None: nobody.
        namespace: That of a name.
    """
    if flow_run_id is None:
        return True
    run = current_run.get()
    if run is None:
        return False
    above = parent()
    ids = {str(run.root.id), *([above.uid] if above is not None else ())}
    given = str(flow_run_id.id if is_view(flow_run_id) else flow_run_id)
    if given in ids or above is None or is_view(flow_run_id):
        return given in ids
    where, _, name = given.rpartition("/")
    return name == above.name and (where or namespace or above.namespace) == above.namespace


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
