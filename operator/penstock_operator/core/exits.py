"""What an engine's exit code means where no report does, with the pod's Events for the codes that hide a cause.

The engine's own codes: 66 the flow could not be loaded, 70 engine or body crashed, 77 refused before any user code. 128+n: signal n.
Neighbours: `fates` has judged disruptions, pod reasons and OOM kills before; `reports` reads the termination message.
"""

from __future__ import annotations

import re
import signal
from dataclasses import replace

from penstock_operator.api import constants as k
from penstock_operator.api.flowrun import StateType

from .facts import Facts
from .faults import Need
from .model import Look
from .observe import ContainerState, PodEvent
from .verdict import Budget, Verdict

_LOCAL_STORAGE = re.compile(r"local (ephemeral )?storage|EmptyDir volume", re.IGNORECASE)


def judge_exit(facts: Facts) -> Verdict | None:
    """Return what the exit code of the engine's container means; None: it has none.

    Raises:
        Need: the pod's events.
    """
    state = facts.end
    if state is None or state.kind != "terminated" or state.exit_code is None:
        return None
    if state.exit_code == k.EXIT_REFUSED:
        return _refused(facts, state)
    return _judge(facts, state.exit_code, state)


def _judge(facts: Facts, code: int, state: ContainerState) -> Verdict:
    if code == 0:
        return _zero(facts)
    if code == k.EXIT_LOAD_ERROR:
        return crashed(facts, "LoadError", f"exit code 66: the flow could not be loaded{_said(state)}", None, code)
    if code == k.EXIT_ENGINE_ERROR:
        return crashed(
            facts, "EngineError", f"exit code 70: the engine crashed{_said(state)}", Budget.APPLICATION, code
        )
    if code in (126, 127):
        what = "is not executable" if code == 126 else "was not found"
        return crashed(facts, "StartError", f"exit code {code}: the command {what}{_said(state)}", None, code)
    if code in (130, 143):
        return _interrupted(facts, code)
    if code == 137:
        return _killed(facts)
    name = _signal_name(code)
    if name:
        return crashed(facts, "Signal", f"exit code {code} ({name}){facts.where}", Budget.APPLICATION, code)
    return crashed(facts, "ExitCode", f"exit code {code} without a report{_said(state)}", Budget.APPLICATION, code)


def crashed(facts: Facts, name: str, message: str, budget: Budget | None, code: int | None = None) -> Verdict:
    """Return Crashed/`name`; what the infrastructure did to an engine that never started is counted in neverStarted.

    Args:
        facts: of the pod.
        name: of the state.
        message: told in one line.
        budget: that a repeat is counted in.
        code: the exit code; by default the engine's container's, if it ran.
    """
    if budget is Budget.INFRASTRUCTURE and not facts.started:
        budget = Budget.NEVER_STARTED
    if code is None and facts.started:
        code = facts.exit_code
    return Verdict(StateType.CRASHED, name, " ".join(message.split()), budget, exit_code=code)


def over_own_limit(words: str) -> bool:
    """Whether a pod was evicted for a storage limit of its own, and not for what its node lacks."""
    return _LOCAL_STORAGE.search(words) is not None and "low on resource" not in words


def own_deadline(facts: Facts) -> str:
    """Return the words for a pod whose own deadline has passed."""
    limit = facts.pod.active_deadline_seconds
    return f"the pod's own activeDeadlineSeconds{f' ({limit} s)' if limit else ''} passed"


def _said(state: ContainerState) -> str:
    """The last words of a process that did not write a report there."""
    text = " ".join(state.message.split())
    return f": {text}" if text and not text.startswith("{") else ""


def _signal_name(code: int) -> str:
    try:
        return signal.Signals(code - 128).name
    except ValueError:
        return f"signal {code - 128}" if 128 < code <= 192 else ""


def _zero(facts: Facts) -> Verdict:
    if facts.pod.deletion_timestamp is not None:
        text = f"the pod was deleted{facts.where}; the process left with exit code 0 and no report"
        return crashed(facts, "Interrupted", text, Budget.INFRASTRUCTURE, 0)
    cause = _by_events(facts, 0)
    if cause is not None:
        return cause
    text = "exit code 0 without a report: the process ended by itself before the flow did (os._exit, exec?), or was stopped from outside"
    return crashed(facts, "NoReport", text, Budget.INFRASTRUCTURE, 0)


