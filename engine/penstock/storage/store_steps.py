"""What a result store does with its file systems, written once as steps.

Without a metadata storage, header and payload are one file; with one, the header lies there and the payload in the
result storage, both under the same key. Neighbours: `results` performs the steps and offers locks; `_records` knows the
form of a file; `_transaction` and `core.reuse` take steps within those of a run.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from penstock.base.subscripted import AS_FIELD
from penstock.core.effects import Ask, Call
from penstock.core.outcome import Raised, unless_interrupted
from penstock.storage.record_metadata import ResultRecordMetadata, Torn, parse_header
from penstock.storage.records import ResultRecord
from penstock.storage.resolving import default_storage, get_default_result_serializer, storage_of
from penstock.storage.resolving import resolve_serializer as resolve
from penstock.storage.steps import value_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from datetime import datetime
    from typing import Self

    from penstock.core.effects import Effect

    Steps = Generator[Effect, Any, Any]


class RecordCache(OrderedDict[str, ResultRecord]):
    """Records by key; the one used longest ago leaves when there are too many."""

    maxsize = 1000

    def __setitem__(self, key: str, record: ResultRecord) -> None:
        super().__setitem__(key, record)
        self.move_to_end(key)
        if len(self) > self.maxsize:
            self.popitem(last=False)


class Storing:
    """File systems and a serializer, and the steps that use them.

    Args:
        result_storage: where; default: by the settings.
        serializer: how; default: by the settings.
        lock_manager: for isolation level SERIALIZABLE.
        metadata_storage: where headers lie when not with the payloads.
        cache_result_in_memory: keep values in the records that are written, and records that are read.
        storage_key_fn: makes a key when none is given.

    Raises:
        ValueError: a storage cannot be read from and written to.
    """

    __get_pydantic_core_schema__ = AS_FIELD

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
        for storage in (result_storage, metadata_storage):
            if storage is not None and not hasattr(storage, "__fspath__") and not isinstance(storage, str):
                _check_storage(storage)
        self._given_storage = result_storage
        self._storage: Any = None
        self._given_serializer = serializer
        self._serializer: Any = None
        self._cache: RecordCache | None = None
        self.lock_manager = lock_manager
        self.metadata_storage = None if metadata_storage is None else storage_of(metadata_storage)
        self.cache_result_in_memory = cache_result_in_memory
        self.storage_key_fn = storage_key_fn or _random_key

    @property
    def result_storage(self) -> Any:
        """The file system."""
        if self._storage is None:
            given = self._given_storage
            self._storage = storage_of(given) if given is not None else default_storage()
        return self._storage

    @property
    def _headers(self) -> Any:
        """Where headers lie when not with the payloads."""
        storage = self.metadata_storage
        return None if getattr(type(storage), "keeps_nothing", False) else storage

    @property
    def result_storage_block_id(self) -> None:
        """None: file systems are not saved anywhere."""

    @property
    def serializer(self) -> Any:
        """The serializer."""
        if self._serializer is None:
            given = self._given_serializer
            self._serializer = resolve(given) if given is not None else get_default_result_serializer()
        return self._serializer

    @property
    def cache(self) -> RecordCache:
        """Records that were read or written by hand, by key."""
        if self._cache is None:
            self._cache = RecordCache()
        return self._cache

    @property
    def durable(self) -> bool:
        """Whether storage was configured explicitly, and so outlives this process's machine as far as the user cares.

        In a pod it must lie where the operator says that it lasts.
        """
        from penstock.storage.lasting import lasts

        if self._given_storage is None:
            from penstock.base.settings import get_current_settings

            if not get_current_settings().results.storage:
                return False
        return lasts(self.result_storage)

    def for_flow(self, definition: Any) -> Self:
        """A store with the options of a flow."""
        update = {"cache_result_in_memory": definition.cache_result_in_memory}
        if definition.result_storage is not None:
            update["result_storage"] = definition.result_storage
        if definition.result_serializer is not None:
            update["serializer"] = definition.result_serializer
        return self.model_copy(update=update)

    def for_task(self, task: Any) -> Self:
        """A store with the options of a task, those of its cache policy, and the locks of the transaction around."""
        from penstock.base.current import current_transaction

        new = self.for_flow(task)
        policy = task.cache_policy
        entry = current_transaction.get()
        if getattr(policy, "lock_manager", None) is not None:
            new.lock_manager = policy.lock_manager
        elif entry is not None and entry[0]._store is not None:
            new.lock_manager = entry[0]._store.lock_manager
        if getattr(policy, "key_storage", None) is not None:
            new.metadata_storage = storage_of(policy.key_storage)
        return new

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy with some members replaced, named as the arguments."""
        new = self.__copy__()
        for name, value in (update or {}).items():
            if name == "result_storage":
                new._given_storage, new._storage = value, None
            elif name == "serializer":
                new._given_serializer, new._serializer = value, None
            elif name == "cache":
                new._cache = value
            else:
                setattr(new, name, value)
        return new

    def __copy__(self) -> Self:
        new = object.__new__(type(self))
        new.__dict__.update(self.__dict__)
        return new

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
        key = key or self.storage_key_fn()
        metadata = ResultRecordMetadata(self._place(key), self.serializer, expiration, kind=kind, run=run, key=key)
        return ResultRecord(obj, metadata, self)

    def _place(self, key: str) -> str:
        """Where a key is in the storage: the file of a directory, the key itself elsewhere."""
        storage = self.result_storage
        place = getattr(storage, "_file", None) or getattr(storage, "_resolve_path", None)
        return key if place is None else str(place(key))

    def _content_steps(self, storage: Any, key: str) -> Steps:
        """The content of a key, or what says that there is none; what says anything else is raised."""
        content = yield _asking(storage, ("read_now", "read_path"), key, effect=Ask)
        if isinstance(content, Raised) and not isinstance(content.exc, ValueError | KeyError | FileNotFoundError):
            raise content.exc
        return content

    def _stored_steps(self, key: str) -> Steps:
        """Whether there is something under the key, whatever it is."""
        storage = self.result_storage if (headers := self._headers) is None else headers
        probe = _asking(storage, ("exists_now", "exists"), key, effect=Ask)
        if probe is not None:
            return bool(value_of((yield probe)))
        content = unless_interrupted((yield _asking(storage, ("read_path",), key, effect=Ask)))
        # What a store of the user's raises where it has nothing is its own matter; an OSError says that it could not look.
        if isinstance(content, Raised) and isinstance(content.exc, OSError):
            value_of(content if not isinstance(content.exc, FileNotFoundError | ValueError) else None)
        return not isinstance(content, Raised) and content is not None

    def _exists_steps(self, key: str) -> Steps:
        """Whether there is a record under the key that has not expired."""
        storage = self.result_storage if (headers := self._headers) is None else headers
        content = yield from self._content_steps(storage, key)
        if isinstance(content, Raised) or content is None:
            return False
        try:
            metadata = parse_header(content.partition(b"\n")[0])
        except Torn:
            return False
        if metadata.expiration is None:
            return True
        from datetime import UTC, datetime

        return bool(metadata.expiration > datetime.now(UTC))

    def _read_steps(self, key: str, *, missing: bool = False) -> Steps:
        """The record of a key, or None: absent, expired records included as they are, torn ones as absent.

        With `missing`, the error of the storage that has no such key is raised.
        """
        header: Any = b""
        if self._headers is not None:
            header = yield from self._content_steps(self._headers, key)
        content: Any = header
        if header is not None and not isinstance(header, Raised):
            content = yield from self._content_steps(self.result_storage, key)
        if isinstance(content, Raised) and missing:
            raise content.exc
        if isinstance(content, Raised) or content is None:
            return None
        try:
            record = ResultRecord.deserialize(header + b"\n" + content if header else content)
        except Torn as exc:
            if missing:
                raise ValueError(f"There is no usable result {key!r}: {exc}.") from exc
            _warn("The stored result %r cannot be used (%s); it counts as absent.", key, exc)
            return None
        record.metadata.storage_key = self._place(key)
        record._store = self
        record.mark_persisted()
        return record

    def _write_steps(self, record: ResultRecord) -> Steps:
        key = record.metadata.key
        if self._headers is None:
            yield from self._put_steps(self.result_storage, key, record.serialize())
        else:
            yield from self._put_steps(self.result_storage, key, record.serialize_result())
            yield from self._put_steps(self._headers, key, record.serialize_metadata())
        record._store = self
        record.mark_persisted()
        if not self.cache_result_in_memory:
            record.forget()
        elif self._cache is not None:
            self._cache[self._place(key)] = record

    def _put_steps(self, storage: Any, key: str, content: bytes) -> Steps:
        if hasattr(storage, "write_now"):
            from penstock.base.settings import get_current_settings

            value_of((yield _asking(storage, ("write_now",), key, content, get_current_settings().results.fsync)))
        else:
            value_of((yield _asking(storage, ("write_path",), key, content)))

    def _delete_steps(self, key: str) -> Steps:
        for storage in (self.result_storage, self.metadata_storage):
            delete = _asking(storage, ("delete_now", "delete"), key)
            if delete is not None:
                yield delete

    def _members(self) -> tuple[Any, ...]:
        return (
            self.result_storage, self.metadata_storage, self.lock_manager, self.serializer, self.cache_result_in_memory,
        )  # fmt: skip

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Storing) and self._members() == other._members()

    __hash__ = object.__hash__


def _asking(storage: Any, names: tuple[str, ...], *args: Any, effect: type[Call] = Call) -> Any:
    """The call of the first of these methods that a storage has; None where it has none of them."""
    for name in names:
        method = getattr(storage, name, None)
        if method is not None:
            return effect(method, args, far=getattr(type(storage), "far", False))
    return None


def _check_storage(storage: Any) -> None:
    if not hasattr(storage, "read_path") or not hasattr(storage, "write_path"):
        raise ValueError(
            f"A storage needs read_path and write_path, or is a directory or URL; {type(storage).__name__} was given."
        )


def _random_key() -> str:
    from uuid import uuid4

    return uuid4().hex


def _warn(message: str, *args: Any) -> None:
    import logging

    logging.getLogger("penstock.results").warning(message, *args)
