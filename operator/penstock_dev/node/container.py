"""One container as one local process: started, signalled, waited for, and nothing left of it afterwards.

Invariants: the process leads a session of its own, so that a terminal's Ctrl-C does not reach it; when it has ended, whatever it
started and left behind is killed, as a container's end kills all that is in it; what it wrote is in its log file before its end is told.
"""

from __future__ import annotations

import asyncio
import os
import signal
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from penstock_dev.guard import MARK, kill_marked

from .command import host_command
from .output import Output, tail
from .status import NEVER, Terminated

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from penstock_dev.guard import Guard

    from .probe import Liveness

__all__ = ["Launch", "Process", "StartError", "start_error"]

_MESSAGE_BYTES = 4096
_FALLBACK_BYTES = 2048
# How long output may still come from the pipe once every process that we know of is gone.
_DRAIN_SECONDS = 0.5


class StartError(Exception):
    """The process could not be started; the message says what a container runtime would."""


@dataclass(frozen=True, slots=True)
class Launch:
    """All that is needed to start one container's process.

    Attributes:
        command: program and arguments.
        environment: the whole environment.
        directory: the working directory.
        log: the log file.
        message_file: the termination message's file.
        fallback: where that is empty and the container failed, the end of its log is the message.
        mark: what tells its processes from all others (`guard.MARK`).
        liveness: its liveness probe, if it has one that runs a command.
    """

    command: Sequence[str]
    environment: Mapping[str, str]
    directory: Path
    log: Path
    message_file: Path
    fallback: bool
    mark: str
    liveness: Liveness | None = None

    @property
    def marked_environment(self) -> dict[str, str]:
        """Return the environment with the mark, by which everything that it starts is found."""
        return {**self.environment, MARK: self.mark}


class Process:
    """A container's process.

    Use `start`; then `ended` is a future of how it ended.
    """

    def __init__(
        self,
        launch: Launch,
        process: asyncio.subprocess.Process,
        output: Output,
        guard: Guard,
        clock: Callable[[], float],
    ) -> None:
        self.launch = launch
        self.id = f"process://{uuid.uuid4().hex}{uuid.uuid4().hex}"
        self.started = clock()
        self._process = process
        self._output = output
        self._guard = guard
        self._clock = clock
        self.ended: asyncio.Task[Terminated] = asyncio.create_task(self._wait(), name=f"container {launch.mark}")

    @classmethod
    async def start(cls, launch: Launch, guard: Guard, clock: Callable[[], float]) -> Process:
        """Start the process.

        Raises:
            StartError: there is no such program, it may not be executed, or the working directory is none.
        """
        if not launch.directory.is_dir():
            raise StartError(f"mkdir {launch.directory}: not a directory")
        launch.message_file.parent.mkdir(parents=True, exist_ok=True)
        launch.message_file.write_bytes(b"")
        output, writing = await Output.open(launch.log, clock)
        try:
            process = await _spawn(launch, writing)
        except StartError:
            os.close(writing)
            await output.finish(_DRAIN_SECONDS)
            raise
        os.close(writing)
        guard.add(process.pid)
        return cls(launch, process, output, guard, clock)

    def signal(self, number: signal.Signals) -> None:
        """Signal the container's main process; SIGKILL ends all of its processes."""
        if self._process.returncode is not None:
            return
        with suppress(ProcessLookupError, PermissionError):
            if number is signal.SIGKILL:
                os.killpg(self._process.pid, number)
            else:
                self._process.send_signal(number)

    async def stop(self, grace: float) -> Terminated:
        """SIGTERM, SIGKILL `grace` seconds later if that was not enough; returns how it ended."""
        self.signal(signal.SIGTERM)
        done, _ = await asyncio.wait([self.ended], timeout=max(grace, 0.0))
        if not done:
            self.signal(signal.SIGKILL)
        await asyncio.wait([self.ended])
        return self.ended.result()

    async def _wait(self) -> Terminated:
        code = await self._process.wait()
        finished = self._clock()
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await asyncio.to_thread(kill_marked, self.launch.mark)
        self._guard.remove(self._process.pid)
        await self._output.finish(_DRAIN_SECONDS)
        # A signal's number n is told as 128 + n, as shells and runtimes do.
        shown = code if code >= 0 else 128 - code
        return Terminated(
            exit_code=shown,
            reason="Completed" if shown == 0 else "Error",
            message=self._message(failed=shown != 0),
            started=self.started,
            finished=finished,
        )

    def _message(self, *, failed: bool) -> str:
        try:
            content = self.launch.message_file.read_bytes()
        except OSError:
            content = b""
        if not content and failed and self.launch.fallback:
            return tail(self.launch.log, _FALLBACK_BYTES)
        return content[-_MESSAGE_BYTES:].decode(errors="replace")


async def _spawn(launch: Launch, output: int) -> asyncio.subprocess.Process:
    program = launch.command[0]
    try:
        return await asyncio.create_subprocess_exec(
            *host_command(launch.command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=launch.marked_environment,
            cwd=launch.directory,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        why = f"stat {program}: no such file or directory" if "/" in program else "executable file not found in $PATH"
        raise StartError(f'exec: "{program}": {why}') from error
    except OSError as error:
        raise StartError(f'exec: "{program}": {(error.strerror or str(error)).lower()}') from error


def start_error(message: str, now: float) -> Terminated:
    """Return how a container that could not be started ends."""
    return Terminated(128, "StartError", f"failed to start container: {message}", started=NEVER, finished=now)
