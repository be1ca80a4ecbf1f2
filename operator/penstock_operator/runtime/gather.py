"""Everything that a decision about one run may depend on, from the store, and by live reads where the core asks for them.

Live reads of one decision are kept by name, so that a fact about one pod is never taken for another's. Neighbours: `controller` asks the
core with what `observe` gives, and comes back with the looks that it wants.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from penstock_operator.api.constants import CONCURRENCY_CONFIGMAP
from penstock_operator.api.execution import Template
from penstock_operator.api.flow import Flow
from penstock_operator.api.flowrun import FlowRun
from penstock_operator.api.reading import read_flow
from penstock_operator.core.concurrency import UNCONTENDED, open_yet
from penstock_operator.core.family import parent_of
from penstock_operator.core.model import MISSING, UNKNOWN, Absence, Checked, ConfigMap, Look, Observed, Refusal
from penstock_operator.core.observe import Pod, PodEvent, parse_event, parse_pod
from penstock_operator.core.pod import pod_name
from penstock_operator.core.revisions import parse_config_map, revision_name, to_check

from . import errors
from .checker import Checker
from .client import ApiClient
from .errors import ApiError, UnreadableError
from .gist import urgent
from .memory import Memory
from .nearby import Nearby
from .resources import CONFIGMAPS, CORE_EVENTS, FLOWRUNS, FLOWS, PODS, Key, Resource
from .sharedreads import SharedReads
from .store import Store

ABSENT = timedelta(seconds=1)  # many runs may wait for one ConfigMap: it is asked for no more often than this
ABSENT_KEPT = 1000


class RunGoneError(Exception):
    """A live read did not find the run: there is nothing to decide."""


class AskedAgainError(Exception):
    """The core asks for what it was just told: it would do so for ever."""


@dataclass(slots=True)
class Facts:
    """What was read live for one decision, by name."""

    run_is_live: bool = False
    flow: Flow | Absence = UNKNOWN
    pods: dict[str, Pod | Absence] = field(default_factory=dict)
    configmaps: dict[str, ConfigMap | Absence] = field(default_factory=dict)
    events: dict[str, tuple[PodEvent, ...]] = field(default_factory=dict)  # by the pod's UID
    checked: Checked | Absence = UNKNOWN


def key_of_run(run: FlowRun) -> Key:
    """Return the run's name."""
    return Key(run.metadata.namespace, run.metadata.name)


def attempt_pod(run: FlowRun) -> str | None:
    """Return the name of the present attempt's pod."""
    return run.status.attempt.pod_name if run.status.attempt is not None else None


def previous_pod(run: FlowRun) -> str | None:
    """Return the name of the pod of the attempt before: as it was recorded, else as it must have been."""
    number = run.status.attempt.number - 1 if run.status.attempt is not None else 0
    recorded = next((a.pod_name for a in run.status.attempts or () if a.number == number), None)
    return (recorded or pod_name(run, number)) if number else None


