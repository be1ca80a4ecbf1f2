"""Keeps the objects over a restart: a snapshot, and behind it a log of every change.

`<folder>/snapshot.json` is replaced whole at start, at stop and every few thousand changes; `<folder>/changes.jsonl` grows by a line a
change and begins anew with each snapshot. Nothing is synced to disk: this is a development tool, and a torn last line is dropped.
`<folder>/keys.json` holds what authenticates clients and server, so that a kubeconfig stays good.
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

from .certificates import Identity, make_identity
from .store import key_of

if TYPE_CHECKING:
    from pathlib import Path

    from .store import Change, Store


KEYS_SECONDS = 360 * 86400.0


@dataclass(frozen=True, slots=True)
class Keys:
    """What authenticates: clients by the token, ServiceAccounts' tokens by the signing key, the server by its identity."""

    token: str
    signing: bytes
    identity: Identity


def new_keys(now: float) -> Keys:
    """Return fresh keys; `now` in seconds since the epoch."""
    return Keys(secrets.token_hex(16), secrets.token_bytes(32), make_identity(now))


class Persistence:
    """One folder of kept objects.

    Args:
        folder: made if it is not there.
        compact_after: a new snapshot is written after so many changes.
    """

    def __init__(self, folder: Path, compact_after: int = 5000) -> None:
        self._folder = folder
        self._compact_after = compact_after
        self._written = 0
        folder.mkdir(parents=True, exist_ok=True)
        self._snapshot = folder / "snapshot.json"
        self._changes = folder / "changes.jsonl"
        self._log: TextIO | None = None

    def keys(self, now: float) -> Keys:
        """Return the kept keys, made at the first time and again when they are a year old."""
        path = self._folder / "keys.json"
        try:
            content = json.loads(path.read_text())
            if now < content["made"] + KEYS_SECONDS:
                identity = Identity(content["certificate"], content["key"])
                return Keys(content["token"], bytes.fromhex(content["signing"]), identity)
        except (OSError, ValueError, KeyError):
            pass
        keys = new_keys(now)
        content = {
            "made": now,
            "token": keys.token,
            "signing": keys.signing.hex(),
            "certificate": keys.identity.certificate,
            "key": keys.identity.key,
        }
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(content, file)
        return keys

    def load(self, store: Store) -> None:
        """Fill a new store with what is kept."""
        objects: dict[tuple[str, str, str], dict[str, Any]] = {}
        version = 0
        if self._snapshot.exists():
            content = json.loads(self._snapshot.read_text())
            version = content["version"]
            for bucket, found in content["objects"].items():
                for obj in found:
                    objects[(bucket, *key_of(obj))] = obj
        if self._changes.exists():
            for line in self._changes.read_text().splitlines():
                try:
                    bucket, kind, obj = json.loads(line)
                except ValueError:
                    break  # torn: the process ended while it was written
                key = (bucket, *key_of(obj))
                version = max(version, int(obj["metadata"]["resourceVersion"]))
                if kind == "DELETED":
                    objects.pop(key, None)
                else:
                    objects[key] = obj
        for (bucket, _, _), obj in objects.items():
            store.load(bucket, obj)
        store.resume(version)

    def follow(self, store: Store) -> None:
        """Write a snapshot, then every change from now on."""
        self.compact(store)
        self._log = self._changes.open("a", buffering=1)
        store.listen(lambda change: self._write(change, store))

    def _write(self, change: Change, store: Store) -> None:
        if self._log is None:
            return
        line = json.dumps([change.bucket, change.type, change.new], separators=(",", ":"))
        self._log.write(line + "\n")
        self._written += 1
        if self._written >= self._compact_after:
            self.compact(store)

    def compact(self, store: Store) -> None:
        """Replace the snapshot by what is there now and begin the log anew."""
        content = {"version": store.version, "objects": {bucket: store.objects(bucket) for bucket in store.buckets()}}
        partial = self._snapshot.with_suffix(".partial")
        partial.write_text(json.dumps(content, separators=(",", ":")))
        partial.replace(self._snapshot)
        self._changes.write_text("")  # an open log goes on at the new end: it appends
        self._written = 0

    def close(self, store: Store) -> None:
        """Write the last snapshot and let the files go."""
        if self._log is not None:
            self._log.close()
            self._log = None
            self.compact(store)
