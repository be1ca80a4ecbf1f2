"""Reusing and storing results: the transaction of a run, from its key to its commit.

Neighbours: `life` calls these around the tries; stores and policies are passed in by the definition.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from penstock.base.exceptions import SerializationError
from penstock.base.texts import marked, text_of
from penstock.base.tracebacks import set_traceback
from penstock.core.effects import Ask, Call, Effect
from penstock.core.outcome import Raised, failed_state, unless_interrupted
from penstock.core.state import State, StateDetails
from penstock.core.state_parts import COMPLETED, RUNNING

if TYPE_CHECKING:
    from penstock.core.changes import World
    from penstock.core.runs import Run

Steps = Generator[Effect, Any, Any]
_NOT_STORED = "The result could not be stored (results.required): "
_NOT_LOOKED = "The store cannot say whether the result is there already (results.required): "
_NOT_LOCKED = "The lock of the result could not be taken: "


class Stored:
    """What the life of a run knows of its transaction.

    Attributes:
        transaction: of a task run; None for flow runs.
        plan: what the definition settled: store, key, persist, expiration.
        hit: the state of a reused result.
    """

    __slots__ = ("hit", "plan", "transaction")

    def __init__(self, transaction: Any, plan: Any) -> None:
        self.transaction = transaction
        self.plan = plan
        self.hit: State | None = None


def lone_transaction(run: Run) -> None:
    """Give a task run that stores nothing a transaction, because its body, or a task below it, asked for one."""
    run.transaction = run.definition.make_transaction(run, None)


def of_run(run: Run, stored: Stored | None) -> Stored | None:
    """What there is to finish or to undo: also the transaction that the body asked for."""
    if stored is None and run.transaction is not None:
        return Stored(run.transaction, run.definition.storage_plan(run))
    return stored


def begin(run: Run, world: World) -> Steps:
    """Open the run's transaction, and look for a stored result."""
    definition = run.definition
    plan = definition.storage_plan(run)
    if run.is_flow:
        return (yield from _begin_flow(run, Stored(None, plan), world))
    if plan.policy is not None:
        key = unless_interrupted((yield Ask(definition.result_key, (run, plan.policy))))
        if definition.result_storage_key is not None and isinstance(key, str):
            place = yield Call(plan.store._place, (key,))
            key = place if isinstance(place, Raised) else key
        if isinstance(key, Raised):
            if not isinstance(key.exc, Exception):
                raise key.exc
            if definition.result_storage_key is not None:
                # Whoever names the place of a result finds it there, or hears that it is not.
                unstored = Stored(None, plan)
                plan.persist = False
                unstored.hit = failed_state(
                    key.exc, f"The result_storage_key {definition.result_storage_key!r} gives no place: "
                )  # fmt: skip
                return unstored
            if definition.complain_once("key"):
                world.log(
                    run,
                    40,
                    "Error encountered when computing cache key - result will not be persisted.\n%s",
                    key.exc,
                    exc=key.exc,
                )
            plan.persist = False
            key = None
        elif key is not None and not isinstance(key, str):
            world.log(
                run,
                40,
                "Error encountered when computing cache key - result will not be persisted.\nA key must be a str; "
                "%s was given.",
                type(key).__name__,
            )
            plan.persist = False
            key = None
        plan.key = key
        run._cache_key = key  # type: ignore[attr-defined]
    txn = definition.make_transaction(run, plan)
    run.transaction = txn
    stored = Stored(txn, plan)
    try:
        yield from txn.lock_steps()
    except Exception as exc:  # noqa: BLE001  (whatever a lock manager raises: unlocked it must not run)
        stored.hit = failed_state(_bare(exc), _NOT_LOCKED)
        return stored
    record = None
    try:
        yield from txn.look_steps()
        if txn.is_committed():
            record = yield from _usable(run, txn.read_steps(), plan.key, world)
    except Exception as exc:  # noqa: BLE001  (a store that cannot be read: the body runs)
        _cannot_look(run, stored, exc, world)
    if record is not None:
        yield from _hit(run, stored, record, world)
    elif txn.is_committed():
        txn.state = type(txn.state).ACTIVE
    if stored.hit is not None:
        txn._unlock()
    return stored


def _bare(exc: Exception) -> Exception:
    set_traceback(exc, None)
    return exc


def _cannot_look(run: Run, stored: Stored, exc: Exception, world: World) -> None:
    """A store does not say whether it has the result: the run repeats the work, or fails before it where results are required."""
    if stored.plan.required:
        stored.hit = failed_state(_bare(exc), _NOT_LOOKED)
    else:
        text = "The store cannot say whether the result %r is there already, so the body runs: %s"
        world.log(run, 30, text, stored.plan.key, text_of(exc))


