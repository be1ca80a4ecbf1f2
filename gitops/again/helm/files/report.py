"""A flow that is run again from Git."""

from penstock import flow


@flow
def report(day: str) -> str:
    """Say which day it is of."""
    return f"the report of {day}"
