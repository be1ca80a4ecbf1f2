"""Handlers of the engine's lines, under the names of Prefect."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.logging.setup import ConsoleHandler as PrefectConsoleHandler

if TYPE_CHECKING:
    from typing import Any

__all__ = ["PenstockConsoleHandler", "PrefectConsoleHandler"]

PenstockConsoleHandler = PrefectConsoleHandler


def __getattr__(name: str) -> Any:
    from penstock.base.absent import absent_name

    return absent_name("penstock.logging.handlers", name)
