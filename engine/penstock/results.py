"""Where results are stored, and how they are read back."""

from __future__ import annotations

from penstock.storage.persisting import get_result_store, should_persist_result
from penstock.storage.record_metadata import ResultRecordMetadata
from penstock.storage.records import ResultRecord
from penstock.storage.resolving import (
    aget_default_result_storage,
    aresolve_result_storage,
    get_default_persist_setting,
    get_default_persist_setting_for_tasks,
    get_default_result_serializer,
    get_default_result_storage,
    resolve_result_storage,
    resolve_serializer,
)
from penstock.storage.store import ResultStore

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
