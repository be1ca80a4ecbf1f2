"""Following objects: one LIST and WATCH for all who wait in one selection, however many they are.

Who follows an object is told of everything that changes from then on, each version at least once, and of its end. The watch goes
on where it was cut off, lists anew where the server has forgotten (410), and waits while the server is away: nothing is concluded
from that. Of a listing only what somebody follows is kept. A thread lives as long as somebody follows, and some seconds more.
Neighbours: `cluster` asks; the rooms above read what the objects say.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from penstock.kube.backoff import delay
from penstock.kube.client import Answer, Refused
from penstock.kube.cluster import CONNECT_SECONDS, Cluster, Object, refusal
from penstock.kube.errors import ApiError, NoAccessError

WATCH_SECONDS = 40  # the server ends the watch then: a connection that is dead without a sign is noticed
QUIET_SECONDS = 50.0
LINGER_SECONDS = 5.0
LONGEST_WAIT = 2.0  # between tries: who waits for a run waits for its end, not for a backoff
_GONE = 410
_UNAUTHORIZED_TRIES = 3


@dataclass(frozen=True, slots=True)
class Seen:
    """What a follower is told.

    Attributes:
        body: The object as it is now, or its last sight where it was deleted; None: a listing did not show it, which is no
            evidence until it is looked for by itself.
        gone: Whether it was deleted.
        error: Why nothing can be told: the server refuses the watch.
        listed: The version of the listing that did not show it.
    """

    body: Object | None = None
    gone: bool = False
    error: ApiError | None = None
    listed: str = ""


class Follower:
    """Who waits for news of one object. Close it in the end."""

    def __init__(self, watch: Watch, name: str) -> None:
        self._watch = watch
        self.name = name
        self._lock = threading.Lock()
        self._news: deque[Seen] = deque()
        self._told: Future[None] = Future()
        self._version = ""

    def tell(self, seen: Seen) -> None:
        """Take news; a version that is known already is none."""
        version = ((seen.body or {}).get("metadata") or {}).get("resourceVersion", "")
        with self._lock:
            if version and version == self._version and not seen.gone:
                return
            self._version = version
            self._news.append(seen)
            told = self._told
        if not told.done():
            told.set_result(None)

    def news(self) -> Seen | None:
        """Take the oldest news, if there are any."""
        with self._lock:
            if self._news:
                return self._news.popleft()
            if self._told.done():
                self._told = Future()
            return None

    @property
    def told(self) -> Future[None]:
        """Done as soon as there are news; ask for it when `news` gave None."""
        with self._lock:
            return self._told

    def close(self) -> None:
        """Be told no more."""
        self._watch.leave(self)


class Watch:
    """One selection of objects of one collection.

    Args:
        cluster: Who is asked.
        path: Of the collection.
        query: The selection.
        clock: Monotonic seconds.
        sleep: Waits.
    """

    def __init__(
        self,
        cluster: Cluster,
        path: str,
        query: Mapping[str, str],
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._cluster = cluster
        self._path = path
        self._query = dict(query)
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._followers: dict[str, list[Follower]] = {}
        self._running = self._stopped = False
        self._version = ""  # what has been heard of so far; empty: list first

    def follow(self, name: str) -> Follower:
        """Be told of an object from now on."""
        follower = Follower(self, name)
        with self._lock:
            self._followers.setdefault(name, []).append(follower)
            start, self._running = not self._running, True
        if start:
            threading.Thread(target=self._run, name="penstock-watch", daemon=True).start()
        return follower

    @property
    def idle(self) -> bool:
        """Whether nobody follows, and no thread runs."""
        with self._lock:
            return not self._running and (self._stopped or not self._followers)

    def stop(self) -> None:
        """Ask no more, as soon as the server has ended what is open."""
        self._stopped = True

    def leave(self, follower: Follower) -> None:
        """Forget a follower."""
        with self._lock:
            others = [each for each in self._followers.get(follower.name, ()) if each is not follower]
            if others:
                self._followers[follower.name] = others
            else:
                self._followers.pop(follower.name, None)

    # -- the thread ------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        failures, idle_since = 0, None
        while True:
            with self._lock:
                idle_since = None if self._followers else idle_since or self._clock()
                if self._stopped or (idle_since is not None and self._clock() - idle_since >= LINGER_SECONDS):
                    self._running, self._version = False, ""
                    return
            try:
                if not self._version:
                    self._version = self._list()
                self._watch()
                failures = 0
            except ApiError as error:
                if error.code == _GONE:
                    self._version = ""
                elif error.code == 401 and failures < _UNAUTHORIZED_TRIES:
                    self._cluster.client.forget_token()
                elif _is_lasting(error) and not self._cluster.too_early(error.code, str(error)):
                    self._end(error)
                    self._version = ""
                failures += 1
                self._sleep(min(LONGEST_WAIT, delay(failures, random.random())))
            except Exception:  # noqa: BLE001  (whatever a server sends: who waits must not wait for ever)
                self._version = ""
                failures += 1
                self._sleep(min(LONGEST_WAIT, delay(failures, random.random())))

    def _list(self) -> str:
        with self._lock:
            asked = set(self._followers)
        version, present = "", set[str]()
        for page in self._cluster.list(self._path, self._query):
            version = str((page.get("metadata") or {}).get("resourceVersion", ""))
            for body in page.get("items") or ():
                present.add(_name(body))
                self._tell(_name(body), Seen(body))
        for name in asked - present:
            self._tell(name, Seen(listed=version))
        return version

    def _watch(self) -> None:
        query = {
            **self._query,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        client = self._cluster.client
        try:
            with client.lines(self._path, query, quiet=QUIET_SECONDS, connect=CONNECT_SECONDS) as lines:
                self._cluster.heard(200)
                for event in _events(lines):
                    body = event["object"]
                    if event["type"] != "BOOKMARK":
                        self._tell(_name(body), Seen(body, gone=event["type"] == "DELETED"))
                    # What was heard holds, also where the connection breaks.
                    self._version = str(body["metadata"].get("resourceVersion") or self._version)
        except Refused as error:
            self._cluster.heard(error.answer.status)
            raise refusal(error.answer) from error
        except NoAccessError as error:
            raise ApiError(0, "NoAccess", str(error)) from error

    def _tell(self, name: str, seen: Seen) -> None:
        with self._lock:
            followers = list(self._followers.get(name, ()))
        for follower in followers:
            follower.tell(seen)

    def _end(self, error: ApiError) -> None:
        with self._lock:
            names = list(self._followers)
        for name in names:
            self._tell(name, Seen(error=error))


def _is_lasting(error: ApiError) -> bool:
    return error.reason == "NoAccess" or (400 <= error.code < 500 and error.code not in (408, 429))


def _name(body: Mapping[str, Any]) -> str:
    return str((body.get("metadata") or {}).get("name", ""))


def _events(lines: Iterator[bytes]) -> Iterator[dict[str, Any]]:
    """The events of a watch.

    Raises:
        Refused: The server says that it cannot go on.
    """
    for line in lines:
        if not line.strip():
            continue
        try:
            event = json.loads(line)
            kind, body = event["type"], event["object"]
        except (ValueError, LookupError, TypeError):
            # A line that was cut off with its connection.
            raise Refused(Answer(0, problem="the watch was cut off")) from None
        if kind == "ERROR":
            raise Refused(Answer(int(body.get("code") or 500), body))
        yield event
