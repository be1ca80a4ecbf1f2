"""Annotations that wrap an argument and say how it is treated."""

from __future__ import annotations

from penstock.base.annotations import BaseAnnotation, NotSet, Quote, allow_failure, freeze, opaque, quote, unmapped

__all__ = [
    "BaseAnnotation",
    "NotSet",
    "Quote",
    "allow_failure",
    "freeze",
    "opaque",
    "quote",
    "unmapped",
]
