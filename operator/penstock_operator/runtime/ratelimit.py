"""How fast the operator may ask the API server: a token bucket with a lane that never waits.

A server that is short of breath answers 429 to everybody; the bucket keeps one operator from being the reason. Cancellations and the
lease take a token like everything else but don't wait for it, so that 1,000 new runs never delay the end of one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable


class TokenBucket:
    """Admit `rate` requests a second, and `burst` at once after a quiet time.

    Args:
        rate: tokens a second.
        burst: how many may be saved up.
        clock: monotonic seconds.
        sleep: waits so many seconds.
    """

    def __init__(
        self, rate: float, burst: int, *, clock: Callable[[], float], sleep: Callable[[float], Awaitable[None]]
    ) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._tokens = float(burst)
        self._clock = clock
        self._sleep = sleep
        self._filled = clock()

    @property
    def exhausted(self) -> bool:
        """Whether somebody has to wait."""
        return self._tokens + (self._clock() - self._filled) * self._rate < 0.0

    async def take(self, *, priority: bool = False) -> float:
        """Take a token, waiting for it unless this is the priority lane.

        Returns:
            The seconds that were waited.
        """
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._filled) * self._rate)
        self._filled = now
        # The count may go below zero: each waiter's place is what it owes, so they leave in the order in which they came.
        self._tokens -= 1.0
        if priority or self._tokens >= 0.0:
            return 0.0
        wait = -self._tokens / self._rate
        await self._sleep(wait)
        return wait
