"""Whether a failed try is followed by another, and when. Neighbours: `life` asks after each failure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock.base.asyncutils import plainly
from penstock.base.texts import name_of
from penstock.core.effects import Ask
from penstock.core.outcome import Raised, unless_interrupted

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from penstock.core.changes import World
    from penstock.core.effects import Effect
    from penstock.core.runs import Run
    from penstock.core.state import State


def base_of(run: Run) -> int:
    """Entries into RUNNING that do not count against `retries`: those of earlier attempts, unless given as a retry."""
    given = run.given
    if given is not None and (given.name == "AwaitingRetry" or given.is_running()):
        return 0
    return run.run_count


def delay_of(delays: float | Sequence[float] | None, tries: int) -> float:
    """Seconds before the try after `tries` ones; a short list repeats its last value."""
    if delays is None:
        return 0.0
    if isinstance(delays, int | float):
        return float(delays)
    if not delays:
        return 0.0
    return float(delays[min(tries - 1, len(delays) - 1)])


def jittered(delay: float, factor: float | None, draw: float) -> float:
    """A delay in [delay / (1 + factor), delay * (1 + factor)] with `delay` as its mean.

    Two uniform pieces meet at `delay`; the nearer one is drawn more often, so that their means balance.

    Args:
        delay: seconds.
        factor: None or 0: no jitter.
        draw: uniform in [0, 1).
    """
    if not factor or delay <= 0:
        return delay
    low, high = delay / (1 + factor), delay * (1 + factor)
    below = (high - delay) / (high - low)
    if draw < below:
        return low + (delay - low) * (draw / below)
    return delay + (high - delay) * ((draw - below) / (1 - below))


def decide(
    run: Run, state: State, base: int, exc: BaseException | None, world: World
) -> Generator[Effect, Any, float | None]:
    """Seconds until the next try, or None when this failure is final."""
    definition = run.definition
    retries = definition.tries_after_first
    tries = run.run_count - base
    kind, what = ("exception", exc) if exc is not None else ("state", state.message)
    if tries > retries or run.last_try:
        if not run.is_flow:
            suffix = " - Retries are exhausted" if retries else ""
            world.log(run, 40, f"Task run failed with {kind}: %r{suffix}", what, exc=exc)
        return None
    condition = definition.retry_condition_fn
    if condition is not None:
        wanted = unless_interrupted((yield Ask(plainly(condition, run), (definition, run, state))))
        if not isinstance(wanted, bool | Raised):
            wanted = unless_interrupted((yield Ask(bool, (wanted,))))  # an object of the user's
        if isinstance(wanted, Raised):
            world.log(run, 40, "An error was encountered while running `retry_condition_fn` %r; it counts as False.",
                      name_of(condition), exc=wanted.exc)  # fmt: skip
            wanted = False
        if not wanted:
            world.log(run, 40, f"{run.kind} run failed with {kind}: %r - Retry condition not met", what, exc=exc)
            return None
    delay = jittered(delay_of(definition.delays, tries), definition.retry_jitter_factor, world.random())
    when = f"{delay:g} second(s) from now" if delay else "immediately"
    world.log(run, 20, f"{run.kind} run failed with {kind}: %r - Retry %s/%s will start %s", what, tries, retries, when)
    return delay


def leaves_process(run: Run, delay: float) -> bool:
    """Whether a wait of so many seconds is too long to be held in this process."""
    limit = run.retry_wait_limit if run.retry_wait_limit is not None else run.root.retry_wait_limit
    if limit is None:
        return False
    if callable(limit):
        return bool(limit(delay))
    return bool(delay > limit)
