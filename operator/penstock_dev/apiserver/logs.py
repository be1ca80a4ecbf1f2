"""Where the text of `pods/<name>/log` comes from.

The API server itself runs nothing: whoever runs the pods (the development node) keeps their output, and the server reads it
through the small protocol below. `FolderLogs` is the one implementation: a folder of files that the node writes and the
server only reads, so that both may live in one process or in two. Invariant: a reader never changes what it reads.

Layout, one line of text a log line as the container runtimes write it (RFC 3339 time with nanoseconds, a space, the text)::

    <root>/<pod uid>/<container>/<restart count>.log
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator


class LogSource(Protocol):
    """Reads the kept output of containers.

    The server polls it while a client follows; the end of a follow is decided by the server from the pod's status, never here.
    """

    def read(self, pod_uid: str, container: str, restart: int, offset: int) -> tuple[list[bytes], int] | None:
        """Return the complete lines after a position.

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

    def read(self, pod_uid: str, container: str, restart: int, offset: int) -> tuple[list[bytes], int] | None:
        """Return the complete lines after `offset`; see `LogSource.read`."""
        path = self.path(pod_uid, container, restart)
        try:
            with path.open("rb") as file:
                file.seek(offset)
                data = file.read()
        except FileNotFoundError:
            return None
        end = data.rfind(b"\n") + 1
        return list(_lines(data[:end])), offset + end


def _lines(data: bytes) -> Iterator[bytes]:
    yield from data.split(b"\n")[:-1]
