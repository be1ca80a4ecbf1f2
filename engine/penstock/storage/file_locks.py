"""Locks between processes that share a directory, such as many pods on one volume.

A lock is a file made with O_EXCL that holds its holder and its expiry as JSON. A lock without a limit is renewed by its
holder's process every third of a minute; one that has expired is taken over by a rename, which one process wins.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

from penstock.storage.polling_locks import PollingLockManager

LEASE_SECONDS = 60.0


class FileSystemLockManager(PollingLockManager):
    """Locks in a directory.

    Args:
        lock_files_directory: made when it does not exist.
    """

    def __init__(self, lock_files_directory: str | Path) -> None:
        self.lock_files_directory = Path(lock_files_directory).expanduser().resolve()
        self._guard = threading.Lock()
        self._renewed: dict[str, str] = {}
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()

    def __reduce__(self) -> tuple[type[FileSystemLockManager], tuple[Path]]:
        return type(self), (self.lock_files_directory,)

    def _path(self, key: str) -> Path:
        return self.lock_files_directory / f"{quote(key, safe='')}.lock"

    def _read(self, path: Path) -> tuple[str, float | None] | None:
        try:
            entry = json.loads(path.read_text())
            return str(entry["holder"]), entry["expiration"]
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            # Torn while it was being written: held, by somebody that is not known yet, until its lease is over.
            with contextlib.suppress(FileNotFoundError):
                return "", path.stat().st_mtime + LEASE_SECONDS
            return None

    def _try(self, key: str, holder: str, hold_timeout: float | None) -> bool:
        path = self._path(key)
        current = self._read(path)
        if current is not None:
            name, until = current
            if until is None or until > time.time():
                return name == holder
            # Expired: whoever moves it away first may try again.
            aside = path.with_name(f".{path.name[:100]}.{uuid4().hex[:12]}.expired")
            try:
                os.rename(path, aside)
            except FileNotFoundError:
                return False
            aside.unlink(missing_ok=True)
        until = time.time() + (hold_timeout if hold_timeout is not None else LEASE_SECONDS)
        self.lock_files_directory.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError:
            return False
        with os.fdopen(descriptor, "w") as file:
            json.dump({"holder": holder, "expiration": until}, file)
        if hold_timeout is None:
            self._renew(key, holder)
        return True

    def _renew(self, key: str, holder: str) -> None:
        with self._guard:
            self._renewed[key] = holder
            if self._thread is None or not self._thread.is_alive():
                self._wake = threading.Event()
                self._thread = threading.Thread(target=self._keep, name="penstock-locks", daemon=True)
                self._thread.start()

    def _keep(self) -> None:
        while not self._wake.wait(LEASE_SECONDS / 3):
            with self._guard:
                held = dict(self._renewed)
                if not held:
                    self._thread = None
                    return
            for key, holder in held.items():
                self._write(key, holder)

    def _write(self, key: str, holder: str) -> None:
        path = self._path(key)
        current = self._read(path)
        if current is None or current[0] != holder:
            return
        beside = path.with_name(f".{path.name[:100]}.{uuid4().hex[:12]}.tmp")
        beside.write_text(json.dumps({"holder": holder, "expiration": time.time() + LEASE_SECONDS}))
        os.replace(beside, path)

    def holder_of(self, key: str) -> str | None:
        """Who has the lock; None: nobody."""
        current = self._read(self._path(key))
        if current is None:
            return None
        name, until = current
        return None if until is not None and until <= time.time() else name

    def _drop(self, key: str) -> None:
        with self._guard:
            self._renewed.pop(key, None)
            if not self._renewed:
                self._wake.set()
                self._thread = None
        self._path(key).unlink(missing_ok=True)
