"""What `kubectl get` shows: the columns of built-in kinds, and the text of ages. Pure."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from .kinds import Column

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .store import Object

    Cell = Callable[[Mapping[str, Any], float], Any]


def seconds_of(text: str) -> float | None:
    """Return the time of RFC 3339 text, None when it is none."""
    try:
        return dt.datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None


def duration(seconds: float) -> str:
    """Return a duration as kubectl prints ages: two units at most, coarser with age."""
    total = int(seconds)
    if total < -1:
        return "<invalid>"
    total = max(total, 0)
    minutes, hours, days = total // 60, total // 3600, total // 86400
    if total < 120:
        return f"{total}s"
    if minutes < 10:
        return _two(minutes, "m", total % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return _two(days, "d", hours % 24, "h")
    if days < 730:
        return f"{days}d"
    years = days // 365
    return _two(years, "y", days % 365, "d") if years < 8 else f"{years}y"


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large}{large_unit}{small}{small_unit}" if small else f"{large}{large_unit}"


def since(text: Any, now: float) -> str:
    """Return how long ago a time is."""
    if not text:
        return "<unknown>"
    then = seconds_of(str(text))
    return "<invalid>" if then is None else duration(now - then)


def _name(obj: Mapping[str, Any], now: float) -> Any:
    return obj["metadata"]["name"]


def _age(obj: Mapping[str, Any], now: float) -> Any:
    return since(obj["metadata"].get("creationTimestamp"), now)


def _created(obj: Mapping[str, Any], now: float) -> Any:
    return obj["metadata"].get("creationTimestamp", "")


def _at(*path: str, default: Any = "") -> Cell:
    def cell(obj: Mapping[str, Any], now: float) -> Any:
        value: Any = obj
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        return default if value is None else value

    return cell


def _count(*fields: str) -> Cell:
    return lambda obj, now: sum(len(obj.get(field) or ()) for field in fields)


NAME = Column("Name", _name, format="name", description="Name must be unique within a namespace.")
AGE = Column("Age", _age, description="Time since the object was created.")
AGED = (NAME, AGE)
CREATED = (NAME, Column("Created At", _created, type="date"))


def pod_status(pod: Object) -> tuple[str, str, str]:
    """Return a pod's STATUS, READY and RESTARTS as kubectl shows them (the server computes them)."""
    status = pod.get("status") or {}
    spec = pod.get("spec") or {}
    reason = status.get("reason") or status.get("phase", "")
    if any(
        c.get("type") == "PodScheduled" and c.get("reason") == "SchedulingGated" for c in status.get("conditions") or ()
    ):
        reason = "SchedulingGated"
    initializing, restarts = False, 0
    inits = status.get("initContainerStatuses") or ()
    for i, container in enumerate(inits):
        state = container.get("state") or {}
        restarts += container.get("restartCount", 0)
        terminated, waiting = state.get("terminated"), state.get("waiting")
        if terminated and terminated.get("exitCode") == 0:
            continue
        if terminated:
            reason = "Init:" + _ended(terminated)
        elif waiting and waiting.get("reason") and waiting["reason"] != "PodInitializing":
            reason = "Init:" + waiting["reason"]
        else:
            reason = f"Init:{i}/{len(spec.get('initContainers') or ())}"
        initializing = True
        break
    ready = 0
    if not initializing:
        restarts, running = 0, False
        for container in reversed(status.get("containerStatuses") or ()):
            state = container.get("state") or {}
            restarts += container.get("restartCount", 0)
            if (state.get("waiting") or {}).get("reason"):
                reason = state["waiting"]["reason"]
            elif "terminated" in state:
                reason = _ended(state["terminated"])
            elif container.get("ready") and "running" in state:
                running = True
                ready += 1
        if reason == "Completed" and running:
            reason = "Running" if _is_ready(status) else "NotReady"
    if pod["metadata"].get("deletionTimestamp"):
        reason = "Unknown" if status.get("reason") == "NodeLost" else "Terminating"
    return reason, f"{ready}/{len(spec.get('containers') or ())}", str(restarts)


def _ended(terminated: Mapping[str, Any]) -> str:
    if terminated.get("reason"):
        return str(terminated["reason"])
    return f"Signal:{terminated['signal']}" if terminated.get("signal") else f"ExitCode:{terminated.get('exitCode', 0)}"


def _is_ready(status: Mapping[str, Any]) -> bool:
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in status.get("conditions") or ())


def _pod(index: int) -> Cell:
    return lambda obj, now: pod_status(dict(obj))[index]


PODS = (
    NAME,
    Column("Ready", _pod(1)),
    Column("Status", _pod(0)),
    Column("Restarts", _pod(2)),
    AGE,
    Column("IP", _at("status", "podIP", default="<none>"), priority=1),
    Column("Node", _at("spec", "nodeName", default="<none>"), priority=1),
    Column("Nominated Node", _at("status", "nominatedNodeName", default="<none>"), priority=1),
    Column("Readiness Gates", lambda obj, now: "<none>", priority=1),
)
DATA = (NAME, Column("Data", _count("data", "binaryData")), AGE)
SECRETS = (NAME, Column("Type", _at("type")), Column("Data", _count("data")), AGE)
ACCOUNTS = (NAME, AGE)
_MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}
CLAIMS = (
    NAME,
    Column("Status", _at("status", "phase")),
    Column("Volume", _at("spec", "volumeName")),
    Column("Capacity", _at("status", "capacity", "storage")),
    Column(
        "Access Modes",
        lambda obj, now: ",".join(
            _MODES.get(mode, mode) for mode in (obj.get("status") or {}).get("accessModes") or ()
        ),
    ),
    Column("StorageClass", _at("spec", "storageClassName")),
    AGE,
)
NAMESPACES = (NAME, Column("Status", _at("status", "phase")), AGE)
LEASES = (NAME, Column("Holder", _at("spec", "holderIdentity")), AGE)
DEFINITIONS = CREATED


