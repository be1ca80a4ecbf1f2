"""The engine's own worker processes, while they live: known to whoever looks at this process's children.

What they print are whole lines. Neighbours: ``penstock.runners.process_pool`` starts and ends them; ``penstock.pod.beside``
asks.
"""

from __future__ import annotations

WORKERS: set[int] = set()
"""Their process ids."""
