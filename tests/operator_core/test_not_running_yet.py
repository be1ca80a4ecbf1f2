"""Why a run does not run yet: one row for each line of the contract's second table."""

from __future__ import annotations

import json
from typing import Any

import pytest

from penstock_operator.core.model import MISSING, Look, Observed, Refusal
from penstock_operator.core.reconcile import reconcile
from tests.support.builders import (
    NOW,
    at,
    condition,
    event,
    files,
    flow,
    flow_spec,
    observed,
    pod,
    pod_name,
    run,
    running,
    status_json,
    terminated,
    waiting,
)
from tests.support.cases import Case, check, decide, state_of, verbs

POLICY = {"retries": {"infrastructure": 1, "neverStarted": 1, "application": 1}}


def fresh(spec: dict[str, Any] | None = None, **more: Any) -> Observed:
    """A run that was just applied."""
    return observed(run(spec if spec is not None else {"flowSpec": flow_spec()}), **more)


def pending(
    the_pod: Any = None, name: str = "Submitting", *, since: float = 0, time: float | None = None, **more: Any
) -> Observed:
    """A run whose attempt 1 has been submitted at NOW; it is 10 s later unless `seconds` says otherwise."""
    spec = {"flowSpec": flow_spec(), "runPolicy": {**POLICY, **more.pop("policy", {})}, **more.pop("spec", {})}
    status = status_json("Pending", name, since=since, time=time, message="before", **more.pop("status", {}))
    return observed(run(spec, status), **({"pod": the_pod} if the_pod is not None else {}), **more)


def refused(
    code: int, message: str, reason: str = "Forbidden", *, ago: float = 0, count: int = 1, **more: Any
) -> Observed:
    """The pod's POST was refused at 10 s less `ago`."""
    seconds = 10 - ago
    refusal = Refusal(code, reason, message, observed(seconds=seconds).now, count, more.pop("retry_after", None))
    return pending(refusal=refusal, **more)


def degraded_since(reason: str, seconds: float) -> dict[str, Any]:
    """The condition Degraded, True since so many seconds after NOW."""
    since = {"lastTransitionTime": at(seconds), "observedGeneration": 1}
    return {"type": "Degraded", "status": "True", "reason": reason, "message": "before", **since}


def refusal_message(words: str) -> str:
    return f'pods "{pod_name()}" is forbidden: {words}'


EPOCH = -NOW.timestamp()  # 1970, as a kubelet writes of a container that could not be started
GATED = condition("PodScheduled", "False", "SchedulingGated", "Scheduling is blocked due to non-empty scheduling gates")
NO_CPU = "0/3 nodes are available: 2 Insufficient cpu, 1 node(s) had untolerated taint(s). preemption: 0/3 nodes are available."


def unschedulable(message: str = NO_CPU, reason: str = "Unschedulable") -> Any:
    return pod(node=None, conditions=(condition("PodScheduled", "False", reason, message),))


BACK_OFF = waiting("ImagePullBackOff", 'Back-off pulling image "x:1": ErrImagePull: not found')
THROTTLED = waiting("ErrImagePull", "toomanyrequests: 429 Too Many Requests")

