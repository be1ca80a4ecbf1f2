"""Engine classes: one run, step by step. The same core decides as in a plain call; these expose its steps.

    engine = FlowRunEngine(flow=my_flow, parameters={"n": 3})
    with engine.start():
        while engine.is_running():
            with engine.run_context():
                engine.call_flow_fn()
    engine.result()

What differs between flows and tasks is a handful of names; sync and async differ in the driver that they step with.
Neighbours: `flow_engine` and `task_engine` offer the classes; `drivers` step.
"""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

from penstock._current import current_run
from penstock._state import PENDING, RUNNING, SCHEDULED, TERMINAL_STATES, State
from penstock.core.effects import BODY
from penstock.core.life import live, put
from penstock.core.outcome import Raised, TimedOut
from penstock.core.runs import FlowRun, Run, TaskRun
from penstock.drivers.entry import Failure, RootScope, conclude, new_flow_run, new_task_run
from penstock.drivers.section import current_section
from penstock.drivers.sync import advance, perform_body
from penstock.drivers.world import WORLD
from penstock.exceptions import CancelledRun

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


class BaseRunEngine:
    """What all engines have in common.

    Args:
        definition: the flow or the task.
        parameters: values by name.
        run: a record to use.
        wait_for: upstreams that must be completed first.
        state: given first state.
    """

    def __init__(self, definition: Any, parameters: Any, run: Any, wait_for: Any, state: State | None) -> None:
        self._definition = definition
        self.parameters = dict(parameters or {})
        self._given = run
        self.wait_for = wait_for
        self._initial = state
        self._run: Any = None
        self._step: Any = None
        self._outcome: Any = None
        self._state_handlers: tuple[Any, ...] = ()
        self.client = None

    def _make(self) -> Run:
        raise NotImplementedError(f"{type(self).__name__}._make")

    def create_run(self) -> Any:
        """Make the record of the run, once."""
        if self._run is None:
            self._run = self._make()
            if self._state_handlers:
                self._run.handlers = self._run.handlers + self._state_handlers
            self._run.life = live(self._run, WORLD)
        return self._run

    @property
    def state(self) -> State:
        """The state of the run."""
        return self._run.state if self._run is not None else State(PENDING)

    @property
    def logger(self) -> Any:
        """The logger of the run."""
        return WORLD.logger_of(self._run)

    @property
    def heartbeat_seconds(self) -> float | None:
        """Seconds between heartbeats (at least 30); None: off."""
        from penstock.settings import get_current_settings

        seconds = get_current_settings().flows.heartbeat_frequency
        return None if seconds is None else max(30.0, float(seconds))

    def is_running(self) -> bool:
        """Whether a body has to be called."""
        return self._run is not None and self._step is BODY

    def is_pending(self) -> bool:
        """Whether the run has not entered RUNNING yet."""
        return self.state.type is PENDING

    def is_cancelled(self) -> bool:
        """Whether the run was asked to stop as cancelled."""
        cause = self._run.control.cause if self._run is not None else None
        return cause is not None and cause.kind == "cancelled"

    def can_retry(self, exc_or_state: Any = None) -> bool:
        """Whether another try is left."""
        return bool(self._run.run_count <= self._definition.tries_after_first)

    @contextmanager
    def run_context(self) -> Iterator[Any]:
        """The context of the body."""
        section = current_section()
        was_open, section.open = section.open, False
        token = current_run.set(self._run)
        try:
            yield self
        finally:
            current_run.reset(token)
            section.open = was_open

    @contextmanager
    def setup_run_context(self, client: Any = None) -> Iterator[Any]:
        """The context of the run: logger, tags, runtime."""
        with self.run_context():
            yield self

    @contextmanager
    def check_for_cancellation(self) -> Iterator[None]:
        """A section in which termination and cancellation are raised."""
        section = current_section()
        was_open = section.open
        self._run.control.active[self._run] = section
        try:
            section.open = True
            if section.pending is not None:
                section.fire()
            yield
        finally:
            section.open = was_open
            self._run.control.active.pop(self._run, None)

    def set_state(self, state: State, force: bool = False) -> State:
        """Set a state; `force` skips the rules.

        Raises:
            InvalidTransition: no rule allows it.
        """
        return put(self._run, state, WORLD, force=force)

    def call_state_handlers(self, old: State, new: State) -> State:
        """What the chain of state handlers makes of a proposed state."""
        from penstock.core.given import handled
        from penstock.drivers.steps import run_steps

        result: State = run_steps(handled(self._run, new, WORLD))
        return result

    def call_hooks(self, state: State | None = None) -> None:
        """Run the hooks of a state; default: the current one."""
        from penstock.core.life import _final_hooks, _hooks
        from penstock.drivers.steps import run_steps

        state = state or self.state
        if state.type is RUNNING:
            run_steps(_hooks(self._run, self._definition.on_running_hooks, state, WORLD))
        else:
            run_steps(_final_hooks(self._run, state, WORLD))

    def result(self, raise_on_failure: bool = True) -> Any:
        """The value of the run, or its failure."""
        value = conclude(self._run, self.state, return_state=False)
        if value.__class__ is Failure:
            if raise_on_failure:
                raise value.exc
            return value.exc
        return value

    # From an outcome of the body to the next step.

    def _send(self, outcome: Any) -> Any:
        if self._step is BODY or self._run.life is not None:
            with self.run_context():
                self._step = advance(self._run, outcome)
        return self.state

    def handle_success(self, value: Any) -> Any:
        """The body returned: on to the final state; the value."""
        self._send(value)
        return value

    def handle_exception(self, exc: Exception, msg: str | None = None, result_store: Any = None) -> State:
        """The body raised: the next try, or the final state."""
        self._send(Raised(exc))
        if msg and self.state.type in TERMINAL_STATES:
            self.state.message = msg
        return self.state

    def handle_retry(self, exc: Exception) -> bool:
        """The body raised: whether it is tried again."""
        self._send(Raised(exc))
        return self.is_running()

    def handle_timeout(self, exc: TimeoutError) -> State:
        """The body ran into its timeout: the next try, or the final state."""
        self._send(TimedOut(exc))
        return self.state

    def handle_crash(self, exc: BaseException) -> State:
        """The body crashed: the final state."""
        self._send(Raised(exc))
        return self.state

    def handle_cancellation(self, exc: BaseException | None = None) -> State:
        """The run was cancelled: the final state."""
        from penstock.drivers.interrupt import Cause

        if self._run.control.cause is None:
            self._run.control.cause = Cause("cancelled")
        self._run.reached = True
        self._send(Raised(exc if exc is not None else CancelledRun("The run was cancelled.")))
        return self.state


