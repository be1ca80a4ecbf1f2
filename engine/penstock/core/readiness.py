"""From a new run to one whose body may be called: inputs, parameters, name; and the futures in what a body returned.

Neighbours: `life` goes through these in order; `inputs` finds and replaces.
"""

from __future__ import annotations

from typing import Any

from penstock.base.exceptions import UpstreamTaskError
from penstock.core.changes import Steps, World, put
from penstock.core.effects import Ask, Wait
from penstock.core.inputs import Found, given_value, id_of, is_future, not_ready, refuse, replace, scan
from penstock.core.outcome import Raised, failed_state, unless_interrupted
from penstock.core.runs import Run, TaskRun
from penstock.core.state import State
from penstock.core.state_parts import COMPLETED, FAILED, PENDING
from penstock.core.state_result import exception_of, is_stored


def settle_inputs(run: Run, world: World) -> Steps:
    """Wait for upstreams and put their results in place.

    Returns:
        None: go on. `Raised`: the wait was interrupted. FAILED: an input cannot be read. Else the state that was set.
    """
    found: Found = []
    parameters = run.parameters or {}
    sources: dict[str, list[Any]] = {}
    for name, value in parameters.items():
        known = len(found)
        scan(value, found)
        sources[name] = [item for item, _ in found[known:]]
    order: Found = []
    if run.wait_for:
        scan(run.wait_for, order)
        sources["wait_for"] = [item for item, _ in order]
    tracked = run if isinstance(run, TaskRun) else run.parent_task_run  # type: ignore[attr-defined]
    if tracked is not None:
        # Most calls wait for nothing: then these are empty lists already.
        if found or order:
            sources = {name: [each for each in map(id_of, items) if each] for name, items in sources.items()}
        tracked.sources = sources
    futures = [item for item, _ in found + order if is_future(item)]
    if futures:
        stopped: Any = yield Wait(futures)
        if stopped is not None:
            return stopped
    values: dict[int, Any] = {}
    for item, allow in found + order:
        state = item.state if is_future(item) else item
        if not_ready(state, allow):
            return hold(run, refuse(id_of(item) or state.id), world)
    for item, allow in found:
        state = item.state if is_future(item) else item
        if is_future(item):
            item.seen()
        result = None
        if state.type is FAILED and allow:
            result = exception_of(state)
        elif state.type is COMPLETED:
            result = yield from read_state(state)
            if isinstance(result, Raised):
                return failed_state(result.exc, f"{run.kind} run could not read an input: ")
        values[id(item)] = given_value(state, allow, result)
    if run.pending_inputs:
        run.parameters = {
            name: replace(value, lambda item, _allow: values[id(item)]) for name, value in parameters.items()
        }
        run.definition.rebind(run)
        run.pending_inputs = False
    run.wait_for = None
    return None


def read_state(state: State) -> Steps:
    """The data of a state, read from its store when it is there; `Raised` when it cannot be read."""
    data = state.data
    if is_stored(data):
        return unless_interrupted((yield Ask(data.read_value)))
    return data


def hold(run: Run, reason: UpstreamTaskError, world: World) -> State:
    """Hold a run back for good: an upstream did not complete."""
    state = put(run, State(PENDING, "NotReady", message=str(reason)), world)
    world.closed(run, state)
    return state


def validate(run: Run) -> Steps:
    """Validate the parameters of a flow run; the failure, if there is one."""
    definition = run.definition
    if not definition.should_validate_parameters and not definition.in_fields:
        return None
    if not definition.should_validate_parameters:
        validated = unless_interrupted((yield Ask(definition.out_of_fields, (run.parameters,))))
    elif (validated := definition.valid_as_is(run.parameters)) is None:
        validated = unless_interrupted((yield Ask(definition.validated, (run.parameters,))))
    if isinstance(validated, Raised):
        if not isinstance(validated.exc, Exception):
            raise validated.exc
        return validated  # whatever a validator of the user raises is the run's failure
    if validated is not run.parameters:
        run.parameters = validated
        definition.rebind(run)
    return None


def name_run(run: Run) -> Steps:
    """Make the name by the template or callable of the definition, once per call."""
    if run._name is not None and run.run_count:
        return
    call = run.definition.name_call(run)
    name = unless_interrupted((yield call))
    if isinstance(name, Raised):
        raise name.exc
    run._name = run.definition.checked_name(name)


def resolve_returned(value: Any) -> Steps:
    """Replace the futures in a returned value by their final states."""
    found: Found = []
    if not scan(value, found):
        return value
    futures = [item for item, _ in found if is_future(item)]
    if not futures:
        return value
    yield Wait(futures)
    return replace_futures(value)


def replace_futures(value: Any) -> Any:
    """The value with each future replaced by its state; annotations stay."""
    from penstock.base.annotations import BaseAnnotation

    if isinstance(value, BaseAnnotation):
        return value

    def give(item: Any, _allow: bool) -> Any:
        if is_future(item):
            item.seen()
            return item.state
        return item

    return replace(value, give)
