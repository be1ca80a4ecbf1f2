"""Results of other runs: what their state tells, and what their tasks have stored.

A run's status holds a small result itself, or says where it is stored. A task's is found in the store of its run by the header of
its record: the lineage and the address. The process that asks must reach the store. Neighbours: `stored` reads one location.
"""

from __future__ import annotations

import contextlib
from typing import Any

from penstock.base.exceptions import MissingResult
from penstock.clusterruns.connection import connection
from penstock.clusterruns.reading import located, read
from penstock.clusterruns.refusals import told
from penstock.clusterruns.steps import Steps, until
from penstock.clusterruns.view import FlowRunView
from penstock.core.address import quote_name
from penstock.core.address_patterns import Pattern, parse, parse_segment
from penstock.core.state_result import is_stored
from penstock.kube import paths
from penstock.kube.errors import ApiError

SKEW_SECONDS = 3600  # by which a store's clock may be behind the API server's


def get_result(flow_run_id: Any, raise_on_failure: bool = True, *, namespace: str | None = None) -> Steps[Any]:
    """Give what a run of the cluster returned.

    Args:
        flow_run_id: Its name, `namespace/name`, its id, or a view of it.
        raise_on_failure: Raise what its state stands for; False returns that.
        namespace: Where a name is looked for; default: this pod's, or the kubeconfig's.

    Raises:
        MissingResult: It has ended, and its result was not kept, or cannot be read from here; says how to keep it.
        UnfinishedRun: It has not ended.
        FailedRun, CrashedRun, CancelledRun: It did not complete.
        ObjectNotFound: There is no such run.
    """
    place = yield from located(flow_run_id, namespace)
    view = yield from read(place)
    state = view.state
    if is_stored(state.data):
        return (yield from until(connection().ask(lambda _: state.data.read_value())))
    return state.result(raise_on_failure, _sync=True)


def get_task_result(
    flow_run_id: Any, task: Any, map_index: int | None = None, *, storage: Any = None, namespace: str | None = None
) -> Steps[Any]:
    """Give what a task run of a run of the cluster returned, from the results' store.

    Args:
        flow_run_id: The run: its name, `namespace/name`, its id, or a view of it.
        task: The task: its name or the address of one of its runs (`load:0`, `load:1/fit:0`), or a task in code.
        map_index: Which child of a map; None or -1: the task run itself, or, of a map, the list of all its children's results.
        storage: The store; default: that of the run or its Flow, else this process's setting.
        namespace: Where a name is looked for; default: this pod's, or the kubeconfig's.

    Raises:
        MissingResult: Nothing is stored for that task run; says where was looked.
        ObjectNotFound: There is no such run.
        ValueError: The address is empty, or the index is none.
        TypeError: The task is given by something else.
    """
    patterns = _patterns(task)
    index = _checked_index(map_index)
    place = yield from located(flow_run_id, namespace)
    view = yield from read(place)
    chosen = storage if storage is not None else (yield from _storage(view))
    lineage = str((view.body.get("status") or {}).get("lineage") or view.id)
    since = _since(view, lineage)
    return (yield from until(connection().ask(lambda _: _found(chosen, lineage, patterns, index, view.name, since))))


def _since(view: FlowRunView, lineage: str) -> float | None:
    """Since when its results may have been written, in seconds since 1970; None: an earlier run has its lineage, too."""
    created = view.created
    return created.timestamp() if created is not None and lineage == str(view.id) else None


def _storage(view: FlowRunView) -> Steps[Any]:
    """Where a run keeps its results, as its spec or its Flow's says."""
    spec = view.body.get("spec") or {}
    own = ((spec.get("flowSpec") or {}).get("results") or {}).get("storage")
    if own or view.flow_name is None or "flowRef" not in spec:
        return own
    path = paths.flows(view.namespace, view.flow_name)
    with told(f"find the results of the flow run {view.name}"):
        try:
            flow = yield from until(connection().ask(lambda cluster: cluster.get(path)))
        except ApiError as error:
            if error.code in (403, 404):
                return None
            raise
    return ((flow.get("spec") or {}).get("results") or {}).get("storage")


def stored_task_result(storage: Any, lineage: str, task: str, run: str, since: float | None = None) -> Any:
    """Give what a task run has stored, for whoever knows the store and the lineage: no API server is asked.

    Args:
        storage: The store: a folder or a URL.
        lineage: Of the run.
        task: Name of a task, or address of a task run.
        run: Name of the run, for the message.
        since: When the first run of the lineage was created, in seconds since 1970; None: that is not known.

    Raises:
        MissingResult: Nothing is stored for it; says where was looked.
        ValueError: The address is empty.
    """
    return _found(storage, lineage, _patterns(task), None, run, since)


