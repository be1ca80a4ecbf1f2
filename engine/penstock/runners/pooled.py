"""Task runs as jobs of the pool: how a worker executes one.

A sync run executes in the worker's thread. Async runs execute one by one in the worker's kept loop, each in an asyncio
task of its own, and as long as there are more of them in one run of the loop: to start and stop it takes as long as a
short run. Invariants: a run's future is completed whatever happens; done-callbacks are called where no loop runs.
Neighbours: `pool` hands jobs out, `executing` lives a run, `task_runners` makes the jobs.
"""

from __future__ import annotations

import contextvars
from typing import TYPE_CHECKING, Any

from penstock.drivers.sync import crash
from penstock.runners.executing import execute_submitted, execute_submitted_async
from penstock.runners.pool import Job

if TYPE_CHECKING:
    import asyncio

    from penstock.core.runs import TaskRun
    from penstock.runners.pool import Take


class PooledRun(Job):
    """A submitted task run, executed or cancelled once, whoever comes first.

    Args:
        run: the task run.
        future: what is completed at its end.
        futures: of the runner; the future is taken out of them.
    """

    __slots__ = ("_claims", "context", "future", "futures", "run")

    def __init__(self, run: TaskRun, future: Any, futures: dict[Any, None]) -> None:
        self.run = run
        self.future = future
        self.futures = futures
        self.context = contextvars.copy_context()
        self._claims = [True]

    def claim(self) -> bool:
        """Whether the run is the caller's, to execute or to end."""
        try:
            return self._claims.pop()
        except IndexError:
            return False

    def work(self, take: Take) -> Job | None:
        """Execute it, and the async ones that follow it, unless somebody else has ended it."""
        if self.claim():
            if self.run.is_async:
                return Serving(take).serve(self)
            try:
                self.context.run(execute_submitted, self.run)
            finally:
                for tell in self.end():
                    tell()
        return take()

    def end(self) -> Any:
        """The run is over: wake whoever waits; gives the done-callbacks that are to be called."""
        to_tell = self.future.settle()
        self.futures.pop(self.future, None)
        return to_tell


class Serving:
    """The loop of a worker while it executes async runs.

    Args:
        take: gives the next job.
    """

    __slots__ = ("following", "loop", "now", "take", "task", "to_tell")

    def __init__(self, take: Take) -> None:
        from penstock.base.loops import kept_loop

        self.take = take
        self.loop: asyncio.AbstractEventLoop = kept_loop()
        self.now: PooledRun | None = None  # what executes; its claim is ours
        self.task: Any = None
        self.to_tell: Any = ()
        self.following: Job | None = None

    def serve(self, first: PooledRun) -> Job | None:
        """Execute the run and the async ones after it; the job that is to be done next, outside the loop."""
        self._begin(first)
        lost: BaseException = RuntimeError("The event loop of the worker was stopped before the run had ended.")
        try:
            self.loop.run_forever()
        except BaseException as exc:  # noqa: BLE001  (SystemExit in an asyncio task that a body has started)
            lost = exc
        if self.now is not None:
            job, self.now = self.now, None
            job.run.control.active.pop(
                job.run, None
            )  # where its body goes on in a later run of the loop, it is dropped
            crash(job.run, lost)
            self.to_tell = job.end()
        elif not self.to_tell:
            return self.following
        for tell in self.to_tell:
            tell()
        return self.take()

    def _begin(self, job: PooledRun) -> None:
        self.now = job
        self.task = self.loop.create_task(self._execute(job), context=job.context)

    async def _execute(self, job: PooledRun) -> None:
        """One run, in a task and a context of its own; the next one is begun from here."""
        going = False
        try:
            await execute_submitted_async(job.run)
            if self.now is not job:
                going = True  # it was lost, and the loop runs for another one
                return
            self.to_tell = job.end()
            self.now = None
            if not self.to_tell:
                following = self.take()
                while isinstance(following, PooledRun) and following.run.is_async:
                    if following.claim():
                        self._begin(following)
                        going = True
                        return
                    following = self.take()
                self.following = following
        finally:
            if not going:
                self.loop.stop()
