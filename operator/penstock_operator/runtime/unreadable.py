"""Runs that this operator can't read, or can't decide about: left alone, and told so.

An older CRD let something in, a newer one knows what this operator does not, or the operator has a fault: the run's Events say it, and its
status where nobody has said anything yet. What somebody has said stays: another operator may understand it.
Neighbours: `store` finds what can't be read, `controller` comes here with it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Final

from penstock_operator.api.flowrun import StateType
from penstock_operator.api.metadata import ObjectMeta
from penstock_operator.api.times import rfc3339
from penstock_operator.core.model import Emit

from .client import ApiClient
from .errors import ApiError
from .recorder import Recorder
from .resources import FLOWRUNS, Key
from .store import Store

UNREADABLE: Final = "Unreadable"
FAILURES: Final = 5  # in a row, of the operator's own, before a run is told
WORDS = 1024

log = logging.getLogger(__name__)


class LeftAlone:
    """Tells of runs that are left alone.

    Args:
        client: to the API server.
        store: knows what can't be read, and why.
        recorder: of Events.
        now: the wall clock, UTC.
    """

    def __init__(self, client: ApiClient, store: Store, recorder: Recorder, *, now: Callable[[], datetime]) -> None:
        self._client = client
        self._store = store
        self._recorder = recorder
        self._now = now

    async def tell(self, key: Key) -> None:
        """Tell that a run can't be read.

        Raises:
            ApiError: the status was not written, and may be later.
        """
        noted = self._store.unreadable(FLOWRUNS, key)
        if noted is None:
            return
        text = f"this FlowRun can't be read by this operator, and is left alone: {noted.why}"
        meta = ObjectMeta(name=key.name, namespace=key.namespace, uid=noted.uid, resource_version=str(noted.version))
        self._recorder.emit(meta, Emit("Warning", UNREADABLE, text, "Read"))
        if not noted.stateless:
            return
        time = rfc3339(self._now())
        state = {
            "type": StateType.SCHEDULED.value,
            "name": UNREADABLE,
            "message": text[:WORDS],
            "since": time,
            "time": time,
        }
        body = {"metadata": {"resourceVersion": str(noted.version), "uid": noted.uid}, "status": {"state": state}}
        try:
            await self._client.patch(FLOWRUNS, *key, body, sub="status")
        except ApiError as error:
            if error.transient:
                raise
            log.warning("the state of a run that can't be read was refused: %s", error)

    def failed(self, key: Key, error: BaseException, failures: int) -> None:
        """Tell that deciding about a run fails, again and again, by the operator's own fault."""
        entry = self._store.runs.entry(key)
        if entry is None or failures != FAILURES:
            return
        text = f"the operator can't decide about this run and tries again: {type(error).__name__}: {error}"
        meta = ObjectMeta(name=key.name, namespace=key.namespace, uid=entry.uid, resource_version=str(entry.version))
        self._recorder.emit(meta, Emit("Warning", "OperatorError", text, "Decide"))
