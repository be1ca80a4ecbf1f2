"""kopf as the source of events, and nothing but: FlowRuns, Flows and the pods that carry our label.

kopf runs in a thread with an event loop of its own. It takes every task that begins after it for its own (and cancels it when it ends),
installs signal handlers, and ends on watch errors that are no reason for an operator to end: so it gets a room to itself, and whoever runs
it starts it again. What its watches say, and that one begins, is taken from its connection (`session`); the handlers that make it watch
have nothing to do. It writes nothing to the cluster: no annotations, no finalizers, no Events.
Neighbours: `session` (its connection), `app` (starts it anew), `store` (where the objects go).
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import logging
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from penstock_operator.api.constants import GROUP

from .credentials import Credentials
from .errors import NoClusterError
from .jsontext import parse
from .resources import POD_SELECTOR, PODS, WATCHED, Resource
from .session import Beats, Begins, session

LOGIN_SECONDS = 600.0  # kopf asks for credentials anew after so long: tokens are replaced at 80 % of an hour or more
JOIN_SECONDS = 0.6
CANCELLATIONS = 5
CLEAR_SECONDS = 0.2
IN_ONE_GO = 50  # objects; then it is others' turn on the operator's loop

log = logging.getLogger(__name__)


class Deliver(Protocol):
    """Takes an object that a watch brought; called on the operator's own loop."""

    def __call__(self, resource: Resource, raw: Mapping[str, Any], *, deleted: bool, size: int) -> None:
        """Take the object; `size`: of its JSON, bytes."""


class EventSource:
    """Watches in a thread.

    Args:
        credentials: where the API server is.
        namespaces: to watch; empty: all.
        deliver: takes each object.
        begins: is told of each watch that begins, and that begins again where it could not go on.
        beats: notes when each watch was last heard of.
    """

    def __init__(
        self, credentials: Credentials, namespaces: Sequence[str], deliver: Deliver, begins: Begins, beats: Beats
    ) -> None:
        self._credentials = credentials
        self._namespaces = tuple(namespaces)
        self._deliver = deliver
        self._begins = begins
        self._beats = beats

    async def run(self) -> str:
        """Watch until something goes wrong for good; cancel it to stop.

        Returns:
            Why it ended.
        """
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[str] = loop.create_future()
        self._beats.clear()
        watcher = _Thread(self, loop, ended)
        watcher.start()
        try:
            return await asyncio.shield(ended)
        finally:
            watcher.stop()
            if not ended.done():
                await asyncio.wait([ended], timeout=JOIN_SECONDS)

    async def watch(self, stop: asyncio.Event, loop: asyncio.AbstractEventLoop) -> None:
        """Run kopf on this thread's loop, and deliver to `loop`."""
        kopf = load_kopf()
        registry = kopf.OperatorRegistry()

        box = _Box(self._deliver, self._begins, loop)

        async def on_event(**_: Any) -> None:
            """Have kopf watch; what it would be told has been taken from its connection."""

        for resource in WATCHED:
            kopf.on.event(resource.group, resource.version, resource.plural, id=resource.plural, registry=registry)(
                on_event
            )

        async def login(**_: Any) -> Any:
            # An exec plugin may take its time; the watches of this loop must not wait for it.
            await asyncio.to_thread(self._credentials.token)
            return kopf.AiohttpSession(
                server=self._credentials.endpoint.server,
                aiohttp_session=session(self._credentials, self._beats, box.put, box.put_beginning),
                default_namespace=self._credentials.endpoint.namespace,
                expiration=datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=LOGIN_SECONDS),
            )

        kopf.on.login(registry=registry, id="login")(login)
        tasks = await kopf.spawn_tasks(
            registry=registry,
            settings=settings(kopf),
            standalone=True,
            clusterwide=not self._namespaces,
            namespaces=self._namespaces,
            stop_flag=stop,
        )
        # The first one that ends is the end: kopf's own way keeps the other watches for five seconds when one has failed. What is left
        # is cancelled with this loop, and closes its connections then.
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()


def settings(kopf: Any) -> Any:
    """Return kopf's settings: an event source that writes nothing and notices dead connections."""
    result = kopf.OperatorSettings()
    result.posting.enabled = False
    result.scanning.disabled = True
    result.peering.standalone = True
    result.watching.label_selectors[PODS.group, PODS.version, PODS.plural] = POD_SELECTOR
    result.watching.server_timeout = 600
    result.watching.chunk_size = 1  # of a listing only the version is of use
    result.watching.connect_timeout = 10
    result.networking.request_timeout = 30
    result.networking.connect_timeout = 5
    result.networking.error_backoffs = (0.1, 0.2, 0.5, 1, 1, 1, 1, 1)
    result.process.ultimate_exiting_timeout = None  # our own process decides when it ends
    result.queueing.worker_limit = None  # a limit can dead-lock
    result.queueing.idle_timeout = 0.5  # its per-object workers have nothing to keep
    result.persistence.finalizer = f"{GROUP}/finalizer"  # never set: that takes handlers of another kind
    result.persistence.progress_storage, result.persistence.diffbase_storage = _no_storage(kopf)
    return result


