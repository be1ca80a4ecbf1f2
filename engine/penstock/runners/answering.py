"""How the end of a task run is told to its flow: values as they are, small, or left where they are; failures whatever they hold.

Neighbours: `far` lives runs and collects their events; `remote` reads what is told here.
"""

from __future__ import annotations

import contextlib
import pickle
from typing import TYPE_CHECKING, Any

from penstock.base.texts import text_of
from penstock.core.outcome import describe
from penstock.core.state import State
from penstock.core.state_parts import COMPLETED
from penstock.core.state_result import is_stored
from penstock.runners.forms import SCALARS, Event, TooLargeToSend, pickled, state_event

if TYPE_CHECKING:
    from penstock.core.runs import TaskRun

VALUE: Event = ("value",)
"""Holds the place of the state of a completed run among its events."""


def failure(state: State) -> tuple[Any, ...]:
    """How the data of a run that did not complete is told: an exception as bytes, with its traceback as text."""
    from penstock.base.tracebacks import formatted

    data = state.data
    return ("raised", sendable(data), formatted(data)) if isinstance(data, BaseException) else ("plain", data)


def sendable(exc: BaseException) -> bytes:
    """The exception as bytes that can be read again.

    Exceptions whose `__init__` takes other arguments than `args` cannot be unpickled, and some hold what cannot be pickled.
    These keep their class, their text, and what of them can be sent.
    """
    import cloudpickle

    for form in (lambda: exc, lambda: _Rebuilt(exc), lambda: RuntimeError(f"{type(exc).__name__}: {text_of(exc)}")):
        with contextlib.suppress(Exception):
            payload: bytes = cloudpickle.dumps(form())
            cloudpickle.loads(payload)
            return payload
    return pickle.dumps(RuntimeError(type(exc).__name__))


class _Rebuilt:
    """Is unpickled as an exception of the same class, without a call of its `__init__`."""

    def __init__(self, exc: BaseException) -> None:
        args = tuple(value if _can_be_sent(value) else text_of(value) for value in exc.args)
        members = {name: value for name, value in vars(exc).items() if _can_be_sent(value)}
        self._form = (type(exc), args, members)

    def __reduce__(self) -> Any:
        return _rebuilt, self._form


def _rebuilt(kind: type[BaseException], args: tuple[Any, ...], members: dict[str, Any]) -> BaseException:
    exc = kind.__new__(kind, *args)
    exc.args = args
    exc.__dict__.update(members)
    return exc


def _can_be_sent(value: Any) -> bool:
    import cloudpickle

    try:
        cloudpickle.loads(cloudpickle.dumps(value))
    except Exception:  # noqa: BLE001  (whatever it refuses with)
        return False
    return True


def answer(run: TaskRun, state: State, staged: list[Any], events: list[Event], limit: int | None) -> tuple[bytes, Any]:
    """What is told at the end, and the value that may stay here.

    Args:
        run: the record.
        state: its last one.
        staged: what it staged in a transaction.
        events: what was not told yet.
        limit: bytes up to which a value is told; None: all are.
    """
    value = None
    if state.type is COMPLETED:
        data, value, fault = _value(state, limit)
        if fault is None:
            end = state_event(state, data)
        else:
            failed = _cannot_be_sent(state, fault)
            end = state_event(failed, failure(failed))
            value = None
        events[events.index(VALUE)] = end
    rest = (run.run_count, run._name, run._start, run._end, staged)
    if not staged and all(
        event[0] == "state" and event[5][0] == "plain" and event[5][1].__class__ in SCALARS for event in events
    ):
        # Nothing but what any pickle holds; cloudpickle would take as long as a short life.
        return pickle.dumps((events, *rest), 5), value
    try:
        return pickled((events, *rest), None), value
    except Exception as exc:  # noqa: BLE001  (what cannot be sent is the run's failure)
        failed = _cannot_be_sent(state, exc)
        kept = [event if event[0] != "state" else (*event[:5], ("plain", None), *event[6:]) for event in events]
        last = max(index for index, event in enumerate(kept) if event[0] == "state")
        kept[last] = state_event(failed, failure(failed))
        return pickled((kept, *rest[:-1], []), None), None


def _value(state: State, limit: int | None) -> tuple[Any, Any, Exception | None]:
    """How the data of a completed run is told: as it is, as a pickle, or that it stays here; and the value."""
    data = state.data
    if data.__class__ in SCALARS:
        return ("plain", data), data, None
    # What is known of another run's result is a few words, and its value may not be at hand.
    if limit is None or (is_stored(data) and getattr(data, "told", None) is not None):
        try:
            return ("pickle", pickled(data, None)), None, None
        except Exception as exc:  # noqa: BLE001  (whatever it refuses with)
            return None, None, exc
    value = data.read_value() if is_stored(data) else data
    try:
        return ("pickle" if is_stored(data) else "small", pickled(data, limit)), value, None
    except TooLargeToSend:
        stored = None
        if is_stored(data) and getattr(data, "_store", None) is not None:
            stored = pickled((data._store, data.metadata.key), None)
        return ("kept", stored), value, None
    except Exception as exc:  # noqa: BLE001  (whatever it refuses with)
        return None, None, exc


def _cannot_be_sent(state: State, exc: Exception) -> State:
    what = "result" if state.is_completed() else "failure"
    kind = type(state.data).__name__
    return State(
        "FAILED",
        message=f"The {what} of type {kind} cannot be sent back from its process: {describe(exc)}",
        data=TypeError(f"{kind} cannot be pickled: {text_of(exc)}"),
    )
