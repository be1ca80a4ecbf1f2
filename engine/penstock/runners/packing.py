"""Making task runs into bytes: what surrounds them, the task, and the order to run it.

Three parts, since they change at different paces: `around` (the flow run, tags, settings) is made once for a flow run,
the task once for each submit or map, the order for each run. What is large is shared: it is put where the workers find it
and arrives as an input, once for all children of a map. Neighbours: `remote` sends them, `far` reads them.
"""

from __future__ import annotations

import copy
import logging
import pickle
import sys
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from penstock.base.current import current_tags, current_transaction
from penstock.core.inputs import replace
from penstock.inside.carrying import flow_form
from penstock.runners.forms import Slot, versions
from penstock.runners.own_code import OwnCode

if TYPE_CHECKING:
    import contextvars
    from collections.abc import Callable

    from penstock.core.runs import TaskRun

LARGE = 1 << 16
"""Bytes from which a part is shared."""
REMEMBERED = 8
"""How many flow runs and maps a packer keeps the parts of."""


class Parts:
    """A task run as bytes, and what arrives beside them.

    Attributes:
        around: flow run, tags, settings; bytes, or a number: its place among the inputs.
        task: the definition; likewise.
        order: id, address, parameters.
        inputs: handles of the runner: shared bytes, and results of upstreams.
        plain: which of the inputs are shared bytes (their places).
    """

    __slots__ = ("around", "inputs", "order", "plain", "task")

    def __init__(self) -> None:
        self.around: bytes | int = b""
        self.task: bytes | int = b""
        self.order = b""
        self.inputs: list[Any] = []
        self.plain: set[int] = set()

    def message(self) -> tuple[Any, ...]:
        """What is sent beside the inputs."""
        return versions(), self.around, self.task, self.order


class _Expansion:
    """What the children of one map have in common."""

    def __init__(self, run: TaskRun) -> None:
        self.parent = run.parent
        self.task: Any = None
        self.shared: dict[int, tuple[Any, Any]] = {}  # by id: the object, kept so that the id stays its own; its handle


