"""The task runs that one runner has sent away: sending, stopping, and what is still there of them at the end.

Neighbours: `starting` hands runs over; `remote` is one call; a runner carries calls and says what it can (`TaskRunner`).
"""

from __future__ import annotations

import contextvars
import weakref
from typing import TYPE_CHECKING, Any

from penstock.runners.packing import Packer
from penstock.runners.remote import RemoteCall
from penstock.runners.starting import when_ready

if TYPE_CHECKING:
    from collections.abc import Callable

    from penstock.core.runs import TaskRun
    from penstock.runners.kept import KeptValue


class AwayTarget:
    """Where the runs of one flow run are that a runner has sent away; stopping one stops them all."""

    open = True
    shields = 0

    def __init__(self, traffic: Traffic) -> None:
        self._traffic = weakref.ref(traffic)

    def deliver(self, exc: BaseException, on_raise: Callable[[Any], None] | None = None) -> None:
        """Have the runner stop what it has sent away."""
        if on_raise is not None:
            on_raise(self)
        traffic = self._traffic()
        if traffic is not None:
            traffic.stop_all_of(self)


class Traffic:
    """What a remote runner has on its way.

    Args:
        runner: carries the calls.

    Attributes:
        calls: by key, what has been sent and is not over.
        kept: values that are on workers, as long as somebody holds them.
        home: where handles of these calls mean something: nowhere else, and not after the runner's end.
    """

    def __init__(self, runner: Any) -> None:
        self._runner = runner
        self.packer = Packer(runner.share if runner.shares else None, runner.elsewhere)
        self.calls: dict[str, RemoteCall] = {}
        self.kept: weakref.WeakSet[KeptValue] = weakref.WeakSet()
        self.home = object()
        self._targets: dict[int, AwayTarget] = {}

    def submit(self, run: TaskRun, future: Any) -> None:
        """Send a run when its upstreams are done; the future is completed at its end."""
        call = RemoteCall(run, contextvars.copy_context(), future, self)
        call.options = self._runner.options()
        self._runner._futures[future] = None
        future._cancel = call.withdraw
        if run.pending_inputs or run.wait_for:
            when_ready(run, lambda: self.send(call))
        else:
            self.send(call)

    def send(self, call: RemoteCall) -> None:
        """Put a call on its way; whatever hinders it ends its run."""
        try:
            if not call.pack(self.packer):
                return
            self.calls[call.key] = call
            call.sent += 1
            if not call.depart():
                return
            going = self._runner.run(call)
        except BaseException as exc:  # noqa: BLE001  (it cannot be sent, or the runner refused: the run ends)
            call.failed(exc)
            return
        if going is not None:
            going.add_done_callback(lambda _: take(call, going))

    def over(self, call: RemoteCall, future: Any) -> None:
        """A call has come to its end."""
        self.calls.pop(call.key, None)
        self._runner._futures.pop(future, None)

    def holds(self, future: Any) -> bool:
        """Whether the runner can give the result of this future, which is elsewhere, to another call."""
        return getattr(future, "home", None) is self.home and bool(self._runner.holds(future.handle))

    def target_of(self, run: TaskRun) -> AwayTarget:
        """Where the run is, for whoever interrupts it."""
        above: Any = run.flow if run.flow is not None else run.root
        target = self._targets.get(id(above))
        if target is None:
            target = self._targets[id(above)] = AwayTarget(self)
        return target

    def share_anew(self) -> None:
        """What was shared may be lost with a worker."""
        self.packer.forget()

    def stop_all_of(self, target: AwayTarget) -> None:
        """Stop what was sent away for one flow run."""
        self.stop([call for call in list(self.calls.values()) if call.target is target])

    def stop(self, calls: list[RemoteCall]) -> None:
        """Have the runner stop calls; each once."""
        fresh = [call for call in calls if not call.stopped]
        for call in fresh:
            call.stopped = True
        if fresh:
            self._runner.interrupt(fresh)

    def close(self, cancel: bool) -> None:
        """The runner is about to end: values that somebody holds are fetched, unless all is cancelled; then calls are, too."""
        if cancel:
            going = list(self.calls.values())
            self.stop(going)
            for call in going:
                call.abandon("The task runner was left by an exception.")
        for kept in list(self.kept):
            if not cancel and not kept.is_here:
                kept.fetch_quietly()
        self.packer.forget()
        self._targets.clear()


def take(call: RemoteCall, going: Any) -> None:
    """Take the result of what `run` returned: the answer, or what prevented it."""
    try:
        answer = going.result()
    except BaseException as exc:  # noqa: BLE001  (the executor lost it)
        call.failed(exc)
    else:
        call.ended(answer)
