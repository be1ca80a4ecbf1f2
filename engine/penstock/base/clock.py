"""The clock of states and records that are made without a time. Runs get theirs from the world; see `drivers.world`."""

from time import time as now

__all__ = ["now"]