class SyncStepping:
    """Steps with the sync driver."""

    _run: Any
    _step: Any

    def begin_run(self) -> State:
        """From the first state to the first body; the state then."""
        with self.run_context():  # type: ignore[attr-defined]
            self._step = advance(self._run, None)
        state: State = self._run.state
        return state

    def _call(self) -> None:
        self._step = advance(self._run, perform_body(self._run, current_section()))

    @contextmanager
    def initialize_run(self, *_: Any, **__: Any) -> Iterator[Any]:
        """Make the run; at the end, whatever it started is closed."""
        run = self.create_run()  # type: ignore[attr-defined]
        scope = RootScope(run) if run.is_flow and run.parent is None else None
        if scope is not None:
            scope.__enter__()
        try:
            yield self
        finally:
            if run.is_flow:
                from penstock.drivers.calls import close_runner

                close_runner(run)
            if scope is not None:
                scope.__exit__(None, None, None)

    @contextmanager
    def start(self, *_: Any, **__: Any) -> Iterator[None]:
        """Make the run and go on to its first body."""
        with self.initialize_run():
            self.begin_run()
            yield


class AsyncStepping:
    """Steps with the async driver."""

    _run: Any
    _step: Any

    async def begin_run(self) -> State:
        """From the first state to the first body; the state then."""
        from penstock.drivers.aio import advance_async

        with self.run_context():  # type: ignore[attr-defined]
            self._step = await advance_async(self._run, None)
        state: State = self._run.state
        return state

    async def _call(self) -> None:
        from penstock.drivers.aio import advance_async, perform_body_async

        self._step = await advance_async(self._run, await perform_body_async(self._run))

    @asynccontextmanager
    async def initialize_run(self, *_: Any, **__: Any) -> AsyncIterator[Any]:
        """Make the run; at the end, whatever it started is closed."""
        with SyncStepping.initialize_run(self):  # type: ignore[arg-type]
            yield self

    @asynccontextmanager
    async def start(self, *_: Any, **__: Any) -> AsyncIterator[None]:
        """Make the run and go on to its first body."""
        async with self.initialize_run():
            await self.begin_run()
            yield


class BaseFlowRunEngine(BaseRunEngine):
    """The engine of one flow run.

    Args:
        flow: the flow.
        parameters: values by name.
        flow_run: a record to use.
        flow_run_id: id for the run.
        wait_for: upstreams that must be completed first.
        context: mapping for `runtime.flow_run.context`.
        state: given first state.
        state_handlers: chain of `handler(engine, old, new)`.
    """

    def __init__(
        self, flow: Any, parameters: Any = None, flow_run: FlowRun | None = None, flow_run_id: Any = None,
        wait_for: Any = None, context: Any = None, state: State | None = None, state_handlers: Any = (), **_: Any,
    ) -> None:  # fmt: skip
        if flow_run is None and flow_run_id is not None:
            flow_run = FlowRun(id=flow_run_id)
        super().__init__(flow, parameters, flow_run, wait_for, state)
        self.flow = flow
        self.context = context
        self._state_handlers = tuple(state_handlers)

    def _make(self) -> Run:
        bound = self.flow.binder.bind_mapping(self.parameters)
        return new_flow_run(
            self.flow, bound, current_run.get(), self.wait_for, flow_run=self._given, state=self._initial,
            context=self.context,
        )  # fmt: skip

    def create_flow_run(self, client: Any = None) -> Any:
        """Make the record of the run."""
        return self.create_run()

    def load_subflow_run(self, parent_task_run: Any, client: Any = None, context: Any = None) -> Any:
        """The run of this subflow that a state was given for by its address; None when there is none."""
        run = self.create_run()
        return run if run.given is not None else None

    @property
    def flow_run(self) -> Any:
        """The record of the run."""
        return self._run if self._run is not None else self._given

    def cancel_all_tasks(self) -> None:
        """End what was submitted and has not started, interrupt what has."""
        from penstock.drivers.draining import end_children

        end_children(self._run)

    def setup_flow_run_suspension_request(self, suspend: Any) -> None:
        """Arm the gate before each task run and subflow run of the root: `suspend(run)` may hold it or raise Pause."""
        self._run.root.control.gate = suspend


