"""Where results are stored, and how they are read back.

A `ResultStore` joins file systems, a serializer and a lock manager. `read` and its like work at once, in whatever code;
the forms with an `a` before their names are coroutines.
Neighbours: `store_steps` (the steps behind it), `records` (the form of a file), `filesystems`, the locks, `core.reuse`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock.base.asyncutils import in_async_run, running_loop
from penstock.base.both_forms import takes_sync
from penstock.base.exceptions import ConfigurationError
from penstock.storage.levels import IsolationLevel
from penstock.storage.records import ResultRecord
from penstock.storage.steps import arun_steps, run_steps
from penstock.storage.store_steps import Storing

if TYPE_CHECKING:
    from collections.abc import Generator
    from datetime import datetime
    from typing import Self

    from penstock.core.effects import Effect

    Steps = Generator[Effect, Any, Any]


class ResultStore(Storing):
    """Reads and writes results; arguments as for `Storing`."""

    @takes_sync
    def update_for_flow(self, flow: Any) -> Any:
        """A store with the flow's options; an awaitable of it in async code."""
        return self.aupdate_for_flow(flow) if in_async_run() else self.for_flow(flow)

    async def aupdate_for_flow(self, flow: Any) -> Self:
        """`update_for_flow` as a coroutine."""
        return self.for_flow(flow)

    @takes_sync
    def update_for_task(self, task: Any) -> Any:
        """A store with the task's options, those of its cache policy, and the locks of the transaction around.

        An awaitable of it in async code.
        """
        return self.aupdate_for_task(task) if in_async_run() else self.for_task(task)

    async def aupdate_for_task(self, task: Any) -> Self:
        """`update_for_task` as a coroutine."""
        return self.for_task(task)

    def supports_isolation_level(self, level: Any) -> bool:
        """Whether the level can be kept: SERIALIZABLE needs a lock manager.

        Raises:
            ValueError: there is no such level.
        """
        if level == IsolationLevel.READ_COMMITTED:
            return True
        if level == IsolationLevel.SERIALIZABLE:
            return self.lock_manager is not None
        raise ValueError(f"Unsupported isolation level: {level}")

    @staticmethod
    def generate_default_holder() -> str:
        """A name for whoever asks for a lock here: host, process, thread, and the asyncio task if there is one."""
        import os
        import socket
        import threading

        thread = threading.current_thread()
        name = f"{socket.gethostname()}:{os.getpid()}:{thread.ident}:{thread.name}"
        if running_loop() is not None:
            import asyncio

            name = f"{name}:{id(asyncio.current_task())}"
        return name

    def _read_by_hand_steps(self, key: str) -> Steps:
        place = self._place(key)
        known = self.cache.get(place)
        if known is not None:
            from datetime import UTC, datetime

            if known.expiration is None or known.expiration > datetime.now(UTC):
                return known
            del self.cache[place]
        record = yield from self._read_steps(key, missing=True)
        if self.cache_result_in_memory:
            self.cache[place] = record
        return record

    def _write_by_hand_steps(self, record: ResultRecord, holder: str | None) -> Steps:
        key = record.metadata.key
        if self.lock_manager is not None and self.lock_manager.is_locked(key) and not self.is_lock_holder(key, holder):
            raise RuntimeError(f"Cannot write to result record with key {key} because it is locked by another holder.")
        if self.cache_result_in_memory:
            self.cache.pop(self._place(key), None)  # there is a cache from now on, and the write fills it
        yield from self._write_steps(record)

    def read_now(self, key: str) -> ResultRecord | None:
        """The record of a key as it is stored, or None."""
        record: ResultRecord | None = run_steps(self._read_steps(key))
        return record

    @takes_sync
    def exists(self, key: str) -> bool:
        """Whether there is a record under the key that has not expired."""
        return bool(run_steps(self._exists_steps(key)))

    @takes_sync
    def read(self, key: str, holder: str | None = None) -> ResultRecord:
        """The record of a key; waits while another holder has its lock.

        Raises:
            ValueError: there is none.
        """
        if self.lock_manager is not None and not self.is_lock_holder(key, holder):
            self.wait_for_lock(key)
        record: ResultRecord = run_steps(self._read_by_hand_steps(key))
        return record

    @takes_sync
    def write(
        self, obj: Any, key: str | None = None, expiration: datetime | None = None, holder: str | None = None
    ) -> None:
        """Store a value under a key.

        Args:
            obj: the value.
            key: default: made by `storage_key_fn`.
            expiration: after which it counts as absent.
            holder: of the lock of the key, if there is one.

        Raises:
            SerializationError: it cannot be serialized.
            RuntimeError: the key is locked by another holder.
        """
        self.persist_result_record(self.create_result_record(obj, key, expiration), holder, _sync=True)

    @takes_sync
    def persist_result_record(self, result_record: ResultRecord, holder: str | None = None) -> None:
        """Store a record; raises as `write` does."""
        run_steps(self._write_by_hand_steps(result_record, holder))

    async def aexists(self, key: str) -> bool:
        """`exists` as a coroutine."""
        return bool(await arun_steps(self._exists_steps(key)))

    async def aread(self, key: str, holder: str | None = None) -> ResultRecord:
        """`read` as a coroutine."""
        if self.lock_manager is not None and not self.is_lock_holder(key, holder):
            await self.await_for_lock(key)
        record: ResultRecord = await arun_steps(self._read_by_hand_steps(key))
        return record

    async def awrite(
        self, obj: Any, key: str | None = None, expiration: datetime | None = None, holder: str | None = None
    ) -> None:
        """`write` as a coroutine."""
        await self.apersist_result_record(self.create_result_record(obj, key, expiration), holder)

    async def apersist_result_record(self, result_record: ResultRecord, holder: str | None = None) -> None:
        """`persist_result_record` as a coroutine."""
        await arun_steps(self._write_by_hand_steps(result_record, holder))

    def _locks(self) -> Any:
        if self.lock_manager is None:
            raise ConfigurationError(
                "Result store is not configured with a lock manager: give it one, or use "
                "`cache_policy.configure(lock_manager=...)`."
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
