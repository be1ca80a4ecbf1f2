"""States and contexts that `run_engine` was given by address, met by the runs that have these addresses; final states kept.

Neighbours: `entry` asks when it makes a run and when one has ended; `engines.run_engine` takes them from the user;
`core.given` says what a given state means.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.base.exceptions import MappingLengthMismatch
from penstock.core.address import quote_name
from penstock.core.state import State
from penstock.core.state_parts import COMPLETED

if TYPE_CHECKING:
    from penstock.core.runs import FlowRun, Run


def lookup(run: Run, root: FlowRun) -> None:
    """Give the run what was given for its address: a state (once per try), a context."""
    address = run.address
    states = root.given_states
    if states:
        given = states.get(address)
        used = address
        if given is None:
            given = states.get(_with_key(run))
            used = _with_key(run)
        if given is None and run._map_index is not None:
            parent_address = address[: address.rindex("[")]
            whole = states.get(parent_address)
            if whole is not None:
                given = _child_of_map(whole, run._map_index)
                used = parent_address
        if given is not None:
            root.used.add(used)
            # A copy: the same given state may be met again in a later try.
            run.given = given.fresh_copy()
            run.given.ended = True
    contexts = root.task_contexts
    if contexts:
        extra = contexts.get(address)
        if extra is not None:
            root.used.add(address)
            run.context = {**(run.context or {}), **extra}


def _with_key(run: Run) -> str:
    """The address of a run with the task's key as the last name."""
    if run.is_flow:
        return ""
    prefix, _, _ = run.address.rpartition("/")
    own = f"{quote_name(run.definition.task_key)}:{run._index}"
    return f"{prefix}/{own}" if prefix else own


def _child_of_map(whole: State, index: int) -> State | None:
    """The state of one child, from a state given for the whole map."""
    values = whole.data
    if whole.type is not COMPLETED:
        return whole
    if not isinstance(values, list | tuple):
        raise TypeError("The state given for a map must hold a list, one entry per child.")
    if index >= len(values):
        raise MappingLengthMismatch(
            f"The state given for a map holds {len(values)} entries, but there is a child {index}."
        )
    item = values[index]
    return item if isinstance(item, State) else State(COMPLETED, data=item)


def keep(run: Run, state: State, root: FlowRun) -> None:
    """Keep the final state of a run that `return_tasks` named."""
    wanted = root.keep
    address = run.address
    if wanted == "*" or any(pattern.matches(address) for pattern in wanted):
        root.kept[address] = state
