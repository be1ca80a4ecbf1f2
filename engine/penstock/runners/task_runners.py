"""Task runners: where submitted task runs execute.

A runner of one's own needs only `run(call)`. Neighbours: `submitting` makes runs and futures and hands them over by
`start_run`; `pool` is the bounded thread pool; `process_pool` holds the runner of processes.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from penstock.base.current import current_run, current_runner
from penstock.base.subscripted import Of, Subscripted

if TYPE_CHECKING:
    from typing import Self

    from penstock.core.runs import TaskRun
    from penstock.core.state import State
    from penstock.runners.call import Call
    from penstock.runners.pool import Pool


class TaskRunner(Subscripted[Of]):
    """Base class. A subclass gives `run`, and optionally `start`, `stop`, `duplicate`.

    Use as a context manager to submit outside flows; inside, each flow run starts a duplicate at its first submit.
    Set `remote = True` when `run` sends the call elsewhere: it is then picklable by cloudpickle, and carries inputs,
    context, tags and settings; called there, it gives the answer, which is the result of what `run` returns. A remote runner
    may do more (`options`, `share`, `holds`, `interrupt`), and may tell a call itself what comes back (`happened`, `ended`,
    `lost`, `failed`); then `run` returns None. `elsewhere = True` says that its workers may lack the flow's files.
    """

    remote = False
    shares = False
    elsewhere = False
    future_class: Any = None
    owned = False
    _started = False
    _token: Any = None
    _futures: dict[Any, None]
    _traffic: Any = None

    @property
    def name(self) -> str:
        """The name of the runner."""
        return type(self).__name__.lower().replace("taskrunner", "")

    @property
    def overrides_submit(self) -> bool:
        """Whether a subclass takes `submit` into its own hands, as Prefect's runners do."""
        return type(self).submit is not TaskRunner.submit

    def duplicate(self) -> Self:
        """An unstarted copy."""
        return type(self)()

    def start(self) -> None:
        """Make ready; called on entry."""

    def stop(self, cancel: bool) -> None:
        """Release what `start` made; `cancel`: an exception is leaving the block."""

    def run(self, call: Call) -> Any:
        """Start executing the call.

        Returns:
            A `concurrent.futures.Future`, or something with `add_done_callback` and `result`, of the final state.
        """
        raise NotImplementedError(f"{type(self).__name__} must define run(call), or override submit().")

    @property
    def traffic(self) -> Any:
        """What a remote runner has sent away; made at its first submit."""
        if self._traffic is None:
            from penstock.runners.traffic import Traffic

            self._traffic = Traffic(self)
        return self._traffic

    def options(self) -> Any:
        """What holds where a run is submitted and its engine wants to know, as resources; becomes `call.options`."""
        return None

    def share(self, payload: bytes) -> Any:
        """Put bytes where workers find them, once for many calls; asked for what is large if `shares` is True.

        Returns:
            A handle; it comes in `call.parts.inputs`, and the worker gives the bytes in its place.
        """
        raise NotImplementedError(f"{type(self).__name__} must define share(payload), as its `shares` is True.")

    def holds(self, handle: Any) -> bool:
        """Whether the result of a call with that `handle` is elsewhere, and can be an input of another call."""
        return False

    def interrupt(self, calls: list[Any]) -> None:
        """Stop calls: those not begun are not to begin, the bodies of others are interrupted. Must not block."""

    def submit(self, task: Any, parameters: dict[str, Any], wait_for: Any = None, dependencies: Any = None) -> Any:
        """Submit a run of the task with bound parameters.

        Args:
            task: the definition.
            parameters: values by name.
            wait_for: upstreams for order only.
            dependencies: accepted; they are found in the parameters.

        Raises:
            RuntimeError: the runner is not started.
        """
        from penstock.runners.submitting import submit_run

        self._check_started()
        args, kwargs = task.binder.call_form(parameters)
        return submit_run(self, task, args, kwargs, parameters, wait_for)

    def map(self, task: Any, parameters: dict[str, Any], wait_for: Any = None) -> Any:
        """Submit one run for each element of the iterable parameters."""
        from penstock.runners.submitting import map_run

        self._check_started()
        return map_run(self, task, parameters, wait_for)

    def _check_started(self) -> None:
        if not self._started:
            raise RuntimeError(
                f"Task runner is not started: use `with {type(self).__name__}():`, or submit inside a flow."
            )

    def start_run(self, run: TaskRun, future: Any) -> None:
        """Execute a run when its upstreams are done; the future is completed at its end."""
        from penstock.runners.starting import start_by_call

        self._check_started()
        start_by_call(self, run, future)

    def __enter__(self, *, register: bool = True) -> Self:
        if self._started:
            raise RuntimeError("This task runner is already started")
        self.start()
        self._started = True
        self._futures = {}
        if register:
            run = current_run.get()
            self._token = current_runner.set((self, run.flow if run is not None else None))
        return self

    def __exit__(self, exc_type: Any, exc: Any, tb: Any) -> None:
        if self._token is not None:
            current_runner.reset(self._token)
            self._token = None
        if exc_type is None:
            for future in list(self._futures):
                future.wait()
        else:
            for future in list(self._futures):
                future.cancel_unstarted("The task runner was left by an exception.")
        self._futures = {}
        self._started = False
        traffic, self._traffic = self._traffic, None
        if traffic is not None:
            traffic.close(exc_type is not None)
        self.stop(exc_type is not None)

    def cancel_all(self) -> None:
        """Cancel the runs that have not begun, take no more, and wait for those under way; in a task, without waiting."""
        if not self._started:
            return
        self._started = False
        run = current_run.get()
        flow = run.flow if run is not None else None
        futures = list(flow.children if flow is not None and flow.runner is self else self._futures)
        for future in futures:
            future.cancel_unstarted("The task runner was told to cancel all.")
        if run is None or run.is_flow:
            for future in futures:
                future.wait()

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(self, exc_type: Any, exc: Any, tb: Any) -> None:
        self.__exit__(exc_type, exc, tb)


