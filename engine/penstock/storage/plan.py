"""How one run stores its result: where, under which key, with which hooks; and the transaction of a task run.

Neighbours: `persisting` says whether and where; `core.reuse` asks for the plan of a run; definitions make its key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock.base.current import current_transaction
from penstock.base.settings import get_current_settings
from penstock.core.reuse import lone_transaction
from penstock.storage.persisting import policy_of, store_of, task_persists, warn_of_a_place_that_is_lost
from penstock.storage.policies import _None
from penstock.storage.transactions import AsyncTransaction, Transaction

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from penstock.core.runs import Run


class Plan:
    """How one run stores: where, under which key, with which hooks."""

    __slots__ = ("key", "persist", "policy", "run", "store")

    def __init__(self, run: Run, store: Any, persist: bool, policy: Any) -> None:
        self.run = run
        self.store = store
        self.persist = persist
        self.policy = policy
        self.key: str | None = None

    def expiration(self, now: float) -> datetime | None:
        """When the result expires."""
        after = getattr(self.run.definition, "cache_expiration", None)
        if after is None:
            return None
        from datetime import UTC, datetime

        try:
            due: datetime = datetime.fromtimestamp(now, UTC) + after
        except OverflowError:  # later than any calendar says, or earlier
            return None if after.days >= 0 else datetime.min.replace(tzinfo=UTC)
        return due

    @property
    def required(self) -> bool:
        """Whether a run fails whose result the store does not take."""
        return bool(get_current_settings().results.required)

    def describe(self) -> dict[str, Any]:
        """The run, for the header of the record."""
        run = self.run
        flow = run.flow
        return {
            "flowRun": flow.key.text if flow is not None else None,
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
    store = store_of(run)
    # Options that mean nothing are a mistake of the script, no failure of the store: said before the body, not after it.
    storage, _ = store.result_storage, store.serializer
    if task.result_storage is not None and task.complain_once("lasting"):
        warn_of_a_place_that_is_lost(storage, run)
    return Plan(run, store, True, policy)


_BY_TEMPLATE = object()


def make_transaction(run: Run, plan: Plan | None) -> Any:
    """The transaction of a task run, a child of the active one."""
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
            lone_transaction(above)
        parent = above.transaction
    txn.prepare_transaction(parent)
    if plan is None:
        txn.state = type(txn.state).ACTIVE
    return txn
