"""Serializers: how results become bytes."""

from __future__ import annotations

from penstock.storage.serializers import (
    CompressedJSONSerializer,
    CompressedPickleSerializer,
    CompressedSerializer,
    JSONSerializer,
    PickleSerializer,
    Serializer,
    by_type,
    from_dict,
    penstock_json_object_decoder,
    penstock_json_object_encoder,
    prefect_json_object_decoder,
    prefect_json_object_encoder,
    resolve,
)

__all__ = [
    "CompressedJSONSerializer",
    "CompressedPickleSerializer",
    "CompressedSerializer",
    "JSONSerializer",
    "PickleSerializer",
    "Serializer",
    "by_type",
    "from_dict",
    "penstock_json_object_decoder",
    "penstock_json_object_encoder",
    "prefect_json_object_decoder",
    "prefect_json_object_encoder",
    "resolve",
]
