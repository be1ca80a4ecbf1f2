"""What a transaction keeps for its hooks, and how it stands. Neighbours: `transaction_steps` changes both."""

from __future__ import annotations

import copy
import enum
from typing import Any

from penstock.storage.levels import TransactionState


class TransactionValues:
    """The part of a transaction that others look at."""

    state: TransactionState
    _stored_values: dict[str, Any]
    _parent: Any

    def set(self, name: str, value: Any) -> None:
        """Keep a value; hooks read it back by `get`."""
        self._stored_values[name] = value

    def get(self, name: str, default: Any = enum.auto) -> Any:
        """A copy of a value kept here, else by a parent, else the default.

        Raises:
            ValueError: nobody keeps it and there is no default.
        """
        holder: TransactionValues | None = self
        while holder is not None:
            if name in holder._stored_values:
                return copy.deepcopy(holder._stored_values[name])
            holder = holder._parent
        if default is not enum.auto:
            return default
        raise ValueError(f"Could not retrieve value for unknown key: {name}")

    def is_committed(self) -> bool:
        """Whether it is committed."""
        return self.state is TransactionState.COMMITTED

    def is_rolled_back(self) -> bool:
        """Whether it is rolled back."""
        return self.state is TransactionState.ROLLED_BACK

    def is_staged(self) -> bool:
        """Whether a value is staged."""
        return self.state is TransactionState.STAGED

    def is_pending(self) -> bool:
        """Whether it has not begun."""
        return self.state is TransactionState.PENDING

    def is_active(self) -> bool:
        """Whether it has begun and nothing is staged."""
        return self.state is TransactionState.ACTIVE
