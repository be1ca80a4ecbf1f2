"""All or nothing: tasks that write files, and take them back when a later task fails.

Run it:  python examples/transactions.py [a folder]

Shows `transaction`, `on_rollback` and `on_commit` hooks, values that a task leaves for its hooks (`set`, `get`), and
that nothing is committed before the block is over.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from penstock import flow, task
from penstock.transactions import Transaction, get_transaction, transaction


@task
def write(target: Path, text: str) -> Path:
    """Write a file, and remember what was there before."""
    txn = get_transaction()
    assert txn is not None
    txn.set("before", target.read_text() if target.exists() else None)
    txn.set("target", target)
    target.write_text(text)
    return target


@write.on_rollback
def put_back(txn: Transaction) -> None:
    """Undo the write: the old text, or no file."""
    target, before = txn.get("target"), txn.get("before")
    print(f"rolled back {target.name}")
    if before is None:
        target.unlink()
    else:
        target.write_text(before)


@write.on_commit
def keep(txn: Transaction) -> None:
    print(f"committed {txn.get('target').name}")


@task
def check(path: Path) -> None:
    """Refuse files that promise too much."""
    if "free" in path.read_text():
        raise ValueError(f"{path.name} promises too much")


@flow
def publish(folder: Path, prices: dict[str, str]) -> int:
    """Write a page for each article; all of them are right, or none is changed."""
    with transaction():
        for article, price in prices.items():
            check(write(folder / f"{article}.txt", f"{article}: {price}"))
    return len(prices)


def show(folder: Path) -> None:
    for path in sorted(folder.glob("*.txt")):
        print("  ", path.read_text())


if __name__ == "__main__":
    where = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp())
    print("published:", publish(where, {"apples": "2.10", "pears": "3.40"}))
    show(where)

    state = publish(where, {"apples": "1.90", "plums": "4.00", "pears": "free"}, return_state=True)
    print("then:", state.type.value, "-", state.message)
    show(where)
