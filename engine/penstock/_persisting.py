"""Which runs store their results, where, and under which key.

Neighbours: `flows` and `tasks` ask at decoration; `core.reuse` asks for a plan at run time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock._current import current_transaction
from penstock.utilities.annotations import NotSet

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from penstock.core.runs import Run
    from penstock.results import ResultStore


def settle_task_options(task: Any) -> None:
    """Check the options of a task that concern stored results against each other, and settle its cache policy."""
    import logging

    from penstock.cache_policies import DEFAULT, NO_CACHE, CachePolicy, _None
    from penstock.settings import get_current_settings

    given = task._given_policy
    logger = logging.getLogger("penstock.tasks")
    if task.cache_expiration is not None and getattr(task.cache_expiration, "total_seconds", None) is None:
        raise TypeError("`cache_expiration` must be a timedelta.")
    if given is not NotSet and given is not None and not isinstance(given, CachePolicy):
        raise TypeError(f"`cache_policy` must be a CachePolicy; {type(given).__name__} was given.")
    persist = task.persist_result
    if persist is None and (
        (given is not NotSet and given is not None and not isinstance(given, _None))
        or task.cache_key_fn is not None
        or task.result_storage is not None
        or task.result_storage_key is not None
        or task.result_serializer is not None
    ):
        persist = task.persist_result = True
    policy = given
    if policy is NotSet and get_current_settings().tasks.default_no_cache:
        policy = NO_CACHE
    if policy is NotSet:
        policy = DEFAULT if task.result_storage_key is None else None
    if task.cache_key_fn is not None:
        if given is not NotSet and given is not None:
            logger.warning(
                "Both `cache_policy` and `cache_key_fn` are set on task %s. `cache_key_fn` will be used.", task
            )
        policy = CachePolicy.from_cache_key_fn(task.cache_key_fn)
    if task.result_storage_key is not None and (
        task.cache_key_fn is not None or (given is not NotSet and given is not None)
    ):
        logger.warning(
            "`result_storage_key` of task %s is the key of its result: `cache_policy` and `cache_key_fn` are not used.",
            task,
        )
    if persist is False:
        if task.cache_key_fn is not None or (
            given is not NotSet and given is not None and not isinstance(given, _None)
        ):
            logger.warning("Ignoring `cache_policy` because `persist_result` is False on task %s.", task)
        policy = None if policy is None else NO_CACHE
    task._policy = policy


def policy_of(task: Any) -> Any:
    """The cache policy of a task; settled when first asked for."""
    if task._policy is NotSet:
        settle_task_options(task)
    return task._policy


def task_persists(task: Any, run: Run) -> bool:
    """Whether this run of the task stores its result."""
    own = task.persist_result
    if own is not None:
        return bool(own)
    from penstock.settings import get_current_settings

    settings = get_current_settings()
    by_setting = settings.tasks.default_persist_result
    if by_setting is not None:
        return bool(by_setting)
    if run.flow is not None:
        return flow_persists(run.flow)
    return bool(settings.results.persist_by_default)


def flow_persists(run: Any) -> bool:
    """Whether this flow run stores its result, and by default those of its tasks; settled once for each run."""
    known: bool | None = run.persist
    if known is None:
        flow = run.definition
        if flow.persist_result is not None:
            known = bool(flow.persist_result)
        elif flow.result_storage is not None or flow.result_serializer is not None:
            known = True
        elif run.parent is not None and run.parent.flow is not None:
            known = flow_persists(run.parent.flow)
        else:
            from penstock.settings import get_current_settings

            known = bool(get_current_settings().results.persist_by_default)
        run.persist = known
    return known


def persists(run: Run) -> bool:
    """Whether the run stores its result."""
    return flow_persists(run) if run.is_flow else task_persists(run.definition, run)


def task_stores(task: Any, run: Run) -> bool:
    """Whether a run of the task has anything to do with stores or transactions."""
    return bool(
        current_transaction.get() is not None
        or task.on_commit_hooks
        or task.on_rollback_hooks
        or task_persists(task, run)
        or (run.parent is not None and run.parent.transaction is not None)
    )


def store_of(run: Run) -> ResultStore:
    """The store of a run: its definition's options over those of the flow runs around it."""
    from penstock.results import ResultStore

    if not run.is_flow:
        base = store_of(run.flow) if run.flow is not None else ResultStore()
        return base.for_task(run.definition)
    store: ResultStore | None = run.store  # type: ignore[attr-defined]
    if store is None:
        above = run.parent.flow if run.parent is not None else None
        base = store_of(above) if above is not None else ResultStore()
        store = base.for_flow(run.definition)
        store.result_storage, store.serializer  # noqa: B018  (made once here, shared by the stores of its tasks)
        run.store = store  # type: ignore[attr-defined]
    return store


