"""Cache policies: what the key of a stored result is made of.

Policies add (`INPUTS + TASK_SOURCE`) and lose inputs (`INPUTS - "debug"`). Neighbours: `core.reuse` computes keys by
them; `keys` makes inputs canonical.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from penstock.base.source import hash_of_source, script_of
from penstock.base.texts import text_of
from penstock.storage.hashing import stable_hash
from penstock.storage.keys import Unhashable, canonical

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

__all__ = [
    "DEFAULT",
    "FLOW_PARAMETERS",
    "INPUTS",
    "NONE",
    "NO_CACHE",
    "RUN_ID",
    "TASK_SOURCE",
    "CacheKeyFnPolicy",
    "CachePolicy",
    "CompoundCachePolicy",
    "FlowParameters",
    "Inputs",
    "RunId",
    "TaskSource",
]


@dataclass(repr=False)
class CachePolicy:
    """Base class: give `compute_key`.

    Args:
        key_storage: where keys and results are stored; None: with the other results.
        isolation_level: of the transactions of such tasks.
        lock_manager: for isolation level SERIALIZABLE.
    """

    key_storage: Any = None
    isolation_level: Any = None
    lock_manager: Any = None

    @classmethod
    def from_cache_key_fn(cls, cache_key_fn: Callable[[Any, dict[str, Any]], str | None]) -> CacheKeyFnPolicy:
        """The policy of a function `(context, parameters) -> key`."""
        return CacheKeyFnPolicy(cache_key_fn=cache_key_fn)

    def configure(self, key_storage: Any = None, lock_manager: Any = None, isolation_level: Any = None) -> Self:
        """A copy with other storage, locks, isolation level; None keeps."""
        new = copy.copy(self)
        if key_storage is not None:
            new.key_storage = key_storage
        if lock_manager is not None:
            new.lock_manager = lock_manager
        if isolation_level is not None:
            new.isolation_level = isolation_level
        return new

    def compute_key(
        self, task_ctx: Any, inputs: dict[str, Any], flow_parameters: dict[str, Any], **kwargs: Any
    ) -> str | None:
        """The key, or None for no caching.

        Args:
            task_ctx: context of the task run (`task`, `task_run`).
            inputs: resolved inputs by name.
            flow_parameters: parameters of the enclosing flow run.
            kwargs: for policies to come.
        """
        raise NotImplementedError(f"{type(self).__name__}.compute_key")

    def _settings(self) -> tuple[Any, Any, Any]:
        return self.key_storage, self.isolation_level, self.lock_manager

    def __sub__(self, other: str) -> CachePolicy:
        if not isinstance(other, str):
            raise TypeError("Can only subtract strings from key policies.")
        return self

    def __add__(self, other: CachePolicy) -> CachePolicy:
        if not isinstance(other, CachePolicy):
            raise TypeError(f"A cache policy can be added to another one only; {type(other).__name__} was given.")
        if isinstance(other, _None):
            return self
        _check_conflicts(self, other)
        return CompoundCachePolicy(policies=[*_members(self), *_members(other)], **_merged(self, other))

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


def _members(policy: CachePolicy) -> list[CachePolicy]:
    return list(policy.policies) if isinstance(policy, CompoundCachePolicy) else [policy]


def _check_conflicts(left: CachePolicy, right: CachePolicy) -> None:
    names = ("storage locations", "isolation levels", "lock implementations")
    for name, mine, theirs in zip(names, left._settings(), right._settings(), strict=True):
        if mine is not None and theirs is not None and mine != theirs:
            raise ValueError(f"Cannot add CachePolicies with different {name}.")


def _merged(left: CachePolicy, right: CachePolicy) -> dict[str, Any]:
    keys = ("key_storage", "isolation_level", "lock_manager")
    pairs = zip(keys, left._settings(), right._settings(), strict=True)
    return {key: mine if mine is not None else theirs for key, mine, theirs in pairs}


@dataclass(repr=False)
class CacheKeyFnPolicy(CachePolicy):
    """The key is what a function returns."""

    cache_key_fn: Callable[[Any, dict[str, Any]], str | None] | None = None

    def compute_key(self, task_ctx: Any, inputs: dict[str, Any], flow_parameters: dict[str, Any], **kwargs: Any) -> Any:
        """What the function returns; may be an awaitable of it."""
        return self.cache_key_fn(task_ctx, inputs) if self.cache_key_fn is not None else None


@dataclass(repr=False)
class CompoundCachePolicy(CachePolicy):
    """Several policies in one; flat, INPUTS members merged and last.

    Args:
        policies: the members.
    """

    policies: list[CachePolicy] = field(default_factory=list)

    def __post_init__(self) -> None:
        flat: list[CachePolicy] = []
        inputs: list[Inputs] = []
        for policy in self.policies:
            for member in _members(policy):
                if isinstance(member, Inputs):
                    inputs.append(member)
                elif not isinstance(member, _None):
                    flat.append(member)
        if inputs:
            excluded = [name for member in inputs for name in member.exclude]
            flat.append(Inputs(exclude=list(dict.fromkeys(excluded))))
        self.policies = flat

    def compute_key(
        self, task_ctx: Any, inputs: dict[str, Any], flow_parameters: dict[str, Any], **kwargs: Any
    ) -> str | None:
        """A hash of the members' keys; None when all of them give none."""
        keys = [policy.compute_key(task_ctx, inputs, flow_parameters, **kwargs) for policy in self.policies]
        found = [key for key in keys if key is not None]
        return stable_hash(*found, hash_algo=sha256) if found else None

    def __sub__(self, other: str) -> CachePolicy:
        if not isinstance(other, str):
            raise TypeError("Can only subtract strings from key policies.")
        has_inputs = any(isinstance(policy, Inputs) for policy in self.policies)
        if not has_inputs:
            return self
        new = copy.copy(self)
        new.policies = [policy - other for policy in self.policies]
        return new

    def __repr__(self) -> str:
        return f"CompoundCachePolicy({self.policies!r})"