def _begin_flow(run: Run, stored: Stored, world: World) -> Steps:
    """Look for what a subflow run at this address has stored, in an earlier try or attempt of the flow run around it."""
    plan = stored.plan
    if run.parent is None or run.definition.isgenerator:
        return stored
    key = unless_interrupted((yield Ask(run.definition.result_key, (run, None))))
    if isinstance(key, Raised):
        if not isinstance(key.exc, Exception):
            raise key.exc
        return stored  # inputs without a stable form: nothing says that they are the same again
    plan.key = key
    record = None
    try:
        record = yield from _usable(run, plan.store._read_steps(key), key, world)
    except Exception as exc:  # noqa: BLE001  (a store that cannot be read: the body runs)
        _cannot_look(run, stored, exc, world)
    if record is not None:
        yield from _hit(run, stored, record, world)
    return stored


def _hit(run: Run, stored: Stored, record: Any, world: World) -> Steps:
    """The run ends with a stored result."""
    from penstock.core import changes

    definition = run.definition
    changes.put(run, State(RUNNING), world)
    if definition.on_running_hooks:
        yield from changes.run_hooks(run, definition.on_running_hooks, run.state, world)
    details = StateDetails(cache_key=stored.plan.key)
    stored.hit = State(COMPLETED, "Cached", data=record, state_details=details)


def _usable(run: Run, reading: Steps, key: Any, world: World) -> Steps:
    """The stored record, if it can be read and has not expired."""
    try:
        record = yield from reading
    except SerializationError as exc:
        world.log(run, 30, "The stored result %r cannot be used: %s", key, exc)
        return None
    if record is None or record.metadata.kind != "value":
        return None
    expiration = record.metadata.expiration
    if expiration is not None and expiration.timestamp() <= world.now():
        return None
    return record


def reset(run: Run) -> None:
    """A new try: nothing is staged, values kept by the last one are forgotten."""
    run.transaction._stored_values = {}
    run.transaction.children = []


def finish(run: Run, stored: Stored, state: State, world: World, *, returned: bool) -> Steps:
    """Stage and commit what the body gave; the state to set, with a record as its data if it was stored.

    Args:
        run: the run.
        stored: its transaction.
        state: what the body's outcome means.
        world: clock, chance, ears.
        returned: the body came to its end; if it says that it failed, what it did until then is undone by its own hooks.
    """
    plan, txn = stored.plan, stored.transaction
    if state.type is not COMPLETED:
        if txn is not None:
            if returned:
                txn.stage(state.data, plan.rollback_hooks())
            yield from txn.rollback_steps()
        if plan.persist and isinstance(state.data, Exception):
            try:
                record = plan.store.create_result_record(state.data, None, kind="exception", run=plan.describe())
                yield from plan.store._write_steps(record)
            except Exception as exc:  # noqa: BLE001  (the failure itself is what counts)
                world.log(run, 30, "The exception could not be stored: %s", exc)
        return state
    record = None
    if plan.persist and not marked(state.data, "__penstock_stored__"):
        try:
            record = plan.store.create_result_record(
                state.data, plan.key, plan.expiration(world.now()), run=plan.describe()
            )
        except Exception as exc:  # noqa: BLE001  (a key that is no place of the store's: the commit meets it again)
            if txn is None:
                return _unstored(run, state, exc, plan, world)
    value = state.data
    if txn is not None:
        txn.stage(record if record is not None else value, plan.rollback_hooks(), plan.commit_hooks())
        if record is not None:
            txn.key = record.metadata.key
        txn.on_rolled_back = _rolled_back(run, world)
        yield from txn.exit_steps(None)
        if txn.undone:
            if txn.unstored is not None and plan.required:
                return failed_state(txn.unstored, _NOT_STORED)
            return state
    elif record is not None:
        try:
            yield from plan.store._write_steps(record)
        except Exception as exc:  # noqa: BLE001  (storing fails: the run stays COMPLETED)
            return _unstored(run, state, exc, plan, world)
    if record is not None:
        state.data = record
        state.state_details.cache_key = plan.key
        state.state_details.cache_expiration = record.metadata.expiration
    return state


def _unstored(run: Run, state: State, exc: Exception, plan: Any, world: World) -> State:
    world.log(run, 30, "The result was not stored: %s", exc)
    run.root.unstored.append(f"{run.address or 'the flow run'}: {text_of(exc)}")  # type: ignore[attr-defined]
    return failed_state(exc, _NOT_STORED) if plan.required else state


def _rolled_back(run: Run, world: World) -> Any:
    def tell() -> None:
        from penstock.core import changes

        if run.state.type is COMPLETED:
            data = run.state.data
            if marked(data, "__penstock_stored__") and data._value is not None:
                data = data._value
            changes.put(run, State(COMPLETED, "RolledBack", data=data), world)

    return tell


def undo(run: Run, stored: Stored | None, world: World) -> Steps:
    """The run did not get to its end: roll back, give the lock back."""
    if stored is not None and stored.transaction is not None:
        yield from stored.transaction.rollback_steps()
