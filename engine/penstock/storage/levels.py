"""What a transaction may be told, and where it is in its life: closed sets. Neighbours: `transaction_steps`, `store`."""

from __future__ import annotations

from penstock.base.auto_enum import AutoEnum


class IsolationLevel(AutoEnum):
    """READ_COMMITTED: equal calls may both run. SERIALIZABLE: the later ones wait and hit."""

    READ_COMMITTED = "READ_COMMITTED"
    SERIALIZABLE = "SERIALIZABLE"


class CommitMode(AutoEnum):
    """EAGER: at once, not undone. LAZY: with the outermost block. OFF: only explicitly, else rolled back."""

    EAGER = "EAGER"
    LAZY = "LAZY"
    OFF = "OFF"


class TransactionState(AutoEnum):
    """Where a transaction is in its life."""

    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    STAGED = "STAGED"
    COMMITTED = "COMMITTED"
    ROLLED_BACK = "ROLLED_BACK"