class Plan:
    """How one run stores: where, under which key, with which hooks."""

    __slots__ = ("key", "persist", "policy", "run", "store")

    def __init__(self, run: Run, store: Any, persist: bool, policy: Any) -> None:
        self.run = run
        self.store = store
        self.persist = persist
        self.policy = policy
        self.key: str | None = None

    def compute_key(self) -> Any:
        """The key by `result_storage_key`, else by the policy."""
        from penstock.context import TaskRunContext

        run = self.run
        template = run.definition.result_storage_key
        if template is not None:
            from penstock.runtime import flow_run, task_run

            return template.format(flow_run=flow_run, parameters=run.parameters, task_run=task_run)
        flow_parameters = run.flow.parameters if run.flow is not None else None
        return self.policy.compute_key(TaskRunContext(run), run.parameters or {}, flow_parameters or {})

    def expiration(self, now: float) -> datetime | None:
        """When the result expires."""
        after = getattr(self.run.definition, "cache_expiration", None)
        if after is None:
            return None
        from datetime import UTC, datetime

        due: datetime = datetime.fromtimestamp(now, UTC) + after
        return due

    def describe(self) -> dict[str, Any]:
        """The run, for the header of the record."""
        run = self.run
        flow = run.flow
        return {
            "flowRun": str(flow.id) if flow is not None else None,
            "lineage": str(flow.lineage_id) if flow is not None else None,
            "attempt": flow.attempt if flow is not None else 1,
            "flow": flow.definition.name if flow is not None else None,
            "task": None if run.is_flow else run.definition.name,
            "taskKey": None if run.is_flow else run.definition.task_key,
            "address": run.address,
        }

    def rollback_hooks(self) -> list[Callable[..., Any]]:
        """The rollback hooks of the task."""
        return list(self.run.definition.on_rollback_hooks)

    def commit_hooks(self) -> list[Callable[..., Any]]:
        """The commit hooks of the task."""
        return list(self.run.definition.on_commit_hooks)


def plan_of(run: Run) -> Plan:
    """How this run stores."""
    if run.is_flow:
        return Plan(run, store_of(run), True, None)
    from penstock.cache_policies import _None
    from penstock.settings import get_current_settings

    task = run.definition
    # A generator that is pulled by its caller gives no value to store; a submitted one gives a list.
    persist = task_persists(task, run) and (run.submitted or not task.isgenerator)
    if not persist:
        return Plan(run, None, False, None)
    policy = policy_of(task)
    settings = get_current_settings()
    if isinstance(policy, _None) or settings.tasks.disable_caching:
        policy = None
    if task.result_storage_key is not None:
        policy = policy or _BY_TEMPLATE
    return Plan(run, store_of(run), True, policy)


_BY_TEMPLATE = object()


def make_transaction(run: Run, plan: Plan | None) -> Any:
    """The transaction of a task run, a child of the active one."""
    from penstock.settings import get_current_settings
    from penstock.transactions import AsyncTransaction, Transaction

    task = run.definition
    overwrite = task.refresh_cache
    if overwrite is None:
        overwrite = get_current_settings().tasks.refresh_cache
    persist = plan is not None and plan.persist
    level = getattr(plan.policy, "isolation_level", None) if plan is not None else None
    cls = AsyncTransaction if run.is_async else Transaction
    txn = cls(
        key=plan.key if plan is not None else None, store=plan.store if persist and plan is not None else None,
        isolation_level=level, overwrite=bool(overwrite) or not run.check_cached, write_on_commit=persist,
    )  # fmt: skip
    txn.run = run
    entry = current_transaction.get()
    parent = entry[0] if entry is not None else None
    above = run.parent
    if above is not None and not above.is_flow and (entry is None or entry[1] is not above):
        if above.transaction is None and above.call is not None:
            from penstock.core.reuse import lone_transaction

            lone_transaction(above)
        parent = above.transaction
    txn.prepare_transaction(parent)
    if plan is None:
        txn.state = type(txn.state).ACTIVE
    return txn
