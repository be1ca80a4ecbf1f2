"""Records of stored results, and their form in a file.

A file is one JSON header line and the payload: it can be read without this package. A torn or unreadable record counts
as absent. Neighbours: `record_metadata` is the header; stores read and write records; states hold them as data.
"""

from __future__ import annotations

import hashlib
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from penstock.base.exceptions import MissingResult, SerializationError
from penstock.base.subscripted import AS_FIELD, Of, Subscripted
from penstock.base.texts import text_of
from penstock.core.state_result import RESULT_READ_MAXIMUM_ATTEMPTS, RESULT_READ_RETRY_DELAY
from penstock.storage.record_metadata import ResultRecordMetadata, Torn, parse_header

if TYPE_CHECKING:
    from penstock.storage.serializers import Serializer


class _Absent:
    """No value in memory."""


ABSENT = _Absent()


class ResultRecord(Subscripted[Of]):
    """A stored result: metadata, and the value as long as it is kept in memory.

    Args:
        result: the value.
        metadata: what is known of it.
    """

    __penstock_stored__ = True
    __slots__ = ("_persisted", "_store", "_value", "metadata")

    __get_pydantic_core_schema__ = AS_FIELD

    def __init__(self, result: Any, metadata: ResultRecordMetadata, store: Any = None) -> None:
        self._persisted = False
        self._value = result
        self.metadata = metadata
        self._store = store

    @property
    def result(self) -> Any:
        """The value; read from its store when it is not in memory.

        Raises:
            MissingResult: it cannot be read.
        """
        return self.read_value()

    def read_value(self) -> Any:
        """The value; read from its store when it is not in memory.

        Raises:
            MissingResult: it cannot be read.
        """
        if self._value is not ABSENT:
            return self._value
        try:
            record = None if self._store is None else self._store.read_now(self.metadata.key)
        except OSError as exc:
            raise MissingResult(f"The stored result {self.metadata.key!r} cannot be read: {exc}") from exc
        if record is None:
            raise MissingResult(f"The stored result {self.metadata.key!r} cannot be read.")
        return record._value

    def read_patiently(self, retry: bool = True) -> Any:
        """`read_value`, tried again where it cannot be read at once; in sync code.

        Args:
            retry: up to ten times, a quarter of a second apart.
        """
        for _ in range(1, RESULT_READ_MAXIMUM_ATTEMPTS if retry else 1):
            try:
                return self.read_value()
            except MissingResult:
                time.sleep(RESULT_READ_RETRY_DELAY)
        return self.read_value()

    async def aread_patiently(self, retry: bool = True) -> Any:
        """`read_patiently` without blocking the loop between the tries."""
        import asyncio

        for _ in range(1, RESULT_READ_MAXIMUM_ATTEMPTS if retry else 1):
            try:
                return self.read_value()
            except MissingResult:
                await asyncio.sleep(RESULT_READ_RETRY_DELAY)
        return self.read_value()

    def model_dump(self, **options: Any) -> dict[str, Any]:
        """The value and its metadata by name."""
        return {"metadata": self.metadata.model_dump(**options), "result": self.result}

    @classmethod
    def model_validate(cls, obj: Any) -> ResultRecord:
        """The record that a mapping of `result` and `metadata` describes, or the record itself.

        Raises:
            ValueError: it is neither.
        """
        if isinstance(obj, cls):
            return obj
        if not isinstance(obj, dict) or not {"result", "metadata"} <= obj.keys():
            raise ValueError(f"A dict of 'result' and 'metadata' was expected; {type(obj).__name__} was given.")
        return cls(obj["result"], ResultRecordMetadata.model_validate(obj["metadata"]))

    def forget(self) -> None:
        """Drop the value from memory; it is read on demand from now on."""
        self._value = ABSENT

    @property
    def expiration(self) -> Any:
        """When it expires."""
        return self.metadata.expiration

    @property
    def serializer(self) -> Any:
        """How it is serialized."""
        return self.metadata.serializer

    @property
    def storage_key(self) -> str | None:
        """Where it is."""
        return self.metadata.storage_key

    @property
    def is_persisted(self) -> bool:
        """Whether it was written, or read."""
        return self._persisted

    def mark_persisted(self) -> None:
        """Note that it is stored."""
        self._persisted = True

    def serialize(self) -> bytes:
        """Header and payload.

        Raises:
            SerializationError: the value cannot be serialized; names its type and a serializer to try.
        """
        payload = self.serialize_result()
        return self.serialize_metadata() + b"\n" + payload

    def serialize_metadata(self) -> bytes:
        """The header; tells length and hash of the payload that was made last.

        Raises:
            SerializationError: the value cannot be serialized.
        """
        if not self.metadata.sha256:
            self.serialize_result()
        if self.metadata.created is None:
            self.metadata.created = datetime.now(UTC)
        return self.metadata.dump_bytes()

    def serialize_result(self) -> bytes:
        """The payload.

        Raises:
            SerializationError: the value cannot be serialized; names its type and a serializer to try.
        """
        metadata = self.metadata
        try:
            payload = metadata.serializer.dumps(self._value)
        except Exception as exc:
            other = "'pickle'" if metadata.serializer.type == "json" else "'json', or a serializer of your own"
            raise SerializationError(
                f"Failed to serialize object of type {type(self._value).__name__!r} with serializer "
                f"{metadata.serializer.type!r} ({type(exc).__name__}: {text_of(exc)}); try result_serializer={other}, or persist_result=False."
            ) from exc
        metadata.length = len(payload)
        metadata.sha256 = hashlib.sha256(payload).hexdigest()
        return payload

    @classmethod
    def deserialize(cls, data: bytes, backup_serializer: Serializer | None = None) -> ResultRecord:
        """The record of the bytes.

        Args:
            data: header and payload.
            backup_serializer: reads bytes that have no header, as a payload alone.

        Raises:
            Torn: they are no whole record.
            SerializationError: the payload cannot be read, or a newer version wrote it.
        """
        line, _, payload = data.partition(b"\n")
        try:
            metadata = parse_header(line)
        except Torn:
            if backup_serializer is None:
                raise
            return cls(backup_serializer.loads(data), ResultRecordMetadata(serializer=backup_serializer))
        if len(payload) != metadata.length or hashlib.sha256(payload).hexdigest() != metadata.sha256:
            raise Torn("length or hash differ")
        try:
            value = metadata.serializer.loads(payload)
        except Exception as exc:
            raise SerializationError(f"The stored result {metadata.key!r} cannot be read back: {text_of(exc)}") from exc
        return cls(value, metadata)

    @classmethod
    def deserialize_from_result_and_metadata(cls, result: bytes, metadata: bytes) -> ResultRecord:
        """The record of a payload and a header; raises as `deserialize` does."""
        return cls.deserialize(metadata + b"\n" + result)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ResultRecord) and self.metadata == other.metadata and bool(self.result == other.result)

    def __hash__(self) -> int:
        return hash(self.metadata)

    def __repr__(self) -> str:
        shown = "<not in memory>" if self._value is ABSENT else repr(self._value)
        return f"ResultRecord({shown}, key={self.metadata.key!r})"

    def __getstate__(self) -> Any:
        return (self._value if self._value is not ABSENT else None, self._value is ABSENT, self.metadata)

    def __setstate__(self, state: Any) -> None:
        value, absent, self.metadata = state
        self._value = ABSENT if absent else value
        self._store = None
        self._persisted = True
