"""Makes the runs that a Flow starts by itself. A POST may be repeated without harm: the name is fixed, and a 409 on our own run is success.

Neighbours: `flows` calls it with what the core decided; `core.flows.refusals` says what a refusal means.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from penstock_operator.api.flow import Flow
from penstock_operator.core.flows.model import CreateRun
from penstock_operator.core.flows.refusals import concerns_all
from penstock_operator.core.model import Refusal

from . import errors
from .client import ApiClient
from .errors import ApiError, UnreadableError
from .flowmemory import FlowMemory
from .past import Tidying
from .resources import CONFIGMAPS, FLOWRUNS, Key
from .store import Store

log = logging.getLogger(__name__)


class FlowCreation:
    """Makes runs of Flows.

    Args:
        client: to the API server.
        store: where answers go.
        now: the wall clock, UTC.
    """

    def __init__(self, client: ApiClient, store: Store, *, now: Callable[[], datetime]) -> None:
        self._client = client
        self._store = store
        self._tidying = Tidying(client, store)
        self._now = now

    async def create(self, runs: Iterable[CreateRun], flow: Flow, memory: FlowMemory) -> None:
        """Make runs; what becomes of each is remembered.

        Raises:
            ApiError: it is not known whether one of them is there.
        """
        common: ApiError | None = None
        for run in runs:
            error = common if common is not None else await self._create(run, flow)
            if error is None:
                memory.made[run.name] = run
                memory.refused.pop(run.name, None)
                continue
            before = memory.refused.get(run.name)
            count = before[1].count + 1 if before is not None else 1
            refusal = Refusal(
                error.code, error.reason, error.message, self._now(), count, error.retry_after, f"run {run.name}"
            )
            memory.refused[run.name] = (run, refusal)
            log.info("run %s of Flow %s was not made: %s", run.name, flow.metadata.name, error)
            common = error if concerns_all(refusal) else None

    async def _create(self, run: CreateRun, flow: Flow) -> ApiError | None:
        """Make a run; return how that was refused, None where it is there."""
        key = Key(flow.metadata.namespace, run.name)
        if self._known(key, flow):
            return None
        if run.revision is not None:
            refused = await self._revision(run.revision, flow)
            if refused is not None:
                return refused
        try:
            # One try: how a refusal is met is the core's decision.
            raw = await self._client.create(FLOWRUNS, key.namespace, run.manifest, tries=1)
        except ApiError as error:
            if error.code != errors.CONFLICT or error.reason != "AlreadyExists":
                return error
            raw = await self._client.get(FLOWRUNS, *key)
            if not _owned(raw, flow):
                words = f"there is another FlowRun {run.name!r} already, which is not of this Flow"
                return ApiError(error.code, error.reason, words)
        self._store.apply(FLOWRUNS, raw)
        return None

    async def _revision(self, manifest: Mapping[str, Any], flow: Flow) -> ApiError | None:
        """Make the revision that a run is to find; what stands there already proves itself before it is used."""
        try:
            await self._client.create(CONFIGMAPS, flow.metadata.namespace, manifest, tries=1)
        except ApiError as error:
            if error.code != errors.CONFLICT or error.reason != "AlreadyExists":
                return error
        else:
            mine = Key(flow.metadata.namespace, flow.metadata.name)
            await self._tidying.tidy_revisions(mine, flow.metadata.uid)
        return None

    def _known(self, key: Key, flow: Flow) -> bool:
        """Whether the run is known to be there: one that was made before a restart."""
        try:
            run = self._store.run(key)
        except UnreadableError:
            return False
        owner = run.metadata.controller if run is not None else None
        return owner is not None and owner.uid == flow.metadata.uid


def _owned(raw: Mapping[str, Any], flow: Flow) -> bool:
    owners = raw["metadata"].get("ownerReferences") or ()
    return any(owner.get("uid") == flow.metadata.uid and owner.get("controller") for owner in owners)
