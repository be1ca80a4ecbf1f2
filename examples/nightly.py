"""A report each night: the flow, its schedules and its limits in one file, and the YAML that is made of it.

Run it:       python examples/nightly.py
Make YAML:    penstock build examples/nightly.py:nightly -o examples/nightly.yaml
In CI:        penstock build examples/nightly.py:nightly -o examples/nightly.yaml --check

Shows `to_flow` with `Cron` and `Interval`, parameters per schedule, limits, and descriptions that come from docstrings.
The committed YAML: nightly.yaml.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from penstock import flow, task
from penstock.schedules import Cron, Interval

SALES = {"north": [12, 7, 5], "south": [20, 3], "west": [1, 9, 4]}


@task(retries=2, retry_delay_seconds=1)
def sales(shop: str) -> list[int]:
    return SALES[shop]


@flow
def report(
    shops: Annotated[list[str], Field(min_length=1)] = ["north", "south", "west"],  # noqa: B006  (copied for each run)
    kind: Literal["total", "best"] = "total",
    within: timedelta = timedelta(minutes=30),
) -> dict[str, int]:
    """Sum up what the shops have sold.

    Args:
        shops: which ones, by name.
        kind: the sum, or the largest sale, of each.
        within: how old the figures may be.
    """
    figure = sum if kind == "total" else max
    return {shop: figure(future.result()) for shop, future in zip(shops, sales.map(shops), strict=True)}


nightly = report.to_flow(
    schedules=[
        Cron("0 6 * * mon-fri", timezone="Europe/Berlin", slug="morning"),
        Interval(timedelta(hours=1), slug="best-of-north", parameters={"shops": ["north"], "kind": "best"}),
    ],
    concurrency={"limit": 1, "policy": "Skip"},
    run_policy={"activeDeadlineSeconds": 900, "retries": {"infrastructure": 5}},
    history_limits={"completed": 20, "failed": 50},
    labels={"team": "sales"},
)

if __name__ == "__main__":
    print(report())
    print(report(["north"], kind="best"))
