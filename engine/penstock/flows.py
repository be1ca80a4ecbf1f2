"""Flows: `@flow`, `Flow`, and loading them from files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock.definitions.flow import BANNED_CHARACTERS, Flow, FlowDecorator, FlowStateHook, P, R, flow

if TYPE_CHECKING:
    from penstock.definitions.loading import (
        is_entrypoint_async,
        load_flow_from_entrypoint,
        load_function_and_convert_to_flow,
        safe_load_flow_from_entrypoint,
        select_flow,
    )

__all__ = [
    "BANNED_CHARACTERS",
    "Flow",
    "FlowDecorator",
    "FlowStateHook",
    "P",
    "R",
    "flow",
    "is_entrypoint_async",
    "load_flow_from_entrypoint",
    "load_function_and_convert_to_flow",
    "safe_load_flow_from_entrypoint",
    "select_flow",
]

_LOADING = {
    "is_entrypoint_async",
    "load_flow_from_entrypoint",
    "load_function_and_convert_to_flow",
    "safe_load_flow_from_entrypoint",
    "select_flow",
}


def __getattr__(name: str) -> Any:
    if name in (
        "is_entrypoint_async",
        "load_flow_from_entrypoint",
        "load_function_and_convert_to_flow",
        "safe_load_flow_from_entrypoint",
        "select_flow",
    ):
        from penstock.definitions import loading

        return getattr(loading, name)
    from penstock.base.absent import absent_name

    return absent_name("penstock.flows", name)
