"""What becomes of a transaction that cannot begin, or cannot be committed.

A store that does not take a result is no error of the engine's, and has no traceback.
Neighbours: `transaction_steps` locks and commits; the pod's report counts the root run's `unstored`.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from penstock.base.exceptions import SerializationError
from penstock.base.texts import text_of
from penstock.core.outcome import is_interruption

if TYPE_CHECKING:
    from penstock.core.reuse import Steps


def not_taken(store: Any, key: str | None, holder: str, exc: BaseException) -> BaseException:
    """Why a lock was not taken; where an interruption came, perhaps as it was taken, it is given back."""
    if is_interruption(exc):
        with contextlib.suppress(Exception):
            store.release_lock(key, holder)
    return exc


def noting(txn: Any, steps: Steps) -> Steps:
    """Steps that write: what the store does not take is noted at the transaction, and at its root run."""
    try:
        yield from steps
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
