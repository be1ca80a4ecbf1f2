"""Texts of users and servers with their control characters made visible, for terminals and pages.

A flow's message may hold escape sequences that move a terminal's cursor, and characters that turn the reading direction, which a browser
follows too. kubectl shows ESC as `^[`; so do we, and every other control character by its number.
"""

from __future__ import annotations

import re

__all__ = ["escaped", "line", "unsafe"]

# C0 but for tab and newline, DEL, C1, marks that turn the direction of text, separators that some programs take for a line's end,
# and halves of characters, which no encoding can write.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_WORDS = {"\x1b": "^[", "\r": "\\r", "\n": "\\n", "\t": "\\t"}


def unsafe(text: str) -> bool:
    """Whether a text has characters that a terminal would act on."""
    return _UNSAFE.search(text) is not None


def escaped(text: str) -> str:
    """Return a text that a terminal only shows; its lines stay lines."""
    return _UNSAFE.sub(_visible, text)


def line(text: str) -> str:
    """Return a text as one line: a newline in a value must not look like the beginning of another field."""
    return escaped(text.translate({ord(sign): _WORDS[sign] for sign in "\n\t"}))


def _visible(found: re.Match[str]) -> str:
    sign = found.group()
    return _WORDS.get(sign) or (f"\\x{ord(sign):02x}" if ord(sign) < 0x100 else f"\\u{ord(sign):04x}")
