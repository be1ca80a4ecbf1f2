"""Blocking, and being interrupted: the only places where an exception may arrive from outside.

Sections of threads, targets of event loops, waits, timeouts, signals, and the handle by which a root run is stopped.
Comes in: functions of the user's to call, locks to wait for, causes to stop. It knows no record of a run: whoever
executes one registers it. Calls: `base`.
"""
