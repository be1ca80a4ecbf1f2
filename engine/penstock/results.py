"""Where results are stored, and how they are read back.

A `ResultStore` joins a file system, a serializer and a lock manager. Its logic is written once, as steps that call the
file system (sync or async); `read` and its like perform them at once in sync code, and are awaitable in async runs.
Neighbours: `_records` (the form of a file), `filesystems`, `locking`, `core.reuse`.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from penstock._records import ResultRecord, ResultRecordMetadata, Torn
from penstock._resolving import (
    aget_default_result_storage,
    aresolve_result_storage,
    get_default_persist_setting,
    get_default_persist_setting_for_tasks,
    get_default_result_serializer,
    get_default_result_storage,
    resolve_result_storage,
    resolve_serializer,
)
from penstock.core.effects import Call
from penstock.core.outcome import Raised
from penstock.drivers.steps import arun_steps, dispatch, run_steps, value_of
from penstock.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from datetime import datetime

    from penstock.core.effects import Effect

    Steps = Generator[Effect, Any, Any]

__all__ = [
    "ResultRecord",
    "ResultRecordMetadata",
    "ResultStore",
    "aget_default_result_storage",
    "aresolve_result_storage",
    "get_default_persist_setting",
    "get_default_persist_setting_for_tasks",
    "get_default_result_serializer",
    "get_default_result_storage",
    "get_result_store",
    "resolve_result_storage",
    "resolve_serializer",
    "should_persist_result",
]


def should_persist_result() -> bool:
    """Whether the current run stores its result; outside runs, the setting."""
    from penstock._current import current_run
    from penstock._persisting import persists

    run = current_run.get()
    return get_default_persist_setting() if run is None else persists(run)


def get_result_store() -> ResultStore:
    """The store of the current run; outside runs, that of the settings."""
    from penstock._current import current_run
    from penstock._persisting import store_of

    run = current_run.get()
    return ResultStore() if run is None else store_of(run)


class ResultStore:
    """Reads and writes results.

    Args:
        result_storage: where; default: by the settings.
        serializer: how; default: by the settings.
        lock_manager: for isolation level SERIALIZABLE.
        metadata_storage: accepted; header and payload are one file here.
        cache_result_in_memory: keep values in the records that are written.
        storage_key_fn: makes a key when none is given.
    """

    def __init__(
        self,
        result_storage: Any = None,
        serializer: Any = None,
        lock_manager: Any = None,
        metadata_storage: Any = None,
        cache_result_in_memory: bool = True,
        storage_key_fn: Callable[[], str] | None = None,
        **_: Any,
    ) -> None:
        self._given_storage = result_storage
        self._storage: Any = None
        self._given_serializer = serializer
        self._serializer: Any = None
        self.lock_manager = lock_manager
        self.metadata_storage = metadata_storage
        self.cache_result_in_memory = cache_result_in_memory
        self.storage_key_fn = storage_key_fn or _random_key

    @property
    def result_storage(self) -> Any:
        """The file system."""
        if self._storage is None:
            given = self._given_storage
            self._storage = resolve_result_storage(given) if given is not None else get_default_result_storage()
        return self._storage

    @property
    def serializer(self) -> Any:
        """The serializer."""
        if self._serializer is None:
            given = self._given_serializer
            self._serializer = resolve_serializer(given) if given is not None else get_default_result_serializer()
        return self._serializer

    @property
    def durable(self) -> bool:
        """Whether storage was configured explicitly, and so outlives this process's machine as far as the user cares."""
        if self._given_storage is not None:
            return True
        from penstock.settings import get_current_settings

        return bool(get_current_settings().results.storage)

    def _changed(self, definition: Any) -> ResultStore:
        new = copy.copy(self)
        if definition.result_storage is not None:
            new._given_storage, new._storage = definition.result_storage, None
        if definition.result_serializer is not None:
            new._given_serializer, new._serializer = definition.result_serializer, None
        return new

    def update_for_flow(self, flow: Any) -> ResultStore:
        """A store with the flow's options."""
        new = self._changed(flow)
        new.cache_result_in_memory = flow.cache_result_in_memory
        return new

    def update_for_task(self, task: Any) -> ResultStore:
        """A store with the task's options, and those of its cache policy."""
        new = self._changed(task)
        new.cache_result_in_memory = task.cache_result_in_memory
        policy = task.cache_policy
        if getattr(policy, "lock_manager", None) is not None:
            new.lock_manager = policy.lock_manager
        if getattr(policy, "key_storage", None) is not None:
            new._given_storage, new._storage = policy.key_storage, None
        return new

    def supports_isolation_level(self, level: Any) -> bool:
        """Whether the level can be kept: SERIALIZABLE needs a lock manager.

        Raises:
            ValueError: there is no such level.
        """
        from penstock.transactions import IsolationLevel

        if level == IsolationLevel.READ_COMMITTED:
            return True
        if level == IsolationLevel.SERIALIZABLE:
            return self.lock_manager is not None
        raise ValueError(f"Unsupported isolation level: {level}")

    def generate_default_holder(self) -> str:
        """A name for whoever asks for a lock here: host, process, thread."""
        import os
        import socket
        import threading

        return f"{socket.gethostname()}:{os.getpid()}:{threading.get_ident()}"

    def create_result_record(
        self,
        obj: Any,
        key: str | None = None,
        expiration: datetime | None = None,
        *,
        kind: str = "value",
        run: Any = None,
    ) -> ResultRecord:
        """A record of a value, not written yet.

        Args:
            obj: the value.
            key: default: random.
            expiration: after which it is not used any more.
            kind: "value" or "exception".
            run: description of the run, for the header.

        Raises:
            ValueError: the key leads outside the storage.
        """
        key = key if key is not None else self.storage_key_fn()
        metadata = ResultRecordMetadata(key, self.serializer, expiration, kind=kind, run=run)
        return ResultRecord(obj, metadata, self)

    def _exists_steps(self, key: str) -> Steps:
        storage = self.result_storage
        probe = getattr(storage, "exists_now", None) or getattr(storage, "exists", None)
        if probe is not None:
            return bool(value_of((yield Call(probe, (key,)))))
        content = yield Call(storage.read_path, (key,))
        return not isinstance(content, Raised)

    def _read_steps(self, key: str) -> Steps:
        """The record of a key, or None: absent, expired records included as they are, torn ones as absent."""
        storage = self.result_storage
        content = yield Call(getattr(storage, "read_now", None) or storage.read_path, (key,))
        if isinstance(content, Raised):
            if isinstance(content.exc, FileNotFoundError | ValueError | KeyError | OSError):
                return None
            raise content.exc
        try:
            record = ResultRecord.deserialize(content)
        except Torn as exc:
            _warn("The stored result %r cannot be used (%s); it counts as absent.", key, exc)
            return None
        record._store = self
        return record

    def _write_steps(self, record: ResultRecord) -> Steps:
        content = record.serialize()
        storage = self.result_storage
        now = getattr(storage, "write_now", None)
        if now is not None:
            from penstock.settings import get_current_settings

            value_of((yield Call(now, (record.metadata.storage_key, content, get_current_settings().results.fsync))))
        else:
            value_of((yield Call(storage.write_path, (record.metadata.storage_key, content))))
        record._store = self
        if not self.cache_result_in_memory:
            record.forget()

    def _delete_steps(self, key: str) -> Steps:
        storage = self.result_storage
        delete = getattr(storage, "delete_now", None) or getattr(storage, "delete", None)
        if delete is not None:
            yield Call(delete, (key,))

    def _checked_read_steps(self, key: str) -> Steps:
        record = yield from self._read_steps(key)
        if record is None:
            raise ValueError(f"There is no stored result {key!r}.")
        return record

    def _write_value_steps(self, obj: Any, key: str | None, expiration: datetime | None, holder: str | None) -> Steps:
        record = self.create_result_record(obj, key, expiration)
        yield from self._locked_write_steps(record, holder)

    def _locked_write_steps(self, record: ResultRecord, holder: str | None) -> Steps:
        key = record.metadata.storage_key
        locks = self.lock_manager
        if locks is not None and locks.is_locked(key):
            holder = holder or self.generate_default_holder()
            if not locks.is_lock_holder(key, holder):
                raise RuntimeError(
                    f"Cannot write to result record with key {key} because it is locked by another holder."
                )
        yield from self._write_steps(record)

    def read_now(self, key: str) -> ResultRecord | None:
        """The record of a key, or None; plain in any code."""
        record: ResultRecord | None = run_steps(self._read_steps(key))
        return record

    def exists(self, key: str) -> Any:
        """Whether there is something under the key."""
        return dispatch(self._exists_steps(key))

    def read(self, key: str, holder: str | None = None) -> Any:
        """The record of a key.

        Raises:
            ValueError: there is none.
        """
        return dispatch(self._checked_read_steps(key))

    def write(
        self, obj: Any, key: str | None = None, expiration: datetime | None = None, holder: str | None = None
    ) -> Any:
        """Store a value under a key.

        Raises:
            SerializationError: it cannot be serialized.
            RuntimeError: the key is locked by another holder.
        """
        return dispatch(self._write_value_steps(obj, key, expiration, holder))

    def persist_result_record(self, result_record: ResultRecord, holder: str | None = None) -> Any:
        """Store a record."""
        return dispatch(self._locked_write_steps(result_record, holder))

    async def aexists(self, key: str) -> bool:
        """`exists`, always as a coroutine."""
        return bool(await arun_steps(self._exists_steps(key)))

    async def aread(self, key: str, holder: str | None = None) -> ResultRecord:
        """`read`, always as a coroutine."""
        record: ResultRecord = await arun_steps(self._checked_read_steps(key))
        return record

    async def awrite(
        self, obj: Any, key: str | None = None, expiration: datetime | None = None, holder: str | None = None
    ) -> None:
        """`write`, always as a coroutine."""
        await arun_steps(self._write_value_steps(obj, key, expiration, holder))

    async def apersist_result_record(self, result_record: ResultRecord, holder: str | None = None) -> None:
        """`persist_result_record`, always as a coroutine."""
        await arun_steps(self._locked_write_steps(result_record, holder))

    def _locks(self) -> Any:
        if self.lock_manager is None:
            raise ConfigurationError(
                "Locks need a lock manager: set one on the result store, or by `cache_policy.configure(lock_manager=...)`."
            )
        return self.lock_manager

    def acquire_lock(self, key: str, holder: str | None = None, timeout: float | None = None) -> bool:
        """Take the lock of a key; False when it could not be had in time.

        Raises:
            ConfigurationError: there is no lock manager.
        """
        return bool(self._locks().acquire_lock(key, holder or self.generate_default_holder(), timeout))

    async def aacquire_lock(self, key: str, holder: str | None = None, timeout: float | None = None) -> bool:
        """`acquire_lock` as a coroutine."""
        return bool(await self._locks().aacquire_lock(key, holder or self.generate_default_holder(), timeout))

    def release_lock(self, key: str, holder: str | None = None) -> None:
        """Give the lock of a key back."""
        self._locks().release_lock(key, holder or self.generate_default_holder())

    async def arelease_lock(self, key: str, holder: str | None = None) -> None:
        """`release_lock` as a coroutine."""
        self.release_lock(key, holder)

    def is_locked(self, key: str) -> bool:
        """Whether somebody holds the lock of the key."""
        return bool(self._locks().is_locked(key))

    async def ais_locked(self, key: str) -> bool:
        """`is_locked` as a coroutine."""
        return self.is_locked(key)

    def is_lock_holder(self, key: str, holder: str | None = None) -> bool:
        """Whether the holder has the lock of the key."""
        return bool(self._locks().is_lock_holder(key, holder or self.generate_default_holder()))

    async def ais_lock_holder(self, key: str, holder: str | None = None) -> bool:
        """`is_lock_holder` as a coroutine."""
        return self.is_lock_holder(key, holder)

    def wait_for_lock(self, key: str, timeout: float | None = None) -> bool:
        """Wait until nobody holds the lock of the key; False when time is up."""
        return bool(self._locks().wait_for_lock(key, timeout))

    async def await_for_lock(self, key: str, timeout: float | None = None) -> bool:
        """`wait_for_lock` as a coroutine."""
        return bool(await self._locks().await_for_lock(key, timeout))


def _random_key() -> str:
    from uuid import uuid4

    return uuid4().hex


def _warn(message: str, *args: Any) -> None:
    import logging

    logging.getLogger("penstock.results").warning(message, *args)