BEFORE_THE_POD = [
    Case(
        "scheduledTime ahead: Scheduled/Scheduled",
        fresh({"flowSpec": flow_spec(), "scheduledTime": at(60)}),
        "Scheduled/Scheduled",
        says=("2026-11-21T12:01:00Z",),
        again=50,
    ),
    Case(
        "scheduledTime reached: it begins",
        fresh({"flowSpec": flow_spec(), "scheduledTime": at(10)}),
        "Pending/Submitting",
        ("create-pod",),
    ),
    Case(
        "flowRef finds no Flow: Scheduled/AwaitingFlow",
        fresh({"flowRef": {"name": "etl"}}),
        "Scheduled/AwaitingFlow",
        says=("no Flow 'etl'", "namespace 'default'"),
    ),
    Case(
        "Flow with a bad schema: Scheduled/AwaitingFlow, Degraded",
        fresh({"flowRef": {"name": "etl"}}, flow=flow(flow_spec(parametersSchema={"type": "nonsense"}))),
        "Scheduled/AwaitingFlow",
        says=("parametersSchema",),
        degraded="AwaitingFlow",
    ),
    Case(
        "Flow whose schema refers to another place: not fetched, Degraded",
        fresh(
            {"flowRef": {"name": "etl"}},
            flow=flow(flow_spec(parametersSchema={"$ref": "https://example.com/schema.json"})),
        ),
        "Scheduled/AwaitingFlow",
        says=("https://example.com/schema.json",),
        degraded="AwaitingFlow",
    ),
    Case(
        "Flow with a ConfigMap that is missing: Pending/ConfigError, Degraded, its name",
        fresh(
            {"flowRef": {"name": "etl"}},
            flow=flow({"entrypoint": "etl.py:main", "source": {"configMap": {"name": "code"}}}),
        ),
        "Pending/ConfigError",
        says=("'code' does not exist",),
        degraded="ConfigError",
        again=2,
    ),
    Case(
        "Flow whose ConfigMap is too large for a revision: Degraded, with the size",
        fresh(
            {"flowRef": {"name": "etl"}},
            flow=flow({"entrypoint": "etl.py:main", "source": {"configMap": {"name": "code"}}}),
            source=files({"etl.py": "x" * 900_000}),
        ),
        "Scheduled/AwaitingFlow",
        says=("900,006 bytes",),
        degraded="AwaitingFlow",
    ),
    Case(
        "Flow whose ConfigMap has a key flow.json: Degraded",
        fresh(
            {"flowRef": {"name": "etl"}},
            flow=flow({"entrypoint": "etl.py:main", "source": {"configMap": {"name": "code"}}}),
            source=files({"flow.json": "{}"}),
        ),
        "Scheduled/AwaitingFlow",
        says=("flow.json",),
        degraded="AwaitingFlow",
    ),
    Case(
        "rerunOf names no run: Scheduled/AwaitingFlow, Degraded",
        fresh({"flowSpec": flow_spec(), "rerunOf": {"name": "before"}}),
        "Scheduled/AwaitingFlow",
        says=("'before'",),
        degraded="AwaitingFlow",
        again=30,
    ),
    Case(
        "flowSpec unusable: Failed/InvalidFlow",
        fresh({"flowSpec": flow_spec(parametersSchema={"type": "nonsense"})}),
        "Failed/InvalidFlow",
        says=("parametersSchema",),
    ),
    Case(
        "flowSpec with a template that is no pod: Failed/InvalidFlow",
        fresh({"flowSpec": flow_spec(template={"spec": {"containers": {"name": "engine"}}})}),
        "Failed/InvalidFlow",
        says=("template.spec (flow).containers must be a list",),
    ),
    Case(
        "the run's own template is no pod: Failed/InvalidFlow, although the Flow is good",
        fresh({"flowRef": {"name": "etl"}, "template": {"spec": {"volumes": [1]}}}, flow=flow()),
        "Failed/InvalidFlow",
        says=("template.spec (run).volumes[0] must be a map",),
    ),
    Case(
        "parameters fail the schema: Failed/InvalidParameters, path of the value",
        fresh(
            {
                "flowSpec": flow_spec(parametersSchema={"properties": {"a": {"properties": {"b": {"minimum": 3}}}}}),
                "parameters": {"a": {"b": 1}},
            }
        ),
        "Failed/InvalidParameters",
        says=("parameters.a.b", "1 is less than the minimum of 3"),
    ),
    Case(
        "the run's parameters lie over the flow's: what is good together runs",
        fresh(
            {
                "flowSpec": flow_spec(parametersSchema={"required": ["a", "b"]}, parameters={"a": 1, "b": 2}),
                "parameters": {"b": None},
            }
        ),
        "Pending/Submitting",
        ("create-pod",),
    ),
    Case(
        "desiredState Paused before the attempt has a pod: Paused/Paused",
        fresh({"flowSpec": flow_spec(), "desiredState": "Paused"}),
        "Paused/Paused",
    ),
    Case(
        "desiredState Suspended before the attempt has a pod: Paused/Suspended",
        fresh({"flowSpec": flow_spec(), "desiredState": "Suspended"}),
        "Paused/Suspended",
    ),
    Case(
        "Running again: it begins",
        observed(run({"flowSpec": flow_spec()}, status_json("Paused", "Suspended", attempt=None))),
        "Pending/Submitting",
        ("create-pod",),
    ),
    Case(
        "desiredState Paused between status and pod: no pod is made",
        pending(spec={"desiredState": "Paused"}),
        "Paused/Paused",
    ),
    Case(
        "Running again while the process of the attempt before is there: Scheduled/Resuming",
        observed(
            run({"flowSpec": flow_spec()}, status_json("Paused", "Suspended", attempt=2)),
            previous_pod=pod(running()),
        ),
        "Scheduled/Resuming",
        says=("attempt 2 waits for the process of attempt 1", pod_name(1)),
    ),
    Case(
        "submitted, and the process of the attempt before is seen live: it waits",
        observed(
            run({"flowSpec": flow_spec()}, status_json("Pending", "Submitting", attempt=2)),
            pod=MISSING,
            pod_is_live=True,
            previous_pod=pod(running()),
            previous_pod_is_live=True,
        ),
        "Scheduled/Resuming",
        says=("attempt 2 waits for the process of attempt 1",),
    ),
    Case(
        "due, and the process of the attempt before is there for 15 s more: Scheduled/Late",
        observed(
            run(
                {"flowSpec": flow_spec()},
                status_json("Scheduled", "AwaitingRetry", attempt=2, since=-20, scheduledTime=at(-5)),
            ),
            previous_pod=pod(running()),
        ),
        "Scheduled/Late",
        says=("attempt 2 waits",),
    ),
    Case(
        "a retry whose Flow and revision are gone: Crashed/FlowDeleted",
        observed(
            run(
                {"flowRef": {"name": "etl"}},
                status_json(
                    "Scheduled",
                    "AwaitingRetry",
                    attempt=2,
                    scheduledTime=at(5),
                    flow={"name": "etl", "uid": "flow-1", "revision": "etl-0123456789"},
                ),
            )
        ),
        "Crashed/FlowDeleted",
        says=("Flow 'etl' was deleted", "etl-0123456789"),
    ),
    Case(
        "a retry whose Flow has changed and whose revision is gone: Crashed/FlowDeleted",
        observed(
            run(
                {"flowRef": {"name": "etl"}},
                status_json(
                    "Scheduled", "AwaitingRetry", attempt=2, flow={"name": "etl", "revision": "etl-0123456789"}
                ),
            ),
            flow=flow(),
            revision=MISSING,
        ),
        "Crashed/FlowDeleted",
        says=("has changed since",),
    ),
]

