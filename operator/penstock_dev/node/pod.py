"""One pod on this node, from the moment it is bound here to its end: volumes, containers, deadline, deletion, status.

`PodWorker` follows the pod's newest object (`update`) and runs its life as one task. Whatever ends a pod early (deletion, a deadline,
the node's own end) is an `Ending`, and the first one counts: a kubelet neither shortens nor prolongs a grace that has begun. Once a pod
is ending its volumes change no more. Neighbours: `status.py` words the status, `StatusWriter` delivers it, `container.py` runs processes.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import signal
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .client import ApiError, ApiUnreachable
from .container import Process, StartError, start_error
from .downward import FieldError
from .launch import prepare
from .probe import until_failed
from .records import first_record, lost_record
from .sources import Missing
from .status import Fate, Running, Terminated, Waiting
from .status_writer import StatusWriter
from .surroundings import folder_name
from .volumes import Volumes, with_account_volume

if TYPE_CHECKING:
    from collections.abc import Callable

    from .client import Json
    from .probe import Liveness
    from .surroundings import Surroundings

__all__ = ["Ending", "PodWorker"]

_log = logging.getLogger(__name__)

# A kubelet waits up to two minutes before it looks again; whoever develops has just made the missing object.
_RETRY_FIRST = 0.25
_RETRY_LONGEST = 2.0
_REFRESH_SECONDS = 60.0
_DEADLINE = Fate("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")
_SHUTDOWN = Fate("Terminated", "Pod was terminated in response to imminent node shutdown.", "TerminationByKubelet")
# What a force-deleted pod's processes still get; nobody waits for it.
_FORCED_GRACE = 2.0


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a pod is ended before its containers are done, and how long they are given."""

    grace: float
    fate: Fate | None = None
    deleted: bool = False


