"""Hashes that are equal for equal things, in every process."""

from __future__ import annotations

from penstock.storage.hashing import file_hash, hash_objects, stable_hash

__all__ = [
    "file_hash",
    "hash_objects",
    "stable_hash",
]