REFUSED = [
    Case(
        "create → 403 exceeded quota: Pending/QuotaExceeded, tried again after 10 s",
        refused(403, refusal_message("exceeded quota: q, requested: pods=1, used: pods=0, limited: pods=0")),
        "Pending/QuotaExceeded",
        says=("requested: pods=1, used: pods=0, limited: pods=0",),
        again=10,
    ),
    Case(
        "create → 403 exceeded quota for the fifth time: once a minute",
        refused(403, refusal_message("exceeded quota: q"), count=5),
        "Pending/QuotaExceeded",
        again=60,
    ),
    Case(
        "create → 403 exceeded quota, 10 s later: tried again",
        refused(403, refusal_message("exceeded quota: q"), ago=10),
        "Pending/QuotaExceeded",
        ("create-pod",),
    ),
    Case(
        "QuotaExceeded for longer than pendingDeadline: Crashed/QuotaExceeded",
        refused(403, refusal_message("exceeded quota: q"), policy={"pendingDeadlineSeconds": 10}),
        "Crashed/QuotaExceeded",
        says=("pendingDeadlineSeconds (10 s)", "exceeded quota"),
    ),
    *(
        Case(
            f"create → 403 quota, {what}: waiting can't help, Degraded, what to change",
            refused(403, refusal_message(message), ago=3),
            "Pending/QuotaExceeded",
            says=(message, "waiting alone can't help", advice),
            degraded="QuotaExceeded",
            again=7,
        )
        for what, message, advice in (
            (
                "must specify",
                "failed quota: q: must specify limits.memory for: engine",
                "add resources.limits.memory of container engine",
            ),
            (
                "must specify several",
                "failed quota: q: must specify limits.cpu for: engine,proxy; requests.memory for: engine",
                "add resources.limits.cpu of container engine, proxy, resources.requests.memory of container engine",
            ),
            (
                "must specify, in an older server's words",
                "failed quota: q: must specify limits.cpu,memory",
                "add resources.limits.cpu, resources.requests.memory",
            ),
            (
                "a request above the whole quota",
                "exceeded quota: q, requested: limits.memory=2Gi,pods=1, used: limits.memory=512Mi,pods=1,"
                " limited: limits.memory=1Gi,pods=5",
                "lower resources.limits.memory from 2Gi to at most 1Gi",
            ),
            (
                "in other units",
                "exceeded quota: q, requested: cpu=1500m, used: cpu=0, limited: cpu=1",
                "lower resources.requests.cpu from 1500m to at most 1",
            ),
        )
    ),
    *(
        Case(
            f"create → 403 quota, {what}: others may give way",
            refused(403, refusal_message(message)),
            "Pending/QuotaExceeded",
            says=(message,),
            again=10,
        )
        for what, message in (
            ("used up", "exceeded quota: q, requested: memory=1Gi, used: memory=1Gi, limited: memory=1Gi"),
            ("the whole of it", "exceeded quota: q, requested: cpu=1, used: cpu=100m, limited: cpu=1000m"),
            ("of a class of pods", "insufficient quota to consume: pods"),
            ("units that nobody knows", "exceeded quota: q, requested: cpu=1?, used: cpu=0, limited: cpu=1"),
        )
    ),
    Case(
        "waiting can't help, for 600 s: Crashed/QuotaExceeded",
        refused(
            403,
            refusal_message("failed quota: q: must specify limits.memory for: engine"),
            name="QuotaExceeded",
            status={"conditions": [degraded_since("QuotaExceeded", -590)]},
            since=-900,
            time=-900,
        ),
        "Crashed/QuotaExceeded",
        says=("not running after 600 s", "add resources.limits.memory"),
    ),
    Case(
        "waiting can't help for less than 600 s, after a wait in which others could give way: not yet",
        refused(
            403,
            refusal_message("failed quota: q: must specify limits.memory for: engine"),
            ago=10,
            name="QuotaExceeded",
            status={"conditions": [degraded_since("QuotaExceeded", -589)]},
            since=-9000,
            time=-9000,
        ),
        "Pending/QuotaExceeded",
        ("create-pod",),
        degraded="QuotaExceeded",
        again=1,
    ),
    Case(
        "waiting can't help, and a person was asked for something else before: the time begins now",
        refused(
            403,
            refusal_message("failed quota: q: must specify limits.memory for: engine"),
            name="ConfigError",
            status={"conditions": [degraded_since("ConfigError", -9000)]},
            since=-9000,
        ),
        "Pending/QuotaExceeded",
        degraded="QuotaExceeded",
        again=10,
    ),
    Case(
        "waiting can't help, and the run has a pendingDeadline: that one counts",
        refused(
            403,
            refusal_message("failed quota: q: must specify limits.memory for: engine"),
            policy={"pendingDeadlineSeconds": 10},
        ),
        "Crashed/QuotaExceeded",
        says=("pendingDeadlineSeconds (10 s)",),
    ),
    *(
        Case(
            f"create → 403 {message[:30]}…: Pending/ConfigError, Degraded, it heals",
            refused(403, refusal_message(message)),
            "Pending/ConfigError",
            says=(message,),
            degraded="ConfigError",
            again=10,
        )
        for message in (
            "no PriorityClass with name late was found",
            'pod rejected: RuntimeClass "late" not found',
        )
    ),
    *(
        Case(
            f"create → 403 {message[:40]}…: Pending/Submitting, soon again",
            refused(403, refusal_message(message)),
            "Pending/Submitting",
            again=1,
        )
        for message in (
            "not yet ready to handle request",
            "status unknown for quota: q, resources: pods",
        )
    ),
    *(
        Case(
            f"create → {code} {message[:40]}: Crashed/PodRejected, it never heals",
            refused(code, message, reason),
            "Crashed/PodRejected",
            says=(message,),
        )
        for code, message, reason in (
            (500, "etcdserver: request is too large", "InternalError"),
            (500, "rpc error: code = ResourceExhausted desc = trying to send message larger than max", "InternalError"),
            (413, "Request entity too large: limit is 3145728", "RequestEntityTooLarge"),
            (413, "<html>413 Request Entity Too Large</html>", "HTTP413"),
        )
    ),
    Case(
        "create → 403 of a proxy on the way, which is no Status: nobody's word about the pod",
        refused(403, "<html>blocked</html>", "HTTP403"),
        "Pending/Submitting",
        says=("blocked",),
        again=1,
    ),
    Case(
        "create → 403 PodSecurity: Crashed/PodRejected, the API's message",
        refused(403, refusal_message('violates PodSecurity "restricted:latest": runAsNonRoot != true')),
        "Crashed/PodRejected",
        says=("runAsNonRoot != true",),
    ),
    Case(
        "create → 422: Crashed/PodRejected",
        refused(422, 'Pod "x" is invalid: spec.containers[0].image: Required value', "Invalid"),
        "Crashed/PodRejected",
        says=("spec.containers[0].image: Required value",),
    ),
    Case(
        "create → 403 LimitRange: Crashed/PodRejected",
        refused(403, refusal_message("maximum memory usage per Container is 128Mi, but limit is 1Gi")),
        "Crashed/PodRejected",
        says=("but limit is 1Gi",),
    ),
    Case(
        "create → 400 a webhook denied it: Crashed/PodRejected",
        refused(400, 'admission webhook "x" denied the request: no', "BadRequest"),
        "Crashed/PodRejected",
    ),
    Case(
        "create → 400 of a webhook that gives no reason: likewise",
        refused(400, 'admission webhook "x" denied the request: no', ""),
        "Crashed/PodRejected",
    ),
    Case(
        "create → 403 a webhook denied it: Crashed/PodRejected",
        refused(403, 'admission webhook "x" denied the request: no'),
        "Crashed/PodRejected",
    ),
    Case(
        "create → 403 error looking up service account: Pending/ConfigError, Degraded, it heals",
        refused(403, refusal_message('error looking up service account default/etl: serviceaccount "etl" not found')),
        "Pending/ConfigError",
        says=('serviceaccount "etl" not found',),
        degraded="ConfigError",
        again=10,
    ),
    Case(
        "create → 403 RBAC: Pending/Forbidden, Degraded, the missing rule",
        refused(
            403, 'pods is forbidden: User "x" cannot create resource "pods" in API group "" in the namespace "default"'
        ),
        "Pending/Forbidden",
        says=('cannot create resource "pods"',),
        degraded="Forbidden",
        again=2,
    ),
    Case(
        "create → 403 RBAC for the sixth time: once a minute",
        refused(403, 'pods is forbidden: User "x" cannot create resource "pods" in API group ""', count=6),
        "Pending/Forbidden",
        degraded="Forbidden",
        again=60,
    ),
    Case(
        "create → 401, as a server that has just started says: Pending/Forbidden, soon again",
        refused(401, "Unauthorized", "Unauthorized"),
        "Pending/Forbidden",
        degraded="Forbidden",
        again=2,
    ),
    Case(
        "create → webhook failed: Pending/Submitting, backoff",
        refused(500, 'failed calling webhook "x": context deadline exceeded', "InternalError"),
        "Pending/Submitting",
        again=1,
    ),
    Case(
        "create → 403 namespace is being terminated: Pending/Submitting",
        refused(403, refusal_message("unable to create new content in namespace x because it is being terminated")),
        "Pending/Submitting",
        again=1,
    ),
    Case(
        "create → 429 with Retry-After: Pending/Submitting, as long as it says",
        refused(429, "too many requests", "TooManyRequests", retry_after=7),
        "Pending/Submitting",
        again=7,
    ),
    Case(
        "create → 5xx for the eighth time: half a minute", refused(503, "", "", count=8), "Pending/Submitting", again=30
    ),
    Case(
        "create → timeout: Pending/Submitting",
        refused(0, "timed out", ""),
        "Pending/Submitting",
        says=("did not answer",),
        again=1,
    ),
    Case(
        "create → 409, a foreign pod: Crashed/PodNameConflict",
        refused(409, f'pods "{pod_name()}" already exists', "AlreadyExists"),
        "Crashed/PodNameConflict",
    ),
    Case(
        "a pod of another owner under that name: Crashed/PodNameConflict",
        pending(pod(owner="other")),
        "Crashed/PodNameConflict",
    ),
]

