"""Reading one attempt's log to its end in a thread: over lost connections, ends of requests, and a pod that is not there yet."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from penstock_operator.api import constants
from penstock_reading.position import Position
from penstock_reading.wholelines import WholeLines

from .api import ServerError
from .errors import CliError
from .kinds import POD
from .watching import REFUSED_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from .api import Api
    from .runs import Run

__all__ = ["LogStream"]

_RETRY_SECONDS = 0.15
# A pod whose log cannot be read for so long is given up: its node is away.
_PATIENCE_SECONDS = 60.0


class LogStream(threading.Thread):
    """Hands on the lines of an attempt's log, each once, until the pod has ended.

    Args:
        api: the API server.
        run: the run.
        pod: name of the attempt's pod.
        put: takes time (RFC 3339; empty: not known) and text of a line.
        stop: ends it.
        before: the stream of the attempt before, whose lines come first.

    Attributes:
        heard: when the last line came, monotonic seconds.
    """

    def __init__(
        self,
        api: Api,
        run: Run,
        pod: str,
        put: Callable[[str, str], object],
        stop: threading.Event,
        before: LogStream | None,
    ) -> None:
        super().__init__(daemon=True, name=f"log of {pod}")
        self._api = api
        self._path = POD.path(run.namespace, pod)
        self._log = POD.path(run.namespace, pod, "log")
        self._put = put
        self._stopped = stop
        self._before = before
        self._position = Position()
        self._whole = WholeLines()
        self.heard = time.monotonic()

    def idle(self, seconds: float) -> bool:
        """Whether it has ended, or nothing has come from it for so long."""
        return not self.is_alive() or time.monotonic() - self.heard > seconds

    def run(self) -> None:
        """Read."""
        try:
            self._read_all()
        finally:
            for told in self._whole.rest():
                self._put(*told)

    def _read_all(self) -> None:
        while self._before is not None and not self._before.idle(3.0) and not self._stopped.is_set():
            self._before.join(0.05)
        since = time.monotonic()
        refused: float | None = None
        ended = False
        while not self._stopped.is_set() and time.monotonic() - since < _PATIENCE_SECONDS:
            try:
                if self._read(over=ended):
                    since = time.monotonic()
                refused = None
                if ended:
                    return
                found = self._api.find(self._path)
                # What was written behind the end of a request that was cut off is read once more, when nothing more can come.
                ended = found is None or (found.get("status") or {}).get("phase") in ("Succeeded", "Failed")
                since = time.monotonic()
                if ended:
                    continue
            except ServerError as error:
                if error.status in (401, 403) and self._position.stamp:
                    refused = refused or time.monotonic()
                    if time.monotonic() - refused > REFUSED_SECONDS:
                        return
                # 400: its container does not run yet; 404: it is not made yet, or gone.
                elif error.status not in (400, 404, 429, 500, 502, 503, 504):
                    return
                if error.status == 404 and (self._position.stamp or ended):
                    return
            except CliError:
                pass
            self._stopped.wait(_RETRY_SECONDS)

    def _read(self, *, over: bool) -> bool:
        """Read what there is, and what comes; returns whether anything came."""
        query = {"container": constants.ENGINE_CONTAINER, "timestamps": "true"}
        if not over:
            query["follow"] = "true"
        if self._position.stamp:
            query["sinceTime"] = f"{self._position.stamp.partition('.')[0].removesuffix('Z')}Z"
        self._position.begin()
        came = False
        for line in self._api.lines(self._log, query, stop=self._stopped):
            came = True
            self.heard = time.monotonic()
            taken = self._position.take(line)
            for told in self._whole.take(*taken) if taken is not None else ():
                self._put(*told)
        return came