class ThreadPoolTaskRunner(TaskRunner):
    """Runs tasks in threads, at most `max_workers` of them executing at a time.

    A worker that blocks in a result, a wait, a retry delay or a pause gives up its slot meanwhile, so nested submits
    end whatever the bound. A task whose upstreams are unfinished holds neither a thread nor a slot.

    Args:
        max_workers: default: the setting `tasks.runner.thread_pool_max_workers` (32).

    Raises:
        ValueError: the bound is below 1.
    """

    def __init__(self, max_workers: int | None = None) -> None:
        if max_workers is not None and max_workers < 1:
            raise ValueError(f"max_workers must be at least 1; {max_workers} was given.")
        self._given = max_workers
        self._pool: Pool | None = None

    @property
    def _max_workers(self) -> int:
        if self._given is not None:
            return self._given
        from penstock.base.settings import get_current_settings

        return int(get_current_settings().tasks.runner.thread_pool_max_workers or 32)

    def duplicate(self) -> Self:
        """An unstarted copy with the same bound."""
        return type(self)(max_workers=self._given)

    def __reduce__(self) -> Any:
        return partial(type(self), max_workers=self._given), ()

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._max_workers == other._max_workers

    __hash__ = object.__hash__

    def start_run(self, run: TaskRun, future: Any) -> None:
        """Queue the run when its upstreams are done."""
        self._check_started()
        if self._pool is None:
            self._pool = self._make_pool()
        if not self.owned:  # the flow run that owns it waits for its children by itself
            self._futures[future] = None
        from penstock.runners.pooled import PooledRun

        job = PooledRun(run, future, self._futures)
        future._cancel = job.claim
        if run.pending_inputs or run.wait_for:
            from penstock.runners.starting import when_ready

            pool = self._pool
            when_ready(run, lambda: pool.submit(job))
        else:
            self._pool.submit(job)

    def run(self, call: Call) -> Any:
        """Execute a call in the pool; its future."""
        from concurrent.futures import Future

        if self._pool is None:
            self._pool = self._make_pool()
        future: Future[State] = Future()

        def job() -> None:
            try:
                future.set_result(call())
            except BaseException as exc:  # noqa: BLE001  (the future's outcome)
                future.set_exception(exc)

        self._pool.submit(job)
        return future

    def _make_pool(self) -> Pool:
        from penstock.runners.pool import Pool

        return Pool(self._max_workers, "penstock-worker", _report)

    def stop(self, cancel: bool) -> None:
        """Let the threads end."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.stop()


ConcurrentTaskRunner = ThreadPoolTaskRunner


def _report(exc: BaseException) -> None:
    from penstock.drivers.sync import Dropped

    if not isinstance(exc, Dropped):
        import logging

        logging.getLogger("penstock.task_runners").error("A worker met an error of the engine.", exc_info=exc)
