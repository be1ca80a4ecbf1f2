"""The server's own housekeeping: garbage collection by ownerReferences, namespaces' content, custom resources of a definition that goes.

Works like the controllers of a real cluster, in one task: it listens to the store, remembers what may be due, and looks at the
world anew each time. It writes through the verbs, so watches see what it does.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from .crd_strategy import CLEANUP
from .crds import BUCKET as DEFINITIONS
from .status import ApiError
from .strategies import default_objects
from .verbs import DeleteOptions, Verbs, WriteOptions, timestamp

if TYPE_CHECKING:
    from .kinds import Resource
    from .store import Change, Object

_log = logging.getLogger(__name__)
NAMESPACES = "namespaces."
EVENTS = "events"
EVENT_SECONDS = 3600.0  # as a real server's --event-ttl
SWEEP_SECONDS = 60.0
_MANAGER = WriteOptions(manager="penstock-dev", validation="Ignore")


class Controllers:
    """Runs while the server runs; `start` in a loop, `stop` before it ends.

    Args:
        verbs: writes.
        ca: PEM of the server's certificate, for the ConfigMap that pods mount.
    """

    def __init__(self, verbs: Verbs, ca: str) -> None:
        self._verbs = verbs
        self._ca = ca
        self._store = verbs.store
        self._dependents: dict[str, set[tuple[str, str, str]]] = {}  # owner's uid → who points to it
        self._uids: set[str] = set()
        self._due: dict[tuple[str, str], None] = {}  # (what, which), in order
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        for bucket in self._store.buckets():
            for obj in self._store.objects(bucket):
                self._learn(bucket, obj)
        for name in ("default", "kube-system", "kube-public", "kube-node-lease"):
            if self._store.get(NAMESPACES, "", name) is None:
                self._make_namespace(name)
        self._unlisten = self._store.listen(self._changed)

    def start(self) -> None:
        """Begin; work that a restart left over is found again."""
        for bucket in self._store.buckets():
            for obj in self._store.objects(bucket):
                self._consider(bucket, obj)
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """End."""
        self._unlisten()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def _make_namespace(self, name: str) -> None:
        resource = self._resource(NAMESPACES)
        assert resource is not None
        self._verbs.create(resource, "", {"metadata": {"name": name}}, _MANAGER)
        self._fill_namespace(name)

    def _fill_namespace(self, namespace: str) -> None:
        for bucket, obj in default_objects(self._ca):
            resource = self._resource(bucket)
            if resource is not None and self._store.get(bucket, namespace, obj["metadata"]["name"]) is None:
                self._verbs.create(resource, namespace, obj, _MANAGER)

    def _resource(self, bucket: str) -> Resource | None:
        return self._verbs.registry.by_bucket(bucket)

    # --- what may be due

    def _changed(self, change: Change) -> None:
        meta = change.new["metadata"]
        if change.old is not None:
            self._forget(change.bucket, change.old)
        if change.type == "DELETED":
            self._uids.discard(meta["uid"])
            if self._dependents.get(meta["uid"]):
                self._add("owner", meta["uid"])
            for reference in (change.old or change.new)["metadata"].get("ownerReferences") or ():
                self._add("dependent-gone", reference["uid"])
            if meta.get("namespace"):
                self._add("namespace", meta["namespace"])
            self._add("definition-content", change.bucket)
            return
        self._learn(change.bucket, change.new)
        self._consider(change.bucket, change.new)
        if change.bucket == NAMESPACES and change.type == "ADDED":
            self._fill_namespace(meta["name"])

    def _learn(self, bucket: str, obj: Object) -> None:
        meta = obj["metadata"]
        self._uids.add(meta["uid"])
        for reference in meta.get("ownerReferences") or ():
            self._dependents.setdefault(reference["uid"], set()).add((bucket, meta.get("namespace", ""), meta["name"]))

    def _forget(self, bucket: str, obj: Object) -> None:
        meta = obj["metadata"]
        for reference in meta.get("ownerReferences") or ():
            left = self._dependents.get(reference["uid"], set())
            left.discard((bucket, meta.get("namespace", ""), meta["name"]))
            if not left:
                self._dependents.pop(reference["uid"], None)

    def _consider(self, bucket: str, obj: Object) -> None:
        meta = obj["metadata"]
        if meta.get("ownerReferences"):
            for reference in meta["ownerReferences"]:
                if reference["uid"] not in self._uids:
                    self._add("owner", reference["uid"])
        if meta.get("deletionTimestamp"):
            finalizers = meta.get("finalizers") or ()
            if "foregroundDeletion" in finalizers or "orphan" in finalizers:
                self._add("finalizer", f"{bucket}\0{meta.get('namespace', '')}\0{meta['name']}")
            if bucket == NAMESPACES:
                self._add("namespace", meta["name"])
            if bucket == DEFINITIONS and CLEANUP in finalizers:
                self._add("definition", meta["name"])

    def _add(self, what: str, which: str) -> None:
        self._due[what, which] = None
        self._wake.set()

    async def _run(self) -> None:
        while True:
            try:  # not wait_for: in Python 3.11 it loses a cancellation that comes together with the event
                async with asyncio.timeout(SWEEP_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                self.expire_events()
            self._wake.clear()
            while self._due:
                what, which = next(iter(self._due))
                del self._due[what, which]
                try:
                    self._act(what, which)
                except ApiError as error:
                    _log.warning("housekeeping of %s %s: %s", what, which, error.message)
                await asyncio.sleep(0)

    def expire_events(self) -> None:
        """Forget Events that are an hour old."""
        oldest = timestamp(self._verbs.clock() - EVENT_SECONDS)
        for event in self._store.objects(EVENTS):
            if event["metadata"]["creationTimestamp"] < oldest:
                self._store.remove(EVENTS, event)

    # --- acting

    def _act(self, what: str, which: str) -> None:
        if what == "owner":
            self._owner_gone(which)
        elif what == "dependent-gone":
            self._dependent_gone(which)
        elif what == "finalizer":
            bucket, namespace, name = which.split("\0")
            self._finish_owner(bucket, namespace, name)
        elif what == "namespace":
            self._finish_namespace(which)
        elif what == "definition":
            self._finish_definition(which)
        elif what == "definition-content":
            for definition in self._store.objects(DEFINITIONS):
                if definition["metadata"].get("deletionTimestamp"):
                    self._finish_definition(definition["metadata"]["name"])

    def _owner_gone(self, uid: str) -> None:
        """Delete what belonged to an owner that is not there (and to no other that is)."""
        for bucket, namespace, name in sorted(self._dependents.get(uid, ())):
            obj = self._store.get(bucket, namespace, name)
            if obj is None or uid in self._uids:
                continue
            references = obj["metadata"].get("ownerReferences") or []
            if any(reference["uid"] in self._uids for reference in references):
                self._drop_references(bucket, obj, uid)
            elif not obj["metadata"].get("deletionTimestamp"):
                self._delete(bucket, obj, "Background")

    def _drop_references(self, bucket: str, obj: Object, uid: str) -> None:
        left = [reference for reference in obj["metadata"]["ownerReferences"] if reference["uid"] != uid]
        self._patch(bucket, obj, {"ownerReferences": left or None})

    def _patch(self, bucket: str, obj: Object, metadata: dict[str, Any]) -> None:
        resource = self._resource(bucket)
        if resource is not None:
            meta = obj["metadata"]
            body = {"metadata": metadata}
            self._verbs.patch(
                resource, meta.get("namespace", ""), meta["name"], "", "application/merge-patch+json", body, _MANAGER
            )

    def _delete(self, bucket: str, obj: Object, propagation: str) -> None:
        resource = self._resource(bucket)
        if resource is not None:
            meta = obj["metadata"]
            options = DeleteOptions(propagation=propagation, uid=meta["uid"])
            self._verbs.delete(resource, meta.get("namespace", ""), meta["name"], options)

    def _finish_owner(self, bucket: str, namespace: str, name: str) -> None:
        owner = self._store.get(bucket, namespace, name)
        if owner is None:
            return
        uid = owner["metadata"]["uid"]
        finalizers = owner["metadata"].get("finalizers") or []
        if "orphan" in finalizers:
            for key in sorted(self._dependents.get(uid, ())):
                obj = self._store.get(*key)
                if obj is not None:
                    self._drop_references(key[0], obj, uid)
            self._patch(
                bucket,
                self._store.get(bucket, namespace, name) or owner,
                {"finalizers": _without(finalizers, "orphan")},
            )
            return
        if "foregroundDeletion" not in finalizers:
            return
        blocking = False
        for key in sorted(self._dependents.get(uid, ())):
            obj = self._store.get(*key)
            if obj is None:
                continue
            if not obj["metadata"].get("deletionTimestamp"):
                self._delete(
                    key[0], obj, "Foreground" if self._dependents.get(obj["metadata"]["uid"]) else "Background"
                )
            still = self._store.get(*key)
            blocking = blocking or (still is not None and _blocks(still, uid))
        if not blocking:
            self._patch(bucket, owner, {"finalizers": _without(finalizers, "foregroundDeletion")})

    def _dependent_gone(self, uid: str) -> None:
        """An owner that waits for its dependents may be done."""
        for bucket in self._store.buckets():
            for obj in self._store.objects(bucket):
                if obj["metadata"]["uid"] == uid and obj["metadata"].get("deletionTimestamp"):
                    self._finish_owner(bucket, obj["metadata"].get("namespace", ""), obj["metadata"]["name"])

    def _finish_namespace(self, name: str) -> None:
        namespace = self._store.get(NAMESPACES, "", name)
        if namespace is None or not namespace["metadata"].get("deletionTimestamp"):
            return
        left = False
        for bucket in self._store.buckets():
            if bucket == NAMESPACES:
                continue
            for obj in self._store.objects(bucket, name):
                if not obj["metadata"].get("deletionTimestamp"):
                    self._delete(bucket, obj, "Background")
                meta = obj["metadata"]
                left = left or self._store.get(bucket, name, meta["name"]) is not None
        if not left:
            self._store.remove(NAMESPACES, {**namespace, "spec": {}})

    def _finish_definition(self, name: str) -> None:
        definition = self._store.get(DEFINITIONS, "", name)
        if definition is None or CLEANUP not in (definition["metadata"].get("finalizers") or ()):
            return
        bucket = f"{definition['spec']['names']['plural']}.{definition['spec']['group']}"
        for obj in self._store.objects(bucket):
            if not obj["metadata"].get("deletionTimestamp"):
                self._delete(bucket, obj, "Background")
        if not self._store.objects(bucket):
            finalizers = definition["metadata"].get("finalizers") or []
            self._patch(DEFINITIONS, definition, {"finalizers": _without(finalizers, CLEANUP)})


def _without(finalizers: list[str], gone: str) -> list[str] | None:
    return [finalizer for finalizer in finalizers if finalizer != gone] or None


def _blocks(obj: Object, owner: str) -> bool:
    return any(
        reference["uid"] == owner and reference.get("blockOwnerDeletion")
        for reference in obj["metadata"].get("ownerReferences") or ()
    )
