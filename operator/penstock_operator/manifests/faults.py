"""What is wrong with a text, and where."""

from __future__ import annotations


class Malformed(ValueError):  # noqa: N818 - what the text is
    """A text can't be read.

    Attributes:
        line: from 1.
        column: from 1; 0: it is not known.
        why: in words, without the place.
    """

    def __init__(self, line: int, column: int, why: str) -> None:
        super().__init__(f"line {line}: {why}")
        self.line = line
        self.column = column
        self.why = why
