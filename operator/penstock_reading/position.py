"""How far a log was read, so that reading it again after a lost connection repeats nothing and leaves nothing out.

By the times that the node puts before lines, not by counting lines: a log that is rotated begins later when it is read again.
"""

from __future__ import annotations

__all__ = ["Position"]


class Position:
    """See the module."""

    def __init__(self) -> None:
        self._stamp = ""
        self._at_stamp = 0  # lines of that time that were taken
        self._again = 0  # of those, how many this reading has met

    @property
    def stamp(self) -> str:
        """Time of the last line that was taken; empty before the first."""
        return self._stamp

    def begin(self) -> None:
        """Note that the log is read from an earlier place again."""
        self._again = 0

    def take(self, line: str) -> tuple[str, str] | None:
        """Return time and text of a line with its time; None: it was taken before."""
        stamp, _, text = line.partition(" ")
        if not stamp[:4].isdigit() or "T" not in stamp:
            return "", line
        key = _comparable(stamp)
        last = _comparable(self._stamp)
        if key < last and self._again_begun:
            return None
        if key == last:
            self._again += 1
            if self._again <= self._at_stamp:
                return None
            self._at_stamp = self._again
        elif key > last:
            self._stamp, self._at_stamp, self._again = stamp, 1, 1
        return stamp, text

    @property
    def _again_begun(self) -> bool:
        """Whether lines before the last one can only be old ones: a reading that has not come as far."""
        return self._again < self._at_stamp


def _comparable(stamp: str) -> str:
    """A time with all nine digits: Kubernetes leaves out zeros at the end."""
    head, _, fraction = stamp.removesuffix("Z").partition(".")
    return f"{head}.{fraction:<09}"
