"""Tasks: `@task`, `Task`.

Neighbours: `drivers.calls` performs direct calls, `runners.submitting` what is submitted and mapped.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, overload

from penstock.base.absent_methods import refuse_absent_methods
from penstock.base.annotations import NotSet
from penstock.base.current import current_run, current_transaction
from penstock.base.exceptions import TaskRunTimeoutError
from penstock.base.settings import get_current_settings
from penstock.base.source import hash_of_source
from penstock.definitions.changeable import Checked
from penstock.definitions.checks import check_retries, checked_condition, checked_jitter
from penstock.definitions.definition import Definition, doc_of
from penstock.definitions.shown_options import options_of, options_of_task_copies, show, takes_options
from penstock.definitions.source_text import SourceText
from penstock.drivers import calls
from penstock.interruption.section import current_section

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import timedelta

    from penstock.core.runs import Run, TaskRun
    from penstock.core.state import State
    from penstock.runners.future_sets import PrefectFutureList
    from penstock.runners.futures import PrefectFuture

P = ParamSpec("P")
R = TypeVar("R")


OF_TRANSACTIONS = ("on_rollback", "on_commit")  # options of the class `Task`, not of the decorator


@cache
def _submitting() -> Any:
    """What submits runs: loaded at the first submit, where no interruption of the body tears the import."""
    section = current_section()
    was_open, section.open = section.open, False
    try:
        from penstock.runners import submitting

        return submitting
    finally:
        if was_open:
            section.reopen(True)


class Task(SourceText, Definition, Generic[P, R]):
    """A function that is run as a task; arguments as for `task`, and the transaction hooks.

    Raises:
        TypeError: the function cannot be called, or an option has the wrong type.
        ValueError: an option is out of range.
        ReservedArgumentError: a parameter is called `return_state` or `wait_for`.
    """

    kind = "task"
    retry_jitter_factor: float | None = Checked(checked_jitter)  # type: ignore[assignment]
    retry_condition_fn: Any = Checked(checked_condition)

    def __init__(
        self,
        fn: Callable[P, R],
        name: str | None = None,
        description: str | None = None,
        tags: Iterable[str] | None = None,
        version: str | None = None,
        cache_policy: Any = NotSet,
        cache_key_fn: Callable[[Any, dict[str, Any]], str | None] | None = None,
        cache_expiration: timedelta | None = None,
        task_run_name: Any = None,
        retries: int | None = None,
        retry_delay_seconds: Any = None,
        retry_jitter_factor: float | None = None,
        persist_result: bool | None = None,
        result_storage: Any = None,
        result_serializer: Any = None,
        result_storage_key: str | None = None,
        cache_result_in_memory: bool = True,
        timeout_seconds: int | float | None = None,
        log_prints: bool | None = None,
        refresh_cache: bool | None = None,
        on_completion: Any = None,
        on_failure: Any = None,
        on_running: Any = None,
        on_rollback: Any = None,
        on_commit: Any = None,
        retry_condition_fn: Any = None,
        viz_return_value: Any = None,
        asset_deps: Any = None,
    ) -> None:
        self._set_function(fn)
        self.on_completion_hooks = self._hooks_of("on_completion", on_completion)
        self.on_failure_hooks = self._hooks_of("on_failure", on_failure)
        self.on_running_hooks = self._hooks_of("on_running", on_running)
        self.on_rollback_hooks = self._hooks_of("on_rollback", on_rollback)
        self.on_commit_hooks = self._hooks_of("on_commit", on_commit)
        self.on_crashed_hooks, self.on_cancellation_hooks = [], []  # for flows only
        self.name = name or self.__name__
        self.description = description if description is not None else doc_of(self.fn)
        self.task_run_name = self._run_name("task_run_name", task_run_name)
        self.tags = set(tags or ())
        self.version = version
        self._task_key: str | None = None
        self._retries = check_retries(retries)
        self._set_delays(retry_delay_seconds)
        self.retry_jitter_factor = retry_jitter_factor
        self.retry_condition_fn = retry_condition_fn
        self.timeout_seconds = timeout_seconds
        self.persist_result = persist_result
        self.result_storage = result_storage
        self.result_storage_key = result_storage_key
        self.result_serializer = result_serializer
        self.cache_result_in_memory = cache_result_in_memory
        self.cache_key_fn = cache_key_fn
        self.cache_expiration = cache_expiration
        self.refresh_cache = refresh_cache
        self.log_prints = log_prints
        self.viz_return_value = viz_return_value
        self.asset_deps = asset_deps
        self._given_policy = cache_policy
        self._policy: Any = NotSet
        if (
            cache_policy is not NotSet or cache_key_fn is not None or persist_result is not None
            or result_storage is not None or result_storage_key is not None or result_serializer is not None
        ):  # fmt: skip
            from penstock.storage.persisting import settle_task_options

            settle_task_options(self)

    @property
    def task_key(self) -> str:
        """The function's own name and 8 hex digits of a hash of its source; for other callables the path of their class."""
        if self._task_key is None:
            if isinstance(getattr(self.fn, "__qualname__", None), str):
                self._task_key = f"{self.__qualname__.rpartition('.')[2]}-{hash_of_source(self.fn)}"
            else:
                kind = type(self.fn)
                self._task_key = f"{kind.__module__}.{kind.__qualname__}"
        return self._task_key

    @task_key.setter
    def task_key(self, value: str) -> None:
        self._task_key = value

    @property
    def cache_policy(self) -> Any:
        """What the key of a stored result is made of; `DEFAULT` unless something else was said."""
        from penstock.storage.persisting import policy_of

        return policy_of(self)

    @cache_policy.setter
    def cache_policy(self, value: Any) -> None:
        from penstock.storage.persisting import checked_policy

        self._policy = checked_policy(value)

    @property
    def task_run_name(self) -> Any:
        """Template or callable that names the runs; None: by the task's name."""
        return self.run_name

    @task_run_name.setter
    def task_run_name(self, value: Any) -> None:
        self.run_name = value or None

    def stores(self, run: Run) -> bool:
        """Whether this run has anything to do with stores or transactions."""
        if (
            self.persist_result is None
            and not self.on_commit_hooks
            and not self.on_rollback_hooks
            and current_transaction.get() is None
        ):
            flow = run.flow
            parent = run.parent
            settings = get_current_settings()
            if (
                flow is not None and flow.persist is False and (parent is None or parent.transaction is None)
                and settings.tasks.default_persist_result is None
            ):  # fmt: skip
                return False  # the usual case, told without a call
        from penstock.storage.persisting import task_stores

        return task_stores(self, run)

    def timeout_error(self, run: Run) -> BaseException:
        """The error of this task's own timeout."""
        return TaskRunTimeoutError(f"Task run exceeded timeout of {self.timeout_seconds} second(s)")

    @overload
    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R: ...

    @overload
    def __call__(self, /, *args: Any, return_state: bool = ..., wait_for: Any = ..., **kwargs: Any) -> Any: ...

    def __call__(self, /, *args: Any, return_state: Any = False, wait_for: Any = None, **kwargs: Any) -> Any:
        """Run the task here.

        Args:
            args: for the function; futures and states of runs in them are resolved.
            return_state: give the final state instead of the value; never raises but for crashes.
            wait_for: upstreams that must be completed first.
            kwargs: for the function.

        Returns:
            The value; a coroutine of it for an async task that is called from async code.

        Raises:
            ParameterBindError: the arguments do not fit the signature.
            UnfinishedRun: an upstream is not completed.
            Exception: what the body raised, the same object.
        """
        parameters = self.binder.bind(args, kwargs)
        parent = current_run.get()
        if self.isgenerator:
            return calls.generate_task(self, args, kwargs, parameters, parent, return_state, wait_for)
        if self.isasync:
            return calls.call_task_async(self, args, kwargs, parameters, parent, return_state, wait_for)
        return calls.call_task(self, args, kwargs, parameters, parent, return_state, wait_for)

    def submit(self, /, *args: Any, return_state: bool = False, wait_for: Any = None, **kwargs: Any) -> Any:
        """Run the task by the runner of the flow, or of an enclosing `with ThreadPoolTaskRunner():`.

        Args:
            args: for the function.
            return_state: wait, and give the final state.
            wait_for: upstreams that must be completed first.
            kwargs: for the function.

        Returns:
            A future, at once.

        Raises:
            RuntimeError: neither a flow run nor a started runner is active.
        """
        future: PrefectFuture[Any] = _submitting().submit(self, args, kwargs, wait_for)
        if return_state:
            future.wait()
            return future.state
        return future

    def map(
        self,
        /,
        *args: Any,
        return_state: bool = False,
        wait_for: Any = None,
        deferred: bool = False,
        window: int | None = None,
        **kwargs: Any,
    ) -> Any:
        """Submit one run for each element of the iterable arguments.

        Args:
            args: iterables are mapped, zipped; scalars, texts and `unmapped(x)` go to every child.
            return_state: wait, and give the list of final states.
            wait_for: upstreams of every child.
            deferred: refused: there is no task worker.
            window: hold at most so many children at a time; gives an iterator of futures.
            kwargs: as args.

        Returns:
            A list of futures, or the iterator.

        Raises:
            MappingLengthMismatch: the iterables differ in length.
            MappingMissingIterable: nothing can be mapped over.
        """
        if deferred:
            raise ValueError(
                "deferred=True needs task workers, which do not exist here; leave it out to submit to the flow's runner."
            )
        futures: PrefectFutureList[Any] = _submitting().map_task(self, args, kwargs, wait_for, window)
        return _submitting().states_of(futures) if return_state else futures

    def run_engine(
        self,
        *,
        parameters: Mapping[str, Any] | None = None,
        state: State | None = None,
        upstream_states: Mapping[str, Any] | None = None,
        wait_for: Any = None,
        is_mapped_parent: bool = False,
        check_cached: bool = True,
        state_handlers: Iterable[Callable[..., Any]] = (),
        context: Mapping[str, Any] | None = None,
        task_run: TaskRun | None = None,
        retry_wait_limit: Any = 60.0,
    ) -> Any:
        """Start a run of this task from given states, here; never raises for failures of the user's code.

        Args:
            parameters: values by name.
            state: first state of the run; a final one is returned as it is.
            upstream_states: states (or collections of them) by parameter name, over `parameters`.
            wait_for: upstreams for order only.
            is_mapped_parent: expand iterable arguments as `map` does.
            check_cached: look for a stored result.
            state_handlers: chain of `handler(engine, old, new)`.
            context: mapping for `penstock.runtime.task_run.context`.
            task_run: a record with an id and a name.
            retry_wait_limit: seconds; a longer wait ends the call as SCHEDULED. None: wait always.

        Returns:
            The final state; a coroutine of it for an async task.

        Raises:
            ParameterBindError: the parameters do not fit.
            ValueError: the task is a generator, or a handler is async and the task is not.
        """
        from penstock.engines.run_engine import run_task_engine

        return run_task_engine(
            self, parameters=parameters, state=state, upstream_states=upstream_states, wait_for=wait_for,
            is_mapped_parent=is_mapped_parent, check_cached=check_cached, state_handlers=tuple(state_handlers),
            context=context, task_run=task_run, retry_wait_limit=retry_wait_limit,
        )  # fmt: skip

    @takes_options(lambda: options_of_task_copies(Task.__init__))
    def with_options(self, **options: Any) -> Task[P, R]:
        """A copy with some options changed, named as in `task`; NotSet or None keeps the old value, tags replace.

        Raises:
            TypeError: an option is unknown.
        """
        from penstock.definitions.changing import changed_task

        copied: Task[P, R] = changed_task(self, options)
        return copied

    def on_completion(self, fn: Any) -> Any:
        """Add a hook for COMPLETED; returns the function."""
        return self._add_hook(self.on_completion_hooks, fn)

    def on_failure(self, fn: Any) -> Any:
        """Add a hook for the final FAILED; returns the function."""
        return self._add_hook(self.on_failure_hooks, fn)

    def on_running(self, fn: Any) -> Any:
        """Add a hook for each try; returns the function."""
        return self._add_hook(self.on_running_hooks, fn)

    def on_rollback(self, fn: Any) -> Any:
        """Add a hook for the rollback of the task's transaction; returns the function."""
        return self._add_hook(self.on_rollback_hooks, fn)

    def on_commit(self, fn: Any) -> Any:
        """Add a hook for the commit of the task's transaction; returns the function."""
        return self._add_hook(self.on_commit_hooks, fn)

    def __repr__(self) -> str:
        return f"<Task {self.name!r}>"

    if TYPE_CHECKING:  # absent methods: any of them may be asked for, and says what to use instead

        def __getattr__(self, name: str) -> Any: ...


