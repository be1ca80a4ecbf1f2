"""Pods whose run is gone, and that nobody ends: found by our label, and deleted.

A cluster's garbage collector ends the pods of a FlowRun that is deleted. Where the CRDs went with it, it no longer knows what the owner was,
and leaves them running for ever. So now and then the pods that are known are held against the runs that are known. Nothing is concluded from
a cache: a pod is looked at twice, a minute apart, and its run is read live, before it goes. A pod whose owner reference was taken off (the
run was deleted with `--cascade=orphan`) is its owner's no more, and stays. Neighbours: `store`, and `app`, which leads when this runs.
"""

from __future__ import annotations

import logging

from penstock_operator.api.constants import OWN_PREFIX
from penstock_operator.core.observe import Pod

from . import errors
from .client import ApiClient
from .errors import ApiError
from .metrics import Metrics
from .resources import FLOWRUNS, PODS, Key
from .store import Store

FLOWRUN_KIND = "FlowRun"
AT_ONCE = 100  # of one sweep; the next ones end the others

log = logging.getLogger(__name__)


class Orphans:
    """Ends them.

    Args:
        client: to the API server.
        store: what is known.
        metrics: where they are counted.
    """

    def __init__(self, client: ApiClient, store: Store, metrics: Metrics) -> None:
        self._client = client
        self._store = store
        self._metrics = metrics
        self._suspects: frozenset[str] = frozenset()  # UIDs of pods, as the last sweep found them

    async def sweep(self) -> None:
        """Look at all pods, and end those that were suspects before and whose run is gone."""
        found = self._store.unowned_pods()
        for key, run, pod in [one for one in found if one[2].uid in self._suspects][:AT_ONCE]:
            try:
                if await self._ours(key, pod) and await self._gone(run, pod.owner_uid):
                    await self._end(key, pod)
            except ApiError as error:
                log.info("pod %s may be of a run that is gone, and was left for now: %s", key, error)
            except Exception:
                log.exception("pod %s may be of a run that is gone, and was left for now", key)
        self._suspects = frozenset(pod.uid for _, _, pod in found)

    async def _ours(self, key: Key, pod: Pod) -> bool:
        """Whether the pod is there, and owned by a FlowRun: labels may be copied."""
        try:
            raw = await self._client.get(PODS, *key)
        except ApiError as error:
            if error.code != errors.NOT_FOUND:
                raise
            return False
        meta = raw["metadata"]
        owners = [owner for owner in meta.get("ownerReferences") or () if owner.get("controller")]
        return meta.get("uid") == pod.uid and any(
            owner.get("kind") == FLOWRUN_KIND
            and str(owner.get("apiVersion", "")).startswith(OWN_PREFIX)
            and owner.get("uid") == pod.owner_uid
            for owner in owners
        )

    async def _gone(self, run: Key, uid: str) -> bool:
        """Whether a live read shows that there is no run of that UID."""
        try:
            raw = await self._client.get(FLOWRUNS, *run)
        except ApiError as error:
            # A server that has no such kind of object says 404, too, and names none.
            if error.code == errors.NOT_FOUND and error.about == run.name:
                return True
            raise
        return bool(raw["metadata"].get("uid") != uid)

    async def _end(self, key: Key, pod: Pod) -> None:
        log.warning("pod %s is of a run that is gone, and is ended", key)
        try:
            await self._client.delete(PODS, *key, {"preconditions": {"uid": pod.uid}})
        except ApiError as error:
            if error.code not in (errors.NOT_FOUND, errors.CONFLICT):
                raise
        self._metrics.orphans.inc()
