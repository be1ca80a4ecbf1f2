"""The flow; figures.py lies beside it."""

from figures import total

from penstock import flow


@flow
def report() -> int:
    """Report a figure."""
    return total([1, 2, 3])
