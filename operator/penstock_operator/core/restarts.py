"""Restarts in place: the engine's container runs a second process in the same pod, in spite of `restartPolicy: Never`.

A rule of any container of the pod, also of one that somebody else injected, ends and restarts all of them (RestartAllContainers, Kubernetes
1.36 on); the engine's own container may have rules, too. The attempt is over with its first process: the second one can't claim. What the
kubelet then shows of the first (exit code 137, no times) is made up. Neighbours: `facts` tells whose process it is; `fates` asks here.
"""

from __future__ import annotations

from .exits import crashed
from .facts import Facts
from .verdict import Budget, Verdict

# Of an attempt in whose pod another process runs, or may run, than its own.
RESTARTED = "ContainerRestarted"


def restarted(facts: Facts) -> Verdict | None:
    """Return the fate of an attempt whose container was restarted under it, None if it was not."""
    state, code = facts.engine_state, facts.exit_code
    if not facts.restarted:
        return None
    if code is not None and state is not None and state.kind == "terminated":
        return None  # both processes have ended, and how the first one did is told
    return crashed(facts, "ContainerRestarted", _words(facts, code), Budget.INFRASTRUCTURE, code)


def restarting(facts: Facts) -> Verdict | None:
    """Return why an engine was ended whose containers are all being restarted in place, or were; None if they are not."""
    condition = facts.pod.condition("AllContainersRestarting")
    if facts.restarted or (condition is not None and condition.status == "True"):
        return crashed(facts, "ContainerRestarted", _words(facts, facts.exit_code), Budget.INFRASTRUCTURE)
    return None


def _words(facts: Facts, code: int | None) -> str:
    if code is not None and facts.restarted:
        return f"the container was restarted in place{facts.where}: its first process had ended with exit code {code}"
    rules = [c.name for c in facts.pod.containers if c.restarts_all]
    whose = f"container {', '.join(rules)}" if rules else "one of them"
    return f"all containers of the pod were restarted in place{facts.where} by a rule (RestartAllContainers) of {whose}"