def _interrupted(facts: Facts, code: int) -> Verdict:
    cause = _by_events(facts, code) if facts.pod.deletion_timestamp is None else None
    if cause is not None:
        return cause
    by = "the pod was deleted" if facts.pod.deletion_timestamp is not None else "interrupted"
    text = f"{by}{facts.where}: exit code {code} ({_signal_name(code)}) without a report"
    return crashed(facts, "Interrupted", text, Budget.INFRASTRUCTURE, code)


def _killed(facts: Facts) -> Verdict:
    if facts.pod.deletion_timestamp is not None:
        text = (
            f"the pod was deleted{facts.where}; the process did not end within its grace and was killed (exit code 137)"
        )
        return crashed(facts, "PodDeleted", text, Budget.INFRASTRUCTURE, 137)
    cause = _by_events(facts, 137)
    if cause is not None and cause.name != "Interrupted":
        return cause
    text = (
        f"killed{facts.where}: exit code 137 (SIGKILL), no eviction, no deletion, no memory limit hit by the main process;"
        " a child's OOM kill is one cause"
    )
    return crashed(facts, "Killed", text, Budget.INFRASTRUCTURE, 137)


def _refused(facts: Facts, state: ContainerState) -> Verdict:
    """Another process of this attempt had claimed, in this container before a restart; or nobody knows why it was refused."""
    container = facts.container
    before = container.last_state if container is not None else None
    if before is not None and before.kind == "terminated" and before.exit_code not in (None, k.EXIT_REFUSED):
        assert container is not None
        earlier = replace(container, state=before, last_state=None)
        pod = replace(facts.pod, containers=tuple(earlier if c is container else c for c in facts.pod.containers))
        assert before.exit_code is not None
        return _judge(replace(facts, pod=pod), before.exit_code, before)
    text = f"exit code 77: the engine was refused{facts.where}{_said(state)}"
    return crashed(facts, "Refused", text, Budget.INFRASTRUCTURE, k.EXIT_REFUSED)


# --- events -------------------------------------------------------------------------------------------------------------------------------


def _by_events(facts: Facts, code: int) -> Verdict | None:
    """Return the cause that only the pod's Events tell, newest first: an exit code of 0 erases every other trace of it."""
    if facts.events is None and not facts.gone:
        raise Need(Look.POD_EVENTS)
    cause = told_by_events(facts, code)
    if cause is not None:
        return cause
    if any(event.reason == "Killing" for event in _own(facts)):
        text = f"the kubelet stopped the container{facts.where}; it left with exit code {code} and no report"
        return crashed(facts, "Interrupted", text, Budget.INFRASTRUCTURE, code)
    return None


def told_by_events(facts: Facts, code: int | None = None) -> Verdict | None:
    """Return by what the pod's Events say that its engine was stopped from outside, None if they do not say.

    Args:
        facts: of the pod, with its events.
        code: the engine's exit code, if it has ended.
    """
    events = _own(facts)
    stopped = any(event.reason == "Killing" for event in events)
    found = (_by_event(facts, code, event, stopped=stopped) for event in reversed(events))
    return next((verdict for verdict in found if verdict is not None), None)


def _own(facts: Facts) -> list[PodEvent]:
    """The events about the pod and its engine, oldest first."""
    return [e for e in facts.events or () if e.container in ("", facts.engine)]


def _by_event(facts: Facts, code: int | None, event: PodEvent, *, stopped: bool) -> Verdict | None:
    said = " ".join(event.message.split())
    if event.reason == "Evicted":
        if over_own_limit(said):
            return crashed(facts, "StorageLimitExceeded", said, Budget.APPLICATION, code)
        return crashed(facts, "Evicted", f"evicted{facts.where}: {said}", Budget.INFRASTRUCTURE, code)
    if event.reason == "Preempting":
        return crashed(facts, "Preempted", f"preempted{facts.where}: {said}", Budget.INFRASTRUCTURE, code)
    if event.reason == "Unhealthy" and stopped and said.startswith(("Liveness", "Startup")):
        text = f"{said.rstrip(': ')}; the kubelet ended the container{facts.where}"
        return crashed(facts, "Unresponsive", text, Budget.INFRASTRUCTURE, code)
    if event.reason == "FailedPostStartHook":
        return crashed(facts, "StartError", f"the postStart hook failed: {said}", None, code)
    return None