SCHEDULING = [
    Case("pod without PodScheduled: unchanged for 30 s", pending(pod(node=None), seconds=29), None, again=1),
    Case(
        "pod without PodScheduled for longer: told",
        pending(pod(node=None), seconds=30),
        "Pending/Submitting",
        says=("scheduler",),
    ),
    Case("scheduled, no container status: unchanged for 30 s", pending(pod(), seconds=29), None, again=1),
    Case(
        "scheduled, no container status for longer: told",
        pending(pod(), seconds=30),
        "Pending/Submitting",
        says=("waits for its node on node node-1",),
    ),
    Case(
        "SchedulingGated: Pending/SchedulingGated",
        pending(pod(node=None, conditions=(GATED,))),
        "Pending/SchedulingGated",
    ),
    Case(
        "SchedulingGated: pendingDeadline stands still",
        pending(
            pod(node=None, conditions=(GATED,)), "SchedulingGated", policy={"pendingDeadlineSeconds": 5}, seconds=100
        ),
        "Pending/SchedulingGated",
    ),
    Case(
        "Unschedulable: cause parsed, with the numbers",
        pending(unschedulable()),
        "Pending/Unschedulable",
        says=("InsufficientCpu", "0 of 3 nodes", "2 Insufficient cpu, 1 node(s) had untolerated taint(s)"),
    ),
    Case(
        "SchedulerError: Pending/Unschedulable",
        pending(unschedulable("boom", "SchedulerError")),
        "Pending/Unschedulable",
    ),
    Case(
        "Unschedulable for longer than pendingDeadline: Crashed/Unschedulable, the pod goes",
        pending(unschedulable(), "Unschedulable", policy={"pendingDeadlineSeconds": 10}),
        "Crashed/Unschedulable",
        ("delete-pod",),
        says=("pendingDeadlineSeconds (10 s)", "InsufficientCpu"),
    ),
    Case(
        "Unschedulable, pendingDeadline ahead: looked at when it passes",
        pending(unschedulable(), policy={"pendingDeadlineSeconds": 60}),
        "Pending/Unschedulable",
        again=50,
    ),
    Case(
        "ContainerCreating for less than 5 s: no write",
        pending(pod(waiting()), seconds=4),
        None,
        again=1,
    ),
    Case("ContainerCreating for 5 s: Pending/ContainerCreating", pending(pod(waiting())), "Pending/ContainerCreating"),
    Case(
        "ContainerCreating: message from the newest Warning event",
        pending(
            pod(waiting()),
            events=(
                event("Pulled", "an init container's image", "Normal"),
                event("FailedMount", "old"),
                event("FailedMount", 'MountVolume.SetUp failed for volume "s" : secret "late" not found'),
            ),
        ),
        "Pending/ContainerCreating",
        says=('FailedMount: MountVolume.SetUp failed for volume "s" : secret "late" not found',),
    ),
    Case(
        "ContainerCreating: a mount that failed once is left behind by the pull",
        pending(
            pod(waiting()),
            events=(
                event("FailedMount", "old"),
                event("Pulling", 'Pulling image "registry.example/engine:1"', "Normal"),
            ),
        ),
        "Pending/ContainerCreating",
        says=('Pulling image "registry.example/engine:1" on node node-1',),
    ),
    Case(
        "PodInitializing: Pending/Initializing, which init container runs",
        pending(pod(waiting("PodInitializing"), init={"prepare": running()})),
        "Pending/Initializing",
        says=("init container prepare runs",),
    ),
    Case(
        "PodInitializing between two init containers", pending(pod(waiting("PodInitializing"))), "Pending/Initializing"
    ),
]

