"""From options and settings to file systems and serializers. Neighbours: `results` offers these."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def resolve_serializer(serializer: Any) -> Any:
    """The serializer that an option means: an object, or the name of one."""
    from penstock.storage.serializers import resolve

    return resolve(serializer)


def _wants_awaitable(_sync: bool | None) -> bool:
    from penstock.base.asyncutils import in_async_run

    return in_async_run() if _sync is None else not _sync


def resolve_result_storage(result_storage: Any, _sync: bool | None = None) -> Any:
    """The file system that an option means; an awaitable of it in async code.

    Args:
        result_storage: a directory, a URL, or an object with `read_path` and `write_path`.
        _sync: True: plainly, whatever code calls.

    Raises:
        ValueError: it is the name of a block, which do not exist here.
        TypeError: it is something else.
    """
    return aresolve_result_storage(result_storage) if _wants_awaitable(_sync) else storage_of(result_storage)


def storage_of(result_storage: Any) -> Any:
    """`resolve_result_storage`, plainly in any code."""
    from penstock.storage.filesystems import LocalFileSystem, RemoteFileSystem

    if isinstance(result_storage, Path):
        return LocalFileSystem(result_storage)
    if isinstance(result_storage, str):
        if result_storage.startswith("file://"):
            return LocalFileSystem(result_storage.removeprefix("file://"))
        if "://" in result_storage:
            return RemoteFileSystem(result_storage)
        if not result_storage.startswith(("/", ".", "~")) and result_storage.count("/") == 1:
            raise ValueError(
                f"{result_storage!r} looks like the name of a storage block; blocks do not exist here. Pass a directory "
                "(an absolute path, or one that begins with ./), a URL such as 's3://bucket/prefix', or an object with "
                "read_path and write_path."
            )
        return LocalFileSystem(Path(result_storage).expanduser())
    if hasattr(result_storage, "read_path") and hasattr(result_storage, "write_path"):
        return result_storage
    raise TypeError(
        "Result storage must be a directory, a URL, or an object with read_path and write_path. "
        f"Got unsupported type {type(result_storage).__name__!r}."
    )


async def aresolve_result_storage(result_storage: Any) -> Any:
    """`resolve_result_storage` as a coroutine."""
    return storage_of(result_storage)


def get_default_result_storage(_sync: bool | None = None) -> Any:
    """The storage of the settings, `results.storage`, else the local default path; an awaitable of it in async code."""
    return aget_default_result_storage() if _wants_awaitable(_sync) else default_storage()


def default_storage() -> Any:
    """`get_default_result_storage`, plainly in any code."""
    from penstock.base.settings import get_current_settings
    from penstock.storage.filesystems import LocalFileSystem

    settings = get_current_settings()
    configured = settings.results.storage
    return storage_of(configured) if configured else LocalFileSystem(settings.storage_path())


async def aget_default_result_storage() -> Any:
    """`get_default_result_storage` as a coroutine."""
    return default_storage()


def get_default_result_serializer() -> Any:
    """The serializer of the settings."""
    from penstock.base.settings import get_current_settings

    return resolve_serializer(get_current_settings().results.default_serializer)


def get_default_persist_setting() -> bool:
    """Whether results are stored where nothing else says so."""
    from penstock.base.settings import get_current_settings

    return bool(get_current_settings().results.persist_by_default)


def get_default_persist_setting_for_tasks() -> bool:
    """The same for tasks: their own setting, else that of all results."""
    from penstock.base.settings import get_current_settings

    own = get_current_settings().tasks.default_persist_result
    return get_default_persist_setting() if own is None else bool(own)
