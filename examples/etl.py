"""Extract, transform, load: one task per shop side by side (`map`), and sources that fail at first.

Run it:  python examples/etl.py [a folder for the report]

Shows `map` with `unmapped`, retries with growing delays, a task that gets the results of all others, a template for
the names of runs, and a log line from a task. A like flow as Kubernetes objects: etl.yaml.
"""

from __future__ import annotations

import csv
import sys
import tempfile
from collections import Counter
from pathlib import Path

from penstock import flow, get_run_logger, task, unmapped
from penstock.tasks import exponential_backoff

ORDERS = {
    "north": [("apples", 12), ("pears", 7), ("apples", 5)],
    "south": [("pears", 20), ("plums", 3)],
    "west": [("apples", 1), ("plums", 9), ("pears", 4)],
}
answers: Counter[str] = Counter()


@task(retries=3, retry_delay_seconds=exponential_backoff(0.05), task_run_name="extract-{shop}")
def extract(shop: str, day: str) -> list[tuple[str, int]]:
    """Ask a shop for its orders; the server of each shop refuses its first call."""
    answers[shop] += 1
    if answers[shop] == 1:
        raise ConnectionError(f"{shop} does not answer")
    get_run_logger().info("%s sent its orders of %s", shop, day)
    return ORDERS[shop]


@task
def transform(orders: list[tuple[str, int]]) -> dict[str, int]:
    """Sum up what was ordered."""
    totals: dict[str, int] = {}
    for article, count in orders:
        totals[article] = totals.get(article, 0) + count
    return totals


@task
def load(rows: list[dict[str, int]], target: Path) -> dict[str, int]:
    """Write one table for all shops."""
    totals: dict[str, int] = {}
    for row in rows:
        for article, count in row.items():
            totals[article] = totals.get(article, 0) + count
    with target.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["article", "count"])
        writer.writerows(sorted(totals.items()))
    return totals


@flow(flow_run_name="etl-{day}")
def etl(day: str, shops: list[str], folder: Path) -> dict[str, int]:
    """Collect the orders of a day."""
    orders = extract.map(shops, day=unmapped(day))
    totals = transform.map(orders)
    return load(totals.result(), folder / f"orders-{day}.csv")


if __name__ == "__main__":
    where = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp())
    result = etl("2026-11-21", list(ORDERS), where)
    print("calls:", dict(sorted(answers.items())))
    print("totals:", dict(sorted(result.items())))
    print((where / "orders-2026-11-21.csv").read_text().strip())
