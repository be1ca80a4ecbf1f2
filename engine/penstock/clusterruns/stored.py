"""Results that another run has stored: read from their location when they are asked for.

A location is the URL of a results store and a key in it. The process that reads must reach the store: a folder must be mounted
here too, a bucket needs its credentials. Neighbours: `view` puts these into states; `storage.records` is the form of a file.
"""

from __future__ import annotations

from typing import Any

from penstock.base.exceptions import MissingResult


class StoredElsewhere:
    """A result by its location.

    Args:
        location: URL of the store, and the key.
    """

    __penstock_stored__ = True
    __slots__ = ("location",)

    def __init__(self, location: str) -> None:
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

    def read_patiently(self, retry: bool = True) -> Any:
        """Read the value; it was written before the run ended, so that waiting would not make it come."""
        return self.read_value()

    async def aread_patiently(self, retry: bool = True) -> Any:
        """Read the value without blocking the loop."""
        from penstock.base.asyncutils import run_sync_in_worker_thread

        return await run_sync_in_worker_thread(self.read_value)
