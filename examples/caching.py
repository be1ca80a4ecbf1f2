"""Results that are kept: an equal call is answered from storage, until it expires or somebody asks afresh.

Run it:  python examples/caching.py [a folder for the results]

Shows cache policies (`INPUTS` without an argument that does not matter, a function of one's own), `cache_expiration`,
`refresh_cache`, `result_storage` as a directory, and states named Cached.
"""

from __future__ import annotations

import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from penstock import flow, task
from penstock.cache_policies import INPUTS

calls: list[str] = []


@task(cache_policy=INPUTS - "reason", cache_expiration=timedelta(seconds=2))
def rate(currency: str, reason: str) -> float:
    """Ask for an exchange rate; good for two seconds. Why it is asked for does not matter."""
    calls.append(f"rate {currency}")
    return {"EUR": 1.0, "USD": 1.25, "CHF": 0.95}[currency]


def by_day(context: Any, parameters: dict[str, Any]) -> str:
    """One entry for each day, whatever the hour."""
    return f"sales-{parameters['moment'][:10]}"


@task(cache_key_fn=by_day)
def sales(moment: str) -> int:
    """Count the sales of a day."""
    calls.append(f"sales {moment[:10]}")
    return 40 + int(moment[8:10])


@flow
def turnover(moment: str, currency: str = "USD") -> tuple[float, list[str]]:
    """Sales of a day in a currency, and how each number was had."""
    price = rate(currency, reason=f"turnover of {moment}", return_state=True)
    count = sales(moment, return_state=True)
    return count.result() * price.result(), [price.name, count.name]


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp())
    stored = turnover.with_options(persist_result=True, result_storage=folder)

    print("first: ", stored("2026-11-21T09:00"))
    print("again: ", stored("2026-11-21T17:30"))
    time.sleep(2.1)
    print("later: ", stored("2026-11-21T18:00"))

    fresh = rate.with_options(refresh_cache=True, result_storage=folder, persist_result=True)
    print("afresh:", fresh("USD", reason="doubt", return_state=True).name)
    print("calls: ", calls)
