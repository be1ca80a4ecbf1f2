"""Generator flows and tasks: the body is pulled by the caller, each pull in the run's context.

Between pulls the caller's context is active. The run is RUNNING until the generator is exhausted, closed, or raises; a
try is repeated only if nothing was yielded. Timeouts count time inside the body only.
Neighbours: `sync` and `aio` perform everything but the body.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from penstock.base.current import current_run
from penstock.base.exceptions import TerminationSignal
from penstock.base.tracebacks import trim
from penstock.core.effects import BODY
from penstock.core.life import live
from penstock.core.outcome import Raised, TimedOut
from penstock.drivers.entry import Failure, RootScope, close_runner, conclude, note_kept
from penstock.drivers.sync import advance, owner_of, warn_abandoned
from penstock.drivers.world import WORLD
from penstock.interruption.section import current_section

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator

    from penstock.core.runs import Run


def refuse_state(definition: Any, return_state: bool) -> None:
    """Refuse `return_state`: a generator has no state to give before it is exhausted.

    Raises:
        ValueError: it was asked for.
    """
    if return_state:
        raise ValueError(
            f"The return_type for a generator {definition.kind} must be 'result': return_state=True cannot be used with "
            f"{definition.name!r}, whose state is known only when it is exhausted."
        )


class _Pulling:
    """The state of one generator run: what is left of its timeout, and whether it has yielded."""

    __slots__ = ("left", "yielded")

    def __init__(self, run: Run) -> None:
        self.left = run.definition.timeout_seconds
        self.yielded = False


def _root_scope(run: Run) -> RootScope | None:
    return RootScope(run) if run.is_flow and run.parent is None else None  # type: ignore[arg-type]


def _step(run: Run, outcome: Any) -> Any:
    token = current_run.set(run)
    section = current_section()
    was_open, section.open = section.open, False
    try:
        return advance(run, outcome)
    finally:
        current_run.reset(token)
        if was_open:
            section.reopen(True)


def _finished(run: Run, state: Any) -> Any:
    if run.is_flow:
        close_runner(run)  # type: ignore[arg-type]
    note_kept(run, state)
    value = conclude(run, state, return_state=False)
    if value.__class__ is Failure:
        raise value.exc
    return value


def generate(make: Callable[[], Run]) -> Generator[Any, Any, Any]:
    """The generator that the caller of a sync generator flow or task gets."""
    run = make()
    scope = _root_scope(run)
    if scope is not None:
        scope.__enter__()
    try:
        run.life = live(run, WORLD)
        step = _step(run, None)
        while step is BODY:
            try:
                out = yield from _pull_all(run)
            except GeneratorExit:  # closed early by the caller: completed
                _finished(run, _step(run, None))
                raise
            step = _step(run, out)
        return _finished(run, step)
    finally:
        if scope is not None:
            scope.__exit__(None)


def _pull_all(run: Run) -> Generator[Any, Any, Any]:
    """Pull until the body is exhausted; its return value, or `Raised`."""
    pulling = _Pulling(run)
    section = current_section()
    try:
        body = run.call(*run.args, **run.kwargs)  # type: ignore[misc]
    except BaseException as exc:  # noqa: BLE001  (an outcome)
        return Raised(exc)
    sent: Any = None
    thrown: BaseException | None = None
    while True:
        token = current_run.set(run)
        section = current_section()
        was_open, section.open = section.open, False
        run.control.active[run] = section
        try:
            pull = body.send if thrown is None else body.throw
            value = _timed_pull(run, pulling, pull, sent if thrown is None else thrown)
        except StopIteration as done:
            return done.value
        except BaseException as exc:  # noqa: BLE001  (an outcome)
            trim(exc)
            if pulling.yielded:
                run.last_try = True  # nothing that was yielded is yielded again
            return TimedOut(exc) if owner_of(exc) is run else Raised(exc)
        finally:
            run.control.active.pop(run, None)
            current_run.reset(token)
            section.open = was_open
        pulling.yielded = True
        thrown = None
        try:
            sent = yield value
        except GeneratorExit:
            body.close()
            raise
        except BaseException as exc:  # noqa: BLE001  (thrown in by the caller: the body's business)
            thrown = exc


def _timed_pull(run: Run, pulling: _Pulling, pull: Any, value: Any) -> Any:
    if pulling.left is None:
        return current_section().call(pull, (value,), {})
    from penstock.interruption.deadline import MAIN_TIMER, Abandoned, Expired, Scope, expiring, in_own_thread

    error = run.definition.timeout_error(run)
    error._owner = run
    alarm = Expired(run.name)
    scope = Scope(max(1e-6, pulling.left), alarm)
    began = time.monotonic()
    section = current_section()
    try:
        with expiring(alarm, error):
            if section.is_main and MAIN_TIMER.available():
                MAIN_TIMER.enter(scope)
                try:
                    return section.call(pull, (value,), {})
                finally:
                    MAIN_TIMER.leave(scope)

            def work(ready: Any) -> Any:
                ready(current_section())
                return current_section().call(pull, (value,), {})

            return in_own_thread(work, scope, f"penstock {run.name}")
    except Abandoned:
        warn_abandoned(run)
        raise error from None
    finally:
        pulling.left -= time.monotonic() - began


async def _within(pull: Any, seconds: float) -> Any:
    """One pull, in this very task: scopes that the body opens and closes in other pulls stay its own."""
    import asyncio

    async with asyncio.timeout(seconds):
        return await pull


async def _end_of(run: Run, pulling: _Pulling, body: Any, raised: Raised) -> Raised | None:
    """What a pull says that gave no value; None: the body is exhausted."""
    if isinstance(raised.exc, StopAsyncIteration):
        return None
    if isinstance(raised.exc, Exception) and pulling.left is not None and pulling.left <= 0:
        return TimedOut(run.definition.timeout_error(run))
    if isinstance(raised.exc, TerminationSignal):
        with suppress(Exception):  # it came between two pulls: the body has not heard of it
            await body.aclose()
    return raised


async def agenerate(make: Callable[[], Run]) -> AsyncGenerator[Any, Any]:
    """The async generator that the caller of an async generator flow or task gets."""
    from penstock.drivers.aio import advance_async, guarded

    run = make()
    scope = _root_scope(run)
    if scope is not None:
        scope.__enter__()
    try:
        run.life = live(run, WORLD)
        token = current_run.set(run)
        try:
            step = await advance_async(run, None)
        finally:
            current_run.reset(token)
        while step is BODY:
            pulling = _Pulling(run)
            body = run.call(*run.args, **run.kwargs)  # type: ignore[misc]
            sent: Any = None
            thrown: BaseException | None = None
            out: Any = None
            while True:
                token = current_run.set(run)
                began = time.monotonic()
                pull = body.asend(sent) if thrown is None else body.athrow(thrown)
                try:
                    value = await guarded(run, pull if pulling.left is None else _within(pull, max(0.0, pulling.left)))
                finally:
                    if pulling.left is not None:
                        pulling.left -= time.monotonic() - began
                    current_run.reset(token)
                if isinstance(value, Raised):
                    out = await _end_of(run, pulling, body, value)
                    break
                pulling.yielded = True
                thrown = None
                try:
                    sent = yield value
                except GeneratorExit:
                    await body.aclose()
                    _step(run, None)
                    raise
                except BaseException as exc:  # noqa: BLE001  (thrown in by the caller: the body's business)
                    thrown = exc
            if isinstance(out, Raised) and pulling.yielded:
                run.last_try = True
            token = current_run.set(run)
            try:
                step = await advance_async(run, out)
            finally:
                current_run.reset(token)
        _finished(run, step)
    finally:
        if scope is not None:
            scope.__exit__(None)
