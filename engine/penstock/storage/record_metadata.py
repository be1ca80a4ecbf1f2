"""What is known of a stored result besides its value: the header of its file. Neighbours: `records` adds the payload."""

from __future__ import annotations

import json
import platform
from typing import TYPE_CHECKING, Any

from penstock.base.exceptions import SerializationError
from penstock.base.subscripted import AS_FIELD
from penstock.base.version import __version__
from penstock.core.state import aware
from penstock.storage.serializers import PickleSerializer, Serializer, from_dict

if TYPE_CHECKING:
    from datetime import datetime

FORMAT = 1
PYTHON = platform.python_version()
_TEXT = json.JSONEncoder(check_circular=False).encode  # there is no way around in a header


class ResultRecordMetadata:
    """What is known of a stored result besides its value.

    Args:
        storage_key: where it is: a file, or the key in other storages.
        serializer: default: by pickle.
        expiration: after which it is not used any more.
        kind: "value", "exception", "suspend" or "wait".
        created: when it was made.
        run: description of the run that made it.
        key: under which it is stored; default: the `storage_key`.
    """

    __slots__ = (
        "created",
        "expiration",
        "key",
        "kind",
        "length",
        "prefect_version",
        "run",
        "serializer",
        "sha256",
        "storage_key",
    )

    __get_pydantic_core_schema__ = AS_FIELD

    def __init__(
        self,
        storage_key: str | None = None,
        serializer: Serializer | None = None,
        expiration: datetime | None = None,
        *,
        kind: str = "value",
        created: datetime | None = None,
        run: dict[str, Any] | None = None,
        key: str | None = None,
        **_: Any,
    ) -> None:
        if serializer is None:
            serializer = PickleSerializer()
        self.storage_key = storage_key
        self.key: str = key if key is not None else storage_key or ""
        self.serializer = serializer
        self.expiration = aware(expiration)
        self.kind = kind
        self.created = created
        self.run = run
        self.prefect_version = __version__
        self.length = 0
        self.sha256 = ""

    @property
    def storage_block_id(self) -> None:
        """There are no blocks."""
        return

    def header(self) -> dict[str, Any]:
        """The header of the file."""
        return {
            "penstock": FORMAT,
            "kind": self.kind,
            "key": self.key,
            "created": self.created.isoformat() if self.created is not None else None,
            "expiration": self.expiration.isoformat() if self.expiration is not None else None,
            "serializer": self.serializer.to_dict(),
            "length": self.length,
            "sha256": self.sha256,
            "run": self.run,
            "python": PYTHON,
            "version": __version__,
        }

    def model_dump(self, *, mode: str = "python", **_: Any) -> dict[str, Any]:
        """The members by name, under the name that pydantic's users look for.

        Args:
            mode: "json": values in JSON form.
        """
        fields = {
            "storage_key": self.storage_key, "expiration": self.expiration, "serializer": self.serializer,
            "prefect_version": self.prefect_version, "storage_block_id": None, "kind": self.kind, "key": self.key,
            "created": self.created, "run": self.run,
        }  # fmt: skip
        if mode != "json":
            return fields
        from penstock.base.json_form import json_form

        return {**json_form({**fields, "serializer": None}), "serializer": self.serializer.to_dict()}

    def model_dump_json(self, **_: Any) -> str:
        """`model_dump` as a text."""
        return json.dumps(self.model_dump(mode="json"))

    @classmethod
    def model_validate(cls, obj: Any) -> ResultRecordMetadata:
        """The metadata that a mapping describes, or the metadata themselves.

        Raises:
            ValueError: it is neither.
        """
        if isinstance(obj, cls):
            return obj
        if not isinstance(obj, dict):
            raise ValueError(  # noqa: TRY004  (as pydantic's, which is one)
                f"A dict or {cls.__name__} was expected; {type(obj).__name__} was given."
            )
        fields = dict(obj)
        if isinstance(fields.get("serializer"), dict):
            fields["serializer"] = from_dict(fields["serializer"])
        fields["created"] = aware(fields.get("created"))
        return cls(**{"key": fields.get("storage_key"), **fields})

    @classmethod
    def model_validate_json(cls, text: str | bytes) -> ResultRecordMetadata:
        """`model_validate` of a text."""
        return cls.model_validate(json.loads(text))

    def model_copy(self, *, update: dict[str, Any] | None = None, deep: bool = False) -> ResultRecordMetadata:
        """A copy with some members replaced."""
        import copy

        new = copy.deepcopy(self) if deep else copy.copy(self)
        for name, value in (update or {}).items():
            setattr(new, name, value)
        return new

    def __repr__(self) -> str:
        return f"{type(self).__name__}(storage_key={self.storage_key!r}, expiration={self.expiration!r}, serializer={self.serializer!r})"

    def dump_bytes(self) -> bytes:
        """The header as bytes."""
        return _TEXT(self.header()).encode()

    @classmethod
    def load_bytes(cls, data: bytes) -> ResultRecordMetadata:
        """The metadata of a header."""
        return parse_header(data)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, ResultRecordMetadata)
            and self.key == other.key
            and self.expiration == other.expiration
            and self.serializer == other.serializer
        )

    def __hash__(self) -> int:
        return hash(self.key)


class Torn(ValueError):  # noqa: N818  (an outcome: counts as absent)
    """The bytes are no whole record."""


def parse_header(line: bytes) -> ResultRecordMetadata:
    """The metadata of a header line.

    Raises:
        Torn: it is no header.
        SerializationError: a newer version wrote it.
    """
    from datetime import datetime

    try:
        header = json.loads(line)
        version = header["penstock"]
    except (ValueError, KeyError, TypeError) as exc:
        raise Torn("no header") from exc
    if version > FORMAT:
        raise SerializationError(
            f"A stored result has format version {version}, this engine reads up to {FORMAT}: "
            f"it was written by a newer penstock ({header.get('version')})."
        )
    try:
        metadata = ResultRecordMetadata(
            header["key"], from_dict(header["serializer"]),
            datetime.fromisoformat(header["expiration"]) if header["expiration"] else None,
            kind=header["kind"], run=header.get("run"),
            created=datetime.fromisoformat(header["created"]) if header.get("created") else None,
        )  # fmt: skip
        metadata.length, metadata.sha256 = header["length"], header["sha256"]
    except (KeyError, TypeError, ValueError) as exc:
        raise Torn("a header of another form") from exc
    return metadata
