"""Pods: defaults and admission as far as kubectl, the operator and the node look at them, and what of a pod may change.

Subset: the fields that Penstock and kubectl use are validated with the real words; the rest of the PodSpec is checked by type only.
`pods/binding` sets the node once, as a scheduler does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .kinds import Env, Strategy
from .pod_validation import validate_pod, validate_pod_update
from .status import forbidden

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .status import FieldError
    from .store import Object

TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
_TOLERATIONS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


class PodStrategy(Strategy):
    """Pods."""

    counts_generations = True
    returns_deleted = True
    graceful = True

    def create(self, obj: Object, env: Env) -> Object:
        """Fill in defaults, the ServiceAccount's token volume, tolerations, and the first status."""
        spec = _defaulted(dict(obj.get("spec") or {}))
        if spec["terminationGracePeriodSeconds"] < 0:
            spec["terminationGracePeriodSeconds"] = 1
        spec = _with_tolerations(spec)
        spec = _with_token(spec, obj["metadata"].get("namespace", ""), env)
        status: dict[str, Any] = {"phase": "Pending", "qosClass": qos_class(spec)}
        if spec.get("schedulingGates"):
            status["conditions"] = [{**_GATED, "lastTransitionTime": obj["metadata"].get("creationTimestamp")}]
        return {**obj, "spec": spec, "status": status}

    def admit(self, obj: Object, env: Env) -> None:
        """Refuse a pod whose ServiceAccount does not exist."""
        meta = obj["metadata"]
        spec = obj.get("spec") or {}
        name = spec.get("serviceAccountName") or spec.get("serviceAccount") or "default"
        namespace = meta.get("namespace", "")
        if env.store.get("serviceaccounts.", namespace, name) is None:
            why = f'error looking up service account {namespace}/{name}: serviceaccount "{name}" not found'
            raise forbidden("", "pods", meta.get("name", ""), why)

    def update(self, new: Object, old: Object, subresource: str, env: Env) -> Object:
        """Default again what the new spec lacks, as the decoder of a real server does."""
        if subresource == "status":
            return {**new, "status": _status(new.get("status") or {})}
        spec = _defaulted(dict(new.get("spec") or {}))
        return {**new, "spec": spec}

    def validate(self, new: Object, old: Object | None, subresource: str) -> list[FieldError]:
        """Check the spec, and on update that only what may change did."""
        if old is None:
            return validate_pod(new)
        return [] if subresource else validate_pod_update(new, old)

    def grace(self, obj: Object, asked: int | None) -> int:
        """Return the grace period: none for a pod that no node has, or that has ended."""
        spec = obj["spec"]
        if not spec.get("nodeName") or (obj.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
            return 0
        period: int = spec.get("terminationGracePeriodSeconds", 30) if asked is None else asked
        return max(period, 1) if period < 0 else period


_GATED = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "SchedulingGated",
    "message": "Scheduling is blocked due to non-empty scheduling gates",
    "lastProbeTime": None,
}


def _status(status: dict[str, Any]) -> dict[str, Any]:
    """Return a status with the fields that a real server never leaves out."""
    out = dict(status)
    if out.get("conditions"):
        out["conditions"] = [{"lastProbeTime": None, "lastTransitionTime": None, **c} for c in out["conditions"]]
    for group in ("containerStatuses", "initContainerStatuses"):
        if out.get(group):
            out[group] = [{"lastState": {}, **c} for c in out[group]]
    return out


