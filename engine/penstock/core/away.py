"""The life of a task run that is lived elsewhere: here it only ends, when it was lost there or is stopped from here.

What happens there comes back as states and is put on the record; this generator stands in for the life meanwhile, so that
whatever ends runs from outside ends this one too, with the same states and hooks. Neighbours: `life`, whose stages it
uses; `runners.remote` gives it to a record when the run is sent away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.core import retry
from penstock.core.changes import World, put
from penstock.core.effects import BODY
from penstock.core.life import Life, _crashed, _end, _failure, _interrupted
from penstock.core.outcome import Raised, crashed_state
from penstock.core.state import State, StateDetails
from penstock.core.state_parts import SCHEDULED, at

if TYPE_CHECKING:
    from penstock.core.runs import Run


class LostElsewhereError(RuntimeError):
    """The worker of a task run was lost before the run ended: its process, its node, or the way to it."""


class Unlived(Raised):
    """Outcome of a run that could not be lived elsewhere: a crash, whatever the exception."""

    __slots__ = ()


def away(run: Run, world: World) -> Life:
    """The life of a run elsewhere; what is sent in after BODY is how it was cut short: `Raised`.

    Returns:
        A final state; SCHEDULED when the run was lost and its retries ask for another try.
    """
    out = yield BODY
    exc = out.exc
    control = run.control
    if control is not None and control.cause is not None:
        return (yield from _interrupted(run, out, world))
    if isinstance(exc, LostElsewhereError):
        state = crashed_state(exc)
        delay = yield from retry.decide(run, state, 0, exc, world)
        if delay is None:
            world.log(run, 40, "Crash detected! %s", state.message)
            return (yield from _end(run, state, world))
        details = StateDetails(scheduled_time=at(world.now() + delay), run_count=run.run_count)
        return put(run, State(SCHEDULED, "AwaitingRetry", message=state.message, state_details=details), world)
    if out.__class__ is Unlived or not isinstance(exc, Exception):
        return (yield from _crashed(run, exc, world, None))
    return (yield from _end(run, _failure(run, out, exc, world), world))
