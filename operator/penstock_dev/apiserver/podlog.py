"""`pods/<name>/log`: which container, from where, in what form; following until the pod has ended.

The text comes from a `LogSource`; whether there is more to come is read from the pod's status, so a follow ends soon after the
pod does, whoever runs it.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .status import bad_request

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping

    from .logs import LogSource
    from .store import Object

POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class LogOptions:
    """The query of a log request."""

    container: str = ""
    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    tail: int | None = None
    since: float | None = None  # seconds since the epoch
    limit: int | None = None


def read_options(query: Mapping[str, str], now: float) -> LogOptions:
    """Return the options of a query.

    Raises:
        ApiError: 400 for a number or a time that is none.
    """

    def number(name: str) -> int | None:
        if name not in query:
            return None
        if not query[name].lstrip("-").isdigit():
            raise bad_request(f'unable to decode query: strconv.ParseInt: parsing "{query[name]}": invalid syntax')
        return int(query[name])

    since: float | None = None
    seconds = number("sinceSeconds")
    if seconds is not None:
        since = now - seconds
    elif "sinceTime" in query:
        try:
            since = dt.datetime.fromisoformat(query["sinceTime"]).timestamp()
        except ValueError as error:
            raise bad_request(f"unable to decode query: {error}") from error
    truth = ("true", "1")
    return LogOptions(
        container=query.get("container", ""),
        follow=query.get("follow") in truth,
        previous=query.get("previous") in truth,
        timestamps=query.get("timestamps") in truth,
        tail=number("tailLines"),
        since=since,
        limit=number("limitBytes"),
    )


def chosen_container(pod: Object, name: str) -> str:
    """Return the container that is meant.

    Raises:
        ApiError: 400: none such, or several and none named.
    """
    spec = pod["spec"]
    plain = [c["name"] for c in spec.get("containers") or ()]
    inits = [c["name"] for c in spec.get("initContainers") or ()]
    pod_name = pod["metadata"]["name"]
    if not name:
        if len(plain) + len(inits) == 1 or (len(plain) == 1 and not inits):
            return str(plain[0])
        text = f"a container name must be specified for pod {pod_name}, choose one of: [{' '.join(plain)}]"
        if inits:
            text += f" or one of the init containers: [{' '.join(inits)}]"
        raise bad_request(text)
    if name not in plain + inits:
        raise bad_request(f"container {name} is not valid for pod {pod_name}")
    return name


def container_status(pod: Object, container: str) -> dict[str, Any]:
    """Return a container's status, empty when there is none yet."""
    status = pod.get("status") or {}
    for group in ("containerStatuses", "initContainerStatuses"):
        for entry in status.get(group) or ():
            if entry.get("name") == container:
                return dict(entry)
    return {}


def chosen_instance(pod: Object, container: str, options: LogOptions) -> int:
    """Return which instance of the container is meant, by its restart count.

    Raises:
        ApiError: 400: it has not started yet, or there was none before.
    """
    status = container_status(pod, container)
    restarts = int(status.get("restartCount", 0))
    name = pod["metadata"]["name"]
    if options.previous:
        if restarts == 0:
            raise bad_request(f'previous terminated container "{container}" in pod "{name}" not found')
        return restarts - 1
    state = status.get("state") or {}
    if "waiting" in state and not restarts:
        waiting = state["waiting"].get("reason", "")
        words = {"ContainerCreating": "is waiting to start: ContainerCreating"}.get(
            waiting, f"is waiting to start: {waiting}" if waiting else "is waiting to start"
        )
        if waiting in ("ImagePullBackOff", "ErrImagePull"):
            words = "is waiting to start: trying and failing to pull image"
        raise bad_request(f'container "{container}" in pod "{name}" {words}')
    return restarts


async def lines(
    uid: str,
    container: str,
    restart: int,
    options: LogOptions,
    source: LogSource,
    ended: Callable[[], bool],
) -> AsyncGenerator[bytes, None]:
    """Yield the log.

    Args:
        uid: the pod's.
        container: the container's name.
        restart: which instance of it.
        options: what was asked for.
        source: where the text is.
        ended: whether nothing more will be written (or the server stops).

    Yields:
        Pieces of the answer's body.
    """
    left = options.limit
    offset = source.begin(uid, container, restart, tail=options.tail, since=options.since)
    while left != 0:
        last = not options.follow or ended()
        while found := source.read(uid, container, restart, offset):
            read, offset = found
            if not read:
                break
            shown = read if options.timestamps else [line.partition(b" ")[2] for line in read]
            data = b"\n".join(shown) + b"\n"
            if left is not None:
                data = data[:left]
                left -= len(data)
            yield data
            if left == 0:
                return
            await asyncio.sleep(0)  # whoever else is served gets a turn
        if last:
            return
        await asyncio.sleep(POLL_SECONDS)


def has_ended(pod: Object | None, uid: str, container: str, restart: int) -> bool:
    """Whether an instance of a container writes no more, by the pod as it is now; None: it is gone."""
    if pod is None or pod["metadata"]["uid"] != uid:
        return True
    if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return True
    status = container_status(pod, container)
    return status.get("restartCount", 0) > restart or "terminated" in (status.get("state") or {})