class PodWorker:
    """Runs one pod.

    Args:
        pod: the pod as the API server has it, bound to this node.
        around: what all pods share.
        done: called once, when the pod takes no place on the node any more.
        lost: its containers ran under an earlier process of the node and died with it.
    """

    def __init__(self, pod: Json, around: Surroundings, done: Callable[[], None], *, lost: bool = False) -> None:
        self._around = around
        self._done = done
        self._pod = with_account_volume(pod)
        self._folder = around.root / folder_name(pod["metadata"]["uid"])
        self._volumes = Volumes(self._folder / "v", around.claims, around.sources, around.host)
        self._lost = lost
        self._record = lost_record(pod, around.clock()) if lost else first_record(pod, around.clock())
        self._processes: dict[str, Process] = {}
        self._ending: Ending | None = None
        self._ends = asyncio.Event()
        self._over = asyncio.Event()
        self._changed = asyncio.Event()
        self._deadline: asyncio.TimerHandle | None = None
        self._writer = StatusWriter(around.client, pod, around.host.address, around.clock)
        self.finished = False
        self.task = asyncio.create_task(self._life(), name=f"pod {self._name}")

    @property
    def _name(self) -> str:
        return f"{self._pod['metadata']['namespace']}/{self._pod['metadata']['name']}"

    # What the node tells

    def update(self, pod: Json) -> None:
        """Take note of the pod's newest object."""
        self._pod = with_account_volume(pod)
        self._writer.pod = pod
        metadata = pod["metadata"]
        if metadata.get("deletionTimestamp"):
            grace = float(metadata.get("deletionGracePeriodSeconds") or 0)
            self._end(Ending(grace=grace, deleted=True))
            self._changed.set()
            return
        self._watch_deadline()
        self._changed.set()

    def removed(self) -> None:
        """Take note that the object is gone: end what runs, tell nobody."""
        self._writer.close()
        self._end(Ending(grace=_FORCED_GRACE, deleted=True))
        self._changed.set()

    def shut_down(self, longest_grace: float) -> None:
        """End the pod because the node stops."""
        self._end(Ending(grace=min(self._grace, longest_grace), fate=_SHUTDOWN))

    async def until_finished(self) -> None:
        """Wait until the pod takes no place on the node any more."""
        await self._over.wait()

    def alive(self, container: str) -> bool:
        """Whether a container may still write to its log."""
        return not self.finished and any(
            c.name == container and not isinstance(c.state, Terminated) for c in self._record.containers
        )

    def abandon(self) -> None:
        """Write nothing more: the node has ended."""
        self._writer.close()

    @property
    def _grace(self) -> float:
        return float(self._pod["spec"].get("terminationGracePeriodSeconds", 30))

    def _end(self, ending: Ending) -> None:
        if self._ending is None and not self.finished:
            self._ending = ending
            self._ends.set()

    def _watch_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        limit = self._pod["spec"].get("activeDeadlineSeconds")
        if limit is None or self.finished:
            return
        # The status shows whole seconds, and whoever sets a deadline reckons with those.
        left = int(self._record.start_time) + limit - self._around.clock()
        if left <= 0:
            self._end(Ending(grace=self._grace, fate=_DEADLINE))
        else:
            self._deadline = asyncio.get_running_loop().call_later(
                left, lambda: self._end(Ending(grace=self._grace, fate=_DEADLINE))
            )

    # The pod's life

    async def _life(self) -> None:
        try:
            await self._until_end()
        finally:
            for process in self._processes.values():
                process.signal(signal.SIGKILL)
            if self._deadline is not None:
                self._deadline.cancel()
            self.finished = True
            self._over.set()
            self._done()
        await self._after()

    async def _until_end(self) -> None:
        if self._pod["spec"].get("restartPolicy", "Always") != "Never":
            await self._refuse()
            return
        if self._lost:
            await self._conclude()
            return
        self._publish()
        self._watch_deadline()
        work = asyncio.create_task(self._work(), name=f"work of pod {self._name}")
        ends = asyncio.create_task(self._ends.wait())
        try:
            await asyncio.wait({work, ends}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ends.cancel()
            work.cancel()
        await asyncio.wait({work})
        if not work.cancelled() and (error := work.exception()) is not None:
            _log.error("pod %s: the node failed", self._name, exc_info=error)
            self._end(
                Ending(grace=self._grace, fate=Fate("UnexpectedAdmissionError", f"penstock dev failed: {error!r}"))
            )
        await self._end_containers()
        await self._conclude()

    async def _refuse(self) -> None:
        policy = self._pod["spec"].get("restartPolicy", "Always")
        fate = Fate(
            "RestartPolicyNotSupported", f"penstock dev runs pods with restartPolicy Never only, this one says {policy}"
        )
        self._record = replace(self._record, fate=fate, refused=True, over=True)
        self._publish()
        await self._writer.flush()

    async def _work(self) -> None:
        """Set up the volumes, run the init containers in order, then the others until all have ended."""
        await self._mount()
        refresher = asyncio.create_task(self._refresh(), name=f"volumes of pod {self._name}")
        try:
            for spec in self._pod["spec"].get("initContainers") or []:
                ended = await self._run(spec, init=True)
                if spec.get("restartPolicy") == "Always":
                    continue
                if ended is None:
                    return
                # Not awaited itself: what cancels this work must not cancel the end of the container.
                await asyncio.wait([ended])
                if ended.result().exit_code != 0:
                    return
            running = [await self._run(spec, init=False) for spec in self._pod["spec"]["containers"]]
            waited = [ended for ended in running if ended is not None]
            if waited:
                await asyncio.wait(waited)
        finally:
            refresher.cancel()

    async def _mount(self) -> None:
        await asyncio.gather(*(self._mount_one(volume) for volume in self._pod["spec"].get("volumes") or []))
        self._record = replace(self._record, sandbox=True)

    async def _mount_one(self, volume: Json) -> None:
        delay = _RETRY_FIRST
        told = ""
        while True:
            try:
                await self._volumes.set_up(self._pod, volume, self._around.clock())
            except (Missing, ApiError, ApiUnreachable, FieldError, OSError) as error:
                message = f'MountVolume.SetUp failed for volume "{volume["name"]}" : {error}'
                if message != told and not isinstance(error, ApiUnreachable):
                    self._around.events.post(self._pod, "Warning", "FailedMount", message)
                    told = message
            else:
                return
            await asyncio.sleep(delay)
            delay = min(delay * 2, _RETRY_LONGEST)

    async def _refresh(self) -> None:
        """Bring the files of volumes up to date when the pod's object changes, and now and then with what they are made from."""
        loop = asyncio.get_running_loop()
        due = loop.time() + _REFRESH_SECONDS
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), max(due - loop.time(), 0.0))
            self._changed.clear()
            # Whatever came with the news that ends the pod is never seen, just as on a real node.
            if self._ending is not None:
                return
            fetch = loop.time() >= due
            if fetch:
                due = loop.time() + _REFRESH_SECONDS
            with suppress(Missing, ApiError, ApiUnreachable, FieldError, OSError):
                await self._volumes.refresh(self._pod, self._around.clock(), fetch=fetch)

    async def _run(self, spec: Json, *, init: bool) -> asyncio.Task[Terminated] | None:
        """Start a container, as soon as what it needs is there; returns its end to wait for, or None if it could not be started."""
        name = spec["name"]
        path = f"spec.{'initContainers' if init else 'containers'}{{{name}}}"
        delay = _RETRY_FIRST
        while True:
            try:
                launch = await prepare(self._pod, spec, self._volumes, self._folder, self._around)
                break
            except (Missing, FieldError, ApiError, ApiUnreachable) as error:
                if not isinstance(error, ApiUnreachable):
                    self._wait_for(name, "CreateContainerConfigError", str(error), path)
                await asyncio.sleep(delay)
                delay = min(delay * 2, _RETRY_LONGEST)
            except StartError as error:
                self._not_started(name, str(error), path)
                return None
        image = spec.get("image", "")
        self._around.events.post(
            self._pod,
            "Normal",
            "Pulled",
            f'Container image "{image}" is ignored: penstock dev runs the command on this machine',
            container=path,
        )
        try:
            process = await Process.start(launch, self._around.guard, self._around.clock)
        except StartError as error:
            self._not_started(name, str(error), path)
            return None
        self._processes[name] = process
        self._set(name, Running(process.started), process.id)
        self._around.events.post(self._pod, "Normal", "Started", "Container started", container=path)
        process.ended.add_done_callback(lambda ended: self._ended(name, ended))
        if launch.liveness is not None:
            probing = asyncio.create_task(
                self._probe(process, launch.liveness, name, path), name=f"probe of {self._name}"
            )
            process.ended.add_done_callback(lambda _: probing.cancel())
        return process.ended

    async def _probe(self, process: Process, probe: Liveness, name: str, path: str) -> None:
        """End a container that its liveness probe gives up."""

        def failed(said: str) -> None:
            self._around.events.post(
                self._pod, "Warning", "Unhealthy", f"Liveness probe failed: {said}", container=path
            )

        launch = process.launch
        await until_failed(probe, launch.marked_environment, launch.directory, failed)
        self._around.events.post(self._pod, "Normal", "Killing", f"Stopping container {name}", container=path)
        await process.stop(self._grace if probe.grace is None else probe.grace)

    def _ended(self, name: str, ended: asyncio.Task[Terminated]) -> None:
        if not ended.cancelled() and ended.exception() is None:
            self._set(name, ended.result())

    def _wait_for(self, name: str, reason: str, message: str, path: str) -> None:
        waiting = Waiting(reason, message)
        if any(c.name == name and c.state == waiting for c in self._record.containers):
            return
        self._set(name, waiting)
        self._around.events.post(self._pod, "Warning", "Failed", f"Error: {message}", container=path)

    def _not_started(self, name: str, message: str, path: str) -> None:
        ended = start_error(message, self._around.clock())
        self._around.events.post(self._pod, "Warning", "Failed", f"Error: {ended.message}", container=path)
        self._set(name, ended, f"process://{name}")

    # The pod's end

    async def _end_containers(self) -> None:
        """SIGTERM and SIGKILL for what still runs: all at once, sidecars when the others have ended."""
        grace = self._ending.grace if self._ending is not None else self._grace
        if self._ending is not None and self._ending.fate is not None:
            self._record = replace(self._record, fate=self._ending.fate)
            self._writer.publish(self._record)
            if self._ending.fate is _DEADLINE:
                self._around.events.post(self._pod, "Normal", _DEADLINE.reason, _DEADLINE.message)
        sidecars = {c.name for c in self._record.containers if c.sidecar}
        deadline = asyncio.get_running_loop().time() + grace
        for names in (set(self._processes) - sidecars, sidecars & set(self._processes)):
            live = [(name, self._processes[name]) for name in names if not self._processes[name].ended.done()]
            for name, _ in live:
                self._around.events.post(
                    self._pod, "Normal", "Killing", f"Stopping container {name}", container=self._path(name)
                )
            left = max(deadline - asyncio.get_running_loop().time(), 0.0)
            await asyncio.gather(*(process.stop(left) for _, process in live))

    def _path(self, name: str) -> str:
        init = any(c.name == name and c.init for c in self._record.containers)
        return f"spec.{'initContainers' if init else 'containers'}{{{name}}}"

    async def _conclude(self) -> None:
        """Write the last status: containers that never started have an end too, once somebody ended the pod."""
        containers = self._record.containers
        if self._ending is not None:
            lost = Terminated(
                137, "ContainerStatusUnknown", "The container could not be located when the pod was terminated"
            )
            started = any(c.init and isinstance(c.state, Terminated) for c in containers)
            containers = tuple(
                replace(c, state=lost) if isinstance(c.state, Waiting) and (c.init or not started) else c
                for c in containers
            )
        self._record = replace(self._record, containers=containers, over=True)
        self._publish()
        await self._writer.flush()

    async def _after(self) -> None:
        """Keep the log until the object goes; help it to go when it is being deleted."""
        shutil.rmtree(self._folder, ignore_errors=True)
        while not self._writer.closed:
            if self._pod["metadata"].get("deletionTimestamp"):
                await self._writer.delete()
                return
            self._changed.clear()
            await self._changed.wait()

    def _set(self, name: str, state: Waiting | Running | Terminated, container_id: str = "") -> None:
        containers = tuple(
            replace(c, state=state, container_id=container_id or c.container_id) if c.name == name else c
            for c in self._record.containers
        )
        self._record = replace(self._record, containers=containers)
        self._publish()

    def _publish(self) -> None:
        # Once a pod is being ended, or all of its containers have, the next status is the last one.
        mains = [c.state for c in self._record.containers if not c.init]
        if self._record.over or (self._ending is None and not all(isinstance(state, Terminated) for state in mains)):
            self._writer.publish(self._record)
