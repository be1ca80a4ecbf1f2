"""Canonical JSON and its hash: equal values give equal texts, so that revisions, drift and intent tokens can be told by a hash.

Keys sorted, no spaces, non-ASCII characters as they are, UTF-8. The engine hashes inputs in the same way.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def canonical_json(value: Any) -> str:
    """Return the canonical JSON text of a JSON value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


# Serialisers give up at some depth (pydantic's at 255, Python's json near 1,000); what people write has ten levels.
DEEPEST = 100


def too_deep(value: Any) -> bool:
    """Whether a JSON value is nested deeper than `DEEPEST` levels. It does not recurse itself."""
    level = [value]
    for _ in range(DEEPEST):
        level = [
            child
            for item in level
            if isinstance(item, dict | list)
            for child in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return False
    return any(isinstance(item, dict | list) for item in level)


def digest(value: Any) -> str:
    """Return the SHA-256 of a value's canonical JSON, 64 hex digits."""
    return digest_text(canonical_json(value))


def digest_files(files: Mapping[str, bytes]) -> str:
    """Return the SHA-256 of a folder's content, 64 hex digits: of the canonical JSON of each file's name and its own SHA-256.

    The engine makes the same of the folder that is mounted, file by file.
    """
    return digest({name: hashlib.sha256(content).hexdigest() for name, content in files.items()})


def digest_text(text: str) -> str:
    """Return the SHA-256 of a text, 64 hex digits."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
