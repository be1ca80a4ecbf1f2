"""The operator's decisions: pure functions of what is there now.

`reconcile(Observed) -> Decision`, in `reconcile`, is the only door. One policy a file; no I/O, no clock, no randomness but what `Observed`
brings. Nothing is imported here: the process that checks parameters, and the command, need one file of this room and not its models.
"""
