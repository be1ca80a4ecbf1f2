"""What is told of a run that somebody waits for: its states, and the lines of its pods, in the log of who waits.

The lines come from the API server, pod by pod: of the first attempt first, and each to its end. A thread reads them; where that
is not allowed it is said once, and waiting goes on. Neighbours: `waiting` hands in every sight of the run.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from penstock.base.current import current_run
from penstock.clusterruns.connection import Connection
from penstock.clusterruns.podlines import PodLines, Said
from penstock.clusterruns.refusals import worded
from penstock.clusterruns.view import FlowRunView
from penstock.kube import paths
from penstock.kube.client import Refused
from penstock.kube.cluster import CONNECT_SECONDS, refusal
from penstock.logging.loggers import get_logger, get_run_logger
from penstock.logging.setup import run_loggers

STREAMS_AT_ONCE = 32
QUIET_SECONDS = 3600.0
AGAIN_SECONDS = 0.25
LONGEST_PAUSE = 2.0
DRAIN_SECONDS = 5.0  # how long the end of a run waits for its next line, or for the last one
_streams = threading.BoundedSemaphore(STREAMS_AT_ONCE)


def teller() -> Any:
    """Give the logger that tells: of the run around the call, else one of its own."""
    if current_run.get() is not None:
        return get_run_logger()
    run_loggers()  # the lines are asked for: where nobody has configured logging, they go to standard error
    return get_logger("penstock.runs")


class States:
    """Tells each state once.

    Args:
        logger: Where; None: nowhere.
    """

    def __init__(self, logger: Any) -> None:
        self._logger = logger
        self._shown: tuple[str, str] | None = None

    def tell(self, view: FlowRunView) -> None:
        """Tell the state if it is another than before."""
        state = view.state
        shown = (state.type.value, state.name)
        if self._logger is None or shown == self._shown:
            return
        self._shown = shown
        message = f": {state.message}" if state.message else ""
        self._logger.info("Flow run %r is %s%s", view.name, state.name, message)


class Lines:
    """Tells the lines of a run's pods.

    Args:
        reach: Who is asked.
        logger: Where.
    """

    def __init__(self, reach: Connection, logger: Any) -> None:
        self._reach = reach
        self._logger = logger
        self._lock = threading.Condition()
        self._view: FlowRunView | None = None
        self._over = self._closed = False
        self._thread: threading.Thread | None = None
        self._end_stream: Callable[[], None] | None = None
        self.told = 0  # lines
        self.drained: Future[None] = Future()

    def see(self, view: FlowRunView) -> None:
        """Take a sight of the run: it may have a further pod, or be over."""
        with self._lock:
            self._view = view
            self._over = self._over or view.finished
            self._lock.notify_all()
            if self._thread is None and view.pods:
                self._thread = threading.Thread(target=self._run, name="penstock-lines", daemon=True)
                self._thread.start()
            elif self._thread is None and view.finished:
                self.drained.set_result(None)

    def close(self) -> None:
        """Tell no more, whatever the pod still says."""
        with self._lock:
            self._over = self._closed = True
            end = self._end_stream
            self._lock.notify_all()
        if end is not None:
            end()

    def _opened(self, end: Callable[[], None]) -> None:
        with self._lock:
            self._end_stream, late = end, self._closed
        if late:
            end()

    def _run(self) -> None:
        read: set[str] = set()
        try:
            while True:
                pod = self._next(read)
                if pod is None:
                    return
                if read:
                    self._tell_of_the_next()
                read.add(pod)
                self._read(pod)
        except Exception:  # noqa: BLE001  (a thread of its own: nobody else would tell)
            get_logger("penstock.runs").exception("the lines of a flow run cannot be told any more")
        finally:
            self.drained.set_result(None)

    def _next(self, read: set[str]) -> str | None:
        with self._lock:
            while True:
                assert self._view is not None
                for pod in self._view.pods:
                    if pod not in read and not self._closed:
                        return pod
                if self._over:
                    return None
                self._lock.wait()

    def _tell_of_the_next(self) -> None:
        view = self._view
        assert view is not None
        before = (view.body.get("status") or {}).get("attempts") or [{}]
        last = max(before, key=lambda each: each.get("number", 0))
        why = f"{last.get('reason', '')}: {last.get('message', '')}".strip(": ")
        number = last.get("number")
        self._logger.info(
            "%s | attempt %s ended (%s); the next one begins", view.name, number, why or "no reason given"
        )

    def _read(self, pod: str) -> None:
        """Tell the lines of a pod to its end; after a broken connection from where it broke."""
        view = self._view
        assert view is not None
        path, told, tries, said = paths.pod_log(view.namespace, pod), 0, 0, PodLines()
        while True:
            over = self._over or self._is_past(pod)  # asked before: what ended then has said everything
            try:
                query = {"container": "engine", "follow": "true"}
                # A pod that has not started holds no stream: others say something meanwhile.
                with (
                    _streams,
                    self._reach.cluster.client.lines(
                        path, query, quiet=QUIET_SECONDS, connect=CONNECT_SECONDS, opened=self._opened
                    ) as lines,
                ):
                    for number, line in enumerate(lines):
                        if self._closed:
                            return
                        if number >= told:
                            told = number + 1
                            self.told += 1
                            self._tell(view.name, said.take(line.decode("utf-8", "replace")))
                tries = 0
            except Refused as error:
                code = error.answer.status
                if code == 403:
                    problem = worded(refusal(error.answer), f"read the log of the flow run {view.name}")
                    self._logger.warning("%s", problem)
                    return
                if code == 404 and (told or over):
                    return
                tries += 1
            if self._closed or (over and (told or tries > 3 or not tries)):
                self._tell(view.name, said.rest())
                return
            self._pause(tries)

    def _pause(self, tries: int) -> None:
        """Let some time pass: the longer a pod has nothing to say, the more, but not when its run is over."""
        before = self._over
        with self._lock:
            self._lock.wait_for(lambda: self._over != before, min(LONGEST_PAUSE, AGAIN_SECONDS * max(1, tries // 8)))

    def _is_past(self, pod: str) -> bool:
        view = self._view
        return view is not None and bool(view.pods) and view.pods[-1] != pod

    def _tell(self, name: str, said: list[Said]) -> None:
        for level, text in said:
            self._logger.log(level, "%s | %s", name, text)
