"""Carries out what a decision wants besides the status. Each effect may be repeated without harm.

A lost answer, a restart between two effects, a second operator: names are fixed, patches and deletes name the UID they mean, and a 409 on
our own pod is success. Neighbours: `controller` calls `perform` after the status was written; `core.model` says what each effect means.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import Enum, auto
from typing import Any, assert_never

from penstock_operator.api.flowrun import FlowRun
from penstock_operator.core.model import (
    CreatePod,
    CreateRevision,
    DeletePod,
    DeleteRun,
    Effect,
    Emit,
    PatchPod,
    Refusal,
    TidyRevisions,
)
from penstock_operator.core.observe import parse_pod
from penstock_operator.core.revisions import content_digest, parse_config_map

from . import errors
from .client import ApiClient
from .errors import ApiError
from .gather import key_of_run
from .gist import urgent
from .memory import Memory
from .past import Tidying
from .recorder import Recorder
from .resources import CONFIGMAPS, FLOWRUNS, PODS, Key
from .store import Store

log = logging.getLogger(__name__)


class Outcome(Enum):
    """What became of an effect."""

    DONE = auto()  # the cluster is as it was wanted
    TOLD = auto()  # nothing that a decision could see
    REFUSED = auto()  # the API server did not want it; the core is told


class Effects:
    """Carries out effects.

    Args:
        client: to the API server.
        store: where answers go.
        recorder: where Events go.
        now: which time it is for a run.
    """

    def __init__(
        self, client: ApiClient, store: Store, recorder: Recorder, *, now: Callable[[FlowRun], datetime]
    ) -> None:
        self._client = client
        self._store = store
        self._recorder = recorder
        self._tidying = Tidying(client, store)
        self._now = now

    async def perform(self, effect: Effect, run: FlowRun, memory: Memory) -> Outcome:
        """Carry out one effect.

        Raises:
            ApiError: it failed, and the run is to be looked at again later.
        """
        match effect:
            case Emit():
                self._recorder.emit(run.metadata, effect)
                return Outcome.TOLD
            case CreatePod():
                return await self._create_pod(effect, run, memory)
            case CreateRevision():
                return await self._create_revision(effect, run, memory)
            case TidyRevisions():
                flow = Key(run.metadata.namespace, effect.flow)
                await self._tidying.tidy_revisions(flow, effect.flow_uid)
                return Outcome.TOLD
            case PatchPod():
                return await self._patch_pod(effect, run, memory)
            case DeletePod():
                return await self._delete_pod(effect, run, memory)
            case DeleteRun():
                return await self._delete_run(effect, run)
        assert_never(effect)

    async def _create_pod(self, effect: CreatePod, run: FlowRun, memory: Memory) -> Outcome:
        namespace, name = run.metadata.namespace, effect.manifest["metadata"]["name"]
        try:
            # One try: how a refusal is met is the core's decision, and it wants to know of the first.
            # A field that the server would drop is a mistake of the template's; what it only warns of is told in the status.
            warnings: list[str] = []
            raw = await self._client.create(
                PODS, namespace, effect.manifest, tries=1, priority=urgent(run), strict=True, warnings=warnings
            )
        except ApiError as error:
            if error.code == errors.CONFLICT and error.reason == "AlreadyExists":
                return await self._adopt(name, run, memory)
            if error.code == errors.NO_ANSWER:
                log.info("the pod's creation was not answered: %s", error.message)
            return self._refuse(run, memory, error.code, error.reason, error.message, error.retry_after)
        memory.pod_warnings = tuple(warnings)
        return self._created(raw, run, memory)

    async def _adopt(self, name: str, run: FlowRun, memory: Memory) -> Outcome:
        raw = await self._client.get(PODS, run.metadata.namespace, name, priority=urgent(run))
        if parse_pod(raw).owner_uid == run.metadata.uid:
            return self._created(raw, run, memory)
        message = f'a pod of the name "{name}" exists already, and is not this run\'s'
        return self._refuse(run, memory, errors.CONFLICT, "AlreadyExists", message, None)

    def _created(self, raw: Mapping[str, Any], run: FlowRun, memory: Memory) -> Outcome:
        self._store.apply(PODS, raw, own=key_of_run(run))
        memory.pod_created, memory.refusal = True, None
        return Outcome.DONE

    def _refuse(
        self,
        run: FlowRun,
        memory: Memory,
        code: int,
        reason: str,
        message: str,
        retry_after: float | None,
        what: str = "pod",
    ) -> Outcome:
        told = Refusal(code, reason, message, self._now(run), retry_after=retry_after, what=what)
        memory.refusal = told.after(memory.refusal)
        return Outcome.REFUSED

    async def _create_revision(self, effect: CreateRevision, run: FlowRun, memory: Memory) -> Outcome:
        namespace, manifest = run.metadata.namespace, effect.manifest
        try:
            # One try, as for the pod: a refusal is told, and met by the core.
            await self._client.create(CONFIGMAPS, namespace, manifest, tries=1, priority=urgent(run))
        except ApiError as error:
            if error.code != errors.CONFLICT or error.reason != "AlreadyExists":
                return self._refuse(
                    run, memory, error.code, error.reason, error.message, error.retry_after, "revision's ConfigMap"
                )
            # Another run of the Flow was first, or the answer was lost; what stands there proves itself before a pod is made.
            if not await self._same_content(namespace, manifest, run):
                return Outcome.REFUSED
        if memory.refusal is not None and memory.refusal.what != "pod":
            memory.refusal = None
        return Outcome.DONE

    async def _same_content(self, namespace: str, manifest: Mapping[str, Any], run: FlowRun) -> bool:
        try:
            raw = await self._client.get(CONFIGMAPS, namespace, manifest["metadata"]["name"], priority=urgent(run))
        except ApiError as error:
            if error.code != errors.NOT_FOUND:
                raise
            return False
        found = parse_config_map(raw)
        wanted = content_digest(manifest["data"], manifest.get("binaryData") or {})
        return content_digest(found.data, found.binary) == wanted

    async def _patch_pod(self, effect: PatchPod, run: FlowRun, memory: Memory) -> Outcome:
        key = Key(run.metadata.namespace, effect.name)
        if "activeDeadlineSeconds" in (effect.patch.get("spec") or {}) and memory.stopped_at is None:
            memory.stopped_at = self._now(run)
        metadata = {**(effect.patch.get("metadata") or {}), "uid": effect.uid}
        seen = self._store.seen(PODS, key)
        try:
            raw = await self._client.patch(PODS, *key, {**effect.patch, "metadata": metadata}, priority=urgent(run))
        except ApiError as error:
            if error.code == errors.NOT_FOUND:
                self._store.absent(PODS, key, seen, own=key_of_run(run))
                return Outcome.DONE
            # Another pod of that name: a server says so with a conflict, or with a refusal to change a UID.
            if error.code in (errors.CONFLICT, errors.INVALID) and await self._other(key, effect.uid, run):
                return Outcome.DONE
            raise
        self._store.apply(PODS, raw, own=key_of_run(run))
        return Outcome.DONE

    async def _delete_pod(self, effect: DeletePod, run: FlowRun, memory: Memory) -> Outcome:
        key = Key(run.metadata.namespace, effect.name)
        if memory.stopped_at is None:
            memory.stopped_at = self._now(run)
        options: dict[str, Any] = {"preconditions": {"uid": effect.uid}}
        if effect.grace_seconds is not None:
            options["gracePeriodSeconds"] = effect.grace_seconds
        seen = self._store.seen(PODS, key)
        try:
            raw = await self._client.delete(PODS, *key, options, priority=urgent(run))
        except ApiError as error:
            if error.code == errors.NOT_FOUND:
                self._store.absent(PODS, key, seen, own=key_of_run(run))
            elif error.code == errors.CONFLICT:
                await self._other(key, effect.uid, run)
            else:
                raise
            return Outcome.DONE
        if raw.get("kind") == "Pod":
            self._store.apply(PODS, raw, own=key_of_run(run))
        return Outcome.DONE

    async def _delete_run(self, effect: DeleteRun, run: FlowRun) -> Outcome:
        preconditions = {"uid": effect.uid, "resourceVersion": run.metadata.resource_version}
        key = key_of_run(run)
        try:
            await self._client.delete(
                FLOWRUNS, *key, {"preconditions": preconditions, "propagationPolicy": "Background"}
            )
        except ApiError as error:
            if error.code not in (errors.NOT_FOUND, errors.CONFLICT):
                raise
        # Gone, on its way, or changed: in each case the next event about it says what is to be done.
        return Outcome.TOLD

    async def _other(self, key: Key, uid: str, run: FlowRun) -> bool:
        """Read the pod, and say whether it is another than the one of that UID (or none)."""
        seen = self._store.seen(PODS, key)
        try:
            raw = await self._client.get(PODS, *key, priority=urgent(run))
        except ApiError as error:
            if error.code != errors.NOT_FOUND:
                raise
            self._store.absent(PODS, key, seen, own=key_of_run(run))
            return True
        self._store.apply(PODS, raw, own=key_of_run(run))
        return bool(raw["metadata"].get("uid") != uid)
