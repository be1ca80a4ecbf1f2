"""Methods of stores and transactions that a subclass, or a test, has replaced: the engine calls them.

What is not replaced is performed as steps. Neighbours: `transaction_steps` asks.
"""

from __future__ import annotations

from typing import Any

_OURS = __name__.rpartition(".")[0] + "."


def replaced(owner: Any, *names: str) -> Any:
    """The first of these methods that is not the engine's own, bound; None: all are."""
    for name in names:
        method = getattr(owner, name)
        if not str(getattr(method, "__module__", "")).startswith(_OURS):
            return method
    return None
