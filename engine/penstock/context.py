"""The context of runs: which run this is, with which parameters, tags, settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.inside.transfer import hydrated_context, serialize_context, with_context
from penstock.inside.views import (
    ContextModel,
    EngineContext,
    FlowRunContext,
    RunContext,
    SettingsContext,
    TagsContext,
    TaskRunContext,
    get_run_context,
    get_settings_context,
    tags,
)

if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "ContextModel",
    "EngineContext",
    "FlowRunContext",
    "RunContext",
    "SettingsContext",
    "TagsContext",
    "TaskRunContext",
    "get_run_context",
    "get_settings_context",
    "hydrated_context",
    "serialize_context",
    "tags",
    "with_context",
]


def __getattr__(name: str) -> Any:
    from penstock.base.absent import absent_name

    return absent_name("penstock.context", name)
