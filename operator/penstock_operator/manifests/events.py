"""PyYAML's events, where libyaml's scanner, which Go's reader is made from, takes another text than PyYAML's own.

Tabs may stand between tokens and within plain text, though never as indentation; a backslash before a slash is no escape. libyaml itself is
not asked: not each PyYAML is built with it.
"""

from __future__ import annotations

from typing import cast

from yaml.events import Event
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.scanner import Scanner

_ESCAPES = {letter: meant for letter, meant in Scanner.ESCAPE_REPLACEMENTS.items() if letter != "/"}
_BREAKS = "\r\n\x85\u2028\u2029"


class Events(Reader, Scanner, Parser):
    """The events of a text."""

    ESCAPE_REPLACEMENTS = _ESCAPES  # type: ignore[misc]

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)

    def take(self) -> Event:
        """Return the next event, and go on."""
        return cast("Event", self.get_event())  # type: ignore[no-untyped-call]

    def ahead(self) -> Event:
        """Return the next event, and stay."""
        return cast("Event", self.peek_event())  # type: ignore[no-untyped-call]

    def scan_to_next_token(self) -> None:
        """Skip white space and comments; tabs too, where no indentation can begin."""
        super().scan_to_next_token()
        while self.peek() == "\t" and (self.flow_level or not self.allow_simple_key):
            self.forward()
            super().scan_to_next_token()

    def scan_plain_spaces(self, indent: int, start_mark: object) -> list[str] | None:
        """Skip white space within plain text, and return what it stands for; None where the document ends."""
        blanks = self._blanks()
        if self.peek(len(blanks)) not in _BREAKS:
            self.forward(len(blanks))
            return [blanks] if blanks else []
        self.forward(len(blanks))
        found: list[str] | None = super().scan_plain_spaces(indent, start_mark)
        while found and self.peek() == "\t" and self.column >= indent:
            # A line that is blank but for tabs, or one that begins with them.
            self.forward(len(self._blanks()))
            if self.peek() in _BREAKS:
                more = super().scan_plain_spaces(indent, start_mark)
                if more is None:
                    return None
                found = [*(text for text in found if text != " "), "\n", *(text for text in more if text != " ")]
        return found

    def _blanks(self) -> str:
        length = 0
        while self.peek(length) in " \t":
            length += 1
        return str(self.prefix(length))


def place(event: Event) -> tuple[int, int]:
    """Return line and column of an event, from 1."""
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)
