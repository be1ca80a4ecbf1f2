"""Pausing and resuming flow runs of this process.

Neighbours: `drivers.pausing` blocks and wakes; `input` describes what a pause asks for.
"""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    from penstock._absent import absent_name

    return absent_name("penstock.flow_runs", name)