def containers(spec: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the init containers and containers of a pod's spec."""
    yield from spec.get("initContainers") or ()
    yield from spec.get("containers") or ()


def _defaulted(spec: dict[str, Any]) -> dict[str, Any]:
    for key, value in (
        ("restartPolicy", "Always"),
        ("terminationGracePeriodSeconds", 30),
        ("dnsPolicy", "ClusterFirst"),
        ("schedulerName", "default-scheduler"),
        ("enableServiceLinks", True),
    ):
        if spec.get(key) in (None, ""):
            spec[key] = value
    if spec.get("securityContext") is None:
        spec["securityContext"] = {}
    account = spec.get("serviceAccountName") or spec.get("serviceAccount") or "default"
    spec["serviceAccountName"] = spec["serviceAccount"] = account
    if spec.get("priority") is None:
        spec["priority"] = 0
    if spec.get("preemptionPolicy") is None:
        spec["preemptionPolicy"] = "PreemptLowerPriority"
    for group in ("initContainers", "containers"):
        if isinstance(spec.get(group), list):
            spec[group] = [_container(dict(c)) if isinstance(c, dict) else c for c in spec[group]]
    if isinstance(spec.get("volumes"), list):
        spec["volumes"] = [_volume(dict(v)) if isinstance(v, dict) else v for v in spec["volumes"]]
    return spec


def _container(container: dict[str, Any]) -> dict[str, Any]:
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    if not container.get("imagePullPolicy"):
        tag = str(container.get("image", "")).rsplit("/", 1)[-1].partition("@")[0].partition(":")[2]
        digest = "@" in str(container.get("image", ""))
        container["imagePullPolicy"] = "Always" if tag == "latest" or (not tag and not digest) else "IfNotPresent"
    resources = dict(container.get("resources") or {})
    if resources.get("limits"):
        resources["requests"] = {**resources["limits"], **(resources.get("requests") or {})}
    container["resources"] = resources
    if container.get("ports"):
        container["ports"] = [{"protocol": "TCP", **port} for port in container["ports"]]
    if container.get("env"):
        container["env"] = [_environment(dict(entry)) for entry in container["env"]]
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        if container.get(probe):
            container[probe] = _probe(dict(container[probe]))
    return container


def _environment(entry: dict[str, Any]) -> dict[str, Any]:
    source = entry.get("valueFrom")
    if isinstance(source, dict) and isinstance(source.get("fieldRef"), dict):
        entry["valueFrom"] = {**source, "fieldRef": {"apiVersion": "v1", **source["fieldRef"]}}
    return entry


def _probe(probe: dict[str, Any]) -> dict[str, Any]:
    for key, value in (("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3)):
        if not probe.get(key):
            probe[key] = value
    if probe.get("httpGet"):
        probe["httpGet"] = {"path": "/", "scheme": "HTTP", **probe["httpGet"]}
    return probe


def _items(source: dict[str, Any]) -> dict[str, Any]:
    if source.get("items"):
        items = []
        for item in source["items"]:
            if item.get("fieldRef"):
                item = {**item, "fieldRef": {"apiVersion": "v1", **item["fieldRef"]}}
            items.append(item)
        source = {**source, "items": items}
    return source


def _volume(volume: dict[str, Any]) -> dict[str, Any]:
    for kind in ("configMap", "secret", "downwardAPI", "projected"):
        if isinstance(volume.get(kind), dict):
            volume[kind] = _items({"defaultMode": 420, **volume[kind]})
    if isinstance(volume.get("projected"), dict):
        sources = []
        for source in volume["projected"].get("sources") or ():
            source = dict(source)
            if isinstance(source.get("serviceAccountToken"), dict):
                source["serviceAccountToken"] = {"expirationSeconds": 3600, **source["serviceAccountToken"]}
            if isinstance(source.get("downwardAPI"), dict):
                source["downwardAPI"] = _items(source["downwardAPI"])
            sources.append(source)
        volume["projected"] = {**volume["projected"], "sources": sources}
    if set(volume) <= {"name"}:
        volume["emptyDir"] = {}
    return volume


def _with_tolerations(spec: dict[str, Any]) -> dict[str, Any]:
    have = spec.get("tolerations") or []
    added = [
        {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
        for key in _TOLERATIONS
        if not any(_tolerates(toleration, key) for toleration in have)
    ]
    return {**spec, "tolerations": [*have, *added]}


def _tolerates(toleration: dict[str, Any], key: str) -> bool:
    right_key = toleration.get("key") == key or (not toleration.get("key") and toleration.get("operator") == "Exists")
    return right_key and toleration.get("effect", "NoExecute") in ("", "NoExecute")


def _with_token(spec: dict[str, Any], namespace: str, env: Env) -> dict[str, Any]:
    """Mount the ServiceAccount's token as the admission plugin of a real server does, unless the pod or the account says no."""
    account = env.store.get("serviceaccounts.", namespace, spec["serviceAccountName"]) or {}
    wanted = spec.get("automountServiceAccountToken")
    if wanted is None:
        wanted = account.get("automountServiceAccountToken", True)
    if not wanted:
        return spec
    mounting = [
        c for c in containers(spec) if not any(m.get("mountPath") == TOKEN_PATH for m in c.get("volumeMounts") or ())
    ]
    if not mounting:
        return spec
    name = "kube-api-access-" + env.random_name(5)
    mount = {"name": name, "readOnly": True, "mountPath": TOKEN_PATH}
    for container in mounting:  # fresh dicts, made by the defaulting just before
        container["volumeMounts"] = [*(container.get("volumeMounts") or ()), mount]
    sources = [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {
            "downwardAPI": {
                "items": [{"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]
            }
        },
    ]
    volume = {"name": name, "projected": {"sources": sources, "defaultMode": 420}}
    return {**spec, "volumes": [*(spec.get("volumes") or ()), volume]}


def qos_class(spec: dict[str, Any]) -> str:
    """Return a pod's quality-of-service class."""
    guaranteed, anything = True, False
    for container in containers(spec):
        resources = container.get("resources") or {}
        limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
        named = {"cpu", "memory"}
        anything = anything or bool(named & {*limits, *requests})
        if not named <= set(limits) or any(requests.get(key, limits[key]) != limits[key] for key in named):
            guaranteed = False
    if not anything:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"
