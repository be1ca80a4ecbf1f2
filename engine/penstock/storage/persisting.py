"""Which runs store their results, and where.

Neighbours: tasks ask at decoration; `plan` says how one run stores.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock.base.annotations import NotSet
from penstock.base.current import current_run, current_transaction

if TYPE_CHECKING:
    from penstock.core.runs import Run
    from penstock.storage.store import ResultStore


def checked_policy(given: Any) -> Any:
    """A cache policy, None or NotSet; a class of policies means what it gives without arguments.

    Raises:
        TypeError: it is something else.
    """
    from penstock.storage.policies import CachePolicy

    if given is NotSet or given is None or isinstance(given, CachePolicy):
        return given
    if isinstance(given, type) and issubclass(given, CachePolicy):
        return given()
    raise TypeError(f"`cache_policy` must be a CachePolicy; {type(given).__name__} was given.")


def settle_task_options(task: Any) -> None:
    """Check the options of a task that concern stored results against each other, and settle its cache policy."""
    import logging

    from penstock.base.settings import get_current_settings
    from penstock.storage.policies import DEFAULT, NO_CACHE, CachePolicy, _None

    given = task._given_policy = checked_policy(task._given_policy)
    logger = logging.getLogger("penstock.tasks")
    if task.cache_expiration is not None and getattr(task.cache_expiration, "total_seconds", None) is None:
        raise TypeError("`cache_expiration` must be a timedelta.")
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
    from penstock.base.settings import get_current_settings

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
            from penstock.base.settings import get_current_settings

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
    from penstock.storage.store import ResultStore

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
        if above is None:
            warn_of_a_place_that_is_lost(store.result_storage, run)
    return store


def warn_of_a_place_that_is_lost(storage: Any, run: Run) -> None:
    """Say in the log that results are stored where they are gone with the pod, if they are, and note it for the report."""
    from penstock.storage.lasting import lasts, warning

    if not lasts(storage) and not getattr(type(storage), "keeps_nothing", False):
        import logging

        text = warning(storage)
        logging.getLogger("penstock.results").warning(text)
        if run.root.is_flow and run.root.lost_place is None:  # type: ignore[attr-defined]
            run.root.lost_place = text  # type: ignore[attr-defined]


def should_persist_result() -> bool:
    """Whether the current run stores its result; outside runs, the setting."""
    from penstock.storage.resolving import get_default_persist_setting

    run = current_run.get()
    return get_default_persist_setting() if run is None else persists(run)


def get_result_store() -> ResultStore:
    """The store of the current run; outside runs, that of the settings."""
    from penstock.storage.store import ResultStore

    run = current_run.get()
    return ResultStore() if run is None else store_of(run)
