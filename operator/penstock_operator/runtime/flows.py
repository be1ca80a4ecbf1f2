"""Keeps the status of Flows: one at a time, beside the workers that have the runs.

A Flow changes seldom, and nothing waits for its status but people and tools: so there is one queue and one task. Neighbours: `app` says
which Flows there is news of, `core.flows.status` decides.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import datetime

from penstock_operator.api.flow import Flow
from penstock_operator.core.flows.status import flow_status
from penstock_operator.core.model import MISSING, Absence, ConfigMap
from penstock_operator.core.revisions import parse_config_map

from . import errors
from .client import ApiClient
from .errors import ApiError, UnreadableError
from .patch import merge_patch
from .queue import WorkQueue
from .resources import CONFIGMAPS, FLOWS, Key
from .store import Store

SOURCE_SECONDS = 15.0  # between two looks for a ConfigMap that is not there yet

log = logging.getLogger(__name__)


class Flows:
    """Writes the status of Flows.

    Args:
        client: to the API server.
        store: what is known.
        queue: its own.
        now: the wall clock, UTC.
    """

    def __init__(self, client: ApiClient, store: Store, queue: WorkQueue[Key], *, now: Callable[[], datetime]) -> None:
        self._client = client
        self._store = store
        self._queue = queue
        self._now = now

    def concern(self, keys: Iterable[Key]) -> None:
        """There may be news of these Flows."""
        for key in keys:
            self._queue.add(key)

    def close(self) -> None:
        """Let `work` return."""
        self._queue.close()

    async def work(self) -> None:
        """Take Flows from the queue until it is closed."""
        while (taken := await self._queue.get()) is not None:
            key, _ = taken
            try:
                await self.settle(key)
            except ApiError as error:
                wait = self._queue.fail(key, error.retry_after)
                level = logging.INFO if error.transient or error.code == errors.CONFLICT else logging.WARNING
                log.log(level, "the status of Flow %s was not written: %s; again in %.1f s", key, error, wait)
            except Exception:
                log.exception("Flow %s; again in %.1f s", key, self._queue.fail(key))
            else:
                self._queue.succeed(key)
            finally:
                self._queue.done(key)

    async def settle(self, key: Key) -> None:
        """Make a Flow's status true.

        Raises:
            ApiError: something was not answered, or refused.
        """
        try:
            flow = self._store.flow(key)
        except UnreadableError:
            return  # told already, and left alone
        if flow is None or flow.metadata.deletion_timestamp is not None:
            return
        source = await self._source(flow)
        wanted = flow_status(flow, source, self._now())
        if isinstance(source, Absence):
            self._queue.add_after(key, SOURCE_SECONDS)
        if wanted == flow.status:
            return
        patch = merge_patch(flow.status.to_json(), wanted.to_json())
        body = {"metadata": {"resourceVersion": flow.metadata.resource_version}, "status": patch}
        try:
            raw = await self._client.patch(FLOWS, *key, body, sub="status")
        except ApiError as error:
            if error.code != errors.NOT_FOUND:
                raise
            return  # its deletion's event is on its way
        self._store.apply(FLOWS, raw)

    async def _source(self, flow: Flow) -> ConfigMap | Absence | None:
        source = flow.spec.source
        if source is None or source.config_map is None:
            return None
        try:
            raw = await self._client.get(CONFIGMAPS, flow.metadata.namespace, source.config_map.name)
        except ApiError as error:
            if error.code != errors.NOT_FOUND:
                raise
            return MISSING
        return parse_config_map(raw)
