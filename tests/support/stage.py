"""A stage for the core: a small world of JSON objects, and an operator on it that does what the runtime does, one step at a time.

The operator looks where the core asks it to, writes the status as the difference, and carries the effects out. What it sees may be held back
(`view`), as a store does that lags behind. Neighbours: `builders` makes the objects; the table, recording and model tests play on this.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from penstock_operator.api import constants as k
from penstock_operator.api.flow import Flow
from penstock_operator.api.flowrun import FlowRun
from penstock_operator.core.clock import ahead
from penstock_operator.core.model import (
    MISSING,
    UNKNOWN,
    ConfigMap,
    CreatePod,
    CreateRevision,
    Decision,
    DeletePod,
    DeleteRun,
    Effect,
    Emit,
    Look,
    Observed,
    PatchPod,
    Refusal,
    TidyRevisions,
)
from penstock_operator.core.observe import PodEvent, parse_pod
from penstock_operator.core.pod import pod_name
from penstock_operator.core.reconcile import reconcile
from penstock_operator.core.revisions import parse_config_map, revision_name
from tests.support.builders import ENGINE_IMAGE, NOW
from tests.support.cases import checked
from tests.support.copies import copied

JSON = dict[str, Any]
# More would mean that the core asks for the same fact again and again.
_MAXIMUM_LOOKS = 8


@dataclass
class World:
    """What the API server holds."""

    run: JSON | None
    flow: JSON | None = None
    pods: dict[str, JSON] = field(default_factory=dict)
    revisions: dict[str, ConfigMap] = field(default_factory=dict)
    source: ConfigMap | None = None
    limits: dict[str, str] | None = None
    rerun_of: JSON | None = None
    events: list[PodEvent] = field(default_factory=list)
    refuse: Callable[[JSON], Refusal | None] = lambda _: None
    version: int = 1

    def bump(self) -> str:
        """A new resourceVersion."""
        self.version += 1
        return str(self.version)

    def patch_status(self, **changes: Any) -> None:
        """What somebody else writes into the status (None removes)."""
        assert self.run is not None
        status = {**self.run.get("status", {}), **changes}
        self.run["status"] = {name: value for name, value in status.items() if value is not None}
        self.run["metadata"]["resourceVersion"] = self.bump()

    def patch_spec(self, **changes: Any) -> None:
        """What the user writes into the spec."""
        assert self.run is not None
        self.run["spec"] = {**self.run["spec"], **changes}
        self.run["metadata"]["generation"] += 1
        self.run["metadata"]["resourceVersion"] = self.bump()


@dataclass
class Stage:
    """One operator on a world.

    Attributes:
        world: what the API server holds.
        view: what the operator's store holds of it; None: all of it, at once.
        now: the operator's clock.
        writes: every write so far, as (verb, what): statuses, pods, revisions; Events are not counted.
        emitted: the Events.
        states: type/name of every status written.
        decision: the last one.
        seen: what it was based on.
    """

    world: World
    view: World | None = None
    now: datetime = NOW
    writes: list[tuple[str, Any]] = field(default_factory=list)
    emitted: list[Emit] = field(default_factory=list)
    states: list[str] = field(default_factory=list)
    decision: Decision = field(default_factory=Decision)
    seen: Observed | None = None
    refusal: Refusal | None = None
    created: str | None = None
    last_pods: dict[str, JSON] = field(default_factory=dict)
    running_at: datetime | None = None
    intent_at: datetime | None = None
    jitter: float = 0.5
    ahead: float = 0.0
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def run(self) -> JSON:
        """The FlowRun as it is."""
        assert self.world.run is not None
        return self.world.run

    @property
    def status(self) -> JSON:
        """Its status."""
        return dict(self.run.get("status", {}))

    @property
    def state(self) -> str:
        """type/name of its state."""
        state = self.status.get("state")
        return f"{state['type']}/{state['name']}" if state else "-"

    @property
    def pod(self) -> JSON | None:
        """The pod of the attempt under way."""
        attempt = self.status.get("attempt")
        return self.world.pods.get(attempt["podName"]) if attempt else None

    @property
    def pod_of_attempt_1(self) -> str:
        """The name of the first attempt's pod."""
        return pod_name(FlowRun.model_validate(self.run), 1)

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)

    def observe(self) -> Observed:
        """What the store shows, before any look."""
        shown = self.view or self.world
        run = FlowRun.model_validate(shown.run)
        attempt = run.status.attempt
        name = attempt.pod_name if attempt is not None else pod_name(run, 1)
        before = pod_name(run, attempt.number - 1) if attempt is not None else ""
        raw = shown.pods.get(name)
        last = self.last_pods.get(name)
        others = [p for n, p in shown.pods.items() if n not in (name, before) and _owned(p, run)]
        rerun = self.world.rerun_of
        self.ahead = ahead(run.status, self.now, self.ahead)
        return Observed(
            run=run,
            ahead=self.ahead,
            now=self.now,
            engine_image=ENGINE_IMAGE,
            flow=Flow.model_validate(self.world.flow) if self.world.flow is not None else UNKNOWN,
            pod=parse_pod(raw) if raw is not None else UNKNOWN,
            last_pod=parse_pod(last) if last is not None else None,
            previous_pod=parse_pod(shown.pods[before]) if before in shown.pods else UNKNOWN,
            older_pods=tuple(parse_pod(p) for p in others),
            rerun_of=FlowRun.model_validate(rerun) if rerun is not None else UNKNOWN,
            refusal=self.refusal,
            pod_created=self.created == name,
            running_at=self.running_at,
            intent_at=self.intent_at,
            jitter=self.jitter,
            **self.more,
        )

    def look(self, seen: Observed, looks: frozenset[Look]) -> Observed:
        """Read live what the core asks for."""
        changes: dict[str, Any] = {}
        for look in looks:
            match look:
                case Look.RUN:
                    changes |= {"run": FlowRun.model_validate(self.run), "run_is_live": True}
                case Look.POD:
                    assert seen.run.status.attempt is not None
                    raw = self.world.pods.get(seen.run.status.attempt.pod_name)
                    changes |= {"pod": parse_pod(raw) if raw is not None else MISSING, "pod_is_live": True}
                case Look.PREVIOUS_POD:
                    assert seen.run.status.attempt is not None
                    raw = self.world.pods.get(pod_name(seen.run, seen.run.status.attempt.number - 1))
                    changes["previous_pod"] = parse_pod(raw) if raw is not None else MISSING
                case Look.REVISION:
                    name = revision_name(seen)
                    assert name is not None
                    changes["revision"] = self.world.revisions.get(name, MISSING)
                case Look.SOURCE:
                    changes["source"] = self.world.source if self.world.source is not None else MISSING
                case Look.FLOW:
                    flow = self.world.flow
                    changes["flow"] = Flow.model_validate(flow) if flow is not None else MISSING
                case Look.PARAMETERS:
                    changes["checked"] = checked(seen)
                case Look.LIMITS:
                    changes["limits"] = self.world.limits if self.world.limits is not None else MISSING
                case Look.POD_EVENTS:
                    changes["events"] = tuple(self.world.events)
        return replace(seen, **changes)

    def decide(self) -> Decision:
        """Decide, with as many looks as the core asks for."""
        seen = self.seen = self.observe()
        for _ in range(_MAXIMUM_LOOKS):
            decision = reconcile(seen)
            if not decision.looks:
                return decision
            seen = self.seen = self.look(seen, decision.looks)
        raise AssertionError(f"the core asks for {set(decision.looks)} again and again")

    def step(self) -> Decision:
        """Decide once and carry it out."""
        self.remember()
        self.decision = self.decide()
        self.write(self.decision)
        for effect in self.decision.effects:
            if not self.carry_out(effect):
                break
        return self.decision

    def remember(self) -> None:
        """Note on the operator's own clock what is seen for the first time."""
        pod = self.pod
        if pod is not None and self.running_at is None and "running" in _engine_state(pod):
            self.running_at = self.now

    def settle(self, rounds: int = 6) -> Decision:
        """Decide until there is nothing more to do; the last decision must change nothing."""
        for _ in range(rounds):
            before = len(self.writes)
            decision = self.step()
            if len(self.writes) == before:
                return decision
        raise AssertionError(f"no fixpoint after {rounds} decisions: {self.writes[-rounds:]}")

    def write(self, decision: Decision) -> None:
        """Write the status as the difference; a write that changes nothing is a defect."""
        if decision.status is None:
            return
        old = self.run.get("status", {})
        new = decision.status.to_json()
        report = None if decision.drop_report else old.get("report")
        new = {
            **{name: value for name, value in new.items() if name != "report"},
            **({"report": report} if report else {}),
        }
        assert new != old, "a status write that changes nothing"
        self.run["status"] = new
        self.run["metadata"]["resourceVersion"] = self.world.bump()
        self.writes.append(("status", new))
        state = new.get("state", {"type": "-", "name": "-"})
        shown = f"{state['type']}/{state['name']}"
        if not self.states or self.states[-1] != shown:
            self.states.append(shown)

    def carry_out(self, effect: Effect) -> bool:
        """Carry an effect out; False: it failed, the rest waits."""
        world = self.world
        match effect:
            case Emit():
                self.emitted.append(effect)
            case TidyRevisions():
                pass  # best effort, and no part of any story
            case CreateRevision(manifest):
                world.revisions.setdefault(manifest["metadata"]["name"], parse_config_map(manifest))
                self.writes.append(("revision", manifest["metadata"]["name"]))
            case CreatePod(manifest):
                return self._create(manifest)
            case PatchPod(name, uid, patch):
                self.writes.append(("patch-pod", patch))
                pod = world.pods.get(name)
                if pod is None or pod["metadata"]["uid"] != uid:
                    return False
                pod["metadata"].setdefault("annotations", {}).update(patch.get("metadata", {}).get("annotations", {}))
                pod["spec"].update(patch.get("spec", {}))
                pod["metadata"]["resourceVersion"] = world.bump()
            case DeletePod(name, uid, _):
                self.writes.append(("delete-pod", name))
                self._delete(name, uid)
            case DeleteRun():
                self.writes.append(("delete-run", ""))
                world.run = None
        return True

    def _create(self, manifest: Any) -> bool:
        name = manifest["metadata"]["name"]
        self.writes.append(("create-pod", name))
        refusal = self.world.refuse(manifest)
        existing = self.world.pods.get(name)
        if existing is not None:
            if existing["metadata"]["ownerReferences"][0]["uid"] == manifest["metadata"]["ownerReferences"][0]["uid"]:
                self.created = name
                return True
            refusal = Refusal(409, "AlreadyExists", f'pods "{name}" already exists', self.now)
        if refusal is not None:
            count = self.refusal.count + 1 if self.refusal is not None else 1
            self.refusal = replace(refusal, time=self.now, count=count)
            return False
        pod = copied(dict(manifest))
        pod["metadata"] |= {"uid": f"pod-{self.world.bump()}", "resourceVersion": str(self.world.version)}
        pod["status"] = {"phase": "Pending"}
        self.world.pods[name] = pod
        self.created, self.refusal, self.running_at = name, None, None
        return True

    def _delete(self, name: str, uid: str) -> None:
        """A bound pod is ended by its node first."""
        pod = self.world.pods.get(name)
        if pod is None or pod["metadata"]["uid"] != uid:
            return
        if pod["spec"].get("nodeName") and pod["status"].get("phase") not in ("Succeeded", "Failed"):
            pod["metadata"]["deletionTimestamp"] = self.now.isoformat()
            pod["metadata"]["deletionGracePeriodSeconds"] = pod["spec"].get("terminationGracePeriodSeconds", 30)
        else:
            self.remove_pod(name)

    # --- what others do ---------------------------------------------------------------------------------------------------------------

    def remove_pod(self, name: str | None = None) -> None:
        """The pod is gone; the watch delivers its last object."""
        name = name or self.status["attempt"]["podName"]
        self.last_pods[name] = self.world.pods.pop(name)

    def kubelet(self, state: JSON, phase: str | None = None, pod_name: str | None = None, **status: Any) -> None:
        """The kubelet writes the status of a pod, the attempt's by default, with the engine's container in this state."""
        pod = self.pod if pod_name is None else self.world.pods[pod_name]
        assert pod is not None
        kind = next(iter(state))
        pod["spec"]["nodeName"] = "node-1"
        pod["status"] |= {
            "phase": phase or ("Pending" if kind == "waiting" else "Running"),
            "startTime": pod["status"].get("startTime", self.now.isoformat()),
            "containerStatuses": [{"name": k.ENGINE_CONTAINER, "state": state, "lastState": {}, "restartCount": 0}],
            "conditions": status.pop("conditions", [{"type": "PodScheduled", "status": "True"}]),
            **status,
        }
        pod["metadata"]["resourceVersion"] = self.world.bump()

    def engine(self, report: JSON) -> None:
        """The engine reports."""
        self.world.patch_status(report=report)


def _owned(pod: JSON, run: FlowRun) -> bool:
    return any(o["uid"] == run.metadata.uid for o in pod["metadata"].get("ownerReferences", ()))


def _engine_state(pod: JSON) -> JSON:
    statuses = pod["status"].get("containerStatuses", ())
    return next((dict(s["state"]) for s in statuses if s["name"] == k.ENGINE_CONTAINER), {})