def _node_status(obj: Mapping[str, Any], now: float) -> str:
    conditions = (obj.get("status") or {}).get("conditions") or ()
    ready = next((c for c in conditions if c.get("type") == "Ready"), None)
    words = ["Unknown" if ready is None else "Ready" if ready.get("status") == "True" else "NotReady"]
    if (obj.get("spec") or {}).get("unschedulable"):
        words.append("SchedulingDisabled")
    return ",".join(words)


def _roles(obj: Mapping[str, Any], now: float) -> str:
    prefix = "node-role.kubernetes.io/"
    names = sorted(key.removeprefix(prefix) for key in obj["metadata"].get("labels") or {} if key.startswith(prefix))
    return ",".join(names) or "<none>"


def _address(kind: str) -> Cell:
    def cell(obj: Mapping[str, Any], now: float) -> str:
        addresses = (obj.get("status") or {}).get("addresses") or ()
        return next((a.get("address", "") for a in addresses if a.get("type") == kind), "<none>")

    return cell


def _info(name: str) -> Cell:
    value = _at("status", "nodeInfo", name)
    return lambda obj, now: value(obj, now) or "<unknown>"


NODES = (
    NAME,
    Column("Status", _node_status),
    Column("Roles", _roles),
    AGE,
    Column("Version", _at("status", "nodeInfo", "kubeletVersion")),
    Column("Internal-IP", _address("InternalIP"), priority=1),
    Column("External-IP", _address("ExternalIP"), priority=1),
    Column("OS-Image", _info("osImage"), priority=1),
    Column("Kernel-Version", _info("kernelVersion"), priority=1),
    Column("Container-Runtime", _info("containerRuntimeVersion"), priority=1),
)


def _replicas(*path: str) -> Cell:
    return _at(*path, default=0)


def _ready_replicas(obj: Mapping[str, Any], now: float) -> str:
    wanted = _at("spec", "replicas", default=1)(obj, now)
    return f"{_replicas('status', 'readyReplicas')(obj, now)}/{wanted}"


def _containers(field: str) -> Cell:
    found = _at("spec", "template", "spec", "containers", default=())
    return lambda obj, now: ",".join(container.get(field, "") for container in found(obj, now))


def _selector(obj: Mapping[str, Any], now: float) -> str:
    labels = _at("spec", "selector", "matchLabels", default={})(obj, now)
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items())) or "<none>"


DEPLOYMENTS = (
    NAME,
    Column("Ready", _ready_replicas),
    Column("Up-to-date", _replicas("status", "updatedReplicas")),
    Column("Available", _replicas("status", "availableReplicas")),
    AGE,
    Column("Containers", _containers("name"), priority=1),
    Column("Images", _containers("image"), priority=1),
    Column("Selector", _selector, priority=1),
)


def _event_times(event: Mapping[str, Any]) -> tuple[Any, Any, int]:
    series = event.get("series") or {}
    first = event.get("firstTimestamp") or event.get("eventTime")
    last = series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime")
    return first, last, series.get("count") or event.get("count") or 1


def _involved(obj: Mapping[str, Any], now: float) -> str:
    involved = obj.get("involvedObject") or {}
    return f"{involved.get('kind', '').lower()}/{involved.get('name', '')}"


def _source(obj: Mapping[str, Any], now: float) -> str:
    source = obj.get("source") or {}
    name = source.get("component") or obj.get("reportingComponent") or ""
    host = source.get("host") or (obj.get("reportingInstance") if obj.get("reportingComponent") else "")
    return f"{name}, {host}" if host else str(name)


EVENTS = (
    Column("Last Seen", lambda obj, now: since(_event_times(obj)[1], now)),
    Column("Type", _at("type")),
    Column("Reason", _at("reason")),
    Column("Object", _involved),
    Column("Subobject", _at("involvedObject", "fieldPath"), priority=1),
    Column("Source", _source, priority=1),
    Column("Message", lambda obj, now: str(obj.get("message", "")).strip()),
    Column("First Seen", lambda obj, now: since(_event_times(obj)[0], now), priority=1),
    Column("Count", lambda obj, now: _event_times(obj)[2], priority=1),
    Column("Name", _name, format="name", priority=1),
)


def _subjects(kind: str) -> Cell:
    def cell(obj: Mapping[str, Any], now: float) -> str:
        found = [s for s in obj.get("subjects") or () if s.get("kind") == kind]
        return ", ".join(f"{s['namespace']}/{s['name']}" if s.get("namespace") else s.get("name", "") for s in found)

    return cell


def _role(obj: Mapping[str, Any], now: float) -> str:
    role = obj.get("roleRef") or {}
    return f"{role.get('kind', '')}/{role.get('name', '')}"


BINDINGS = (
    NAME,
    Column("Role", _role),
    AGE,
    Column("Users", _subjects("User"), priority=1),
    Column("Groups", _subjects("Group"), priority=1),
    Column("ServiceAccounts", _subjects("ServiceAccount"), priority=1),
)


def _length(*path: str) -> Cell:
    value = _at(*path, default=())
    return lambda obj, now: len(value(obj, now))


POLICIES = (
    NAME,
    Column("Validations", _length("spec", "validations"), type="integer"),
    Column("ParamKind", _at("spec", "paramKind", "kind", default="<unset>")),
    AGE,
)
POLICY_BINDINGS = (
    NAME,
    Column("PolicyName", _at("spec", "policyName")),
    Column("ParamRef", _at("spec", "paramRef", "name", default="<unset>")),
    AGE,
)
