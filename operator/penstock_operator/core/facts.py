"""What is known of an attempt's pod at one moment, and the three questions that every row begins with: has it run, has it ended, is it claimed.

Neighbours: `starting`, `standing` and `fates` are tables over `Facts`; `classify` chooses among them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from penstock_operator.api.constants import ENGINE_CONTAINER, EXIT_REFUSED
from penstock_operator.api.flowrun import State, StateType
from penstock_operator.api.times import later

from .observe import Container, ContainerState, Pod, PodEvent

# A container that could not be started shows exit code 128 and times of 1970.
START_ERRORS = frozenset({"StartError", "ContainerCannotRun"})
# The reason in `state` and `lastState` of every container of a pod whose containers are all restarted in place.
RESTARTING_ALL = "RestartingAllContainers"
# The reason that a kubelet gives a container which it can no longer find.
LOST = "ContainerStatusUnknown"


@dataclass(frozen=True, slots=True)
class Facts:
    """An attempt's pod as it is now.

    Attributes:
        pod: the pod, or the last object seen of one that is gone.
        now: the operator's clock.
        gone: a live GET did not find it.
        claimed: the engine has reported in this attempt, so user code may have run whatever the pod says.
        said_at: when it did so last, on its node's clock.
        restarts: how often its container had been restarted when the claim was first seen; None: nobody has seen it before.
        events: the pod's Events, None if nobody looked.
        state: the run's state so far; its times are the operator's first observations.
        degraded: the reason of its condition Degraded, where that is True: what time alone has shown is not taken back.
        running_at: when this operator first saw the engine's container running.
        image_pull_grace: seconds for which a pull error may last.
        engine: the name of the engine's container.
    """

    pod: Pod
    now: datetime
    gone: bool = False
    claimed: bool = False
    said_at: datetime | None = None
    restarts: int | None = None
    events: tuple[PodEvent, ...] | None = None
    state: State | None = None
    degraded: str = ""
    running_at: datetime | None = None
    image_pull_grace: int = 300
    engine: str = ENGINE_CONTAINER

    @property
    def container(self) -> Container | None:
        """The engine's container."""
        return self.pod.container(self.engine)

    @property
    def engine_state(self) -> ContainerState | None:
        """The engine's container's state."""
        return self.container.state if self.container is not None else None

    @property
    def started(self) -> bool:
        """Whether user code may have run. Only where it has not, a repeat is free of side effects."""
        return self.claimed or (self.container is not None and self.container.ran)

    @property
    def ended(self) -> bool:
        """Whether the attempt's process has ended; another one in its container is none of the attempt's."""
        return self.gone or has_ended(self.pod, self.engine) or self.restarted or self.crash_loops

    @property
    def restarted(self) -> bool:
        """Whether the engine's container was restarted in place after the attempt had been claimed.

        A restart before the claim costs nothing: the process that is there claims. Who has claimed is known by the restarts that there
        were when the claim was first seen. Where both are news, two times of one node's clock tell: a report is never older than the
        process that made it.
        """
        container, state = self.container, self.engine_state
        if container is None or not container.restarts or not self.claimed:
            return False
        if state is not None and state.exit_code == EXIT_REFUSED:
            return True
        last = container.last_state
        if last is not None and last.reason == LOST and (state is None or state.kind != "running"):
            return False  # a kubelet counts a container that it can't find any more (an eviction took it) as restarted
        if state is None or state.kind == "waiting":
            return True
        if self.restarts is not None:
            return container.restarts > self.restarts
        return self.said_at is None or state.started_at is None or self.said_at < state.started_at

    @property
    def crash_loops(self) -> bool:
        """Whether the engine's container waits to be started again after an end of its own."""
        container, state = self.container, self.engine_state
        last = container.last_state if container is not None else None
        waits = state is not None and state.kind == "waiting" and state.reason == "CrashLoopBackOff"
        return waits and last is not None and last.kind == "terminated" and last.reason != RESTARTING_ALL

    @property
    def end(self) -> ContainerState | None:
        """The state that tells how the attempt's process ended, where another one has been in its container or is to be."""
        container, state = self.container, self.engine_state
        last = container.last_state if container is not None else None
        again = self.crash_loops or (self.restarted and state is not None and state.kind == "terminated")
        told = last is not None and last.kind == "terminated" and last.reason != RESTARTING_ALL
        return last if again and told else state

    @property
    def exit_code(self) -> int | None:
        """The exit code of the attempt's process. One that was removed for a restart shows a 137 that is made up."""
        container, state = self.container, self.engine_state
        if container is None:
            return None
        if self.restarted or self.crash_loops:
            state = container.last_state
        if state is None or state.reason == RESTARTING_ALL:
            return None
        return state.exit_code

    @property
    def where(self) -> str:
        """` on node n`, for messages."""
        return f" on node {self.pod.node_name}" if self.pod.node_name else ""

    def since(self, name: str) -> datetime:
        """Return when the operator first saw what the state `name` stands for: now, if it shows it for the first time."""
        if self.state is not None and self.state.name == name and self.state.time is not None:
            return self.state.time
        return self.now

    @property
    def pending_since(self) -> datetime:
        """When the attempt began to wait for its start; what a scheduling gate took does not count."""
        state = self.state
        if state is None or state.type is not StateType.PENDING or state.name == "SchedulingGated":
            return self.now
        return state.since or self.now

    def older(self, moment: datetime, seconds: float) -> bool:
        """Whether a moment lies at least so many seconds back."""
        return self.now >= later(moment, seconds)


def has_ended(pod: Pod, engine: str = ENGINE_CONTAINER) -> bool:
    """Whether a pod's engine has ended: its container, or the pod as a whole (PodGC leaves containers `running` in a Failed pod)."""
    container = pod.container(engine)
    return pod.terminal or (
        container is not None and container.state is not None and container.state.kind == "terminated"
    )


def held_open(pod: Pod, engine: str = ENGINE_CONTAINER) -> bool:
    """Whether other containers keep a pod alive whose engine has ended; the kubelet ends native sidecars by itself."""
    return has_ended(pod, engine) and any(
        c.state is None or c.state.kind != "terminated" for c in pod.containers if not c.init and c.name != engine
    )


def has_started(pod: Pod, engine: str = ENGINE_CONTAINER) -> bool:
    """Whether a process of a pod's engine ever ran, as far as the pod tells."""
    container = pod.container(engine)
    return container is not None and container.ran
