"""Closing what a flow run started: its task runner; and saying what failed without anybody looking.

Neighbours: whatever lives a flow run calls this at its end: `calls`, `generators`, engines by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.drivers.world import WORLD

if TYPE_CHECKING:
    from penstock.core.runs import FlowRun


def close_runner(run: FlowRun) -> None:
    """Leave the task runner that this flow run started, if it did; report what nobody looked at."""
    runner, run.runner = run.runner, None
    if runner is not None and runner.owned:
        runner.__exit__(None, None, None)
    if run.unseen:
        report_unseen(run)


def report_unseen(run: FlowRun) -> None:
    """Say once how many submitted runs failed without anybody looking at them."""
    names, run.unseen = run.unseen, {}
    listed = ", ".join(f"{count} of {name!r}" for name, count in names.items() if count > 0)
    if listed:
        WORLD.log(run, 30, "Submitted task runs did not complete, and nobody looked at their results: %s.", listed)