def _patterns(task: Any) -> list[Pattern]:
    """Which task runs are meant, by the likeliest reading first: a text may be an address, and a name that looks like one.

    Raises:
        TypeError: It is neither a text nor a task.
        ValueError: It is empty.
    """
    name = task if isinstance(task, str) else getattr(task, "name", None)
    if not isinstance(name, str):
        raise TypeError(
            f"a task is given by its name, the address of one of its runs, or as a task; {type(task).__name__} was given."
        )
    if not name:
        raise ValueError("a task is given by its name, or the address of one of its runs; the text is empty.")
    patterns = []
    if isinstance(task, str) and not _is_plain(task):
        with contextlib.suppress(ValueError):
            patterns.append(parse(task))
    return [*patterns, parse(quote_name(name))]


def _is_plain(text: str) -> bool:
    """Whether a text can only be a name: nothing in it structures an address."""
    return not any(mark in text for mark in "/:[]%")


def _checked_index(index: Any) -> int | None:
    if index is None or index == -1:
        return None
    if isinstance(index, bool) or not isinstance(index, int) or index < 0:
        raise ValueError(f"map_index must be the number of a child, from 0; {index!r} was given.")
    return index


def _found(
    storage: Any, lineage: str, patterns: list[Pattern], map_index: int | None, run: str, since: float | None
) -> Any:
    from penstock.storage.headers import headers
    from penstock.storage.resolving import default_storage, storage_of

    try:
        store = default_storage() if storage is None else storage_of(storage)
        records = [
            (key, header)
            for key, header in headers(store, None if since is None else since - SKEW_SECONDS)
            if header.get("kind") == "value" and _of(header, "lineage") == lineage and _of(header, "task")
        ]
        missing: MissingResult | None = None
        for pattern in patterns:
            try:
                return _looked_for(store, records, pattern, map_index, run)
            except MissingResult as error:
                missing = missing or error
        assert missing is not None
        raise missing
    except (OSError, ImportError) as error:
        raise MissingResult(
            f"the results of the flow run {run} cannot be read from here ({error}); mount the same volume, or give this process the "
            "bucket's address and credentials."
        ) from error


def _of(header: dict[str, Any], what: str) -> str:
    """What a record's header says of its run; empty: nothing."""
    return str((header.get("run") or {}).get(what) or "")


def _looked_for(
    store: Any, records: list[tuple[str, dict[str, Any]]], pattern: Pattern, map_index: int | None, run: str
) -> Any:
    from penstock.storage.records import ResultRecord

    newest: dict[str, tuple[str, str]] = {}
    for key, header in records:
        address = _of(header, "address")
        if _meant(pattern, address):
            newest[address] = max(newest.get(address, ("", "")), (str(header.get("created")), key))
    children = {
        i: key
        for address, (_, key) in newest.items()
        if (i := parse_segment(address.rpartition("/")[2]).map_index) is not None
    }
    alone = [key for address, (_, key) in newest.items() if parse_segment(address.rpartition("/")[2]).map_index is None]
    if map_index is None and (pattern.segments[-1].map_index or 0) >= 0:
        map_index = pattern.segments[-1].map_index
    wanted = (
        [children[map_index]] if map_index is not None and map_index in children else alone if map_index is None else []
    )
    if not wanted and map_index is None and children:
        return [ResultRecord.deserialize(_content(store, key)).result for _, key in sorted(children.items())]
    if not wanted:
        name = ".".join(str(part.name) for part in pattern.segments)
        index = f"[{map_index}]" if map_index is not None else ""
        known = f"; stored are {', '.join(sorted(newest)[:10])}" if newest else ""
        raise MissingResult(
            f"no result of the task {name}{index} of the flow run {run} is stored at {getattr(store, 'basepath', store)}{known}: "
            "persist_result=True on the task, or results.persist of the Flow, keeps them."
        )
    return ResultRecord.deserialize(_content(store, wanted[0])).result


def _meant(pattern: Pattern, address: str) -> bool:
    *above, last = pattern.segments
    parts = address.split("/")
    got = parse_segment(parts[-1])
    # A name or `name:0` means the children of a map too.
    same = got.name == last.name and last.number in (None, got.number) and last.map_index in (None, -1, got.map_index)
    if not same:
        return False
    if pattern.any_depth and not above:
        return True
    if len(parts) == 1 or not above:
        return len(parts) == 1 and not above
    return Pattern(tuple(above), pattern.any_depth).matches("/".join(parts[:-1]))


def _content(store: Any, key: str) -> bytes:
    content: bytes = store.read_path(key, _sync=True)
    return content