CONTAINERS = [
    *(
        Case(
            f"{reason}: Pending/ImagePullBackOff, Degraded",
            pending(pod(waiting(reason, "not found"))),
            "Pending/ImagePullBackOff",
            says=("image registry.example/engine:1", "not found"),
            degraded="ImagePullBackOff",
            again=300,
        )
        for reason in ("ErrImagePull", "ImagePullBackOff", "RegistryUnavailable", "ImageInspectError")
    ),
    Case(
        "an init container's image: the same",
        pending(pod(waiting("PodInitializing"), init={"prepare": BACK_OFF})),
        "Pending/ImagePullBackOff",
        says=("image registry.example/prepare:1",),
        degraded="ImagePullBackOff",
    ),
    Case(
        "ImagePullBackOff after imagePullGrace: Crashed/ImagePullFailed, the pod goes",
        pending(pod(BACK_OFF), "ImagePullBackOff", time=5, seconds=305),
        "Crashed/ImagePullFailed",
        ("delete-pod",),
        says=("image registry.example/engine:1", "not found", "300 s"),
        budget="T",
    ),
    Case(
        "the image of a volume is missing: that one is named",
        pending(
            pod(
                waiting("ErrImagePull", 'failed to pull and unpack image "docker.io/library/model:1": not found'),
                images={"other": "x", "weights": "model:1"},
            )
        ),
        "Pending/ImagePullBackOff",
        says=("image docker.io/library/model:1 (volume weights): ErrImagePull",),
        degraded="ImagePullBackOff",
    ),
    Case(
        "the image of a volume that is never pulled: Crashed/ImagePullFailed, that one is named",
        pending(
            pod(
                waiting(
                    "ErrImageNeverPull", 'Container image "r.example/m:1" is not present with pull policy of Never'
                ),
                images={"weights": "r.example/m:1"},
            )
        ),
        "Crashed/ImagePullFailed",
        ("delete-pod",),
        says=("image r.example/m:1 (volume weights)",),
        budget="T",
    ),
    Case(
        "the container's own image is missing beside a volume that is one",
        pending(
            pod(
                waiting("ErrImagePull", 'failed to pull and unpack image "registry.example/engine:1": not found'),
                images={"weights": "model:1"},
            )
        ),
        "Pending/ImagePullBackOff",
        says=("image registry.example/engine:1: ErrImagePull",),
        degraded="ImagePullBackOff",
    ),
    *(
        Case(
            f"{whose} that can't be started, {reason} after its grace: Crashed/InitContainerFailed, its name",
            pending(pod(waiting("PodInitializing"), **{where: {"prepare": waiting(reason, "no")}}), name, seconds=305),
            "Crashed/InitContainerFailed",
            ("delete-pod",),
            says=(),
            budget="application",
        )
        for whose, where in (("an init container", "init"), ("a native sidecar", "sidecars"))
        for reason, name in (
            ("ErrImagePull", "ImagePullBackOff"),
            ("InvalidImageName", "Submitting"),
            ("ErrImageNeverPull", "Submitting"),
            ("CreateContainerConfigError", "ConfigError"),
            ("CreateContainerError", "CreateContainerError"),
            ("RunContainerError", "CreateContainerError"),
        )
    ),
    Case(
        "an init container's image, throttled by its registry: another attempt, neverStarted",
        pending(pod(waiting("PodInitializing"), init={"prepare": THROTTLED}), "ImagePullBackOff", seconds=300),
        "Crashed/InitContainerFailed",
        ("delete-pod",),
        budget="neverStarted",
    ),
    *(
        Case(
            f"a native sidecar {what} before the engine starts: Pending/Initializing, Degraded, its name and last words",
            pending(
                pod(
                    waiting("PodInitializing"),
                    sidecars={"proxy": state},
                    last_states={"proxy": last} if last else None,
                ),
                seconds=1,
            ),
            "Pending/Initializing",
            says=("sidecar proxy", *says),
            degraded="Initializing",
        )
        for what, state, last, says in (
            (
                "crash-loops",
                waiting("CrashLoopBackOff", "back-off 10s restarting failed container"),
                terminated(2, message="no\nlicence"),
                ("CrashLoopBackOff", "exit code 2", "no licence", "1 restarts"),
            ),
            ("has ended", terminated(1, message="bad flag"), None, ("exit code 1", "bad flag")),
            ("is killed for its memory", waiting("CrashLoopBackOff"), terminated(137, "OOMKilled"), ("OOMKilled",)),
        )
    ),
    Case(
        "a native sidecar that crash-loops for longer than pendingDeadline: Crashed/Initializing",
        pending(
            pod(waiting("PodInitializing"), sidecars={"proxy": waiting("CrashLoopBackOff")}),
            policy={"pendingDeadlineSeconds": 10},
        ),
        "Crashed/Initializing",
        ("delete-pod",),
        says=("sidecar proxy",),
    ),
    Case(
        "a native sidecar that crash-loops beside an engine that runs is not its concern",
        pending(pod(running(), sidecars={"proxy": waiting("CrashLoopBackOff")}), seconds=3),
        None,
        again=60,
    ),
    Case(
        "ImagePullBackOff, one second before: not yet",
        pending(pod(BACK_OFF), "ImagePullBackOff", time=5, seconds=304),
        "Pending/ImagePullBackOff",
        degraded="ImagePullBackOff",
        again=1,
    ),
    Case(
        "imagePullGrace of the run's own",
        pending(pod(BACK_OFF), "ImagePullBackOff", seconds=20, policy={"imagePullGraceSeconds": 20}),
        "Crashed/ImagePullFailed",
        ("delete-pod",),
        budget="T",
    ),
    Case(
        "the registry throttles after imagePullGrace: another attempt, neverStarted",
        pending(pod(THROTTLED), "ImagePullBackOff", seconds=300),
        "Crashed/ImagePullFailed",
        ("delete-pod",),
        says=("429",),
        budget="neverStarted",
    ),
    *(
        Case(
            f"{reason}: Crashed/ImagePullFailed at once",
            pending(pod(waiting(reason, "no"))),
            "Crashed/ImagePullFailed",
            ("delete-pod",),
            budget="T",
        )
        for reason in ("InvalidImageName", "ErrImageNeverPull", "SignatureValidationFailed")
    ),
    Case(
        "CreateContainerConfigError: Pending/ConfigError, Degraded, the missing key",
        pending(pod(waiting("CreateContainerConfigError", "couldn't find key a in ConfigMap default/late"))),
        "Pending/ConfigError",
        says=("couldn't find key a in ConfigMap default/late",),
        degraded="ConfigError",
        again=60,
    ),
    Case(
        "CreateContainerConfigError for 60 s: Crashed/ConfigError",
        pending(pod(waiting("CreateContainerConfigError", "no key")), "ConfigError", seconds=60),
        "Crashed/ConfigError",
        ("delete-pod",),
        budget="T",
    ),
    Case(
        "CreateContainerError: Pending/CreateContainerError",
        pending(pod(waiting("CreateContainerError", "boom"))),
        "Pending/CreateContainerError",
        again=180,
    ),
    Case(
        "CreateContainerError for 180 s: Crashed/CreateContainerError",
        pending(pod(waiting("CreateContainerError", "boom")), "CreateContainerError", seconds=180),
        "Crashed/CreateContainerError",
        ("delete-pod",),
        budget="T",
    ),
    Case(
        "CreateContainerError, context deadline exceeded, for 180 s: another attempt",
        pending(pod(waiting("CreateContainerError", "context deadline exceeded")), "CreateContainerError", seconds=180),
        "Crashed/CreateContainerError",
        ("delete-pod",),
        budget="neverStarted",
    ),
    Case(
        "PreCreateHookError, name is reserved, for 180 s: another attempt",
        pending(
            pod(waiting("PreCreateHookError", 'failed to reserve container name: name "x" is reserved for "y"')),
            "CreateContainerError",
            seconds=180,
        ),
        "Crashed/CreateContainerError",
        ("delete-pod",),
        budget="neverStarted",
    ),
    *(
        Case(
            f"{reason} for 60 s: Crashed/StartError",
            pending(pod(waiting(reason, "boom")), "CreateContainerError", seconds=60),
            "Crashed/StartError",
            ("delete-pod",),
            budget="T",
        )
        for reason in ("RunContainerError", "PreStartHookError", "PostStartHookError")
    ),
    Case(
        "RunContainerError, no space left, for 60 s: another attempt",
        pending(pod(waiting("RunContainerError", "no space left on device")), "CreateContainerError", seconds=60),
        "Crashed/StartError",
        ("delete-pod",),
        budget="neverStarted",
    ),
    *(
        Case(
            f"terminated {reason}: Crashed/StartError at once",
            pending(pod(terminated(128, reason, "exec: not found", started=EPOCH))),
            "Crashed/StartError",
            budget="T",
            says=("exec: not found",),
        )
        for reason in ("StartError", "ContainerCannotRun")
    ),
    Case(
        "terminated StartError, a cgroup error: another attempt",
        pending(pod(terminated(128, "StartError", "failed to create cgroup: busy", started=None))),
        "Crashed/StartError",
        budget="neverStarted",
    ),
    Case(
        "terminated StartError in 1970, no space left: it never started",
        pending(pod(terminated(128, "StartError", "no space left on device", started=EPOCH))),
        "Crashed/StartError",
        budget="neverStarted",
    ),
    Case(
        "a container that was lost in 1970 never started",
        pending(pod(terminated(255, "Unknown", started=EPOCH))),
        "Crashed/ContainerLost",
        budget="neverStarted",
    ),
    Case(
        "evicted before it ran: by its disruption, and nothing is lost",
        pending(
            pod(
                waiting(),
                phase="Failed",
                deleted=9,
                conditions=(condition("DisruptionTarget", "True", "EvictionByEvictionAPI", "drain"),),
            )
        ),
        "Crashed/Evicted",
        budget="neverStarted",
    ),
    *(
        Case(
            f"{reason}: Pending/SandboxError, for ever",
            pending(pod(waiting(reason, "cni")), "SandboxError", seconds=10_000),
            "Pending/SandboxError",
        )
        for reason in ("CreatePodSandboxError", "ConfigPodSandboxError")
    ),
    Case(
        "SandboxError for longer than pendingDeadline: Crashed/SandboxError",
        pending(
            pod(waiting("CreatePodSandboxError")), "SandboxError", seconds=100, policy={"pendingDeadlineSeconds": 100}
        ),
        "Crashed/SandboxError",
        ("delete-pod",),
    ),
    Case(
        "init container failed: Crashed/InitContainerFailed, its name and exit code",
        pending(pod(waiting("PodInitializing"), init={"prepare": terminated(3)}, phase="Failed")),
        "Crashed/InitContainerFailed",
        says=("prepare", "exit code 3"),
        budget="application",
    ),
    *(
        Case(
            f"init container could not be started, {reason}: Crashed/InitContainerFailed, its name, code and words",
            pending(
                pod(
                    waiting("PodInitializing"),
                    init={"prepare": terminated(128, reason, "exec: not found", started=EPOCH)},
                    phase="Failed",
                )
            ),
            "Crashed/InitContainerFailed",
            says=("prepare", reason, "128", "exec: not found"),
            budget="application",
        )
        for reason in ("StartError", "ContainerCannotRun")
    ),
    Case(
        "init container out of memory: Crashed/InitContainerOOMKilled",
        pending(pod(waiting("PodInitializing"), init={"prepare": terminated(137, "OOMKilled")}, phase="Failed")),
        "Crashed/InitContainerOOMKilled",
        says=("prepare",),
        budget="application",
    ),
    *(
        Case(
            f"Failed, {reason}, no container ran: Crashed/NodeRejected",
            pending(pod(phase="Failed", reason=reason, message="Pod was rejected: no")),
            "Crashed/NodeRejected",
            says=(reason, "Pod was rejected: no"),
            budget="neverStarted",
        )
        for reason in (
            "OutOfcpu",
            "OutOfmemory",
            "OutOfpods",
            "OutOfephemeral-storage",
            "OutOfnvidia.com/gpu",
            "NodeAffinity",
            "NodePorts",
            "UnexpectedAdmissionError",
            "TopologyAffinityError",
            "InvalidNodeInfo",
            "UnknownReason",
        )
    ),
    *(
        Case(
            f"Failed, {reason}: Crashed/NodeRejected, the spec can't run there",
            pending(pod(phase="Failed", reason=reason, message="no")),
            "Crashed/NodeRejected",
            budget="T",
        )
        for reason in (
            "PodOSNotSupported",
            "PodOSSelectorNodeLabelDoesNotMatch",
            "SupplementalGroupsPolicyNotSupported",
        )
    ),
    Case(
        "Failed, NodeShutdown, never started: Crashed/NodeShutdown",
        pending(pod(phase="Failed", reason="NodeShutdown", message="Pod was rejected as the node is shutting down.")),
        "Crashed/NodeShutdown",
        budget="neverStarted",
    ),
    Case(
        "Failed, Evicted, the node had condition, never started: Crashed/Evicted",
        pending(
            pod(phase="Failed", reason="Evicted", message="Pod was rejected: The node had condition: [DiskPressure].")
        ),
        "Crashed/Evicted",
        says=("[DiskPressure]",),
        budget="neverStarted",
    ),
    Case(
        "deletionTimestamp while Pending, not ours: stays Pending",
        pending(pod(waiting(), deleted=9), "ContainerCreating"),
        "Pending/ContainerCreating",
        says=("being deleted",),
    ),
    Case(
        "deleted before it ran, the container shows 137 that never was: Crashed/PodDeleted",
        pending(pod(terminated(137, "ContainerStatusUnknown", started=None), phase="Failed", deleted=9)),
        "Crashed/PodDeleted",
        budget="neverStarted",
    ),
    Case(
        "deleted before it ran, and gone: Crashed/PodDeleted",
        pending(status={"pod_uid": "p"}, last_pod=pod(waiting(), deleted=9)),
        "Crashed/PodDeleted",
        budget="neverStarted",
    ),
    Case(
        "never seen, though it was submitted: it is created again",
        pending(),
        "Pending/Submitting",
        ("create-pod",),
    ),
    Case(
        "POST was answered, then gone: Crashed/PodDeleted",
        pending(pod_created=True),
        "Crashed/PodDeleted",
        budget="neverStarted",
    ),
    Case("container runs, no claim: unchanged", pending(pod(running()), seconds=3), None, again=60),
    Case(
        "container runs for 60 s of the operator's time, no claim: Pending/Starting, Degraded",
        pending(pod(running()), seconds=63, running_at=NOW),
        "Pending/Starting",
        says=("has not claimed the run",),
        degraded="Starting",
    ),
    Case(
        "a node's clock does no harm: the container says that it runs for an hour",
        pending(pod(running(-3600)), seconds=63),
        None,
        again=60,
    ),
    Case(
        "the pod waits for a revision that is gone with its Flow: Crashed/FlowDeleted",
        observed(
            run(
                {"flowRef": {"name": "etl"}},
                status_json("Pending", "ContainerCreating", flow={"name": "etl", "revision": "etl-0123456789"}),
            ),
            pod=pod(waiting()),
            events=(event("FailedMount", 'MountVolume.SetUp failed: configmap "etl-0123456789" not found'),),
        ),
        "Crashed/FlowDeleted",
        ("delete-pod",),
    ),
]


