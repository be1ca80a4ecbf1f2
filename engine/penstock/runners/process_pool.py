"""Running tasks in processes: `ProcessPoolTaskRunner`, its workers, and their lines.

Workers are fresh interpreters that do not import the caller's main module; code of `__main__` comes by value. A worker
that dies takes only its own task with it. Neighbours: `remote` says what is sent.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any

from penstock.base.workers import WORKERS
from penstock.runners import worker_prints
from penstock.runners.task_runners import TaskRunner

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterable
    from typing import Self

    from penstock.runners.pool import Pool

LAST_WORDS_SECONDS = 1.0
"""How long a worker may take to write what it has begun."""


class WorkerDiedError(RuntimeError):
    """The process of a task ended before the task did."""


class Worker:
    """One process, and the line to it."""

    def __init__(self, initializer: bytes | None) -> None:
        mine, theirs = socket.socketpair()
        lifeline, self._lifeline = os.pipe()
        code = f"from penstock.runners.process_pool import main; main({theirs.fileno()}, {lifeline})"
        paths = [path for path in sys.path if path]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
        self.process = subprocess.Popen(
            [sys.executable, "-c", code],
            pass_fds=(theirs.fileno(), lifeline),
            env=environment,
            stdin=subprocess.DEVNULL,
        )
        WORKERS.add(self.process.pid)
        theirs.close()
        os.close(lifeline)
        self.line: Connection[Any, Any] = Connection(mine.detach())
        self.line.send_bytes(initializer or b"")

    def execute(self, message: Any, inputs: list[str], happened: Callable[[bytes], None]) -> bytes:
        """Send a call and wait for its answer.

        Args:
            message: of the call's parts.
            inputs: paths of the files of what it shares with others.
            happened: told of events on the way.

        Raises:
            WorkerDiedError: the process ended first; names the signal.
        """
        try:
            self.line.send((message, inputs))
            while True:
                kind, told = self.line.recv()
                if kind == "answer":
                    return told  # type: ignore[no-any-return]
                if kind == "failed":
                    raise told
                happened(told)
        except (EOFError, OSError):
            code = self.process.wait()
            WORKERS.discard(self.process.pid)
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            raise WorkerDiedError(f"process ended with {how}") from None

    def stop(self, kill: bool) -> None:
        """End the process: by closing its line, or at once."""
        WORKERS.discard(self.process.pid)
        if kill and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.line.close()
            os.close(self._lifeline)
        except OSError:
            pass
        try:
            self.process.wait(2.0)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def main(line_number: int, lifeline: int) -> None:
    """The worker process: execute calls until the line is closed."""

    def watch() -> None:
        os.read(lifeline, 1)
        # Whoever does not read what is left keeps nobody here.
        latest = threading.Timer(LAST_WORDS_SECONDS, os._exit, (0,))
        latest.daemon = True
        latest.start()
        worker_prints.finish()
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()
    worker_prints.install()
    line: Connection[Any, Any] = Connection(line_number)
    from penstock.runners.far import Far, perform

    class Line(Far):
        def tell(self, events: bytes) -> None:
            """Send them at once."""
            line.send(("happened", events))

    initializer = line.recv_bytes()
    if initializer:
        import cloudpickle

        fn, args = cloudpickle.loads(initializer)
        fn(*args)
    while True:
        try:
            message, inputs = line.recv()
        except EOFError:
            return
        try:
            answer, _ = perform(message, [Path(path).read_bytes() for path in inputs], Line())
        except Exception as exc:  # noqa: BLE001  (what cannot be loaded here is a failure of this call)
            line.send(("failed", exc))
        else:
            line.send(("answer", answer))


class ProcessPoolTaskRunner(TaskRunner):
    """Runs tasks in processes.

    Args:
        max_workers: default: the setting `tasks.runner.process_pool_max_workers`, else the usable CPUs.
        subprocess_message_processor_factories: kept and never called, which a warning says at the start: the messages
            that they are for go to Prefect's server.
        initializer: called first in each process.
        initargs: its arguments.

    Raises:
        ValueError: the bound is below 1.
        TypeError: the initializer cannot be called.
    """

    remote = True
    shares = True

    def __init__(
        self,
        max_workers: int | None = None,
        subprocess_message_processor_factories: Iterable[Any] | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
    ) -> None:
        if max_workers is not None and max_workers < 1:
            raise ValueError(f"max_workers must be at least 1; {max_workers} was given.")
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be callable.")
        self._given = max_workers
        self.initializer = initializer
        self.initargs = tuple(initargs)
        self._factories = tuple(subprocess_message_processor_factories or ())
        self._pool: Pool | None = None
        self._idle: list[Worker] = []
        self._all: list[Worker] = []
        self._lock = threading.Lock()
        self._shared: list[str] = []

    @property
    def _max_workers(self) -> int:
        if self._given is not None:
            return self._given
        from penstock.base.settings import get_current_settings

        configured = get_current_settings().tasks.runner.process_pool_max_workers
        usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        return int(configured or usable or 1)

    @property
    def subprocess_message_processor_factories(self) -> tuple[Any, ...]:
        """What was given; can be set until the runner is started."""
        return self._factories

    @subprocess_message_processor_factories.setter
    def subprocess_message_processor_factories(self, factories: Iterable[Any] | None) -> None:
        if self._started:
            raise RuntimeError(
                "Cannot configure subprocess message processor factories while task runner is started: set them before."
            )
        self._factories = tuple(factories or ())

    def set_subprocess_message_processor_factories(self, factories: Iterable[Any] | None = None) -> None:
        """Set `subprocess_message_processor_factories`."""
        self.subprocess_message_processor_factories = factories

    def duplicate(self) -> Self:
        """An unstarted copy with the same options, also of a subclass that is made with `max_workers` alone."""
        copy = type(self)(max_workers=self._given)
        copy.initializer, copy.initargs, copy._factories = self.initializer, self.initargs, self._factories
        return copy

    def __reduce__(self) -> Any:
        # The factories are never called: that they cannot be pickled must not hinder.
        options = {"initializer": self.initializer, "initargs": self.initargs}
        return partial(type(self), max_workers=self._given), (), options

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._max_workers == other._max_workers

    __hash__ = object.__hash__

    def start(self) -> None:
        """Make the threads that talk to the processes, on demand."""
        from penstock.runners.pool import Pool

        if self._factories:
            _logger().warning(
                "subprocess_message_processor_factories are never called. What tasks log in processes comes to this "
                "process's handlers: filter it there, by a logging.Filter."
            )
        self._pool = Pool(self._max_workers, "penstock-process", _report)

    def _take(self) -> Worker:
        with self._lock:
            while self._idle:
                worker = self._idle.pop()
                if worker.process.poll() is None:
                    return worker
                self._all.remove(worker)
        initializer = None
        if self.initializer is not None:
            import cloudpickle

            initializer = cloudpickle.dumps((self.initializer, self.initargs))
        worker = Worker(initializer)
        with self._lock:
            self._all.append(worker)
        return worker

    def share(self, payload: bytes) -> str:
        """Write large bytes into a file that the processes read; its path."""
        # In a pod the folder is its own; elsewhere it is the usual one for temporary files.
        with NamedTemporaryFile(prefix="penstock-", dir=os.environ.get("PENSTOCK_RUN_DIR"), delete=False) as file:
            file.write(payload)
        self._shared.append(file.name)
        return file.name

    def run(self, call: Any) -> None:
        """Execute a call in a process."""

        def job() -> None:
            if not call.going:
                return
            worker = self._take()
            call.handle = worker
            try:
                answer = worker.execute(call.parts.message(), call.parts.inputs, call.happened)
            except BaseException as exc:  # noqa: BLE001  (the call's outcome)
                died = isinstance(exc, WorkerDiedError)
                if died:
                    with self._lock:
                        if worker in self._all:
                            self._all.remove(worker)
                    worker.stop(kill=True)
                else:
                    self._put_back(worker)
                (call.lost if died else call.failed)(str(exc) if died else exc)
            else:
                self._put_back(worker)
                call.ended(answer)

        assert self._pool is not None
        self._pool.submit(job)

    def _put_back(self, worker: Worker) -> None:
        with self._lock:
            self._idle.append(worker)

    def interrupt(self, calls: list[Any]) -> None:
        """End the processes that execute the calls."""
        for call in calls:
            worker = call.handle
            if worker is not None and worker.process.poll() is None:
                worker.process.send_signal(signal.SIGTERM)

    def stop(self, cancel: bool) -> None:
        """End the processes."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.stop()
        with self._lock:
            workers, self._all, self._idle = self._all, [], []
        for worker in workers:
            worker.stop(kill=cancel)
        shared, self._shared = self._shared, []
        for path in shared:
            Path(path).unlink(missing_ok=True)


def _logger() -> logging.Logger:
    import logging

    return logging.getLogger("penstock.task_runners")


def _report(exc: BaseException) -> None:
    _logger().error("A process runner met an error of the engine.", exc_info=exc)
