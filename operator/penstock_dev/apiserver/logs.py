"""Where the text of `pods/<name>/log` comes from.

The API server itself runs nothing: whoever runs the pods (the development node) keeps their output, and the server reads it
through the small protocol below. `FolderLogs` is the one implementation: a folder of files that the node writes and the
server only reads, so that both may live in one process or in two. Invariant: a reader never changes what it reads.

Layout, one line of text a log line as the container runtimes write it (RFC 3339 time with nanoseconds, a space, the text)::

    <root>/<pod uid>/<container>/<restart count>.log
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

# What is read at a time: a log may be many megabytes, and who reads it is not alone in this process.
PIECE_BYTES: Final = 2**20
_STEP_BYTES: Final = 2**16


class LogSource(Protocol):
    """Reads the kept output of containers.

    The server polls it while a client follows; the end of a follow is decided by the server from the pod's status, never here.
    """

    def begin(
        self, pod_uid: str, container: str, restart: int, *, tail: int | None = None, since: float | None = None
    ) -> int:
        """Return where to begin to read, found without reading all that is before it.

        Args:
            pod_uid: the pod's `metadata.uid`.
            container: the container's name.
            restart: which instance of the container.
            tail: how many complete lines are wanted at most; None: all.
            since: time from which on lines are wanted, seconds since the epoch; None: any.
        """

    def read(self, pod_uid: str, container: str, restart: int, offset: int) -> tuple[list[bytes], int] | None:
        """Return complete lines after a position: all, or as many as are read at a time; none: there is nothing more yet.

        Args:
            pod_uid: the pod's `metadata.uid`.
            container: the container's name.
            restart: which instance of the container: its restart count at that time, 0 the first.
            offset: where to go on, in bytes; 0 at the beginning, later the value returned before.

        Returns:
            Lines, each `b"<RFC 3339 time> <text>"` without the line end, and the offset behind them;
            None when nothing is known of this container instance.
        """


class FolderLogs:
    """Logs kept as files below a folder; see the module for the layout."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, pod_uid: str, container: str, restart: int) -> Path:
        """Return the file of one container instance, where the node writes it."""
        return self.root / pod_uid / container / f"{restart}.log"

    def begin(
        self, pod_uid: str, container: str, restart: int, *, tail: int | None = None, since: float | None = None
    ) -> int:
        """Return where to begin to read; see `LogSource.begin`."""
        try:
            with self.path(pod_uid, container, restart).open("rb") as file:
                last = 0 if tail is None else _tail(file, tail)
                return last if since is None else max(last, _since(file, since))
        except FileNotFoundError:
            return 0

    def read(self, pod_uid: str, container: str, restart: int, offset: int) -> tuple[list[bytes], int] | None:
        """Return complete lines after `offset`; see `LogSource.read`."""
        path = self.path(pod_uid, container, restart)
        try:
            with path.open("rb") as file:
                file.seek(offset)
                data = file.read(PIECE_BYTES)
                while len(data) % PIECE_BYTES == 0 and data and b"\n" not in data[-PIECE_BYTES:]:
                    more = file.read(PIECE_BYTES)
                    if not more:
                        break
                    data += more
        except FileNotFoundError:
            return None
        end = data.rfind(b"\n") + 1
        return list(_lines(data[:end])), offset + end


def time_of(line: bytes) -> float:
    """Return the time of a line, in seconds since the epoch; 0: it has none."""
    text = line.partition(b" ")[0].decode("ascii", "replace")
    try:
        head, _, fraction = text.removesuffix("Z").partition(".")
        return dt.datetime.fromisoformat(head + "+00:00").timestamp() + float(f"0.{fraction or 0}")
    except ValueError:
        return 0.0


def _lines(data: bytes) -> Iterator[bytes]:
    yield from data.split(b"\n")[:-1]


def _tail(file: BinaryIO, count: int) -> int:
    """Where the last complete lines begin, found from the end."""
    at = file.seek(0, 2)
    wanted = count + 1  # the end of the line before them
    while at > 0:
        begin = max(0, at - _STEP_BYTES)
        file.seek(begin)
        data = file.read(at - begin)
        if (ends := data.count(b"\n")) >= wanted:
            place = len(data)
            for _ in range(wanted):
                place = data.rfind(b"\n", 0, place)
            return begin + place + 1
        wanted -= ends
        at = begin
    return 0


def _since(file: BinaryIO, moment: float) -> int:
    """Where the first line of a time, or behind it, begins; times ascend, so half of what is left falls away with each look."""
    low, high = 0, file.seek(0, 2)
    while low < high:
        middle = (low + high) // 2
        # The line that holds `middle` ends where the next begins; `middle` itself may be a beginning.
        file.seek(max(0, middle - 1))
        begin = max(0, middle - 1) + len(file.readline()) if middle else 0
        file.seek(begin)
        line = file.readline()
        if not line.endswith(b"\n") or time_of(line) >= moment:
            high = middle
        else:
            low = begin + len(line)
    return low
