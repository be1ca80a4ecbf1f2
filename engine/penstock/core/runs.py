"""The records of runs, which are also what user code sees of them: `FlowRun` and `TaskRun`.

A record is made when a run is made and stays as long as somebody holds it; everything that only the execution needs
(inputs, the generator of its life, children) is taken off at the end. Ids and names are made when first read.
Neighbours: `life` changes records, nobody else does; drivers register them by identity.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zlib import crc32

from penstock.base.marks import LAZY
from penstock.base.names import generate_name
from penstock.base.subscripted import AS_FIELD
from penstock.core.address import Counter
from penstock.core.progress import Progress
from penstock.core.run_fields import FlowRunFields, RunTimes, TaskRunFields
from penstock.core.state import State
from penstock.core.state_parts import RunKey, StateType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Self
    from uuid import UUID


class Run(RunTimes):
    """What flow runs and task runs have in common."""

    __slots__ = (
        "__weakref__", "_address", "_counter", "_end", "_expected", "_given", "_index", "_label", "_map_index",
        "_name", "_start", "_total", "args", "call", "check_cached", "context", "control", "definition", "exempt", "flow", "given", "handlers",
        "inherited", "is_async", "key", "kwargs", "last_try", "life", "parameters", "parent", "pending_inputs", "reached",
        "retry_wait_limit", "root", "run_count", "state", "submitted", "tags", "transaction", "wait_for",
    )  # fmt: skip

    is_flow = False
    kind = "Task"

    if TYPE_CHECKING:
        key: RunKey
        definition: Any
        run_count: int
        parent: Run | None
        root: Run
        flow: FlowRun | None
        state: State
        parameters: dict[str, Any] | None

    __get_pydantic_core_schema__ = AS_FIELD

    def __init__(
        self,
        definition: Any = None,
        parent: Run | None = None,
        *,
        id: UUID | str | None = None,
        name: str | None = None,
    ) -> None:
        self.definition = definition
        self.parent = parent
        flow = parent.flow if parent is not None and not self.is_flow else None
        self.key = RunKey(flow.key if flow is not None else None, self.is_flow, id)
        self._name = name
        self._address: str | None = None
        self._label = ""
        self._index = 0
        self._map_index: int | None = None
        self._counter: Counter | None = None
        self._start: float | None = None
        self._end: float | None = None
        self._expected: float | None = None
        self._total = 0.0
        self.last_try = False
        self.run_count = 0
        self.tags: Any = ()
        self.parameters = None
        self.args: tuple[Any, ...] = ()
        self.kwargs: dict[str, Any] = {}
        self.call: Callable[..., Any] | None = None
        self.context: Mapping[str, Any] | None = None
        self.is_async = False
        self.pending_inputs = False
        self.submitted = False
        self.exempt = False  # made after the interruption of its root, by a hook or a cleanup: not interrupted again
        self.check_cached = True
        self.wait_for: Any = None
        self.life: Iterator[Any] | None = None
        self.given: State | None = None
        self.handlers: tuple[Callable[..., Any], ...] = ()
        self.retry_wait_limit: Any = None
        self.reached = False
        self.transaction: Any = None
        self.inherited: Any = None
        self.control: Any = None

    @classmethod
    def model_construct(cls, **values: Any) -> Self:
        """A record made by hand; arguments as for the class."""
        return cls(**values)

    @property
    def id(self) -> UUID:
        """Identity of the run."""
        return self.key.id

    @id.setter
    def id(self, value: UUID) -> None:
        self.key.id = value

    @property
    def address(self) -> str:
        """Path inside the root run; "" for a root flow run."""
        if self._address is None:
            own = f"{self._label}:{self._index}" if self._label else ""
            if self._map_index is not None:
                own = f"{own}[{self._map_index}]"
            above = self.parent.address if self.parent is not None else ""
            self._address = f"{above}/{own}" if above else own
        return self._address

    @property
    def counter(self) -> Counter:
        """Counts the calls made below this run, for their addresses."""
        if self._counter is None:
            self._counter = Counter()
        return self._counter

    def __repr__(self) -> str:
        return f"{type(self).__name__}(id={str(self.id)!r}, name={self.name!r}, state={self.state})"

    @property
    def name(self) -> str:
        """What people call the run."""
        raise NotImplementedError  # pragma: no cover

    @property
    def state_type(self) -> StateType | None:
        """Type of the state."""
        state: State | None = self.state
        return state.type if state is not None else None

    @property
    def state_name(self) -> str | None:
        """Name of the state."""
        state: State | None = self.state
        return state.name if state is not None else None

    @property
    def state_id(self) -> UUID | None:
        """Id of the state."""
        state: State | None = self.state
        return state.id if state is not None else None

    @property
    def labels(self) -> dict[str, Any]:
        """Labels: none; those of Kubernetes are on the resource."""
        return {}

    def __eq__(self, other: object) -> bool:
        return self is other or (type(self) is type(other) and self.id == other.id)

    __hash__ = object.__hash__


class FlowRun(FlowRunFields, Run):
    """One execution of a flow.

    Args:
        definition: the flow; set by the engine.
        parent: the run that called it; None for a root run.
        id: default: random, made when first read.
        name: default: `adjective-noun`, or by the flow's `flow_run_name`.
        lineage_id: scope of result reuse; default: the root run's id.
        attempt: number of the pod of this run; 1 in a plain process.
        run_count: entries into RUNNING so far.
        parameters: values by name.
        namespace: of the Kubernetes resource.
        control: handle by which the root run is stopped and gated; default: its own.
        state: for a record made by hand.
        tags: likewise.
        given: further fields of a record made by hand.
    """

    __slots__ = (
        "attempt", "children", "flow_name", "given_states", "keep", "kept", "keys", "lineage", "log_members", "lost_place",
        "namespace", "parent_task_run", "persist", "progress", "runner", "store", "suspend", "suspension",
        "task_contexts", "task_handlers", "unseen", "unstored", "used",
    )  # fmt: skip

    is_flow = True
    kind = "Flow"

    if TYPE_CHECKING:
        namespace: str | None
        attempt: int

    def __init__(
        self,
        definition: Any = None,
        parent: Run | None = None,
        *,
        id: UUID | str | None = None,
        name: str | None = None,
        lineage_id: UUID | str | None = None,
        attempt: int = 1,
        run_count: int = 0,
        parameters: dict[str, Any] | None = None,
        namespace: str | None = None,
        control: Any = None,
        state: State | None = None,
        tags: Any = (),
        **given: Any,
    ) -> None:
        super().__init__(definition, parent, id=id, name=name)
        if given:
            self._given = given
        self.tags = tags
        self.lineage = lineage_id
        self.attempt = attempt
        self.run_count = run_count
        self.parameters = parameters if parameters is not None else {}
        self.namespace = namespace
        self.control = control
        self.state = state  # type: ignore[assignment]
        self.flow = self
        self.root = parent.root if parent is not None else self
        self.children: dict[Any, None] = {}
        self.parent_task_run: TaskRun | None = None
        self.runner: Any = None
        self.progress = Progress()
        self.given_states: dict[str, State] | None = None
        self.task_contexts: dict[str, Any] | None = None
        self.task_handlers: tuple[Callable[..., Any], ...] = ()
        self.keep: Any = None
        self.kept: dict[str, State] = {}
        self.used: set[str] = set()
        self.keys: Any = None
        self.persist: bool | None = None
        self.store: Any = None
        self.suspension: Any = None
        self.suspend: Any = None
        self.unseen: dict[str, int] = {}
        self.unstored: list[str] = []  # of the root: results that a store did not take, each with its error
        self.lost_place: str | None = None  # of the root: that results are persisted where they are gone with the pod
        self.flow_name: str | None = None
        self.log_members: dict[str, Any] | None = None

    @property
    def name(self) -> str:
        """What people call the run."""
        if self._name is None:
            with LAZY:
                if self._name is None:
                    self._name = generate_name()
        return self._name

    @name.setter
    def name(self, value: str) -> None:
        self._name = value

    @property
    def lineage_id(self) -> UUID | str:
        """Scope of result reuse: shared by all attempts, subflows, and runs that name this one in `rerunOf`."""
        if self.lineage is None:
            above = self.parent
            self.lineage = (
                self.root.flow.lineage_id
                if above is not None and self.root.flow is not None and self.root.flow is not self
                else self.id
            )
        return self.lineage

    @property
    def flow_version(self) -> str | None:
        """Version of the flow."""
        version: str | None = self.of_record("flow_version") if self.definition is None else self.definition.version
        return version

    @property
    def parent_task_run_id(self) -> UUID | None:
        """Id of the tracking task run in the parent."""
        above = self.parent_task_run
        return above.id if above is not None else self.of_record("parent_task_run_id")

    @property
    def hooks(self) -> Any:
        """What became of the hooks of the root run (`HookRecord`)."""
        return self.control.hooks if self.control is not None else None


class TaskRun(TaskRunFields, Run):
    """One execution of a task."""

    __slots__ = (
        "_cache_key", "cached", "cached_inputs", "flow_run_run_count", "future", "generator", "sources",
    )  # fmt: skip

    if TYPE_CHECKING:
        sources: dict[str, list[UUID]]  # ids of the upstreams by parameter name, once any are known

    def __init__(
        self,
        definition: Any = None,
        parent: Run | None = None,
        *,
        id: UUID | str | None = None,
        name: str | None = None,
        state: State | None = None,
        **given: Any,
    ) -> None:
        super().__init__(definition, parent, id=id, name=name)
        if given:
            self._given = given
            self.tags = given.get("tags", ())
            self.run_count = given.get("run_count", 0)
        self.state = state  # type: ignore[assignment]
        self.future: Any = None
        self._cache_key: str | None = None
        self.cached = False
        self.cached_inputs: Any = None
        self.generator = False
        if parent is None:
            self.flow = None
            self.root = self
            self.flow_run_run_count = 0
        else:
            self.flow = parent.flow
            self.root = parent.root
            self.control = parent.control
            self.flow_run_run_count = parent.flow.run_count if parent.flow is not None else 0

    @property
    def name(self) -> str:
        """What people call the run."""
        if self._name is None:
            base = self.definition.name if self.definition is not None else "task"
            self._name = f"{base}-{crc32(self.address.encode()) & 0xFFF:03x}"
        return self._name

    @name.setter
    def name(self, value: str) -> None:
        self._name = value

    @property
    def flow_run_id(self) -> UUID | None:
        """Id of the flow run that this task run is part of."""
        if self.flow is not None:
            return self.flow.id
        return self.of_record("flow_run_id")  # type: ignore[no-any-return]

    @property
    def task_key(self) -> str:
        """Key of the task."""
        key: str = self.of_record("task_key") if self.definition is None else self.definition.task_key
        return key

    @property
    def task_version(self) -> str | None:
        """Version of the task."""
        version: str | None = self.of_record("task_version") if self.definition is None else self.definition.version
        return version

    @property
    def dynamic_key(self) -> str:
        """The address: equal in every attempt."""
        return self.of_record("dynamic_key") or self.address

    @property
    def cache_key(self) -> str | None:
        """Key under which the result is stored, if it is."""
        return self._cache_key

    @property
    def task_inputs(self) -> dict[str, Any]:
        """By parameter name, the task runs whose futures or states its value was; the values are not kept.

        Under `wait_for` those that it waited for, under `__parents__` the task run that called it.
        """
        from penstock.core.task_inputs import as_task_inputs

        sources = getattr(self, "sources", {})
        if self.parameters or self.definition is None:
            names: Iterable[str] = self.parameters or [name for name in sources if name != "wait_for"]
        else:  # after the end, when the values are gone
            names = self.definition.parameter_names
        if self.parent is not None and not self.parent.is_flow:
            sources = {**sources, "__parents__": [self.parent.id]}
        return as_task_inputs(names, sources)