class Packer:
    """Makes the parts of runs for one runner.

    Args:
        share: puts bytes where workers find them, and gives a handle; None: nothing is shared.
        elsewhere: workers may lack the flow's files.
    """

    def __init__(self, share: Callable[[bytes], Any] | None, elsewhere: bool = False) -> None:
        self._share = share
        self._dumps = OwnCode(elsewhere).dumps
        self._lock = threading.Lock()
        self._around: OrderedDict[Any, tuple[Any, Any]] = OrderedDict()
        self._maps: OrderedDict[Any, _Expansion] = OrderedDict()
        self._blobs: OrderedDict[bytes, Any] = OrderedDict()

    def parts(
        self, run: TaskRun, context: contextvars.Context, parameters: dict[str, Any], handle_of: Callable[[Any], Any]
    ) -> Parts:
        """The parts of a run whose upstreams are done.

        Args:
            run: the record.
            context: in which it was submitted.
            parameters: values by name; upstreams in them are replaced by what `handle_of` gives.
            handle_of: `(handle, None)` of an upstream whose result a worker holds, else `(None, value)`.
        """
        parts = Parts()
        with self._lock:
            expansion = self._expansion(run)
            parts.around = self._place(parts, self._around_of(run, context))
            if expansion.task is None:
                expansion.task = self._shared_if_large(self._dumps(run.definition))
            parts.task = self._place(parts, expansion.task)

            def give(item: Any, allow: bool) -> Any:
                handle, value = handle_of((item, allow))
                if handle is None:
                    return value
                parts.inputs.append(handle)
                return Slot(len(parts.inputs) - 1, pickled=False)

            if run.pending_inputs:
                parameters = {name: replace(value, give) for name, value in parameters.items()}
            parts.order = self._order(run, context, parameters, parts, expansion)
        return parts

    def _expansion(self, run: TaskRun) -> _Expansion:
        if run._map_index is None:
            return _Expansion(run)
        key = (id(run.parent), id(run.definition), run._label, run._index)
        known = self._maps.get(key)
        if known is None or known.parent is not run.parent:
            known = self._maps[key] = _Expansion(run)
            if len(self._maps) > REMEMBERED:
                self._maps.popitem(last=False)
        return known

    def _around_of(self, run: TaskRun, context: contextvars.Context) -> Any:
        from penstock.base.settings import get_current_settings

        flow = run.flow
        settings = context.run(get_current_settings)
        tags = context.get(current_tags, frozenset())
        key = (id(flow), flow.run_count if flow is not None else 0, id(settings), frozenset(tags))
        known = self._around.get(key)
        if known is not None:
            return known[1]
        form: dict[str, Any] = {
            "tags": tags,
            "context": dict(run.context or {}),
            "settings": settings._flat(),
            "level": logging.getLogger("penstock").getEffectiveLevel(),
            "path": [path for path in sys.path if path],
        }
        if flow is not None:
            form["flow"] = flow_form(flow)
        made = _sendable(form, self._dumps)
        self._around[key] = ((flow, settings), self._shared_if_large(made))
        if len(self._around) > REMEMBERED:
            self._around.popitem(last=False)
        return self._around[key][1]

    def _order(
        self,
        run: TaskRun,
        context: contextvars.Context,
        parameters: dict[str, Any],
        parts: Parts,
        expansion: _Expansion,
    ) -> bytes:
        entry = context.get(current_transaction)
        mode = entry[0].commit_mode if entry is not None else None
        given = run.state if run.state.name == "AwaitingRetry" else None
        head = (
            run.key.text, run._name, run.address, run._map_index, run.tags, run.inherited, run.run_count,
            None if given is None else given.state_details.scheduled_time, mode,
        )  # fmt: skip
        if mode is None and given is None and all(value.__class__ in _QUICK for value in parameters.values()):
            payload = pickle.dumps((*head, parameters), 5)
        else:
            payload = self._dumps((*head, self._slotted(parameters, parts, expansion)))
        if len(payload) > LARGE and self._share is not None:
            payload = self._dumps((*head, self._with_large_shared(parameters, parts, expansion, run.pending_inputs)))
        return payload

    def _slotted(self, parameters: dict[str, Any], parts: Parts, expansion: _Expansion) -> dict[str, Any]:
        """The parameters, with a slot for each that this map has shared already."""
        if not expansion.shared:
            return parameters
        return {name: self._slot_of(value, parts, expansion) for name, value in parameters.items()}

    def _slot_of(self, value: Any, parts: Parts, expansion: _Expansion) -> Any:
        known = expansion.shared.get(id(value))
        return value if known is None else self._beside(parts, known[1])

    def _beside(self, parts: Parts, handle: Any) -> Slot:
        parts.inputs.append(handle)
        parts.plain.add(len(parts.inputs) - 1)
        return Slot(len(parts.inputs) - 1, pickled=True)

    def _with_large_shared(
        self, parameters: dict[str, Any], parts: Parts, expansion: _Expansion, rebuilt: bool
    ) -> dict[str, Any]:
        """The parameters, with a slot for each whose pickle is large; slots of upstreams stay inside."""
        small = {}
        for name, value in parameters.items():
            if value.__class__ in _FLAT:
                small[name] = value
                continue
            if id(value) in expansion.shared:
                small[name] = self._slot_of(value, parts, expansion)
                continue
            payload = self._dumps(value)
            if len(payload) <= LARGE:
                small[name] = value
                continue
            handle = self._blob(payload)
            if not rebuilt:
                expansion.shared[id(value)] = (value, handle)
            small[name] = self._beside(parts, handle)
        return small

    def _place(self, parts: Parts, made: Any) -> bytes | int:
        if isinstance(made, bytes):
            return made
        parts.inputs.append(made)
        parts.plain.add(len(parts.inputs) - 1)
        return len(parts.inputs) - 1

    def _shared_if_large(self, payload: bytes) -> Any:
        if self._share is None or len(payload) <= LARGE:
            return payload
        return self._blob(payload)

    def _blob(self, payload: bytes) -> Any:
        """The handle of shared bytes; equal bytes are shared once."""
        from hashlib import blake2b

        assert self._share is not None
        digest = blake2b(payload, digest_size=16).digest()
        handle = self._blobs.get(digest)
        if handle is None:
            handle = self._blobs[digest] = self._share(payload)
            if len(self._blobs) > REMEMBERED:
                self._blobs.popitem(last=False)
        return handle

    def forget(self) -> None:
        """Let go of everything that was shared."""
        with self._lock:
            self._around.clear()
            self._maps.clear()
            self._blobs.clear()


_FLAT = frozenset({int, float, bool, type(None)})
_QUICK = _FLAT | {str, bytes}


def _sendable(form: dict[str, Any], dumps: Callable[[Any], bytes]) -> bytes:
    """The form as bytes; what a task can do without is left out where it cannot be pickled: parameters, then the body."""
    try:
        return dumps(form)
    except Exception:
        if "flow" not in form:
            raise
    form["flow"]["parameters"] = {}
    try:
        return dumps(form)
    except Exception:  # noqa: BLE001  (whatever the body refers to refuses with)
        definition = form["flow"]["definition"] = copy.copy(form["flow"]["definition"])
        for name, value in vars(definition).items():
            try:
                dumps(value)
            except Exception:  # noqa: BLE001  (as above)
                vars(definition)[name] = [] if isinstance(value, list) else None
        vars(definition)["fn"] = _elsewhere
        return dumps(form)


def _elsewhere() -> None:
    """Stands for the body of a flow, which runs where the flow does."""
