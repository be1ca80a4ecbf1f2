"""Leader election by a Lease: one operator decides, the others keep their caches warm.

A Lease is taken and kept by PUTs that carry its resourceVersion, so two can't both succeed. Whether another's has expired is judged by this
process's own clock, from when it last saw the Lease change: no clock is compared with another's. A leader that could not renew for long
enough stops leading before anybody else may begin; it ends its process, which is the only sure way to stop whatever it was doing. On the way
out the Lease is given back, and the next one has it within a second. Safety does not rest on this: two leaders at once (a partition) still
make one pod per attempt, since every write names what it is based on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from . import errors
from .client import ApiClient
from .errors import ApiError
from .resources import LEASES

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Terms:
    """How long things take, in seconds. client-go's figures, but for the poll: a Lease that was given back should not lie about."""

    duration: float = 15.0  # without a renewal for so long, anybody may take it
    renew_deadline: float = 10.0  # without a successful renewal for so long, the leader gives up
    renew_every: float = 2.0
    poll_every: float = 1.0


class Lease:
    """The right to decide.

    Args:
        client: to the API server.
        namespace: where the Lease is: the operator's own.
        name: of the Lease.
        identity: of this process; unique among all operators.
        now: the wall clock, UTC, written for people only.
        clock: monotonic seconds.
        sleep: waits so many seconds.
    """

    def __init__(
        self,
        client: ApiClient,
        namespace: str,
        name: str,
        identity: str,
        *,
        now: Callable[[], datetime],
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        terms: Terms = Terms(),  # noqa: B008: frozen
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._now = now
        self._clock = clock
        self._sleep = sleep
        self._terms = terms
        self._held: dict[str, Any] | None = None  # as last written by this process
        self._seen: tuple[str, float] | None = None  # another's resourceVersion, and when it was first seen

    async def acquire(self) -> None:
        """Return when this process leads."""
        said = ""
        while True:
            try:
                holder = await self._try()
            except ApiError as error:
                holder = f"(the lease can't be read or taken: {error})"
            if holder is None:
                log.info("leading: holder of the lease %s/%s", self._namespace, self._name)
                return
            if holder != said:
                log.info("standing by: the lease %s/%s is held by %s", self._namespace, self._name, holder)
                said = holder
            await self._sleep(self._terms.poll_every)

    async def keep(self) -> None:
        """Renew until that is no longer possible; returns when this process must stop to lead."""
        renewed = self._clock()
        while True:
            await self._sleep(self._terms.renew_every)
            # Counted from before the request: another may have seen it the moment after, however late its answer is.
            asked = self._clock()
            left = self._terms.renew_deadline - (asked - renewed)
            try:
                async with asyncio.timeout(max(left, 0.0)):
                    if not await self._renew():
                        return
                renewed = asked
            except (ApiError, TimeoutError) as error:
                if self._clock() - renewed >= self._terms.renew_deadline:
                    log.error("the lease was not renewed for %g s", self._terms.renew_deadline)  # noqa: TRY400
                    return
                log.warning("the lease was not renewed: %s", str(error) or "no answer in time")

    async def release(self) -> None:
        """Give the Lease back, if it is held; best effort."""
        if self._held is None:
            return
        held, self._held = self._held, None
        try:
            try:
                await self._give_back(held)
            except ApiError as error:
                if error.code != errors.CONFLICT:
                    raise
                # A renewal was under way when this process was told to end: it was written, and its answer was not waited for.
                found = await self._client.get(LEASES, self._namespace, self._name, priority=True)
                if (found.get("spec") or {}).get("holderIdentity") == self._identity:
                    await self._give_back(found)
        except ApiError as error:
            log.info("the lease was not given back: %s", error)

    async def _give_back(self, held: dict[str, Any]) -> None:
        body = self._body(held, holder="", duration=1)
        await self._client.replace(LEASES, self._namespace, self._name, body, priority=True)

    async def _try(self) -> str | None:
        """Take the Lease if it is free; otherwise say who has it."""
        try:
            found = await self._client.get(LEASES, self._namespace, self._name, priority=True)
        except ApiError as error:
            if error.code != errors.NOT_FOUND:
                raise
            return await self._take(None)
        spec = found.get("spec") or {}
        holder = spec.get("holderIdentity") or ""
        if holder and holder != self._identity and not self._expired(found):
            return str(holder)
        return await self._take(found)

    def _expired(self, found: dict[str, Any]) -> bool:
        now, at = self._clock(), found["metadata"]["resourceVersion"]
        if self._seen is None or self._seen[0] != at:
            self._seen = (at, now)
        lasts = float((found.get("spec") or {}).get("leaseDurationSeconds") or self._terms.duration)
        return now - self._seen[1] > lasts

    async def _take(self, found: dict[str, Any] | None) -> str | None:
        body = self._body(found, holder=self._identity, duration=int(self._terms.duration))
        try:
            if found is None:
                self._held = await self._client.create(LEASES, self._namespace, body, priority=True)
            else:
                self._held = await self._client.replace(LEASES, self._namespace, self._name, body, priority=True)
        except ApiError as error:
            if error.code != errors.CONFLICT:
                raise
            return "another that was faster"
        return None

    async def _renew(self) -> bool:
        assert self._held is not None
        body = self._body(self._held, holder=self._identity, duration=int(self._terms.duration))
        try:
            self._held = await self._client.replace(LEASES, self._namespace, self._name, body, priority=True)
        except ApiError as error:
            if error.code not in (errors.CONFLICT, errors.NOT_FOUND):
                raise
            # Somebody wrote it: it may have been ourselves, when an answer was lost.
            return await self._confirm()
        return True

    async def _confirm(self) -> bool:
        holder = await self._try()
        if holder is None:
            return True
        self._held = None
        log.error("the lease is held by %s", holder)
        return False

    def _body(self, found: dict[str, Any] | None, *, holder: str, duration: int) -> dict[str, Any]:
        now = self._now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = dict((found or {}).get("spec") or {})
        if spec.get("holderIdentity") != holder:
            spec["acquireTime"] = now
            # Each new holder counts; giving it back does not.
            spec["leaseTransitions"] = spec.get("leaseTransitions", 0) + (1 if holder and found is not None else 0)
        spec |= {"holderIdentity": holder, "leaseDurationSeconds": duration, "renewTime": now}
        metadata: dict[str, Any] = {"name": self._name, "namespace": self._namespace}
        if found is not None:
            metadata["resourceVersion"] = found["metadata"]["resourceVersion"]
        return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