@pytest.mark.parametrize("case", [*BEFORE_THE_POD, *REFUSED, *SCHEDULING, *CONTAINERS], ids=str)
def test_row(case: Case) -> None:
    check(case)


def test_the_pending_deadline_begins_when_the_gate_opens() -> None:
    gated = pending(pod(waiting()), "SchedulingGated", seconds=100, policy={"pendingDeadlineSeconds": 60})
    decision = decide(gated)
    assert decision.status is not None
    assert decision.status.state is not None
    assert decision.status.state.since == gated.now
    assert state_of(decision) == "Pending/Submitting"
    assert (decision.requeue_at or gated.now) > gated.now


def test_a_revision_that_is_missing_is_made_before_the_pod() -> None:
    decision = decide(fresh({"flowRef": {"name": "etl"}}, flow=flow()))
    assert verbs(decision.effects) == ("create-revision", "create-pod")


def test_a_revision_that_a_waiting_pod_misses_is_made_again() -> None:
    begun = decide(fresh({"flowRef": {"name": "etl"}}, flow=flow())).status
    assert begun is not None
    assert begun.flow is not None
    text = f'MountVolume.SetUp failed for volume "penstock-flow" : configmap "{begun.flow.revision}" not found'
    waits = observed(
        run({"flowRef": {"name": "etl"}}, begun.to_json()),
        seconds=30,
        flow=flow(),
        pod=pod(waiting()),
        events=(event("FailedMount", text),),
    )
    assert verbs(decide(waits).effects) == ("create-revision",)


