"""Engine classes: one run, step by step. The same core decides as in a plain call; these expose its steps.

    engine = FlowRunEngine(flow=my_flow, parameters={"n": 3})
    with engine.start():
        while engine.is_running():
            with engine.run_context():
                engine.call_flow_fn()
    engine.result()

What differs between flows and tasks is a handful of names; sync and async differ in the driver that they step with.
Neighbours: `stepping` is what they have in common; the drivers step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock.base.current import current_run
from penstock.base.managers import contextmanager
from penstock.core.changes import put
from penstock.core.runs import FlowRun, Run, TaskRun
from penstock.core.state import State
from penstock.core.state_parts import SCHEDULED
from penstock.core.state_result import get_state_result, is_stored
from penstock.drivers.entry import new_flow_run, new_task_run
from penstock.drivers.world import WORLD
from penstock.engines.stepping import AsyncStepping, BaseRunEngine, SyncStepping

if TYPE_CHECKING:
    from collections.abc import Iterator


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
        from penstock.core.readiness import name_run
        from penstock.storage.steps import run_steps

        if self.task.run_name is not None:
            run_steps(name_run(self._run))
        name: str = self._run.name
        return name

    def compute_transaction_key(self) -> str | None:
        """The key under which the result is stored; None: it is not."""
        plan = self.task.storage_plan(self._run)
        if plan.policy is None:
            return None
        key: str | None = self.task.result_key(self._run, plan.policy)
        return key

    def check_task_is_cached(self, state: State, inputs: Any = None) -> State:
        """The stored result of equal inputs as a COMPLETED state named Cached; the given state when there is none."""
        key = self.compute_transaction_key()
        if key is None:
            return state
        from penstock.storage.persisting import store_of

        record = store_of(self._run).read_now(key)
        return state if record is None else State("COMPLETED", "Cached", data=record)

    def load_results(self, state: State, upstream_states: Any) -> tuple[State, Any]:
        """Read the stored results that states refer to."""
        for upstream in (upstream_states or {}).values():
            if isinstance(upstream, State) and is_stored(upstream.data):
                upstream.data = get_state_result(upstream, raise_on_failure=False)
        return state, upstream_states

    def wait_until_ready(self) -> None:
        """Wait for the time of a SCHEDULED state."""
        from penstock.interruption.waiting import pause_here

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
        from penstock.storage.transaction_steps import get_transaction

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
