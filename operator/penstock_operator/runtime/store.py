"""What the operator knows without asking: FlowRuns, Flows and pods, parsed once, as the newest message about each showed them.

Fed by listings, watch events and the answers of the operator's own writes. An older resourceVersion never replaces a newer one, and a
message older than a deletion does not bring the object back. Absence here proves nothing: whoever concludes something from it must GET.
Neighbours: `source` and `sync` feed it, `gather` reads it, its answers name the runs that must be looked at again.
"""

from __future__ import annotations

import logging
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from penstock_operator.api.constants import LABEL_FLOW_RUN, LABEL_MANAGED_BY, MANAGED_BY
from penstock_operator.api.flow import Flow
from penstock_operator.api.flowrun import FlowRun
from penstock_operator.api.reading import read_flow, read_run
from penstock_operator.core.concurrency import Contention, holds
from penstock_operator.core.observe import Pod, parse_pod

from .jsontext import parse
from .resources import FLOWRUNS, FLOWS, PODS, Key, Resource
from .slots import Slots
from .table import Entry, Table, key_of, version

LAST_PODS = 2_000  # pods that are gone and may not have been judged yet

log = logging.getLogger(__name__)


class Store:
    """The three watched kinds, and who must be looked at when one of them changes.

    Args:
        notify: is told the runs to look at, whoever brought the news: a watch, a listing, a live read for another run.
    """

    def __init__(self, notify: Callable[[Iterable[Key]], None] = lambda _: None) -> None:
        self._notify = notify
        self.runs: Table[FlowRun] = Table(_Finished())
        self.flows: Table[Flow] = Table()
        self.pods: Table[Pod] = Table()
        self._waiting: dict[tuple[Resource, Key], set[Key]] = {}  # what unfinished runs refer to -> these runs
        self._pods: dict[Key, set[Key]] = {}  # run -> its pods
        self._last: OrderedDict[Key, Pod] = OrderedDict()  # pods that are gone, as they were last seen
        self._states: Counter[str] = Counter()
        self._slots = Slots()

    def states(self) -> list[tuple[str, float]]:
        """Return how many runs are in each type of state; safe to call from another thread."""
        return [(kind, float(number)) for kind, number in tuple(self._states.items())]

    def contention(self, run: FlowRun, flow: Flow) -> Contention:
        """Return what a run of the Flow meets, by all that is known and all that has been decided."""
        return self._slots.contention(Key(run.metadata.namespace, run.metadata.name), run, flow)

    def decided(self, key: Key, run: FlowRun | None) -> None:
        """Count a run that is about to take a slot, before that is written; None: the run as it is known.

        A slot that is about to be given back is given back when that is written.
        """
        if run is None:
            self._wake(key, self.runs.get(key))
        elif holds(run):
            self._wake(key, run)

    def _wake(self, key: Key, run: FlowRun | None) -> None:
        woken = self._slots.note(key, run)
        if woken:
            self._notify(woken)

    def seen(self, resource: Resource, key: Key) -> int:
        """Return the version at which the object is known; 0: it is not."""
        entry = self._table(resource).entry(key)
        return 0 if entry is None else entry.version

    def pods_of(self, run: Key) -> list[Pod]:
        """Return the pods that carry the run's name."""
        found = [self.pods.get(key) for key in sorted(self._pods.get(run, ()))]
        return [pod for pod in found if pod is not None]

    def last_pod(self, key: Key) -> Pod | None:
        """Return a pod that is gone as it was last seen: a deletion's event carries how it ended."""
        return self._last.get(key)

    def apply(
        self, resource: Resource, raw: Mapping[str, Any], *, deleted: bool = False, own: Key | None = None
    ) -> tuple[Key, ...]:
        """Take note of an object.

        Args:
            resource: its kind.
            raw: the object as the API server sent it.
            deleted: whether this is the object's last sight.
            own: the run on whose behalf it was read or written; it is being decided, and need not be told.

        Returns:
            The runs that this may concern; empty when it is no news.
        """
        concerned = self._take(resource, raw, deleted=deleted)
        others = [key for key in concerned if key != own]
        if others:
            self._notify(others)
        return concerned

    def learn_run(self, raw: Mapping[str, Any]) -> FlowRun:
        """Take note of a run that was just read or written for a decision about it.

        Returns:
            The run, or what is known by now if that is newer.
        """
        key = key_of(raw)
        self.apply(FLOWRUNS, raw, own=key)
        known = self.runs.get(key)
        same = known is not None and known.metadata.uid == raw["metadata"]["uid"]
        return known if known is not None and same else read_run(raw)

    def _take(self, resource: Resource, raw: Mapping[str, Any], *, deleted: bool) -> tuple[Key, ...]:
        key, at = key_of(raw), version(raw)
        table = self._table(resource)
        if not table.newer(key, at, deleted=deleted):
            return ()
        if deleted:
            if resource == PODS:
                self._remember(key, parse_pod(raw))
            return self._forget(resource, key, at)
        parsed = _parse(resource, raw)
        if parsed is None:
            return ()
        entry = Entry(raw["metadata"].get("uid", ""), at, parsed)
        before = table.get(key)
        table.put(key, entry)
        self._index(resource, key, before, parsed)
        return self._concerned(resource, key, parsed)

    def absent(self, resource: Resource, key: Key, seen: int, *, own: Key | None = None) -> tuple[Key, ...]:
        """Take note that a live read found nothing.

        Args:
            resource: the kind.
            key: the object's name.
            seen: the version that was known before the read began (0: none); what came in since then is newer than the absence.
            own: the run on whose behalf it was read.
        """
        entry = self._table(resource).entry(key)
        if entry is None or entry.version > seen:
            return ()
        concerned = self._forget(resource, key, seen)
        others = [run for run in concerned if run != own]
        if others:
            self._notify(others)
        return concerned

    def prune(self, resource: Resource, listed: Set[Key], at: int, covers: Callable[[Key], bool]) -> tuple[Key, ...]:
        """Forget what a complete listing does not show.

        A deletion that no watch delivered is found this way. It concludes nothing about a run: the run is looked at again, and the core
        asks live for what it misses.

        Args:
            resource: the kind that was listed.
            listed: all names in the listing.
            at: the listing's version; objects that were seen at a later one are kept.
            covers: whether the listing was about that name's namespace.
        """
        table = self._table(resource)
        concerned: dict[Key, None] = {}
        for key in table:
            entry = table.entry(key)
            if entry is not None and key not in listed and entry.version <= at and covers(key):
                concerned.update(dict.fromkeys(self._forget(resource, key, at)))
        if concerned:
            self._notify(tuple(concerned))
        return tuple(concerned)

    def _table(self, resource: Resource) -> Table[Any]:
        if resource == FLOWRUNS:
            return self.runs
        return self.flows if resource == FLOWS else self.pods

    def _forget(self, resource: Resource, key: Key, at: int) -> tuple[Key, ...]:
        value = self._table(resource).drop(key, at)
        self._index(resource, key, value, None)
        if isinstance(value, Pod) and key not in self._last:
            self._remember(key, value)
        if resource == FLOWRUNS:
            return (key, *self._referring(resource, key))
        return () if value is None else self._concerned(resource, key, value)

    def _remember(self, key: Key, pod: Pod) -> None:
        self._last[key] = pod
        self._last.move_to_end(key)
        while len(self._last) > LAST_PODS:
            self._last.popitem(last=False)

    def _concerned(self, resource: Resource, key: Key, value: Any) -> tuple[Key, ...]:
        if resource == PODS:
            run = value.labels.get(LABEL_FLOW_RUN)
            return (Key(key.namespace, run),) if run else ()
        return ((key,) if resource == FLOWRUNS else ()) + self._referring(resource, key)

    def _referring(self, resource: Resource, key: Key) -> tuple[Key, ...]:
        return tuple(sorted(self._waiting.get((resource, key), ())))

    def _index(self, resource: Resource, key: Key, before: Any, after: Any) -> None:
        if resource == FLOWRUNS:
            self._wake(key, after)
        elif resource == FLOWS:
            self._slots.learn_flow(key, after)
        for value, step in ((before, -1), (after, 1)):
            if isinstance(value, Pod):
                if step > 0:
                    self._last.pop(key, None)
                _link(self._pods, Key(key.namespace, value.labels.get(LABEL_FLOW_RUN, "")), key, step)
            elif isinstance(value, FlowRun):
                state = value.status.state
                self._states[state.type.value if state is not None else "New"] += step
                for reference in _references(key, value):
                    _link(self._waiting, reference, key, step)


