"""The ground: what everything may use, and what knows no run.

Errors, annotations, settings, ids, names, the context variables, what is between sync and async code.
Comes in: plain values. Calls: nothing of this package; the standard library, and pydantic where a value asks for it.
"""