def test_lineage_is_that_of_the_run_which_it_repeats() -> None:
    first = run(status=status_json("Completed", lineage="the-very-first"))
    decision = decide(fresh({"flowSpec": flow_spec(), "rerunOf": {"name": "x"}}, rerun_of=first))
    assert decision.status is not None
    assert decision.status.lineage == "the-very-first"


THEIRS = {"day": "2026-11-21", "rows": 5, "none": None}
TAKEN = {"day": "2026-11-21", "none": None}


@pytest.mark.parametrize(
    ("repeats", "own", "taken"),
    [
        ({"parameters": THEIRS}, {"rows": 7}, TAKEN),
        ({"parameters": THEIRS}, {}, THEIRS),
        ({"parameters": THEIRS}, THEIRS, None),
        ({}, {"rows": 7}, None),
        ({"parameters": {"rows": 6}, "took": '{"day":"2026-11-21","none":null,"rows":5}'}, {"rows": 7}, TAKEN),
        ({"parameters": THEIRS, "flowSpec": flow_spec(entrypoint="other.py:main")}, {}, None),
        ({"parameters": THEIRS, "flowSpec": None, "flowRef": {"name": "etl"}}, {}, None),
    ],
    ids=["some are given", "none are", "all are", "there are none", "it took some itself", "another flow", "a Flow"],
)
def test_parameters_that_are_not_given_are_those_of_the_run_which_it_repeats(
    repeats: dict[str, Any], own: dict[str, Any], taken: dict[str, Any] | None
) -> None:
    """Written once, with the lineage: nothing that becomes of the other run afterwards counts."""
    spec = {"flowSpec": flow_spec(), **{k: v for k, v in repeats.items() if k != "took"}}
    took = {"parameters": repeats["took"]} if "took" in repeats else {}
    first = run({k: v for k, v in spec.items() if v is not None}, status_json("Completed", lineage="the-first", **took))
    mine = {"flowSpec": flow_spec(), "rerunOf": {"name": "x"}, "parameters": own}
    decision = decide(fresh(mine, rerun_of=first))
    assert decision.status is not None
    text = decision.status.parameters
    assert (json.loads(text) if text is not None else None) == taken
    other = run({"flowSpec": flow_spec(), "parameters": {"day": "another"}}, status_json("Completed", lineage="x"))
    settled = decision.status.to_json()
    again = decide(observed(run(mine, {**settled, "state": status_json("Scheduled", "Late")["state"]}), rerun_of=other))
    assert again.status is None or again.status.parameters == text


