"""Where a flow's result is kept, and what its log says of one that is not.

Neighbours: ``penstock.pod.results`` makes the part of the report; ``penstock.storage`` has the stores.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Sequence
from typing import Any

from penstock.base.texts import marked
from penstock.pod.report import RESULT_JSON_BYTES, ResultPart
from penstock.pod.results import Stored
from penstock.storage.lasting import lasts


def stored(data: Any) -> Stored:
    """Say what a state's data stands for, and where it is kept: by URL and key."""
    if not marked(data, "__penstock_stored__"):
        return Stored(data)
    told = getattr(data, "told", None)
    if told is not None:  # of another run's result, whose state is this run's: what that run's status says
        known = {name: told.get(name) for name in ("json", "type", "location", "preview", "size")}
        return Stored(None, told=ResultPart(**known, kept=bool(known["location"] or known["json"])))
    value = None
    # It may have to be read again, and may be gone: the run is Completed all the same.
    with contextlib.suppress(Exception):
        value = data.result
    store = getattr(data, "_store", None)  # what a worker holds is on none
    storage = None if store is None else store.result_storage
    if storage is None or not lasts(storage):
        return Stored(value)  # a link that is dead before anybody can follow it
    base = str(getattr(storage, "_root", None) or getattr(storage, "basepath", None) or "")
    location = f"{base if '://' in base else f'file://{base}'}/{data.metadata.key}" if base else None
    return Stored(value, kept=True, location=location, size=data.metadata.length or None)


def durable(flow: Any) -> bool:
    """Whether the results of a flow outlive the pod, if they are stored."""
    from penstock.storage.store import ResultStore

    try:
        return ResultStore().for_flow(flow).durable
    except (TypeError, ValueError):
        return False  # a storage that is none: the run itself says so


def advice(result: ResultPart) -> str | None:
    """Say what is lost of a result, and which setting keeps the next one; None where it is kept."""
    if result.kept or result.kept is None:
        return None
    what = ", ".join(part for part in (result.type, result.size) if part)
    return (
        f"The result ({what}) is not kept: it is on no store, and the status shows values of up to {RESULT_JSON_BYTES} bytes of "
        "JSON only (results.preview). To keep such results set results.storage of the Flow to a volume or a bucket, and "
        "results.persist: true (or persist_result=True of the flow)."
    )


def unstored(lost: Sequence[str], lost_place: str | None = None) -> str | None:
    """Say for the report that a store did not take results, or that it goes with the pod; None where all are kept that are to be.

    Args:
        lost: what was not taken, each with its error.
        lost_place: the warning about a store that is gone with the pod.
    """
    words = []
    if lost:
        words.append(f"{len(lost)} result{'s were' if len(lost) > 1 else ' was'} not persisted ({lost[0]})")
    if lost_place is not None:
        said = lost_place.partition(":")[0]
        words.append(said[:1].lower() + said[1:])
    return "; ".join(words) or None


def tell(words: str) -> None:
    """Write a line of the engine's into the run's log."""
    logging.getLogger("penstock.flow_runs").info(words)
