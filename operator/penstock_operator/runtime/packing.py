"""Objects made small: JSON without what nobody reads, compressed. What a user may put into one bounds it, not what readers make of it.

A megabyte of `[{},{},…]` is forty as Python's objects; a finished run is a twentieth of what it is as models. So the store keeps text, and
parses it when a decision needs it. Neighbours: `table` keeps what is packed here, `store` decides what is.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from pydantic import BaseModel
from pydantic_core import PydanticSerializationError

from .jsontext import parse, written

M = TypeVar("M", bound=BaseModel)

_PLAIN = b"{"
_SMALL = 512  # bytes that are not worth compressing
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
# The engine's table of task runs, 8 kB at most: the operator decides nothing by it and never writes a report.
_FOR_PEOPLE = {"status": {"report": {"tasks"}}}
_MANAGER = ("manager", "operation", "subresource")
# What finished runs have in common; a compressor begins with it as if it had just read it. Only packed objects of this process are read.
_COMMON = (
    b'{"apiVersion":"penstock.dev/v1alpha1","kind":"FlowRun","metadata":{"annotations":{},"creationTimestamp":"2026-01-01T00:00:00Z",'
    b'"generation":1,"labels":{},"managedFields":[{"manager":"kubectl-client-side-apply","operation":"Update"},{"manager":"python",'
    b'"operation":"Update","subresource":"status"},{"manager":"penstock-operator","operation":"Update","subresource":"status"}],"name":"",'
    b'"namespace":"default","resourceVersion":"1","uid":""},"spec":{"desiredState":"Running","flowRef":{"name":""},"parameters":{},'
    b'"priority":0},"status":{"attempt":{"nodeName":"","number":1,"podName":"","podUID":"","startTime":"2026-01-01T00:00:00.000000Z"},'
    b'"completionTime":"2026-01-01T00:00:00.000000Z","conditions":[{"lastTransitionTime":"2026-01-01T00:00:00Z","message":"done",'
    b'"observedGeneration":1,"reason":"Completed","status":"True","type":"Finished"},{"lastTransitionTime":"2026-01-01T00:00:00Z",'
    b'"message":"done","observedGeneration":1,"reason":"Completed","status":"True","type":"Succeeded"},{"lastTransitionTime":'
    b'"2026-01-01T00:00:00Z","message":"","observedGeneration":1,"reason":"Failed","status":"False","type":"Reconciling"},'
    b'{"lastTransitionTime":"2026-01-01T00:00:00Z","message":"","observedGeneration":1,"reason":"Crashed","status":"False","type":"Stalled"},'
    b'{"lastTransitionTime":"2026-01-01T00:00:00Z","message":"","observedGeneration":1,"reason":"Cancelled","status":"True","type":"Ready"},'
    b'{"lastTransitionTime":"2026-01-01T00:00:00Z","message":"","observedGeneration":1,"reason":"Completed","status":"False",'
    b'"type":"Degraded"}],"error":{"location":"","message":"","traceback":"Traceback (most recent call last):\\n  File ","type":"ValueError"},'
    b'"flow":{"name":"","revision":"","uid":""},"lineage":"","observedGeneration":1,"report":{"attempt":1,"instance":"","message":"done",'
    b'"name":"Completed","progress":{"completed":0,"failed":0,"running":0,"summary":"","total":0},"result":{"json":"","type":"NoneType"},'
    b'"startTime":"2026-01-01T00:00:00.000000Z","time":"2026-01-01T00:00:00.000000Z","type":"Completed"},"result":{"json":"1","location":'
    b'"file:///","type":"int"},"retries":{"application":0,"infrastructure":0,"neverStarted":0},"specHash":"","startTime":'
    b'"2026-01-01T00:00:00.000000Z","state":{"message":"","name":"Completed","since":"2026-01-01T00:00:00.000000Z","time":'
    b'"2026-01-01T00:00:00.000000Z","type":"Completed"}}}'
)


def pack(raw: Mapping[str, Any]) -> bytes:
    """Return a raw object, without what nobody reads: which fields are whose, and what was applied last.

    Raises:
        ValueError: it can't be written.
    """
    meta = dict(raw.get("metadata") or {})
    if meta.get("managedFields"):
        meta["managedFields"] = [{k: m[k] for k in _MANAGER if k in m} for m in meta["managedFields"]]
    if _LAST_APPLIED in (meta.get("annotations") or {}):
        meta["annotations"] = {k: v for k, v in meta["annotations"].items() if k != _LAST_APPLIED}
    return _compressed(written({**raw, "metadata": meta}))


def pack_model(value: BaseModel) -> bytes:
    """Return an object that was read already.

    Raises:
        ValueError: it can't be written.
    """
    try:
        text = value.model_dump_json(by_alias=True, exclude_unset=True, exclude=_FOR_PEOPLE).encode()
    except PydanticSerializationError:
        text = written(value.model_dump(by_alias=True, exclude_unset=True, exclude=_FOR_PEOPLE))
    return _compressed(text)


def unpacked(text: bytes) -> bytes:
    """Return the JSON that was packed."""
    if text[:1] == _PLAIN:
        return text
    reader = zlib.decompressobj(zdict=_COMMON)
    return reader.decompress(text)


class Packing(Generic[M]):
    """Packs the objects of one kind.

    Args:
        read: makes one of a raw object.
    """

    def __init__(self, read: Callable[[Mapping[str, Any]], M]) -> None:
        self._read = read

    def pack(self, value: M) -> bytes:
        """Return the object as text.

        Raises:
            ValueError: it can't be written.
        """
        return pack_model(value)

    def unpack(self, text: bytes) -> M:
        """Return the object.

        Raises:
            Exception: it can't be read.
        """
        return self._read(parse(unpacked(text)))


def _compressed(text: bytes) -> bytes:
    if len(text) < _SMALL:
        return text
    writer = zlib.compressobj(1, zdict=_COMMON)
    return writer.compress(text) + writer.flush()
