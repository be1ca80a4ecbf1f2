"""What a container writes, into its log file: one line of text a line, each with the time at which it came.

The layout and the line format are those that the embedded API server reads (`apiserver/logs.py`). Standard output and error share
one pipe, so that their order is kept. Of a line that is longer than 16 KiB the beginning is written before its end has come; readers get
it as one line, as from a kubelet, which puts together what container runtimes cut there.
"""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["Output", "tail"]

_LONGEST = 16 * 1024


class Output(asyncio.Protocol):
    """The reading end of a container's output.

    Args:
        path: the log file.
        clock: seconds since the epoch.
    """

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab", buffering=0)
        self._clock = clock
        self._rest = b""
        self._begun = False  # the file's last line has no end yet
        self._transport: asyncio.BaseTransport | None = None
        self._closed = asyncio.get_running_loop().create_future()

    @classmethod
    async def open(cls, path: Path, clock: Callable[[], float]) -> tuple[Output, int]:
        """Return the reader and the descriptor for the container to write to; the caller closes the latter."""
        reading, writing = os.pipe()
        output = cls(path, clock)
        await asyncio.get_running_loop().connect_read_pipe(lambda: output, os.fdopen(reading, "rb", buffering=0))
        return output, writing

    async def finish(self, within: float) -> None:
        """Wait for the end of the pipe, no longer than `within` seconds: a process that got away may still hold it."""
        await asyncio.wait([self._closed], timeout=within)
        if self._transport is not None:
            self._transport.close()
        self._end()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport (called by asyncio)."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Write the complete lines (called by asyncio)."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._write(lines)
        if len(self._rest) > _LONGEST:
            self._write([self._rest], end=b"")
            self._rest = b""

    def connection_lost(self, exc: Exception | None) -> None:
        """Write what is left (called by asyncio)."""
        self._end()
        if not self._closed.done():
            self._closed.set_result(None)

    def _end(self) -> None:
        if not self._file.closed:
            if self._rest or self._begun:
                self._write([self._rest])
                self._rest = b""
            self._file.close()

    def _write(self, lines: list[bytes], end: bytes = b"\n") -> None:
        if lines and not self._file.closed:
            now = self._clock()
            # Kubernetes writes nanoseconds; a float has microseconds of them at best.
            stamp = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z ").encode()
            first, self._begun = b"" if self._begun else stamp, not end
            self._file.write(first + (b"\n" + stamp).join(lines) + end)


def tail(path: Path, size: int) -> str:
    """Return the last bytes of a container's output, without the times."""
    try:
        with path.open("rb") as file:
            # Times take up 31 bytes a line; short lines make up the most of what has to be read.
            file.seek(max(0, os.fstat(file.fileno()).st_size - 32 * size))
            lines = file.read().split(b"\n")
    except FileNotFoundError:
        return ""
    text = b"\n".join(line.partition(b" ")[2] for line in lines[-size:])
    return text[-size:].decode(errors="replace")
