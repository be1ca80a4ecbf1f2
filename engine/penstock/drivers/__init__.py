"""Performing a run's life: the two drivers, and what both need to make a run, to end it and to say what the caller gets.

`sync` and `aio` perform the effects that the core asks for. Comes in: a definition and bound parameters (`calls`), or a
record (`sync.execute`, `aio.execute_async`). Calls: `storage`, `logging`, `interruption`, `core`, `base`.
"""
