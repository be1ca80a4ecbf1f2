"""Names for runs that were given none; and values that must not be shown."""

from __future__ import annotations

from penstock.base.names import ADJECTIVES, NOUNS, generate_name, generate_slug, obfuscate, obfuscate_string

__all__ = [
    "ADJECTIVES",
    "NOUNS",
    "generate_name",
    "generate_slug",
    "obfuscate",
    "obfuscate_string",
]
