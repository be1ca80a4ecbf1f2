"""Transactions: several tasks that commit, or roll back, together."""

from __future__ import annotations

from penstock.storage.levels import CommitMode, IsolationLevel, TransactionState
from penstock.storage.transaction_steps import BaseTransaction, get_transaction
from penstock.storage.transactions import AsyncTransaction, Transaction, atransaction, transaction

__all__ = [
    "AsyncTransaction",
    "BaseTransaction",
    "CommitMode",
    "IsolationLevel",
    "Transaction",
    "TransactionState",
    "atransaction",
    "get_transaction",
    "transaction",
]
