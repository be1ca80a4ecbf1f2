"""Retry budgets: how often an attempt may be lost, by whose doing, and how long to wait before the next.

Losses to the infrastructure are counted consecutively: an attempt that ran for ten minutes has shown that the place is sound. What the flow
did itself is never forgiven. Backoff: initial x 2^(n-1) up to the maximum, +-20 % by the jitter that `Observed` brings.
"""

from __future__ import annotations

from penstock_operator.api.flowrun import Used

from .policy import Policy
from .verdict import Budget

FORGIVEN_SECONDS = 600
LAST_ATTEMPT = 2_147_483_647  # the number is an int32
_JITTER = 0.2
_FIELDS = {
    Budget.INFRASTRUCTURE: "infrastructure",
    Budget.NEVER_STARTED: "never_started",
    Budget.APPLICATION: "application",
}


def budget_limit(policy: Policy, budget: Budget) -> int:
    """Return how many losses a budget covers."""
    match budget:
        case Budget.INFRASTRUCTURE:
            return policy.infrastructure
        case Budget.NEVER_STARTED:
            return policy.never_started
        case Budget.APPLICATION:
            return policy.application


def forgiven(used: Used | None, ran: float | None) -> Used:
    """Return the counters as they stand before this loss is counted.

    Args:
        used: `status.retries`.
        ran: how long the lost attempt ran, from its claim, seconds; None: it did not claim.
    """
    now = used or Used()
    if ran is not None and ran >= FORGIVEN_SECONDS:
        return Used(infrastructure=0, never_started=0, application=now.application or 0)
    return Used(
        infrastructure=now.infrastructure or 0,
        never_started=now.never_started or 0,
        application=now.application or 0,
    )


def budget_used(used: Used, budget: Budget) -> int:
    """Return how much of a budget is used."""
    match budget:
        case Budget.INFRASTRUCTURE:
            return used.infrastructure or 0
        case Budget.NEVER_STARTED:
            return used.never_started or 0
        case Budget.APPLICATION:
            return used.application or 0


def count_loss(used: Used, budget: Budget) -> Used:
    """Return the counters with one more loss in a budget."""
    return used.model_copy(update={_FIELDS[budget]: budget_used(used, budget) + 1})


def given_back(used: Used | None, budget: Budget) -> Used:
    """Return the counters with one loss less in a budget, never below none."""
    now = used or Used()
    return now.model_copy(update={_FIELDS[budget]: max(0, budget_used(now, budget) - 1)})


def backoff(policy: Policy, losses: int, jitter: float) -> float:
    """Return the wait before the next attempt, seconds.

    Args:
        policy: with the backoff's bounds.
        losses: in a row, this one included.
        jitter: 0 to 1.
    """
    seconds = min(policy.backoff_maximum, policy.backoff_initial * 2 ** min(max(losses, 1) - 1, 32))
    return round(float(seconds) * (1 - _JITTER + 2 * _JITTER * jitter), 6)
