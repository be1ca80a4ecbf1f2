"""Results of another run: read from their location when they are asked for, or known not to be kept.

A location is the URL of a results store and a key in it. The process that reads must reach the store: a folder must be mounted
here too, a bucket needs its credentials. Neighbours: `view` puts these into states; `storage.records` is the form of a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from penstock.base.exceptions import MissingResult


class ResultElsewhere:
    """A result that this process does not hold.

    Args:
        told: What the run's status says of it: `type`, `size`, `preview`, `location`.
    """

    __penstock_stored__ = True
    __slots__ = ("told",)

    def __init__(self, told: Mapping[str, Any]) -> None:
        self.told = dict(told)

    def read_value(self) -> Any:
        """Read the value; given by each class.

        Raises:
            MissingResult: It cannot be had here.
        """
        raise NotImplementedError  # pragma: no cover

    def read_patiently(self, retry: bool = True) -> Any:
        """Read the value; it was written before the run ended, so that waiting would not make it come."""
        return self.read_value()

    async def aread_patiently(self, retry: bool = True) -> Any:
        """Read the value without blocking the loop."""
        from penstock.base.loops import run_sync_in_worker_thread

        return await run_sync_in_worker_thread(self.read_value)


class NotKept(ResultElsewhere):
    """A result of which only is left what its run's status says.

    Args:
        run: The name of the run.
        told: What its status says.
    """

    __slots__ = ("run",)

    def __init__(self, run: str, told: Mapping[str, Any]) -> None:
        super().__init__(told)
        self.run = run

    def __repr__(self) -> str:
        return f"NotKept({self._what})" if self._what else "NotKept()"

    @property
    def _what(self) -> str:
        return ", ".join(str(self.told[part]) for part in ("type", "size") if self.told.get(part))

    def read_value(self) -> Any:
        """Say that there is none.

        Raises:
            MissingResult: Always; says how the next one is kept.
        """
        raise MissingResult(
            f"the result of the flow run {self.run} was not kept{f' ({self._what})' if self._what else ''}: set results.storage of its "
            "Flow to a volume or a bucket, and results.persist: true (or persist_result=True on the flow); its status holds results of "
            "up to 1 KiB only."
        )


class StoredElsewhere(ResultElsewhere):
    """A result by its location.

    Args:
        location: URL of the store, and the key.
        told: What the run's status says besides.
    """

    __slots__ = ("location",)

    def __init__(self, location: str, told: Mapping[str, Any] | None = None) -> None:
        super().__init__({**(told or {}), "location": location})
        self.location = location

    def __repr__(self) -> str:
        return f"StoredElsewhere({self.location!r})"

    def read_value(self) -> Any:
        """Read the value.

        Raises:
            MissingResult: It cannot be read from here; says where it is.
        """
        from penstock.storage.filesystems import LocalFileSystem
        from penstock.storage.records import ResultRecord

        base, _, key = self.location.rpartition("/")
        try:
            if base.startswith("file://") or "://" not in base:
                store: Any = LocalFileSystem(basepath=base.removeprefix("file://"))
            else:
                from penstock.storage.remote_filesystem import RemoteFileSystem

                store = RemoteFileSystem(basepath=base)
            return ResultRecord.deserialize(store.read_path(key, _sync=True)).result
        except Exception as error:
            raise MissingResult(
                f"The result is stored at {self.location}, which cannot be read from here ({type(error).__name__}: {error}); "
                "mount the same volume, or give this process the bucket's credentials."
            ) from error