def test_what_is_taken_over_is_checked_by_the_schema() -> None:
    schema = {"type": "object", "properties": {"rows": {"type": "integer"}}, "required": ["day"]}
    spec = {"flowSpec": flow_spec(parametersSchema=schema), "rerunOf": {"name": "x"}, "parameters": {"rows": "two"}}
    first = run({"flowSpec": flow_spec(), "parameters": THEIRS}, status_json("Completed", lineage="x"))
    decision = decide(fresh(spec, rerun_of=first))
    assert state_of(decision) == "Failed/InvalidParameters"
    assert decision.status is not None
    assert decision.status.state is not None
    assert decision.status.state.message == "parameters.rows: 'two' is not of type 'integer'"
    # Once it is written down, what counts is that: another run may have the name by now.
    mine = {**spec, "parameters": {"rows": 2}}
    state = status_json("Scheduled", "AwaitingFlow")["state"]
    settled = {"lineage": "x", "parameters": '{"day":"2026-11-21"}', "state": state}
    another = run({"flowSpec": flow_spec()}, status_json("Completed", lineage="y"))
    assert state_of(decide(observed(run(mine, settled), rerun_of=another))) == "Pending/Submitting"


@pytest.mark.parametrize("parameters", [{"text": "x" * 20_000}, {"deep": json.loads("[" * 200 + "]" * 200)}])
def test_what_a_status_cannot_hold_is_said_and_not_left_out(parameters: dict[str, Any]) -> None:
    first = run({"flowSpec": flow_spec(), "parameters": parameters}, status_json("Completed", lineage="x"))
    decision = decide(fresh({"flowSpec": flow_spec(), "rerunOf": {"name": "x"}}, rerun_of=first))
    assert state_of(decision) == "Failed/InvalidParameters"
    assert decision.status is not None
    assert decision.status.state is not None
    assert "FlowRun 'x' (rerunOf)" in (decision.status.state.message or "")
    assert decision.status.parameters is None


def test_the_flows_policy_is_under_the_runs() -> None:
    spec = flow_spec(runPolicy={"gracePeriodSeconds": 7, "retries": {"infrastructure": 9}})
    decision = decide(
        fresh({"flowRef": {"name": "etl"}, "runPolicy": {"retries": {"application": 1}}}, flow=flow(spec))
    )
    manifest = next(e.manifest for e in decision.effects if hasattr(e, "manifest") and e.manifest["kind"] == "Pod")
    assert manifest["spec"]["terminationGracePeriodSeconds"] == 7


def test_a_submission_is_taken_back_only_for_a_live_sight_of_the_attempt_before() -> None:
    """Two operators that both lead: one has seen the old process end, the other's watch is behind."""
    seen = observed(
        run({"flowSpec": flow_spec()}, status_json("Pending", "Submitting", attempt=2)),
        pod=MISSING,
        pod_is_live=True,
        run_is_live=True,
        previous_pod=pod(running()),
    )
    decision = reconcile(seen)
    assert (decision.looks, decision.status) == (frozenset({Look.PREVIOUS_POD}), None)
