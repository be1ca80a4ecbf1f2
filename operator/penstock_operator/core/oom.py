"""Kills for memory: of the engine a fate, of any other container a word beside a fate that nothing else explains.

The kernel's kill of a child of the engine is told with the container's end, whatever its exit code. A sidecar that was killed, and is
restarted perhaps, says nothing about how the engine ended, however long ago that was. Neighbours: `fates` asks here.
"""

from __future__ import annotations

from .exits import crashed
from .facts import Facts
from .observe import Container, Pod
from .verdict import Budget, Verdict

_OOM = "OOMKilled"


def out_of_memory(facts: Facts) -> Verdict | None:
    """Return the fate of an engine that was killed for its memory, None if it was not."""
    container, state = facts.container, facts.engine_state
    if container is None:
        return None
    last = container.last_state if facts.restarted or facts.crash_loops else None
    if not any(s is not None and s.reason == _OOM for s in (state, last)):
        return None
    code = facts.exit_code
    ended = f", exit code {code}" if code is not None else ""
    text = f"out of memory in container {container.name}: {_hit(container, facts.pod)}{ended}{_advice(container, facts.pod)}"
    return crashed(facts, _OOM, text, Budget.APPLICATION)


def _hit(container: Container, pod: Pod) -> str:
    """The limit that was hit: the container's own, else the pod's. Both are the newest spec's, also after a resize in place."""
    if container.memory_limit:
        return f"limit {container.memory_limit}"
    return f"the pod's limit {pod.memory_limit}" if pod.memory_limit else "neither it nor the pod has a limit"


def _advice(container: Container, pod: Pod) -> str:
    if container.memory_limit:
        return "; raise resources.limits.memory"
    if pod.memory_limit:
        return "; raise template.spec.resources.limits.memory"
    return ", so the node had none left: set resources.requests.memory"


def memory_limit(container: Container, pod: Pod) -> str:
    """Return the limit that a container of a pod was killed at, for a message: ` (limit 64Mi)`; empty without one."""
    return f" ({_hit(container, pod)})" if container.memory_limit or pod.memory_limit else ""


def others_out_of_memory(facts: Facts) -> str:
    """Return the words about other containers that were killed for their memory; empty where there are none."""
    others = [c for c in facts.pod.containers if c is not facts.container and c.oom_killed]
    return "".join(
        f"; container {c.name} was killed for its memory{memory_limit(c, facts.pod)} at some time" for c in others
    )
