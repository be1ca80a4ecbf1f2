"""How long to wait before a request is repeated.

Exponential with full jitter: many pods that lost the same API server must not come back in step. Pure; the random
number is passed in.
"""

from __future__ import annotations

BASE_SECONDS = 0.1
LIMIT_SECONDS = 10.0
RETRY_AFTER_LIMIT_SECONDS = 30.0


def delay(failures: int, random: float, retry_after: float | None = None) -> float:
    """Give the seconds until the next try.

    Args:
        failures: How many tries in a row have failed, at least 1.
        random: A number in [0, 1): the jitter.
        retry_after: What the server's ``Retry-After`` header asked for, in seconds; honoured up to 30.

    Returns:
        A random share of ``min(10, 0.1 * 2 ** failures)``, but never less than what the server asked for.
    """
    # 2 ** 7 * 0.1 is past the limit already; a larger exponent would only overflow.
    jittered = random * min(LIMIT_SECONDS, BASE_SECONDS * 2.0 ** min(failures, 8))
    if retry_after is None:
        return jittered
    return max(jittered, min(max(retry_after, 0.0), RETRY_AFTER_LIMIT_SECONDS))
