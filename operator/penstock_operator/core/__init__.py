"""The operator's decisions: pure functions of what is there now.

`reconcile(Observed) -> Decision` is the only door. One policy a file; no I/O, no clock, no randomness but what `Observed` brings.
"""