class FlowRunEngine(SyncStepping, BaseFlowRunEngine):
    """The engine of one run of a sync flow."""

    def call_flow_fn(self) -> None:
        """Call the body, and go on to the next try or the end."""
        self._call()


class AsyncFlowRunEngine(AsyncStepping, BaseFlowRunEngine):
    """The engine of one run of an async flow."""

    async def call_flow_fn(self) -> None:
        """Call the body, and go on to the next try or the end."""
        await self._call()


class BaseTaskRunEngine(BaseRunEngine):
    """The engine of one task run.

    Args:
        task: the task.
        parameters: values by name.
        task_run: a record to use.
        wait_for: upstreams that must be completed first.
        context: mapping for `runtime.task_run.context`.
        state: given first state.
        state_handlers: chain of `handler(engine, old, new)`.
    """

    def __init__(
        self, task: Any, parameters: Any = None, task_run: TaskRun | None = None, wait_for: Any = None,
        context: Any = None, state: State | None = None, state_handlers: Any = (), **_: Any,
    ) -> None:  # fmt: skip
        super().__init__(task, parameters, task_run, wait_for, state)
        self.task = task
        self.context = context
        self._state_handlers = tuple(state_handlers)

    def _make(self) -> Run:
        bound = self.task.binder.bind_mapping(self.parameters)
        args, kwargs = self.task.binder.call_form(bound)
        run = new_task_run(
            self.task, args, kwargs, bound, current_run.get(), self.wait_for, task_run=self._given, state=self._initial
        )
        if self.context:
            run.context = {**(run.context or {}), **self.context}
        return run

    @property
    def task_run(self) -> Any:
        """The record of the run."""
        return self._run if self._run is not None else self._given

    def set_task_run_name(self, parameters: Any = None) -> str:
        """Make the name of the run from its parameters."""
        from penstock.core.life import _name
        from penstock.drivers.steps import run_steps

        if self.task.run_name is not None:
            run_steps(_name(self._run))
        name: str = self._run.name
        return name

    def compute_transaction_key(self) -> str | None:
        """The key under which the result is stored; None: it is not."""
        plan = self.task.storage_plan(self._run)
        if plan.policy is None:
            return None
        key: str | None = plan.compute_key()
        return key

    def check_task_is_cached(self, state: State, inputs: Any = None) -> State:
        """The stored result of equal inputs as a COMPLETED state named Cached; the given state when there is none."""
        key = self.compute_transaction_key()
        if key is None:
            return state
        from penstock._persisting import store_of

        record = store_of(self._run).read_now(key)
        return state if record is None else State("COMPLETED", "Cached", data=record)

    def load_results(self, state: State, upstream_states: Any) -> tuple[State, Any]:
        """Read the stored results that states refer to."""
        from penstock.states import get_state_result

        for upstream in (upstream_states or {}).values():
            if isinstance(upstream, State) and getattr(upstream.data, "__penstock_stored__", False):
                upstream.data = get_state_result(upstream, raise_on_failure=False)
        return state, upstream_states

    def wait_until_ready(self) -> None:
        """Wait for the time of a SCHEDULED state."""
        from penstock.drivers.waiting import pause_here

        state = self.state
        due = state.state_details.scheduled_time if state.type is SCHEDULED else None
        if due is not None:
            pause_here(max(0.0, due.timestamp() - WORLD.now()))

    def handle_rollback(self, txn: Any) -> None:
        """The transaction of the run was rolled back: COMPLETED, named RolledBack."""
        if self.state.is_completed():
            put(self._run, State("COMPLETED", "RolledBack", data=self.state.data), WORLD)

    @contextmanager
    def transaction_context(self) -> Iterator[Any]:
        """The transaction of the run."""
        from penstock.transactions import get_transaction

        with self.run_context():
            yield get_transaction()


class SyncTaskRunEngine(SyncStepping, BaseTaskRunEngine):
    """The engine of one run of a sync task."""

    def call_task_fn(self, transaction: Any = None) -> Any:
        """Call the body, and go on to the next try or the end."""
        self._call()
        return self.state.data


class AsyncTaskRunEngine(AsyncStepping, BaseTaskRunEngine):
    """The engine of one run of an async task."""

    async def call_task_fn(self, transaction: Any = None) -> Any:
        """Call the body, and go on to the next try or the end."""
        await self._call()
        return self.state.data
