"""What the operator knows without asking: FlowRuns, Flows and pods, as the newest message about each showed them.

Fed by listings, watch events and the answers of the operator's own writes. An older resourceVersion never replaces a newer one, and a
message older than a deletion does not bring the object back. Absence here proves nothing: whoever concludes something from it must GET.
What can't be read, for whatever reason, is left alone and noted; it never hides what comes behind it.
Neighbours: `source` and `sync` feed it, `gather` reads it, its answers name the runs that must be looked at again.
"""

from __future__ import annotations

import contextlib
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Set
from typing import Any, TypeVar

from penstock_operator.api.flow import Flow
from penstock_operator.api.flowrun import FlowRun
from penstock_operator.api.reading import read_flow, read_run
from penstock_operator.core.concurrency import Contention, holds
from penstock_operator.core.family import ends_children
from penstock_operator.core.observe import Pod, parse_pod

from .errors import UnreadableError
from .gist import Gist, of_finished, of_run, spent, to_runs, trimmed, watched
from .noted import Unreadable, has_state, why_of
from .outcomes import Outcomes
from .packing import Packing, pack
from .podindex import PodIndex, run_of
from .references import References
from .resources import FLOWRUNS, FLOWS, PODS, Key, Resource
from .slots import Slots
from .table import LARGE_BYTES, Entry, Table, key_of, version

LARGE_FLOW_BYTES = 300_000  # a Flow may bring its source along, and each decision about its runs reads it

log = logging.getLogger(__name__)

V = TypeVar("V")