class Gatherer:
    """Collects facts.

    Args:
        client: for live reads.
        store: for everything else.
        checker: of parameters.
        now: the wall clock, UTC.
        random: a number in [0, 1).
        engine_image: the image of engines that name none.
        pod_security: whether pods are hardened by default.
        engine_template: the administrator's template for all pods.
    """

    def __init__(
        self,
        client: ApiClient,
        store: Store,
        checker: Checker,
        *,
        now: Callable[[], datetime],
        random: Callable[[], float],
        engine_image: str,
        pod_security: bool,
        engine_template: Template | None = None,
    ) -> None:
        self._client = client
        self._store = store
        self._checker = checker
        self._now = now
        self._random = random
        self._engine_image = engine_image
        self._pod_security = pod_security
        self._engine_template = engine_template
        self.nearby = Nearby(lambda: store.flows)
        self._absent: dict[Key, datetime] = {}
        self._shared = SharedReads(now)

    def observe(self, run: FlowRun, facts: Facts, memory: Memory, ahead: float = 0.0) -> Observed:
        """Put together what is known now.

        Args:
            run: as it is known.
            facts: what was read live for this decision.
            memory: of the run.
            ahead: by how many seconds the run's reckoning, and what memory holds, is ahead of the wall clock.
        """
        namespace, now, by = run.metadata.namespace, self._now(), timedelta(seconds=ahead)
        name = attempt_pod(run)
        pod = self._pod(namespace, name, facts)
        if isinstance(pod, Pod):
            memory.see(pod, now + by)
        last = self._store.last_pod(Key(namespace, name)) if name is not None and not isinstance(pod, Pod) else None
        flow = self._flow(run, facts)
        limits = facts.configmaps.get(CONCURRENCY_CONFIGMAP, UNKNOWN)
        observed = Observed(
            run=run,
            now=now,
            engine_image=self._engine_image,
            pod_security=self._pod_security,
            engine_template=self._engine_template,
            flow=flow,
            near=self._near(run) if flow is MISSING else (),
            pod=pod,
            pod_is_live=name in facts.pods,
            last_pod=last if last is not None and last.owner_uid == run.metadata.uid else None,
            previous_pod=self._pod(namespace, previous_pod(run), facts),
            previous_pod_is_live=previous_pod(run) in facts.pods,
            older_pods=self._older_pods(run, name),
            rerun_of=self._rerun_of(run),
            parent=self._run(run, parent_of(run)),
            events=facts.events.get(pod.uid) if isinstance(pod, Pod) else None,
            contention=self._store.contention(run, flow) if isinstance(flow, Flow) else UNCONTENDED,
            limits=limits.data if isinstance(limits, ConfigMap) else limits,
            checked=facts.checked,
            run_is_live=facts.run_is_live,
            refusal=_told(memory.refusal, by) if memory.refusal is not None else None,
            refused={look: _told(answer, by) for look, answer in memory.refused.items()},
            ahead=ahead,
            pod_created=memory.pod_created,
            pod_warnings=memory.pod_warnings,
            stopped_at=_earlier(memory.stopped_at, by),
            running_at=_earlier(memory.running_at, by),
            intent_at=_earlier(memory.intent_at, by),
            jitter=self._random(),
        )
        if not facts.configmaps:
            return observed
        source = source_name(observed)
        observed = replace(observed, source=facts.configmaps.get(source, UNKNOWN) if source else UNKNOWN)
        revision = revision_name(observed)
        return replace(observed, revision=facts.configmaps.get(revision, UNKNOWN) if revision else UNKNOWN)

    async def look(
        self, looks: frozenset[Look], observed: Observed, facts: Facts, memory: Memory, *, patient: bool = True
    ) -> FlowRun:
        """Read live what the core asks for.

        Args:
            looks: what it asks for.
            observed: what it was told.
            facts: where the answers go.
            memory: of the run: where it goes that the API server does not allow a look.
            patient: whether to come back later where a look found no answer; otherwise that, too, is a fact.

        Returns:
            The run: the live one, if that was asked for.

        Raises:
            RunGoneError: there is no such run any more.
            AskedAgainError: all of it has just been read.
            ApiError: the API server did not answer, or refuses what the core can't do without.
        """
        run, news = observed.run, False
        for look in sorted(looks, key=lambda look: (look is not Look.RUN, look)):
            try:
                if look is Look.RUN and not facts.run_is_live:
                    run = await self.read_run(run)
                    facts.run_is_live = news = True
                else:
                    news |= await self._look(look, run, observed, facts)
            except ApiError as error:
                if not (error.lasting or (error.transient and not patient)):
                    raise
                before = memory.refused.get(look)
                moment = self._now() + timedelta(seconds=observed.ahead)
                told = Refusal(error.code, error.reason, error.message, moment, retry_after=error.retry_after)
                memory.refused[look] = told.after(before)
                news = True
            else:
                memory.refused.pop(look, None)
        if not news:
            raise AskedAgainError(f"the decision asks for {', '.join(sorted(looks))}, which it was just told")
        return run

    async def _look(self, look: Look, run: FlowRun, observed: Observed, facts: Facts) -> bool:
        """Read one thing; say whether it is news."""
        match look:
            case Look.POD | Look.PREVIOUS_POD:
                name = attempt_pod(run) if look is Look.POD else previous_pod(run)
                if name is None or name in facts.pods:
                    return False
                facts.pods[name] = await self._read_pod(run, name)
            case Look.FLOW:
                if facts.flow is not UNKNOWN or run.spec.flow_ref is None:
                    return False
                facts.flow = await self._read_flow(run, run.spec.flow_ref.name)
            case Look.REVISION | Look.SOURCE | Look.LIMITS:
                name = self._configmap(look, observed)
                if name is None or name in facts.configmaps:
                    return False
                facts.configmaps[name] = (
                    await self._shared.read(Key(run.metadata.namespace, name), lambda: self._read_configmap(run, name))
                    if look is Look.REVISION and self._first_begins(run, facts)
                    else await self._read_configmap(run, name, absent_before=look is Look.SOURCE and open_yet(run))
                )
            case Look.PARAMETERS:
                question = to_check(observed) if facts.checked is UNKNOWN else None
                if question is None:
                    return False
                facts.checked = await self._checker.check(*question, asks=run.metadata.namespace)
            case Look.POD_EVENTS:
                pod = self._pod(run.metadata.namespace, attempt_pod(run), facts)
                if not isinstance(pod, Pod) or pod.uid in facts.events:
                    return False
                facts.events[pod.uid] = await self._read_events(run, pod.uid)
            case _:
                return False
        return True

    def _configmap(self, look: Look, observed: Observed) -> str | None:
        if look is Look.LIMITS:
            return CONCURRENCY_CONFIGMAP
        return revision_name(observed) if look is Look.REVISION else source_name(observed)

    async def read_run(self, run: FlowRun) -> FlowRun:
        """Read the run live.

        Raises:
            RunGoneError: it is gone, or another has its name.
        """
        raw = await self._read(FLOWRUNS, run, run.metadata.name)
        if raw is None or raw["metadata"]["uid"] != run.metadata.uid:
            raise RunGoneError(str(key_of_run(run)))
        return self._store.learn_run(raw)

    def _first_begins(self, run: FlowRun, facts: Facts) -> bool:
        """Whether the run has had no pod yet: crowds are of those. Whatever comes after one may depend on what went with the Flow just now."""
        attempt = run.status.attempt
        if attempt is not None and attempt.number > 1:
            return False
        return not isinstance(self._pod(run.metadata.namespace, attempt_pod(run), facts), Pod)

    def _pod(self, namespace: str, name: str | None, facts: Facts) -> Pod | Absence:
        if name is None:
            return UNKNOWN
        known = self._store.pods.get(Key(namespace, name))
        return known if known is not None else facts.pods.get(name, UNKNOWN)

    async def _read_pod(self, run: FlowRun, name: str) -> Pod | Absence:
        raw = await self._read(PODS, run, name)
        if raw is None:
            return MISSING
        try:
            return parse_pod(raw)
        except Exception as error:
            raise UnreadableError(f"pod {name}", f"{type(error).__name__}: {error}") from error

    async def _read_configmap(self, run: FlowRun, name: str, *, absent_before: bool = False) -> ConfigMap | Absence:
        """Read a ConfigMap live; that it was not there a moment ago is enough for a run that only waits for it."""
        key = Key(run.metadata.namespace, name)
        missed = self._absent.get(key)
        if absent_before and missed is not None and abs(self._now() - missed) < ABSENT:
            return MISSING
        try:
            raw = await self._client.get(CONFIGMAPS, *key, priority=urgent(run))
        except ApiError as error:
            if error.code != errors.NOT_FOUND:
                raise
            self._absent.pop(key, None)
            self._absent[key] = self._now()
            while len(self._absent) > ABSENT_KEPT:
                del self._absent[next(iter(self._absent))]
            return MISSING
        return parse_config_map(raw)

    async def _read_events(self, run: FlowRun, uid: str) -> tuple[PodEvent, ...]:
        listing = await self._client.list(
            CORE_EVENTS, run.metadata.namespace, field_selector=f"involvedObject.uid={uid}"
        )
        events = [parse_event(raw) for raw in listing.items]
        events.sort(key=lambda event: event.time.timestamp() if event.time is not None else 0.0)
        return tuple(events)

    async def _read(self, resource: Resource, run: FlowRun, name: str) -> dict[str, Any] | None:
        """Read a watched object live, and let the store know."""
        key = Key(run.metadata.namespace, name)
        seen = self._store.seen(resource, key)
        try:
            raw = await self._client.get(resource, key.namespace, key.name, priority=urgent(run))
        except ApiError as error:
            if error.code != errors.NOT_FOUND:
                raise
            self._store.absent(resource, key, seen, own=key_of_run(run))
            return None
        # A successor under the run's name is news to itself.
        successor = resource == FLOWRUNS and raw["metadata"]["uid"] != run.metadata.uid
        self._store.apply(resource, raw, own=None if successor else key_of_run(run))
        return raw

    def _flow(self, run: FlowRun, facts: Facts) -> Flow | Absence:
        if run.spec.flow_ref is None:
            return UNKNOWN
        with contextlib.suppress(UnreadableError):  # read live it says why
            known = self._store.flow(Key(run.metadata.namespace, run.spec.flow_ref.name))
            return known if known is not None else facts.flow
        return facts.flow

    async def _read_flow(self, run: FlowRun, name: str) -> Flow | Absence:
        raw = await self._read(FLOWS, run, name)
        if raw is None:
            return MISSING
        known = self._store.flow(Key(run.metadata.namespace, name))
        return known if known is not None else read_flow(raw)

    def _near(self, run: FlowRun) -> tuple[str, ...]:
        if run.spec.flow_ref is None or not open_yet(run):
            return ()
        return self.nearby.near(Key(run.metadata.namespace, run.spec.flow_ref.name))

    def _rerun_of(self, run: FlowRun) -> FlowRun | Absence:
        return self._run(run, run.spec.rerun_of.name if run.spec.rerun_of is not None else None)

    def _run(self, run: FlowRun, name: str | None) -> FlowRun | Absence:
        """Another run of its namespace, as the store knows it."""
        if name is None:
            return UNKNOWN
        with contextlib.suppress(UnreadableError):
            known = self._store.run(Key(run.metadata.namespace, name))
            return known if known is not None else UNKNOWN
        return UNKNOWN

    def _older_pods(self, run: FlowRun, present: str | None) -> tuple[Pod, ...]:
        pods = self._store.pods_of(key_of_run(run))
        return tuple(pod for pod in pods if pod.name != present and pod.owner_uid == run.metadata.uid)


def source_name(observed: Observed) -> str | None:
    """Return the name of the ConfigMap that the run's flow takes its source from."""
    direct = observed.run.spec.flow_spec
    if direct is not None:
        return direct.source_config_map
    return observed.flow.spec.source_config_map if isinstance(observed.flow, Flow) else None


def _earlier(moment: datetime | None, by: timedelta) -> datetime | None:
    return moment - by if moment is not None else None


def _told(answer: Refusal, by: timedelta) -> Refusal:
    return replace(answer, time=answer.time - by)
