"""What is said of a transaction that cannot be committed: a store that does not take a result is no error of the engine's, and has no traceback.

Neighbours: `transaction_steps` commits; the pod's report counts the root run's `unstored`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from penstock.base.exceptions import SerializationError
from penstock.base.managers import contextmanager
from penstock.base.texts import text_of


@contextmanager
def storing(txn: Any) -> Iterator[None]:
    """Note at the transaction, and at its root run, what its store did not take."""
    try:
        yield
    except Exception as exc:
        txn.unstored = exc
        if txn.run is not None and txn.run.root.is_flow:  # a task called by itself has no report to count it
            txn.run.root.unstored.append(f"{txn.run.address}: {text_of(exc)}")
        raise


def tell_failed_commit(txn: Any, exc: Exception) -> None:
    """Say in the log why a transaction is rolled back instead of committed."""
    if isinstance(exc, SerializationError):
        text = "Encountered an error while serializing result for transaction %r, which is not committed: %s"
        txn.logger.warning(text, txn.key, exc)
    elif exc is txn.unstored:
        txn.logger.warning("The result of transaction %r was not stored: %s", txn.key, text_of(exc))
    else:
        text = "An error was encountered while committing transaction %r; it is rolled back."
        txn.logger.error(text, txn.key, exc_info=exc)