class _None(CachePolicy):
    """No caching."""

    def compute_key(
        self, task_ctx: Any, inputs: dict[str, Any], flow_parameters: dict[str, Any], **kwargs: Any
    ) -> None:
        """None."""

    def __add__(self, other: CachePolicy) -> CachePolicy:
        if not isinstance(other, CachePolicy):
            raise TypeError(f"A cache policy can be added to another one only; {type(other).__name__} was given.")
        return other

    def __repr__(self) -> str:
        return "NO_CACHE"


def _place_of(task: Any) -> str:
    """Module and qualified name of a task: equal texts in two modules are two tasks. A script is the name of its file."""
    module, name = getattr(task, "__module__", ""), getattr(task, "__qualname__", "")
    if module in ("__main__", "__mp_main__"):
        module = script_of(getattr(task, "fn", task)) or "__main__"
    return f"{module}:{name}" if isinstance(name, str) else str(module)


def source_key(task: Any) -> str:
    """A hash of where the task stands and of its source; made once, since a worker may not have the file."""
    key = task.__dict__.get("_source_key")
    if key is None:
        text = getattr(task, "source_code", None)
        source = (
            sha256(text.encode()).hexdigest()
            if isinstance(text, str)
            else hash_of_source(getattr(task, "fn", task), 64)
        )
        key = task.__dict__["_source_key"] = stable_hash(_place_of(task), source, hash_algo=sha256)
    return str(key)


def subflow_key(run: Any) -> str:
    """The key of a subflow run: the lineage and the address that it has in every try and attempt, and its parameters.

    Raises:
        Unhashable: a parameter has no stable form.
    """
    return stable_hash(canonical((str(run.lineage_id), run.address, run.parameters)), hash_algo=sha256)


class TaskSource(CachePolicy):
    """The place and the source of the task's function; its code where no source is found."""

    def compute_key(self, task_ctx: Any, inputs: Any, flow_parameters: Any, **kwargs: Any) -> str | None:
        """A hash of the source."""
        if not task_ctx:
            return None
        return source_key(task_ctx.task)


class FlowParameters(CachePolicy):
    """The parameters of the enclosing flow run."""

    def compute_key(self, task_ctx: Any, inputs: Any, flow_parameters: dict[str, Any], **kwargs: Any) -> str | None:
        """A hash of the parameters; None when there are none."""
        return stable_hash(canonical(flow_parameters), hash_algo=sha256) if flow_parameters else None


class RunId(CachePolicy):
    """The enclosing flow run, the same in every attempt and re-run; outside flows, the task run."""

    def compute_key(self, task_ctx: Any, inputs: Any, flow_parameters: Any, **kwargs: Any) -> str | None:
        """Lineage and address of the flow run, else the id of the task run."""
        if not task_ctx:
            return None
        run = task_ctx.task_run
        flow = getattr(run, "flow", None)
        if flow is not None:
            address = flow.address
            return f"{flow.lineage_id}/{address}" if address else str(flow.lineage_id)
        flow_run_id = getattr(run, "flow_run_id", None)
        return str(flow_run_id) if flow_run_id else str(run.id)


@dataclass(repr=False)
class Inputs(CachePolicy):
    """The resolved inputs, and the module and qualified name of the task.

    Args:
        exclude: names of inputs that do not count.
    """

    exclude: list[str] = field(default_factory=list)

    def compute_key(self, task_ctx: Any, inputs: dict[str, Any], flow_parameters: Any, **kwargs: Any) -> str | None:
        """A hash of the inputs that count; None when the task has none at all.

        Raises:
            ValueError: one cannot be hashed; names it, and what to do.
        """
        if not inputs:
            return None
        counted = {name: value for name, value in sorted(inputs.items()) if name not in self.exclude}
        task = getattr(task_ctx, "task", None)
        forms: list[bytes] = [_place_of(task).encode() if task is not None else b""]
        for key, value in counted.items():
            try:
                forms.append(canonical((key, value)))
            except Unhashable as exc:
                raise ValueError(
                    f"Unable to create hash - objects could not be serialized: argument {key!r} of type "
                    f"{type(value).__name__} ({text_of(exc)}). Exclude it by `cache_policy = INPUTS - {key!r}` (or another policy "
                    f"- {key!r}), or switch caching off by `cache_policy=NO_CACHE`."
                ) from exc
        return stable_hash(*forms, hash_algo=sha256)

    def __sub__(self, other: str) -> CachePolicy:
        if not isinstance(other, str):
            raise TypeError("Can only subtract strings from key policies.")
        new = copy.copy(self)
        new.exclude = [*self.exclude, other]
        return new

    def __repr__(self) -> str:
        return f"Inputs(exclude={self.exclude!r})"


INPUTS = Inputs()
NONE = _None()
NO_CACHE = _None()
TASK_SOURCE = TaskSource()
FLOW_PARAMETERS = FlowParameters()
RUN_ID = RunId()
DEFAULT = INPUTS + TASK_SOURCE + RUN_ID