class Store:
    """The three watched kinds, and who must be looked at when one of them changes.

    Args:
        notify: is told the runs to look at, whoever brought the news: a watch, a listing, a live read for another run.
        flow_changed: is told each Flow of which there is news, also that it is gone.
        flow_counted: is told each Flow whose runs have changed so that its status should tell.
    """

    def __init__(
        self,
        notify: Callable[[Iterable[Key]], None] = lambda _: None,
        flow_changed: Callable[[Key], None] = lambda _: None,
        flow_counted: Callable[[Key], None] = lambda _: None,
    ) -> None:
        self._notify = notify
        self._flow_changed = flow_changed
        self.runs: Table[FlowRun] = Table(Packing(read_run))
        self.flows: Table[Flow] = Table(Packing(read_flow), large=LARGE_FLOW_BYTES)
        self.pods: Table[Pod] = Table()
        self._unreadable: dict[tuple[Resource, Key], Unreadable] = {}
        self._pods = PodIndex()
        self.references = References(flow_counted)
        self.slots = Slots(flow_counted)
        self.outcomes = Outcomes(flow_counted)

    def states(self) -> list[tuple[str, float]]:
        """Return how many runs are in each type of state; safe to call from another thread."""
        return self.references.states()

    def unreadables(self) -> list[tuple[str, float]]:
        """Return how many objects of each kind can't be read; safe to call from another thread."""
        counts = Counter(resource.plural for resource, _ in tuple(self._unreadable))
        return [(resource.plural, float(counts[resource.plural])) for resource in (FLOWRUNS, FLOWS, PODS)]

    def gist(self, key: Key) -> Gist | None:
        """Return what is asked of a run without reading it; None: it is not known."""
        entry = self.runs.entry(key)
        return entry.gist if entry is not None else None

    def run(self, key: Key) -> FlowRun | None:
        """Return a run.

        Raises:
            UnreadableError: it is there, and can't be read.
        """
        return self._read(FLOWRUNS, self.runs, key)

    def flow(self, key: Key) -> Flow | None:
        """Return a Flow.

        Raises:
            UnreadableError: it is there, and can't be read.
        """
        return self._read(FLOWS, self.flows, key)

    def unreadable(self, resource: Resource, key: Key) -> Unreadable | None:
        """Return why an object can't be read; None: it can, or is not known."""
        return self._unreadable.get((resource, key))

    def _read(self, resource: Resource, table: Table[V], key: Key) -> V | None:
        noted = self._unreadable.get((resource, key))
        if noted is None:
            entry = table.entry(key)
            try:
                return table.get(key)
            except Exception as error:  # noqa: BLE001 - whatever is in it
                assert entry is not None
                noted = self._note(resource, key, Unreadable(entry.uid, entry.version, why_of(error), stateless=False))
        raise UnreadableError(f"{resource.plural} {key}", noted.why)

    def _note(self, resource: Resource, key: Key, noted: Unreadable) -> Unreadable:
        log.warning("%s %s can't be read and is left alone: %s", resource.plural, key, noted.why)
        self._unreadable[resource, key] = noted
        return noted

    def contention(self, run: FlowRun, flow: Flow) -> Contention:
        """Return what a run of the Flow meets, by all that is known and all that has been decided."""
        return self.slots.contention(Key(run.metadata.namespace, run.metadata.name), run, flow)

    def decided(self, key: Key, run: FlowRun | None) -> None:
        """Count a run that is about to take a slot, before that is written; None: the run as it is known.

        A slot that is about to be given back is given back when that is written.
        """
        if run is not None:
            if holds(run):
                self._wake(key, run)
            return
        gist = self.gist(key)
        if gist is None or gist.finished:
            self._wake(key, None)
            return
        try:
            self._wake(key, self.run(key))
        except UnreadableError:
            return  # what it held last it may hold still

    def _wake(self, key: Key, run: FlowRun | None) -> None:
        woken = self.slots.note(key, run)
        if woken:
            self._notify(woken)

    def seen(self, resource: Resource, key: Key) -> int:
        """Return the version at which the object is known; 0: it is not."""
        entry = self._table(resource).entry(key)
        return 0 if entry is None else entry.version

    def pods_of(self, run: Key) -> list[Pod]:
        """Return the pods that carry the run's name."""
        found = [self.pods.get(key) for key in self._pods.of(run)]
        return [pod for pod in found if pod is not None]

    def unowned_pods(self) -> list[tuple[Key, Key, Pod]]:
        """Return the pods that live, are owned, and whose run is not known: each with its name, and the run's."""
        found = []
        for run, keys in self._pods:
            known = self._unreadable.get((FLOWRUNS, run)) or self.runs.entry(run)
            uid = known.uid if known is not None else ""
            for key in keys:
                pod = self.pods.get(key)
                if pod is not None and run.name and pod.owner_uid not in ("", uid) and pod.deletion_timestamp is None:
                    found.append((key, run, pod))
        return found

    def revisions_in_use(self, flow: Key) -> set[str]:
        """Return the revisions of a Flow that its unfinished runs have recorded."""
        runs = (self.runs.get(key) for key in self.references.waiting_for(FLOWS, flow))
        infos = (run.status.flow for run in runs if run is not None)
        return {info.revision for info in infos if info is not None and info.revision is not None}

    def last_pod(self, key: Key) -> Pod | None:
        """Return a pod that is gone as it was last seen: a deletion's event carries how it ended."""
        return self._pods.last(key)

    def apply(
        self,
        resource: Resource,
        raw: Mapping[str, Any],
        *,
        deleted: bool = False,
        own: Key | None = None,
        size: int = 0,
    ) -> tuple[Key, ...] | None:
        """Take note of an object. Whatever it is, this does not fail.

        Args:
            resource: its kind.
            raw: the object as the API server sent it.
            deleted: whether this is the object's last sight.
            own: the run on whose behalf it was read or written; it is being decided, and need not be told.
            size: of its JSON, bytes; 0: as it says itself, or not much.

        Returns:
            The runs that this may concern; None: it is no news.
        """
        try:
            key, at = key_of(raw), version(raw)
        except (KeyError, TypeError, AttributeError):
            log.warning("an object of %s without a name is left alone", resource.plural)
            return None
        size = size or getattr(raw, "size", 0)
        table = self._table(resource)
        noted = self._unreadable.get((resource, key))
        if not table.newer(key, at, deleted=deleted) or (noted is not None and not deleted and at <= noted.version):
            return None
        try:
            concerned = self._take(resource, key, at, raw, deleted=deleted, size=size)
        except Exception as error:  # noqa: BLE001 - whatever is in it
            stateless = resource == FLOWRUNS and not has_state(raw)
            uid = str(raw["metadata"].get("uid", ""))
            self._note(resource, key, Unreadable(uid, at, why_of(error), stateless))
            concerned = self.references.concerned(resource, key)
        others = [key for key in concerned or () if key != own]
        if others:
            self._notify(others)
        return concerned

    def learn_run(self, raw: Mapping[str, Any]) -> FlowRun:
        """Take note of a run that was just read or written for a decision about it.

        Returns:
            The run, or what is known by now if that is newer.

        Raises:
            UnreadableError: it can't be read.
        """
        key = key_of(raw)
        self.apply(FLOWRUNS, raw, own=key)
        entry = self.runs.entry(key)
        # What has ended was packed a moment ago, and is at hand.
        packed = entry is not None and entry.version == version(raw) and entry.gist is not None and entry.gist.finished
        known = self.run(key) if not packed else None
        if known is not None and known.metadata.uid == raw["metadata"]["uid"]:
            return known
        try:
            return read_run(raw)
        except Exception as error:
            raise UnreadableError(f"{FLOWRUNS.plural} {key}", why_of(error)) from error

    def _take(
        self, resource: Resource, key: Key, at: int, raw: Mapping[str, Any], *, deleted: bool, size: int
    ) -> tuple[Key, ...] | None:
        if deleted:
            return self._deleted(resource, key, at, raw)
        uid, told = raw["metadata"].get("uid", ""), True
        if resource == FLOWRUNS:
            self._take_run(key, uid, at, raw, size)
        elif resource == FLOWS:
            told = self._take_flow(key, uid, at, raw, size)
        elif not self._take_pod(key, uid, at, raw):
            return None
        self._unreadable.pop((resource, key), None)
        if not told:
            return ()
        return self._concerned(resource, key) + (self._ended_with(key) if resource == FLOWRUNS else ())

    def _take_flow(self, key: Key, uid: str, at: int, raw: Mapping[str, Any], size: int) -> bool:
        """Take note of a Flow; say whether that is news to its runs: each write of its counts is not, and they may be thousands."""
        flow, before = read_flow(raw), None
        if (FLOWS, key) not in self._unreadable:
            with contextlib.suppress(Exception):
                before = self.flows.get(key)
        self.flows.put(key, Entry(uid, at, flow if not flow.unreadable else pack(raw)), size)
        self.slots.learn_flow(key, flow)
        self._flow_changed(key)
        return before is None or to_runs(before) != to_runs(flow)

    def _ended_with(self, key: Key) -> tuple[Key, ...]:
        """Return the runs that end with this one, now that it does; its other changes do not concern them."""
        children = self.references.children(key)
        run = self.runs.get(key) if children else None
        return children if run is not None and ends_children(run) else ()

    def _take_run(self, key: Key, uid: str, at: int, raw: Mapping[str, Any], size: int) -> None:
        before = self.gist(key)
        gist = of_finished(raw)
        if gist is not None:
            # Of all that may come, only its retention looks at it again.
            self.runs.put(key, Entry(uid, at, pack(raw), gist))
            self._wake(key, None)
            if before is None or not before.finished:
                self._spend(key)
                self.outcomes.note(key, raw)
        else:
            run = read_run(raw)
            gist = of_run(key, run, large=size >= LARGE_BYTES)
            # What is left out by reading is not in the model: the text tells it again.
            self.runs.put(key, Entry(uid, at, run if not run.unreadable else pack(raw), gist), size)
            self._wake(key, run)
        self.references.note(key, before, gist)

    def _take_pod(self, key: Key, uid: str, at: int, raw: Mapping[str, Any]) -> bool:
        if not watched(raw):
            return False
        pod = trimmed(parse_pod(raw))
        before = self.pods.get(key)
        gist = self.gist(run_of(key, pod))
        self.pods.put(key, Entry(uid, at, spent(pod) if pod.terminal and gist is not None and gist.finished else pod))
        self._pods.back(key)
        self._pods.note(key, before, pod)
        return True

    def _spend(self, run: Key) -> None:
        """A run has ended: of its pods that have, only their names are of use."""
        for key in self._pods.of(run):
            pod = self.pods.get(key)
            if pod is not None and pod.terminal:
                self.pods.swap(key, spent(pod))

    def _deleted(self, resource: Resource, key: Key, at: int, raw: Mapping[str, Any]) -> tuple[Key, ...]:
        if resource == PODS:
            known = self.pods.get(key)
            gist = self.gist(run_of(key, known)) if known is not None else None
            if gist is None or not gist.finished:
                try:
                    self._pods.remember(key, parse_pod(raw))
                except Exception as error:  # noqa: BLE001 - whatever is in it
                    log.warning("the last sight of pod %s can't be read: %s", key, why_of(error))
        return self._forget(resource, key, at)

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
        for (kind, key), noted in tuple(self._unreadable.items()):
            if kind == resource and key not in listed and noted.version <= at and covers(key):
                del self._unreadable[kind, key]
        if concerned:
            self._notify(tuple(concerned))
        return tuple(concerned)

    def _table(self, resource: Resource) -> Table[Any]:
        if resource == FLOWRUNS:
            return self.runs
        return self.flows if resource == FLOWS else self.pods

    def _forget(self, resource: Resource, key: Key, at: int) -> tuple[Key, ...]:
        concerned = self._concerned(resource, key)
        self._unreadable.pop((resource, key), None)
        entry = self._table(resource).drop(key, at)
        if resource == FLOWRUNS:
            self._wake(key, None)
            self.references.note(key, entry.gist if entry is not None else None, None)
        elif resource == FLOWS:
            self.slots.learn_flow(key, None)
            self.outcomes.forget(key)
            self._flow_changed(key)
        elif entry is not None and isinstance(entry.value, Pod):
            self._pods.note(key, entry.value, None)
            gist = self.gist(run_of(key, entry.value))
            if self._pods.last(key) is None and (gist is None or not gist.finished):
                self._pods.remember(key, entry.value)
        return concerned

    def _concerned(self, resource: Resource, key: Key) -> tuple[Key, ...]:
        """Return the runs that a change of a known object may concern."""
        if resource != PODS:
            return self.references.concerned(resource, key)
        pod = self.pods.get(key) or self._pods.last(key)
        run = run_of(key, pod) if pod is not None else None
        return (run,) if run is not None and run.name else ()
