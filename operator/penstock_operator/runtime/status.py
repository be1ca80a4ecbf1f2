"""Writes a run's status: the difference from what was read, guarded by the resourceVersion that the decision was based on.

A conflict is the caller's: the decision is stale. A refusal (invalid, too large for the server or for etcd) is answered here with less of the
same truth, and remembered, so that what was refused is not tried again with every event. Neighbours: `patch`, `reduce`, `controller`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from penstock_operator.api.flowrun import FlowRun, FlowRunStatus

from . import errors
from .client import ApiClient
from .errors import ApiError
from .gather import RunGoneError, key_of_run
from .gist import urgent
from .memory import Memory
from .metrics import Metrics
from .patch import merge_patch
from .reduce import LEVELS, differing, reduced, same
from .resources import FLOWRUNS
from .store import Store

log = logging.getLogger(__name__)


class UnwritableError(Exception):
    """Not even the smallest status is taken.

    Attributes:
        message: the server's words.
        too_large: the object must change first; else somebody's rule forbids it, and rules change.
    """

    def __init__(self, error: ApiError) -> None:
        super().__init__(str(error))
        self.message = error.message
        self.too_large = error.too_large


class StatusWriter:
    """The one writer of `status`, except for the report.

    Args:
        client: to the API server.
        store: where the answer goes.
        metrics: where transitions are counted.
    """

    def __init__(self, client: ApiClient, store: Store, metrics: Metrics) -> None:
        self._client = client
        self._store = store
        self._metrics = metrics

    async def write(self, run: FlowRun, wanted: FlowRunStatus, memory: Memory, *, drop_report: bool) -> FlowRun | None:
        """Make the status what is wanted.

        Args:
            run: as it was read, with its resourceVersion.
            wanted: the whole status; its report is ignored.
            memory: of the run: what was refused before.
            drop_report: whether the report goes with the attempt that it was about.

        Returns:
            The run as the API server answered; None when there was nothing to write.

        Raises:
            RunGoneError: there is no such run any more.
            UnwritableError: even the least was refused.
            ApiError: 409: something changed meanwhile; others: no answer.
        """
        state = wanted.state
        about = (
            f"{state.type}/{state.name}/{wanted.attempt.number if wanted.attempt else 0}" if state is not None else ""
        )
        if memory.reduced_for != about:
            memory.reduced, memory.reduced_for = 0, about
        if wanted == run.status and not memory.reduced and not drop_report:
            return None
        while True:
            patch = self._patch(run, wanted, memory, drop_report=drop_report)
            if not patch:
                return None
            try:
                raw = await self._client.patch(
                    FLOWRUNS,
                    run.metadata.namespace,
                    run.metadata.name,
                    {"metadata": {"resourceVersion": run.metadata.resource_version}, "status": patch},
                    sub="status",
                    priority=urgent(run),
                )
            except ApiError as error:
                if error.code == errors.NOT_FOUND:
                    key = key_of_run(run)
                    self._store.absent(FLOWRUNS, key, self._store.seen(FLOWRUNS, key), own=key)
                    raise RunGoneError(str(key)) from error
                if error.code != errors.INVALID and not error.too_large:
                    raise
                if memory.reduced >= LEVELS:
                    raise UnwritableError(error) from error
                memory.reduced += 1
                memory.reduced_why = error.message
                self._metrics.reduced.inc()
                log.error("the status was refused, and is written with less detail: %s", error)  # noqa: TRY400
                continue
            answer = self._store.learn_run(raw)
            log.debug("wrote %s", patch)
            self._count(run.status, answer.status)
            return answer

    def _patch(self, run: FlowRun, wanted: FlowRunStatus, memory: Memory, *, drop_report: bool) -> Mapping[str, Any]:
        if memory.reduced:
            present = same(run.status)
            patch = merge_patch(present, reduced(same(wanted), present, memory.reduced, memory.reduced_why))
        else:
            fields = differing(run.status, wanted)
            patch = merge_patch(same(run.status, fields), same(wanted, fields))
        if drop_report and run.status.report is not None:
            patch["report"] = None
        return patch

    def _count(self, before: FlowRunStatus, after: FlowRunStatus) -> None:
        old, new = before.state, after.state
        if new is not None and (old is None or (old.type, old.name) != (new.type, new.name)):
            self._metrics.transition(new.type.value, new.name)
            log.info("%s%s", f"{new.type.value}/{new.name}", f": {new.message}" if new.message else "")
        known = {attempt.number for attempt in before.attempts or ()}
        for attempt in after.attempts or ():
            if attempt.number not in known:
                self._metrics.attempts.labels(attempt.budget or "none").inc()
