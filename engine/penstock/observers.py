"""Observers: functions that are told of every state change of every run, and of heartbeats."""

from __future__ import annotations

from penstock.drivers.observing import beat, has_heartbeats, subscribe, subscribe_heartbeat

__all__ = [
    "beat",
    "has_heartbeats",
    "subscribe",
    "subscribe_heartbeat",
]
