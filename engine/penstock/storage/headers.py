"""The headers of all records in a store: which runs they are of, without their values.

A record is found by its run's lineage only so, for its key holds the task's inputs. Neighbours: `records` tells the form;
`clusterruns.results` looks for what a task run has stored.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


def headers(store: Any, since: float | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Key and header of every record of a store; what is none, or is gone since it was listed, is passed over.

    Args:
        store: A file system for results that tells its keys.
        since: Seconds since 1970: what was written before is passed over unread.

    Raises:
        OSError: The store does not say.
    """
    for key, written in store.written_now():
        if since is not None and written < since:
            continue
        try:
            header = json.loads(store.first_line_now(key))
        except (ValueError, FileNotFoundError):
            continue
        if isinstance(header, dict) and header.get("penstock"):
            yield key, header
