"""What the owner of the run wants, as the pod's intent file says it.

A downward-API volume projects the annotation ``penstock.dev/intent`` into a file: one of four words, optionally a
space and a token behind it (a new token means that the run's inputs changed). Reading is pure; :class:`IntentFile`
looks at the file. Cancelled wins over all and is final; Suspended wins over Paused.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import IntEnum

LIMIT_BYTES = 256
TOKEN_LIMIT = 64


class Intent(IntEnum):
    """What is wanted, in rising order: a higher one wins over a lower."""

    RUNNING = 0
    PAUSED = 1
    SUSPENDED = 2
    CANCELLED = 3

    @property
    def word(self) -> str:
        """As it is written in the annotation and in ``spec.desiredState``."""
        return self.name.capitalize()

    @property
    def ends(self) -> bool:
        """Whether it ends the process."""
        return self >= Intent.SUSPENDED


_WORDS = {intent.word: intent for intent in Intent}


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading: what is wanted, the token behind it, and the word if nobody knows it."""

    intent: Intent = Intent.RUNNING
    token: str = ""
    unknown: str | None = None


def from_word(word: object) -> Intent:
    """Read ``spec.desiredState``; what is missing or unknown is Running."""
    return _WORDS.get(word, Intent.RUNNING) if isinstance(word, str) else Intent.RUNNING


def parse(text: str) -> Reading:
    """Read the file's content; what is empty or unknown is Running."""
    word, _, token = text.strip().partition(" ")
    if not word:
        return Reading()
    intent = _WORDS.get(word)
    if intent is None:
        return Reading(unknown=word[:TOKEN_LIMIT])
    return Reading(intent, token.strip()[:TOKEN_LIMIT])


class IntentFile:
    """The file, read when it changed.

    A kubelet swaps the folder that the path leads through: the path is looked up each time, and nothing is kept open.
    """

    __slots__ = ("_path", "_reading", "_stamp")

    def __init__(self, path: str) -> None:
        self._path = path
        self._stamp: tuple[int, int, int] | None = None
        self._reading = Reading()

    @property
    def present(self) -> bool:
        """Whether there was a file when it was looked at last."""
        return self._stamp is not None

    def read(self) -> Reading:
        """Give what the file says now. A file that is missing says Running, once Cancelled is read it stays."""
        if self._reading.intent is Intent.CANCELLED:
            return self._reading
        try:
            found = os.stat(self._path)
            stamp = (found.st_ino, found.st_mtime_ns, found.st_size)
            if stamp != self._stamp:
                with open(self._path, "rb") as file:
                    self._reading = parse(file.read(LIMIT_BYTES).decode("utf-8", "replace"))
                self._stamp = stamp
        except OSError:
            # During the swap the path leads nowhere for a moment: what was read last stands.
            self._stamp = None
        return self._reading
