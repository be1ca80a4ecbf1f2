"""`penstock dev`: the control plane in a thread of its own, while this one talks to the person in front of it.

The event loop of server and node lives in a background thread, so that applying and following are the same plain code as in the other
commands. Ctrl-C and SIGTERM end everything; a second one does so at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import threading
from typing import TYPE_CHECKING

from penstock_dev.dev import DevCluster, DevError

from .devserver import PLACE
from .errors import CliError
from .terminal import say

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator, Sequence
    from pathlib import Path
    from typing import Any

    from .api import Api

__all__ = ["node", "run"]

_LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class _Background:
    """A `DevCluster` in an event loop of its own thread, and the page beside it where that is wanted.

    Attributes:
        page: its address; empty: it is not wanted.
    """

    def __init__(self, cluster: DevCluster, *, page: bool) -> None:
        self.cluster = cluster
        self.page = ""
        self._with_page = page
        self._page = contextlib.AsyncExitStack()
        self.failure = ""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="penstock dev", daemon=True)
        self._starting: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start it; returns when it is ready."""
        self._thread.start()
        self._run(self._start())

    def stop(self) -> None:
        """End it, and the thread; also when it was interrupted while it started."""
        if not self._thread.is_alive():
            return
        try:
            self._run(self._stop())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _start(self) -> None:
        self._starting = asyncio.create_task(self.cluster.start())
        await asyncio.shield(self._starting)
        if self._with_page:
            from penstock_ui.serve import local

            served = local(self.cluster.credentials(), namespaces=None)
            self.page = await self._page.enter_async_context(served)
        self._watching = asyncio.create_task(self._watch())

    async def _stop(self) -> None:
        for task in (self._starting, self._watching):
            if task is not None and not task.done():
                task.cancel()
                await asyncio.wait([task])
        await self._page.aclose()
        await self.cluster.stop()

    async def _watch(self) -> None:
        """Interrupt the main thread when the operator ends by itself: nothing works without it."""
        self.failure = await self.cluster.until_operator_ends()
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


@contextlib.contextmanager
def _signals() -> Iterator[None]:
    """Let SIGTERM and SIGINT interrupt the block as Ctrl-C does, also where SIGINT is ignored from the start (a background job)."""
    handlers = {number: signal.signal(number, signal.default_int_handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _impatient(*_: object) -> None:
    """End at once at the second Ctrl-C: the guard ends what is left, as after a kill."""
    os._exit(130)


def _log_into(folder: Path) -> None:
    """Make the folder, and have this process log into it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        logging.basicConfig(filename=folder / "dev.log", filemode="w", level=logging.INFO, format=_LOG_FORMAT)
    except OSError as error:
        raise CliError(
            f"error: penstock dev cannot write into its folder {folder}: {error}; name another with --data"
        ) from error


def run(
    folder: Path,
    *,
    port: int,
    keep: bool,
    files: Sequence[str],
    exit_when_finished: bool,
    max_pods: int | None,
    page: bool = False,
) -> int:
    """Run a control plane until Ctrl-C, or until all applied runs have ended; returns the exit code."""
    from .manifests import read

    manifests = read(files) if files else []
    _log_into(folder)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    background = _Background(DevCluster(folder, port=port, keep=keep, max_pods=max_pods), page=page)
    with _signals():
        try:
            background.start()
            say(_welcome(background.cluster), flush=True)
            if page:
                say(f"Your runs as a page: {background.page}\n", flush=True)
            code = _work(background.cluster, manifests) if manifests else 0
            if exit_when_finished:
                if not page:
                    say("\nTo see runs as a page, and keep them while you look: penstock dev --ui", flush=True)
                return code
            if manifests:
                say("\npenstock dev goes on until Ctrl-C.", flush=True)
            threading.Event().wait()
        except DevError as error:
            raise CliError(f"error: {error}") from error
        except KeyboardInterrupt:
            if background.failure:
                raise CliError(f"error: {background.failure}") from None
            say("\nending", error=True, flush=True)
            return 130 if exit_when_finished else 0
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, _impatient)
            background.stop()
    raise AssertionError("the wait above has no end but an interruption")


def _welcome(cluster: DevCluster) -> str:
    # It is found without being named in the folder where it is looked for, and nowhere else.
    found = cluster.kubeconfig.absolute() == PLACE.absolute()
    without = "Without kubectl, and in this folder without the export" if found else "Without kubectl"
    return (
        f"penstock dev is ready: a control plane for development, on {cluster.url}\n"
        "It runs pods as processes of this machine and ignores their images. In another terminal:\n\n"
        f"  export KUBECONFIG={cluster.kubeconfig}\n"
        "  kubectl get flowruns\n\n"
        f"{without}: penstock get flowruns\n"
        f"Its own logs: {cluster.folder / 'dev.log'}, {cluster.operator_log}. Ctrl-C ends everything.\n"
    )


def _work(cluster: DevCluster, manifests: Sequence[Any]) -> int:
    """Apply, follow, sum up; returns 0 when all runs are Completed."""
    from .api import Api
    from .applying import apply
    from .kinds import FLOWRUN
    from .runs import Run
    from .story import Teller, summary, tell

    console = Teller()
    api: Api
    with Api(cluster.credentials()) as api:
        runs = []
        for applied in apply(api, manifests, None):
            say(applied, flush=True)
            if applied.kind is FLOWRUN:
                runs.append(Run(applied.body))
        if not runs:
            return 0
        ended = tell(api, runs, console)
        summary(ended, console)
        return int(not all(one.completed for one in ended))


def node(folder: Path, *, max_pods: int | None, name: str) -> int:
    """Run only the node, against the API server of the kubeconfig, until Ctrl-C."""
    import time

    from penstock_dev.node.client import ApiError, ApiUnreachable
    from penstock_dev.node.node import Node
    from penstock_operator.runtime import credentials
    from penstock_operator.runtime.errors import NoClusterError

    logging.basicConfig(level=logging.INFO, format=_LOG_FORMAT)
    try:
        found = credentials.load(os.environ, clock=time.monotonic)
    except NoClusterError as error:
        raise CliError(f"error: {error}") from error

    async def work() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        async with Node(found, logs=folder / "logs", data=folder, name=name, max_pods=max_pods, cluster=True):
            say(
                f"the node {name} runs pods of {found.endpoint.server} as processes of this machine, for development only. Ctrl-C ends it",
                flush=True,
            )
            await stop.wait()

    try:
        asyncio.run(work())
    except (ApiError, ApiUnreachable) as error:
        raise CliError(f"error: {found.endpoint.server} does not let the node work: {error}") from error
    return 0
