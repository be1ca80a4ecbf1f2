"""Suspension: what stops, and what is said of it. A suspended Flow, or schedule, starts nothing; what is made by hand runs all the same.

What is due meanwhile is not missed: whoever suspends does not want it. So a schedule begins anew from the moment at which it goes on. (A
CronJob starts the last of such runs at once when it has no starting deadline.) Neighbours: `schedules` asks, `conditions` tells.
"""

from __future__ import annotations

from penstock_operator.api.flow import Flow, Schedule

SUSPENDED = "suspended: schedules and changes start no runs; those that you create still run"


def suspended(flow: Flow, schedule: Schedule) -> bool:
    """Whether a schedule starts no runs."""
    return flow.spec.suspend or schedule.suspend


def told(flow: Flow) -> str:
    """Return what is said of a Flow that is suspended, or some schedules of which are; empty: nothing."""
    if flow.spec.suspend:
        return SUSPENDED
    names = [repr(schedule.name) for schedule in flow.spec.schedules or () if schedule.suspend]
    if not names:
        return ""
    return f"schedule{'s' if len(names) > 1 else ''} {', '.join(names)} {'are' if len(names) > 1 else 'is'} suspended"
