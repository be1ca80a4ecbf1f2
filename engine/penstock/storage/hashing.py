"""Hashes that are equal for equal things, in every process."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from penstock.base.texts import text_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def _md5(content: bytes = b"") -> Any:
    return hashlib.md5(content, usedforsecurity=False)


def stable_hash(*args: str | bytes, hash_algo: Callable[..., Any] = _md5) -> str:
    """The hex digest of texts and bytes, one after the other."""
    digest = hash_algo()
    for arg in args:
        digest.update(arg.encode() if isinstance(arg, str) else arg)
    return str(digest.hexdigest())


def file_hash(path: str | Path, hash_algo: Callable[..., Any] = _md5) -> str:
    """The hex digest of a file's content."""
    from pathlib import Path

    return stable_hash(Path(path).read_bytes(), hash_algo=hash_algo)


def hash_objects(
    *args: Any, hash_algo: Callable[..., Any] = _md5, raise_on_failure: bool = False, **kwargs: Any
) -> str | None:
    """The hex digest of objects: canonical for builtins, dataclasses, enums, dates, paths and models, else cloudpickle.

    Args:
        args: what to hash, in order.
        hash_algo: a constructor of `hashlib`.
        raise_on_failure: raise `HashError` for what cannot be hashed; None is returned otherwise.
        kwargs: hashed by name as well.
    """
    from penstock.base.exceptions import HashError
    from penstock.storage.keys import Unhashable, canonical

    try:
        return stable_hash(canonical((args, kwargs)), hash_algo=hash_algo)
    except Unhashable as exc:
        if raise_on_failure:
            raise HashError(f"Unable to create hash - objects could not be serialized: {text_of(exc)}") from exc
        return None