def _no_storage(kopf: Any) -> tuple[Any, Any]:
    """Return kopf's two storages, storing nothing: its usual ones copy each object three times an event, and none is ever needed."""

    class NoProgress(kopf.ProgressStorage):  # type: ignore[misc]
        def fetch(self, **_: Any) -> None: ...
        def store(self, **_: Any) -> None: ...
        def purge(self, **_: Any) -> None: ...
        def touch(self, **_: Any) -> None: ...
        def clear(self, *, essence: Any) -> Any:
            return essence

    class NoDiffBase(kopf.DiffBaseStorage):  # type: ignore[misc]
        def build(self, **_: Any) -> dict[str, Any]:
            return {}

        def fetch(self, **_: Any) -> None: ...
        def store(self, **_: Any) -> None: ...

    return NoProgress(), NoDiffBase()


def load_kopf() -> Any:
    """Import kopf without the Kubernetes clients that it only looks for (0.2 s and 20 MB)."""
    absent = [name for name in ("kubernetes", "kubernetes_asyncio", "pykube") if name not in sys.modules]
    if "kopf" not in sys.modules:
        for name in absent:
            sys.modules[name] = None  # type: ignore[assignment]
        try:
            import kopf
        finally:
            for name in absent:
                sys.modules.pop(name, None)
    import kopf

    return kopf


class _Box:
    """Hands objects and listings to another loop, in order; that loop is woken once for all that came in meanwhile."""

    def __init__(self, deliver: Deliver, begins: Begins, loop: asyncio.AbstractEventLoop) -> None:
        self._deliver = deliver
        self._begins = begins
        self._loop = loop
        self._waiting: deque[tuple[Resource, Callable[[], None]]] = deque()

    def put(self, resource: Resource, raw: Mapping[str, Any] | bytes, *, deleted: bool, size: int) -> None:
        self._put(resource, partial(self._hand_over, resource, raw, deleted=deleted, size=size))

    def put_beginning(self, resource: Resource, namespace: str | None) -> None:
        self._put(resource, partial(self._begins, resource, namespace))

    def _hand_over(self, resource: Resource, raw: Mapping[str, Any] | bytes, *, deleted: bool, size: int) -> None:
        self._deliver(resource, parse(raw)["object"] if isinstance(raw, bytes) else raw, deleted=deleted, size=size)

    def _put(self, resource: Resource, hand_over: Callable[[], None]) -> None:
        self._waiting.append((resource, hand_over))
        if len(self._waiting) == 1:  # else it has been woken, and has not taken the last one yet
            self._loop.call_soon_threadsafe(self._empty)

    def _empty(self) -> None:
        for _ in range(IN_ONE_GO):
            if not self._waiting:
                return
            resource, hand_over = self._waiting.popleft()
            try:
                hand_over()
            except Exception:
                # One object must not hold up those behind it; what it would have told is found by the next listing.
                log.exception("an object of %s could not be taken", resource.plural)
        if self._waiting:
            self._loop.call_soon(self._empty)


class _Thread(threading.Thread):
    """kopf's room. A daemon: it must not keep a process alive whose operator has ended."""

    def __init__(self, source: EventSource, loop: asyncio.AbstractEventLoop, ended: asyncio.Future[str]) -> None:
        super().__init__(name="watches", daemon=True)
        self._source = source
        self._main = loop
        self._ended = ended
        self._stop_asked = threading.Event()
        self._inner: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None

    def run(self) -> None:
        try:
            asyncio.run(self._watch())
        except BaseException:
            # Whatever ends kopf ends a thread, not the operator.
            log.debug("kopf's room was not left in order", exc_info=True)
        self._say("the watches ended")

    def stop(self) -> None:
        """Ask the thread to end."""
        self._stop_asked.set()
        if self._inner is not None:
            loop, stop = self._inner
            with contextlib.suppress(RuntimeError):  # it has ended already
                loop.call_soon_threadsafe(stop.set)

    def _say(self, why: str) -> None:
        """Tell the operator, once, that the watches have ended: it begins them anew."""
        with contextlib.suppress(RuntimeError):  # the operator's loop is closed: nobody wants to know
            self._main.call_soon_threadsafe(self._tell, why)

    def _tell(self, why: str) -> None:
        if not self._ended.done():
            self._ended.set_result(why)

    async def _watch(self) -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(_mutter)
        self._inner = (loop, stop)
        if self._stop_asked.is_set():
            return
        try:
            await self._source.watch(stop, self._main)
        except BaseException as error:
            # Said before this room is cleared, which may take for ever; nobody watches meanwhile.
            log.debug("kopf ended", exc_info=True)
            self._say(str(error) if isinstance(error, NoClusterError) else f"{type(error).__name__}: {error}")
            await _clear()


def _mutter(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What kopf leaves behind when its watches end is nobody's concern: that they ended is told, and they begin anew."""
    log.debug("kopf: %s", context.get("message"), exc_info=context.get("exception"))


async def _clear() -> None:
    """Cancel every task of this loop, and again: one that waits for a new login takes the first time for the failure of a request."""
    for _ in range(CANCELLATIONS):
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        if not tasks:
            return
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=CLEAR_SECONDS)
