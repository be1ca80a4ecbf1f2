"""Settings: environment variables `PENSTOCK_<NAME>`."""

from __future__ import annotations

from penstock.base.settings import Setting, Settings, get_current_settings, temporary_settings
from penstock.base.settings import __getattr__ as __getattr__  # the constants `PENSTOCK_...`

__all__ = [
    "Setting",
    "Settings",
    "get_current_settings",
    "temporary_settings",
]