refuse_absent_methods(Task, "Task")


@overload
def task(__fn: Callable[P, R], /, **options: Any) -> Task[P, R]: ...


@overload
def task(__fn: None = None, /, **options: Any) -> Callable[[Callable[P, R]], Task[P, R]]: ...


def task(__fn: Any = None, /, **options: Any) -> Any:
    """Make a task of a function, bare or called with options; see `Task` for what is raised.

    Options: `name`, `description`, `tags`, `version`, `cache_policy`, `cache_key_fn`, `cache_expiration`,
    `task_run_name` (template or callable), `retries`, `retry_delay_seconds`, `retry_jitter_factor`,
    `retry_condition_fn`, `persist_result`, `result_storage`, `result_storage_key`, `result_serializer`,
    `cache_result_in_memory`, `timeout_seconds`, `log_prints`, `refresh_cache`, and the hooks `on_completion`,
    `on_failure`, `on_running`. `viz_return_value` and `asset_deps` are accepted and ignored.
    """
    for name in OF_TRANSACTIONS:
        if name in options:
            raise TypeError(
                f"task() got an unexpected keyword argument {name!r}; give it to `Task`, or use `@a_task.{name}`."
            )
    if __fn is None:
        return lambda function: Task(function, **options)
    return Task(__fn, **options)


show(task, options_of(Task.__init__, OF_TRANSACTIONS))