class _Finished:
    """Finished runs are kept as JSON: of all that may come, only their retention looks at them again."""

    def pack(self, run: FlowRun) -> bytes | None:
        if run.status.state is None or not run.status.state.type.terminal:
            return None
        try:
            return run.model_dump_json(by_alias=True, exclude_unset=True).encode()
        except PydanticSerializationError:  # nested too deep, or with a lone surrogate
            return None

    def unpack(self, text: bytes) -> FlowRun:
        return read_run(parse(text))


H = TypeVar("H")


def _link(index: dict[H, set[Key]], owner: H, key: Key, step: int) -> None:
    if step > 0:
        index.setdefault(owner, set()).add(key)
    elif owner in index:
        index[owner].discard(key)
        if not index[owner]:
            del index[owner]


def _references(key: Key, run: FlowRun) -> Iterator[tuple[Resource, Key]]:
    """Yield what the run depends on by name. A finished run, or one that has an attempt for its rerunOf, depends on nothing any more."""
    if run.status.state is not None and run.status.state.type.terminal:
        return
    if run.spec.flow_ref is not None:
        yield FLOWS, Key(key.namespace, run.spec.flow_ref.name)
    if run.spec.rerun_of is not None and run.status.attempt is None:
        yield FLOWRUNS, Key(key.namespace, run.spec.rerun_of.name)


def _parse(resource: Resource, raw: Mapping[str, Any]) -> FlowRun | Flow | Pod | None:
    try:
        if resource == FLOWRUNS:
            return read_run(raw)
        if resource == FLOWS:
            return read_flow(raw)
        # Only what the watch selects is kept: of another pod no deletion would ever be told.
        return parse_pod(raw) if (raw["metadata"].get("labels") or {}).get(LABEL_MANAGED_BY) == MANAGED_BY else None
    except ValidationError as error:
        # Not even its metadata: no API server shows that.
        log.error("%s %s can't be read and is left alone: %s", resource.plural, key_of(raw), error)  # noqa: TRY400
        return None
