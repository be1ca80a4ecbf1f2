"""Deletes what a Flow's history loses, and the revisions that nobody uses any more.

Both are named by UID, and may be tried again without harm. Neighbours: `core.flows.history` says which runs, `core.revisions` which revisions.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from penstock_operator.api.constants import LABEL_FLOW
from penstock_operator.api.metadata import ObjectMeta
from penstock_operator.core.flows.model import DeletePast
from penstock_operator.core.revisions import Stored, superseded

from . import errors
from .client import ApiClient
from .errors import ApiError
from .resources import CONFIGMAPS, FLOWRUNS, Key
from .store import Store

log = logging.getLogger(__name__)


class Tidying:
    """Deletes what is past.

    Args:
        client: to the API server.
        store: what is known.
    """

    def __init__(self, client: ApiClient, store: Store) -> None:
        self._client = client
        self._store = store

    async def delete_run(self, effect: DeletePast, namespace: str) -> None:
        """Delete a finished run as it is known: what has happened to it since is looked at anew.

        Raises:
            ApiError: it was not answered, or refused.
        """
        key = Key(namespace, effect.name)
        entry = self._store.runs.entry(key)
        if entry is None or entry.uid != effect.uid:
            return
        preconditions = {"uid": effect.uid, "resourceVersion": str(entry.version)}
        options = {"preconditions": preconditions, "propagationPolicy": "Background"}
        try:
            await self._client.delete(FLOWRUNS, *key, options)
        except ApiError as error:
            if error.code not in (errors.NOT_FOUND, errors.CONFLICT):
                raise
        # Gone, on its way, or changed: in each case the next event about it says what is to be done.
        self._store.references.history.note(key, None)

    async def tidy_revisions(self, flow: Key, uid: str) -> None:
        """Delete a Flow's revisions that are old and not in use; best effort.

        Args:
            flow: whose revisions.
            uid: of the Flow.
        """
        namespace = flow.namespace
        try:
            listing = await self._client.list(
                CONFIGMAPS, namespace, label_selector=f"{LABEL_FLOW}={flow.name}", metadata_only=True
            )
            stored = [_stored(raw) for raw in listing.items]
            for old in superseded(stored, flow.name, uid, self._store.revisions_in_use(flow)):
                await self._client.delete(CONFIGMAPS, namespace, old.name, {"preconditions": {"uid": old.uid}})
        except ApiError as error:
            # They are in nobody's way, and the next new revision finds them again.
            if error.code not in (errors.NOT_FOUND, errors.CONFLICT):
                log.info("old revisions of Flow %s stay: %s", flow, error)


def _stored(raw: Mapping[str, Any]) -> Stored:
    meta = ObjectMeta.model_validate(raw["metadata"])
    owner = next((o.uid for o in meta.owner_references if o.controller), "")
    return Stored(meta.name, meta.uid, owner, meta.creation_timestamp)
