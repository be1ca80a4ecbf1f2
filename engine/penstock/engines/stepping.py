"""What all engine classes have in common, and how both drivers step. Neighbours: `engines` adds what flows and tasks differ in."""

from __future__ import annotations

from types import GenericAlias
from typing import TYPE_CHECKING, Any

from penstock.base.current import current_run
from penstock.base.exceptions import CancelledRun
from penstock.base.managers import asynccontextmanager, contextmanager
from penstock.core.changes import put
from penstock.core.effects import BODY
from penstock.core.life import live
from penstock.core.outcome import Raised, TimedOut
from penstock.core.runs import Run
from penstock.core.state import State
from penstock.core.state_parts import PENDING, RUNNING, TERMINAL_STATES
from penstock.drivers.entry import Failure, RootScope, conclude
from penstock.drivers.sync import advance, perform_body
from penstock.drivers.world import WORLD
from penstock.interruption.section import current_section

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

    if not TYPE_CHECKING:
        __class_getitem__ = classmethod(GenericAlias)

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
        from penstock.base.settings import get_current_settings

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
        from penstock.storage.steps import run_steps

        result: State = run_steps(handled(self._run, new, WORLD))
        return result

    def call_hooks(self, state: State | None = None) -> None:
        """Run the hooks of a state; default: the current one."""
        from penstock.core.changes import final_hooks, run_hooks
        from penstock.storage.steps import run_steps

        state = state or self.state
        if state.type is RUNNING:
            run_steps(run_hooks(self._run, self._definition.on_running_hooks, state, WORLD))
        else:
            run_steps(final_hooks(self._run, state, WORLD))

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
        from penstock.interruption.interrupt import Cause

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
                from penstock.drivers.entry import close_runner

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
